//! `scopes`: which requests, who is counted, how much.

use super::node::{Fields, Node, Value};
use super::{ConfigError, Mode, count, matcher, names};
use crate::client::Source;
use crate::limit::{Algorithm, Limit, Rate};
use crate::scope::{ClientKind, Condition, Key, KeyPart, Matcher, Scope};
use crate::store::CounterId;

/// Reads all scopes. Those that are off, or all if the policy's `mode` is, are checked and left out.
pub(super) fn read(node: &Node, mode: Mode) -> Result<Vec<Scope>, ConfigError> {
    let members = node.members()?;
    if members.is_empty() {
        return Err(node
            .error("limits nothing; leave `scopes` out for the default policy, or say `\"mode\": \"off\"`"));
    }
    let mut scopes = Vec::new();
    let mut counters = Vec::new();
    for (name, node) in members.iter() {
        let (scope, scope_mode) = scope(name, &node)?;
        for counter in &scope.counters {
            if counters.contains(counter) {
                return Err(
                    node.error_without_value("its name falls together with another scope's; rename it")
                );
            }
            counters.push(*counter);
        }
        match (mode, scope_mode) {
            (Mode::Off, _) | (_, Mode::Off) => {}
            (Mode::Shadow, _) | (_, Mode::Shadow) => scopes.push(Scope { enforced: false, ..scope }),
            (Mode::Enforce, Mode::Enforce) => scopes.push(scope),
        }
    }
    Ok(scopes)
}

fn scope(name: &str, node: &Node) -> Result<(Scope, Mode), ConfigError> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(valid) {
        return Err(node.error_without_value("a scope's name is 1 to 64 letters, digits, `_` and `-`"));
    }
    let fields = node.fields(&["rate", "algorithm", "burst", "match", "key", "cost", "mode", "count"])?;
    let counts = fields.get("count");
    let count = counts.as_ref().map(count::read).transpose()?.unwrap_or_default();
    let limits = limits(&fields)?;
    let matcher = fields.get("match").map(|node| matcher::read(&node)).transpose()?.unwrap_or_default();
    if let Some(node) = counts {
        count::check_grpc(&node, &matcher, &count)?;
    }
    let counted = fields
        .require("key", "say who is counted, such as `\"address\"` or `[\"credential\", \"address\"]`")?;
    let mode = fields.get("mode").map_or(Ok(Mode::Enforce), |node| Mode::read(&node))?;
    let cost = fields.get("cost").map_or(Ok(1), |node| cost(&node, &limits))?;
    let key = Key(key(&counted)?);
    let counters = limits.iter().map(|limit| CounterId::of(name, *limit)).collect();
    Ok((Scope { name: name.to_owned(), matcher, key, limits, counters, cost, count, enforced: true }, mode))
}

fn limits(fields: &Fields) -> Result<Vec<Limit>, ConfigError> {
    let rates = fields.require("rate", "say how much, such as `\"60/min\"`")?;
    let bucket = match fields.get("algorithm") {
        None => false,
        Some(node) => match node.text("`sliding_window` or `token_bucket`")? {
            "sliding_window" => false,
            "token_bucket" => true,
            _ => return Err(node.error("expected `sliding_window` or `token_bucket`")),
        },
    };
    let burst = fields.get("burst");
    if let Some(burst) = &burst {
        if !bucket {
            return Err(burst.error("only a token bucket has a burst; add `\"algorithm\": \"token_bucket\"`"));
        }
        if rates.one_or_more()?.len() > 1 {
            return Err(burst.error("belongs to one rate; with several, each one's burst is its quota"));
        }
    }
    let burst = burst.map(|node| node.whole_number(1, u32::MAX)).transpose()?;
    let mut limits: Vec<Limit> = Vec::new();
    for node in rates.one_or_more()? {
        let limit = limit(&node, bucket, burst)?;
        let same = limits.iter().find(|other| other.rate.window_secs() == limit.rate.window_secs());
        if let Some(other) = same {
            return Err(node.error(format_args!(
                "has the same window as `{}`: the smaller quota alone decides; leave out the other one",
                other.rate
            )));
        }
        limits.push(limit);
    }
    Ok(limits)
}

fn limit(node: &Node, bucket: bool, burst: Option<u32>) -> Result<Limit, ConfigError> {
    let rate = rate(node)?;
    if !bucket {
        return Ok(Limit::sliding_window(rate));
    }
    if rate.quota() == 0 {
        return Err(
            node.error("a token bucket that nothing flows into admits its burst once and then never again")
        );
    }
    Ok(Limit { rate, algorithm: Algorithm::TokenBucket { burst: burst.unwrap_or(rate.quota()) } })
}

/// A rate, such as `60/min`.
pub(super) fn rate(node: &Node) -> Result<Rate, ConfigError> {
    node.text("a rate, such as `60/min`")?.parse().map_err(|error| node.error(error))
}

/// A request that costs more than a limit ever admits would be denied for ever. A quota of 0 says just that.
fn cost(node: &Node, limits: &[Limit]) -> Result<u32, ConfigError> {
    let cost = node.whole_number(1, u32::MAX)?;
    match limits.iter().map(Limit::most_at_once).filter(|most| *most > 0).min() {
        Some(most) if cost > most => {
            Err(node.error(format_args!("is more than the {most} units that the scope ever admits at once")))
        }
        _ => Ok(cost),
    }
}

