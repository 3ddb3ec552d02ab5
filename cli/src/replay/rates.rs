//! `--rate SCOPE=RATE`: what if a limit were another one?

use tollgate::config::Config;
use tollgate::limit::{Algorithm, Limit, Rate};
use tollgate::policy::Trust;
use tollgate::store::CounterId;

/// Puts other rates in the place of a scope's own. What else the scope says stays.
///
/// # Errors
/// Why that cannot be.
pub(super) fn replace(config: &mut Config, text: &str) -> Result<(), String> {
    let (name, rates) = text.split_once('=').ok_or("is written SCOPE=RATE, such as `anon=120/min`")?;
    let names: Vec<&str> = config.policy.scopes.iter().map(|scope| scope.name.as_str()).collect();
    let Some(place) = names.iter().position(|known| *known == name) else {
        return Err(format!("the policy has no scope `{name}` in force; it has: {}", names.join(", ")));
    };
    let scope = &mut config.policy.scopes[place];
    let is_one = scope.limits.len() == 1;
    let mut limits: Vec<Limit> = Vec::new();
    for text in rates.split(',') {
        let rate: Rate = text.trim().parse().map_err(|error| format!("`{text}`: {error}"))?;
        let algorithm = match scope.limits.first().map(|old| (old.algorithm, old.rate)) {
            Some((Algorithm::TokenBucket { .. }, _)) if rate.quota() == 0 => {
                return Err("nothing flows into a token bucket of 0".into());
            }
            // A burst that was written stays; one that was the quota follows it.
            Some((Algorithm::TokenBucket { burst }, old)) if is_one && burst != old.quota() => {
                Algorithm::TokenBucket { burst }
            }
            Some((Algorithm::TokenBucket { .. }, _)) => Algorithm::TokenBucket { burst: rate.quota() },
            _ => Algorithm::SlidingWindow,
        };
        if limits.iter().any(|other| other.rate.window_secs() == rate.window_secs()) {
            return Err(format!("`{text}` has the same window as another: the smaller quota alone decides"));
        }
        limits.push(Limit { rate, algorithm });
    }
    let most = limits.iter().map(Limit::most_at_once).filter(|most| *most > 0).min();
    if most.is_some_and(|most| scope.cost > most) {
        return Err(format!(
            "one request costs {}, which is more than the scope would ever admit",
            scope.cost
        ));
    }
    scope.counters = limits.iter().map(|limit| CounterId::of(name, *limit)).collect();
    scope.limits = limits;
    let longest = config.policy.longest_memory_of_credentials();
    if let Trust::Upstream { lasts, .. } = &mut config.policy.trust {
        *lasts = longest.max(*lasts);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{ "scopes": {
        "anon": { "rate": "60/min", "key": "address" },
        "dear": { "rate": ["9/s", "60/min"], "cost": 9, "key": "address" },
        "bucket": { "rate": "60/min", "algorithm": "token_bucket", "burst": 100, "key": "address" } } }"#;

    /// The policy, as if it had been written with these rates.
    fn written(old: &str, new: &str) -> Config {
        assert!(POLICY.contains(old));
        Config::parse(POLICY.replacen(old, new, 1).as_bytes()).expect(new)
    }

    #[test]
    fn a_rate_is_as_if_it_were_written_so() {
        for (option, old, new) in [
            ("anon=120/min", r#""60/min", "key""#, r#""120/min", "key""#),
            ("anon=5/s,100/d", r#""60/min", "key""#, r#"["5/s", "100/d"], "key""#),
            ("bucket=9/h", r#""60/min", "algorithm""#, r#""9/h", "algorithm""#),
        ] {
            let mut config = Config::parse(POLICY.as_bytes()).expect("a policy");
            assert_eq!(replace(&mut config, option), Ok(()));
            assert_eq!(config, written(old, new), "{option}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (option, reason) in [
            ("anon", "SCOPE=RATE"),
            ("none=1/s", "it has: anon, dear, bucket"),
            ("anon=1/fortnight", "window must be"),
            ("anon=1/min,2/60s", "same window"),
            ("dear=8/s", "costs 9"),
            ("bucket=0/s", "token bucket"),
        ] {
            let mut config = Config::parse(POLICY.as_bytes()).expect("a policy");
            let refusal = replace(&mut config, option).expect_err(option);
            assert!(refusal.contains(reason), "{option}: {refusal}");
        }
    }
}
