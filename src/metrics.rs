//! What is counted for those who run the proxy: the names, each of which says what is counted and its labels.
//!
//! A proxy keeps a metric under one name. `tollgate.scope_requests_total.policy.P.scope.S.decision.D` is, once the proxy has taken the
//! labels out of it, Prometheus's `tollgate_scope_requests_total{policy="P",scope="S",decision="D"}`. Nothing is ever counted by client:
//! all names are known when a policy is taken into use.

use crate::decision::{Judgement, Ruling};
use crate::store::TableName;

/// What all names begin with.
const PREFIX: &str = "tollgate.";

/// So long can the name of a policy be in a label; what is longer is cut off.
const LONGEST_NAME: usize = 64;

/// What a policy is called in labels: the name that its plugin has in the proxy's configuration, with `_` for what cannot stand in a
/// label. A plugin without a name is `tollgate`.
#[must_use]
pub fn policy_name(plugin: &[u8]) -> String {
    if plugin.is_empty() {
        return "tollgate".to_owned();
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    let plain = |byte: &u8| if is_plain(byte) { char::from(*byte) } else { '_' };
    plugin.iter().take(LONGEST_NAME).map(plain).collect()
}

/// Requests that a policy has ruled on so: each request counts once.
#[must_use]
pub fn requests(policy: &str, ruling: Ruling) -> String {
    format!("{PREFIX}requests_total.policy.{policy}.decision.{}", ruling.name())
}

/// Requests that a scope has judged so: a request counts once for each scope that it falls under.
#[must_use]
pub fn scope_requests(policy: &str, scope: &str, judgement: Judgement) -> String {
    format!("{PREFIX}scope_requests_total.policy.{policy}.scope.{scope}.decision.{}", judgement.name())
}

/// Whether a scope denies: 1 if it does, 0 if it is in shadow mode. Its counts do not tell, as long as nobody is over its limit.
#[must_use]
pub fn scope_enforced(policy: &str, scope: &str) -> String {
    format!("{PREFIX}scope_enforced.policy.{policy}.scope.{scope}")
}

/// What has happened to credentials under a policy: `proved`, or `held_back`.
#[must_use]
pub fn credentials(policy: &str, what: &str) -> String {
    format!("{PREFIX}credentials_{what}_total.policy.{policy}")
}

/// Requests under a policy at which Tollgate itself has failed. (In a virtual machine nobody is left to count.)
#[must_use]
pub fn panics(policy: &str) -> String {
    format!("{PREFIX}panics_total.policy.{policy}")
}

/// Something that has happened to the counters in this proxy, such as `evicted`.
#[must_use]
pub fn store(what: &str) -> String {
    format!("{PREFIX}store_{what}_total")
}

/// How many clients' counters matter now in the table of this name, or in that without one.
#[must_use]
pub fn store_clients(table: Option<&TableName>) -> String {
    of_table("store_clients", table)
}

/// For how many clients there is room in it.
#[must_use]
pub fn store_capacity(table: Option<&TableName>) -> String {
    of_table("store_capacity", table)
}

/// Without a name there is no label.
fn of_table(what: &str, table: Option<&TableName>) -> String {
    let label = table.map(|name| format!(".store.{}", name.as_str().replace('.', "_")));
    format!("{PREFIX}{what}{}", label.unwrap_or_default())
}

/// Exchanges with Redis.
pub const REDIS_EXCHANGES: &str = "tollgate.redis_exchanges_total";
/// How many requests one exchange with Redis is about.
pub const REDIS_REQUESTS: &str = "tollgate.redis_requests_per_exchange";
/// Settlements in Redis that were lost.
pub const REDIS_UNSETTLED: &str = "tollgate.redis_unsettled_total";
/// Workers that do not ask Redis for the moment.
pub const REDIS_WORKERS_WITHOUT: &str = "tollgate.redis_workers_without";
/// 1 if Redis drops keys when its memory is full.
pub const REDIS_EVICTS: &str = "tollgate.redis_evicts";

/// Requests that Redis has not decided, for this cause.
#[must_use]
pub fn redis_failures(cause: &str) -> String {
    format!("{PREFIX}redis_failures_total.cause.{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_a_name_that_can_be_a_label() {
        for (plugin, name) in [
            (&b""[..], "tollgate"),
            (b"tollgate", "tollgate"),
            (b"istio-system.gate.1", "istio-system_gate_1"),
            (b"a\xff b\"", "a__b_"),
        ] {
            assert_eq!(policy_name(plugin), name);
        }
        assert_eq!(policy_name(&[b'a'; 100]).len(), LONGEST_NAME);
    }

    #[test]
    fn each_table_has_a_gauge_of_its_own() {
        assert_eq!(store_clients(None), "tollgate.store_clients");
        assert_eq!(
            store_clients(TableName::new("inner.1").as_ref()),
            "tollgate.store_clients.store.inner_1",
            "a label's value has no dot"
        );
    }

    #[test]
    fn no_name_begins_like_another() {
        let mut names = vec![
            requests("p", Ruling::Allowed),
            scope_requests("p", "s", Judgement::Denied),
            scope_enforced("p", "s"),
            credentials("p", "proved"),
            credentials("p", "held_back"),
            redis_failures("timeout"),
            store_clients(None),
            store_capacity(TableName::new("inner").as_ref()),
        ];
        names.extend(["lost_races", "evicted", "corrupt", "unsettled", "contended", "failed"].map(store));
        let fixed = [REDIS_EXCHANGES, REDIS_REQUESTS, REDIS_UNSETTLED, REDIS_WORKERS_WITHOUT, REDIS_EVICTS];
        names.extend(fixed.map(str::to_owned));
        // What Prometheus shows of a name is what stands before its labels.
        let shown: Vec<_> = names
            .iter()
            .map(|name| {
                name.split(
                    [".policy.", ".cause.", ".store."]
                        .iter()
                        .find(|label| name.contains(**label))
                        .unwrap_or(&"\0"),
                )
                .next()
            })
            .collect();
        for (place, one) in shown.iter().enumerate() {
            for other in &shown[..place] {
                let (one, other) = (one.expect("a name"), other.expect("a name"));
                assert!(!one.starts_with(other) && !other.starts_with(one), "{one} {other}");
            }
        }
    }
}
