//! Traps that are not in a policy, but in what stands around it: Envoy's configuration, or a resource of Kubernetes.

use tollgate::limit::Algorithm;
use tollgate::scope::{KeyPart, Scope};
use tollgate_cli::embedded::{Failure, OnTrap};

use super::traps::{Name, Trap, scopes};
use crate::policy::Policy;

/// Of each policy of a file the traps around it. `None` is one that is refused.
pub(super) fn find(policies: &[Option<&Policy>]) -> Vec<Vec<Trap>> {
    let of = |index: usize| {
        let Some(policy) = policies[index] else { return Vec::new() };
        let earlier = || policies[..index].iter().flatten().copied();
        let mut traps = Vec::new();
        traps.extend(policy.around.failure.as_ref().and_then(failure));
        traps.extend(before_authentication(policy));
        traps.extend(unlike_capacity(policy, earlier()));
        traps.extend(charged_twice(policy, earlier()));
        traps
    };
    (0..policies.len()).map(of).collect()
}

fn failure(failure: &Failure) -> Option<Trap> {
    let Failure { field, then, reload } = failure;
    match (then, reload) {
        (OnTrap::Reload, _) | (OnTrap::Closed, None) => None,
        (OnTrap::Open, Some(reload)) => Some(Trap::new(
            Name::FailOpen,
            field,
            "Should the filter ever fail, nothing is limited from then on, and nobody is told.",
            format!("Write `{reload}`: the next request starts the filter afresh, with its counters."),
        )),
        (OnTrap::Open, None) => Some(Trap::new(
            Name::FailOpen,
            field,
            "Should the filter ever fail, nothing is limited from then on, and nobody is told.",
            "Leave it out: requests are answered with 503 then. If they are to pass, say `--allow fail-open`.",
        )),
        (OnTrap::Closed, Some(reload)) => Some(Trap::new(
            Name::NoReload,
            field,
            "Should the filter ever fail, its worker answers 503 to everything from then on.",
            format!(
                "Write `{reload}`: the next request starts the filter afresh, with its counters. If your version does not know it, say \
                 `--allow no-reload`."
            ),
        )),
    }
}

fn has_claim(part: &KeyPart) -> bool {
    match part {
        KeyPart::JwtClaim(_) => true,
        KeyPart::All(parts) => parts.iter().any(has_claim),
        _ => false,
    }
}

fn before_authentication(policy: &Policy) -> Option<Trap> {
    let field = policy.around.before_authentication.as_ref()?;
    let scope = scopes(policy).find(|scope| scope.key.0.iter().any(has_claim))?;
    let why = format!(
        "The filter comes before the token is verified, so no request has a claim yet: `{}` never counts by `jwt_claim`.",
        scope.name
    );
    Some(Trap::new(Name::BeforeAuthentication, field, why, "Write `phase: AUTHZ`."))
}

/// Whether the counters of both stand in one table of one memory.
fn share_a_table(one: &Policy, other: &Policy) -> bool {
    let are_here = one.config.redis.is_none() && other.config.redis.is_none();
    are_here
        && one.around.memory.is_some()
        && one.around.memory == other.around.memory
        && one.config.table == other.config.table
}

const OWN_TABLE: &str = "`\"store\": { \"name\": \"inner\" }` gives a policy a table of its own.";

fn unlike_capacity<'p>(policy: &Policy, mut earlier: impl Iterator<Item = &'p Policy>) -> Option<Trap> {
    let capacity = |policy: &Policy| policy.config.capacity.clients();
    let other = earlier.find(|other| share_a_table(policy, other) && capacity(policy) != capacity(other))?;
    let why = format!(
        "Its counters stand in one table with those of {}, whose capacity is {}, and this one's is {}. Envoy takes one of the two, and \
         refuses the other.",
        other.name,
        capacity(other),
        capacity(policy)
    );
    Some(Trap::new(
        Name::UnlikeCapacity,
        "store.capacity",
        why,
        format!("Write the same number in both. Or {OWN_TABLE}"),
    ))
}

fn charged_twice<'p>(policy: &Policy, earlier: impl Iterator<Item = &'p Policy>) -> Option<Trap> {
    let meets = |other: &Policy| {
        let are_passed = policy.around.requests.is_some() && policy.around.requests == other.around.requests;
        are_passed && share_a_table(policy, other)
    };
    let (scope, other) = earlier.filter(|other| meets(other)).find_map(|other| {
        Some((scopes(policy).find(|scope| scopes(other).any(|twin| is_one_counter(scope, twin)))?, other))
    })?;
    let why = format!(
        "Requests pass both this and {}, each has a scope `{}` of one window, and that is one counter: each request is charged twice.",
        other.name, scope.name
    );
    let instead = format!("Apply one of the two. If both are meant: {OWN_TABLE}");
    Some(Trap::new(Name::ChargedTwice, format!("scopes.{}", scope.name), why, instead))
}

/// Whether two scopes have a counter in common: it is named by the scope, the algorithm and the window.
fn is_one_counter(one: &Scope, other: &Scope) -> bool {
    let is_window = |algorithm| matches!(algorithm, Algorithm::SlidingWindow);
    let limits = || one.limits.iter().flat_map(|one| other.limits.iter().map(move |other| (one, other)));
    let agree = |(one, other): (&tollgate::limit::Limit, &tollgate::limit::Limit)| {
        one.rate.window_secs() == other.rate.window_secs()
            && is_window(one.algorithm) == is_window(other.algorithm)
    };
    one.name == other.name && one.key == other.key && limits().any(agree)
}