/// A claim's name, or the names that lead to one inside others. They travel to the proxy as part of a path whose parts
/// are separated by NUL.
fn jwt_claim(node: &Node) -> Result<String, ConfigError> {
    const EXPECTED: &str = "expected the name of a claim, or a list of names that leads to one inside others";
    let mut path = String::new();
    for node in node.one_or_more()? {
        let name = match node.value() {
            Value::Text(name) if !name.is_empty() && !name.contains(char::is_control) => name,
            _ => return Err(node.error_without_value(EXPECTED)),
        };
        if !path.is_empty() {
            path.push('\0');
        }
        path.push_str(name);
    }
    // The names of public claims are addresses: their dots are their own.
    if matches!(node.value(), Value::Text(_)) && path.contains('.') && !path.contains(['/', ':']) {
        return Err(node.error(
            "write a list, `[\"realm_access\", \"client\"]`, for a claim inside another; a list of one, `[\"a.b\"]`, for a \
             claim that has a dot in its name",
        ));
    }
    Ok(path)
}

/// The parts of a key, each of which can be the first that a request has.
fn key(node: &Node) -> Result<Vec<KeyPart>, ConfigError> {
    let mut parts: Vec<KeyPart> = Vec::new();
    for node in node.one_or_more()? {
        let part = key_part(&node)?;
        if let Some(before) = parts.iter().position(|before| comes_with(before, &part)) {
            return Err(node.error(format_args!(
                "is never used: `key[{before}]` comes first, and whoever has this has that; put this one before it, \
                 or leave it out"
            )));
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Whether every request that has `part` has `other` too.
fn comes_with(other: &KeyPart, part: &KeyPart) -> bool {
    match other {
        KeyPart::Address | KeyPart::Global => true,
        KeyPart::All(others) => others.iter().all(|other| comes_with(other, part)),
        other => {
            let within = |parts: &[KeyPart]| parts.iter().any(|part| comes_with(other, part));
            other == part || matches!(part, KeyPart::All(parts) if within(parts))
        }
    }
}

/// The parts of a combination, each of which tells clients apart.
fn combination(node: &Node) -> Result<Vec<KeyPart>, ConfigError> {
    let mut parts = Vec::new();
    for node in node.one_or_more()? {
        let part = key_part(&node)?;
        if part == KeyPart::Global {
            return Err(node.error("tells nobody apart beside other parts; leave it out"));
        }
        if parts.contains(&part) {
            return Err(node.error("stands in the list twice"));
        }
        parts.push(part);
    }
    Ok(parts)
}

fn key_part(node: &Node) -> Result<KeyPart, ConfigError> {
    const EXPECTED: &str = "expected `address`, `credential`, `bot`, `global`, or an object with `header`, `query`, `cookie`, `jwt_claim` or `all`";
    if let Value::Text(name) = node.value() {
        return match name.as_str() {
            "address" => Ok(KeyPart::Address),
            "credential" => Ok(KeyPart::Credential),
            "global" => Ok(KeyPart::Global),
            "bot" => Ok(KeyPart::Bot),
            _ => Err(node.error(EXPECTED)),
        };
    }
    if !node.is_object() {
        return Err(node.error(EXPECTED));
    }
    let fields = node.fields(&["header", "query", "cookie", "jwt_claim", "all"])?;
    let mut fields = fields.iter();
    let (Some((kind, part)), None) = (fields.next(), fields.next()) else {
        return Err(node.error(EXPECTED));
    };
    match kind {
        "header" => names::value(&part, names::header).map(KeyPart::Header),
        "query" => names::value(&part, names::parameter).map(KeyPart::Query),
        "cookie" => names::value(&part, names::cookie).map(KeyPart::Cookie),
        "jwt_claim" => jwt_claim(&part).map(KeyPart::JwtClaim),
        _ => combination(&part).map(KeyPart::All),
    }
}

/// A rule for clients with a credential never applies where there can be none.
pub(super) fn check_credentials(
    sources: &[Source],
    exempt: &[Matcher],
    scopes: &[Scope],
) -> Result<(), ConfigError> {
    let nobody_has_one = sources.is_empty();
    let check = |matcher: &Matcher, path: &dyn Fn() -> String| {
        if nobody_has_one && is_only_for(matcher, ClientKind::Authenticated) {
            let reason =
                "matches no request, since no client has a credential with this `client.credential.from`";
            return Err(ConfigError::new(path(), reason));
        }
        Ok(())
    };
    for (index, matcher) in exempt.iter().enumerate() {
        check(matcher, &|| format!("exempt[{index}]"))?;
    }
    for scope in scopes {
        check(&scope.matcher, &|| format!("scopes.{}.match", scope.name))?;
        let none = nobody_has_one || is_only_for(&scope.matcher, ClientKind::Anonymous);
        if none && scope.key.0.iter().all(|part| comes_with(&KeyPart::Credential, part)) {
            return Err(ConfigError::new(
                format!("scopes.{}.key", scope.name),
                "counts nobody, since none of its requests has a credential; count by `address`",
            ));
        }
    }
    Ok(())
}

fn is_only_for(matcher: &Matcher, kind: ClientKind) -> bool {
    matcher.0.iter().any(|condition| match condition {
        Condition::Client(kinds) => kinds.iter().all(|found| *found == kind),
        _ => false,
    })
}
