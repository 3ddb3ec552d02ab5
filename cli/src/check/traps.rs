//! What Envoy takes and what does not do what its author may think.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tollgate::limit::Limit;
use tollgate::policy::Trust;
use tollgate::scope::{Count, KeyPart, Scope};

use super::{poller, witness};
use crate::policy::Policy;
use crate::world::World;
use crate::{span, tell};

/// The name of a trap, which stays what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Name {
    /// A key that clients choose themselves, and nothing beside it
    ChosenKey,
    /// No ceiling for each address
    NoCeiling,
    /// Any success proves a credential
    NoProof,
    /// A scope that no request falls under
    NeverApplies,
    /// A scope whose requests are all exempt
    AllExempt,
    /// A window in which more clients come than there is room for
    LongWindow,
    /// A scope that only counts and reports
    ShadowLeft,
    /// A policy that is off
    SwitchedOff,
    /// A rate that an ordinary poller does not keep to
    BreaksPoller,
    /// A private address, which all clients have behind a proxy that Envoy does not know
    PrivateAddress,
    /// Requests that pass once the filter has failed
    FailOpen,
    /// A filter that is not started afresh once it has failed
    NoReload,
    /// Claims of tokens, asked for before they are verified
    BeforeAuthentication,
    /// One table with several capacities
    UnlikeCapacity,
    /// Two policies that charge the same counter for one request
    ChargedTwice,
}

impl Name {
    /// As it is written.
    pub(super) fn text(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A trap.
#[derive(Debug, Serialize)]
pub(crate) struct Trap {
    pub(crate) name: Name,
    /// The field that it is about.
    pub(crate) place: String,
    /// What happens.
    pub(crate) why: String,
    /// What to write in its place.
    pub(crate) instead: String,
}

impl Trap {
    pub(super) fn new(
        name: Name,
        place: impl Into<String>,
        why: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self { name, place: place.into(), why: why.into(), instead: instead.into() }
    }
}

/// All traps in a policy.
pub(crate) fn find(policy: &Policy) -> Vec<Trap> {
    let mut traps = Vec::new();
    traps.extend(switched_off(policy));
    traps.extend(chosen_keys(policy));
    traps.extend(no_ceiling(policy));
    traps.extend(no_proof(policy));
    traps.extend(without_requests(policy));
    traps.extend(long_windows(policy));
    traps.extend(shadow_left(policy));
    traps.extend(breaks_poller(policy));
    traps.extend(private_addresses(policy));
    traps
}

pub(super) fn scopes(policy: &Policy) -> impl Iterator<Item = &Scope> {
    policy.config.policy.scopes.iter()
}

fn place(scope: &Scope, field: &str) -> String {
    format!("scopes.{}{field}", scope.name)
}

fn switched_off(policy: &Policy) -> Option<Trap> {
    let is_off = scopes(policy).next().is_none();
    is_off.then(|| {
        let why = "No scope is on, so nothing is limited.";
        Trap::new(
            Name::SwitchedOff,
            "mode",
            why,
            "Write `\"mode\": \"enforce\"`, or `\"shadow\"` to try it first.",
        )
    })
}

/// Whether each request that falls under `scope` is also counted by its address, for good.
fn has_ceiling(policy: &Policy, scope: &Scope) -> bool {
    scopes(policy).any(|other| {
        let is_for_all = other.enforced && !other.matcher.minds_credentials();
        let is_ceiling = is_for_all && other.key.0 == [KeyPart::Address] && other.count == Count::All;
        is_ceiling && other.matcher.0.iter().all(|condition| scope.matcher.0.contains(condition))
    })
}

/// What a ceiling looks like for this scope: four times what one client may.
fn ceiling(scope: &Scope) -> String {
    let rate = scope.limits.iter().max_by_key(|limit| limit.rate.window_secs()).map(|limit| limit.rate);
    let window = rate.map(tollgate::limit::Rate::window_name).unwrap_or_default();
    let quota = rate.map_or(0, |rate| rate.quota().saturating_mul(4));
    format!("`\"address\": {{ \"rate\": \"{quota}/{window}\", \"key\": \"address\" }}`")
}

/// Whether a client can choose this part of its key, and so be another client with each request.
fn is_chosen(part: &KeyPart) -> bool {
    match part {
        KeyPart::Header(_) | KeyPart::Query(_) | KeyPart::Cookie(_) => true,
        KeyPart::All(parts) => parts.iter().any(is_chosen),
        KeyPart::Address | KeyPart::Credential | KeyPart::Global | KeyPart::Bot | KeyPart::JwtClaim(_) => {
            false
        }
    }
}

fn chosen_keys(policy: &Policy) -> Vec<Trap> {
    let is_trap =
        |scope: &&Scope| scope.enforced && scope.key.0.iter().any(is_chosen) && !has_ceiling(policy, scope);
    let trap = |scope: &Scope| {
        let chosen: Vec<String> = scope
            .key
            .0
            .iter()
            .filter(|part| is_chosen(part))
            .map(|part| tollgate::words::key(std::slice::from_ref(part)))
            .collect();
        let why = format!(
            "It counts {}, which clients choose themselves. Who sends another one with each request is never denied.",
            tell::and(&chosen)
        );
        let instead = format!(
            "Let a scope by address stand beside it, as high as a busy office needs: {}.",
            ceiling(scope)
        );
        Trap::new(Name::ChosenKey, place(scope, ".key"), why, instead)
    };
    scopes(policy).filter(is_trap).map(trap).collect()
}

fn no_ceiling(policy: &Policy) -> Option<Trap> {
    let rules = &policy.config.policy;
    if rules.client.credential_from.is_empty() {
        return None;
    }
    let trusts_any = rules.trust == Trust::Any;
    let minds =
        |scope: &Scope| scope.key.minds_credentials() || trusts_any && scope.matcher.minds_credentials();
    let open: Vec<&Scope> = scopes(policy)
        .filter(|scope| scope.enforced && minds(scope) && !has_ceiling(policy, scope))
        .collect();
    let first = open.first()?;
    let names: Vec<String> = open.iter().map(|scope| format!("`{}`", scope.name)).collect();
    let why = if trusts_any {
        "Any credential is trusted, so whoever makes up a new one for each request is a new client each time, and nothing \
         else bounds what comes from one address."
    } else {
        "If the application ever answers a made-up credential with a success, it is a client of its own with a quota of its \
         own, and nothing bounds how many of these one address has."
    };
    let why = format!("{why} That is so under {}.", tell::and(&names));
    let instead = format!(
        "Add a scope for everybody, as high as a busy office needs, without `match` and without `count`: {}.",
        ceiling(first)
    );
    Some(Trap::new(Name::NoCeiling, "scopes", why, instead))
}

fn no_proof(policy: &Policy) -> Option<Trap> {
    let rules = &policy.config.policy;
    let Trust::Upstream { proof, .. } = &rules.trust else { return None };
    let is_trap =
        proof.0.is_empty() && policy.config.minds_credentials && !rules.client.credential_from.is_empty();
    is_trap.then(|| {
        Trap::new(
            Name::NoProof,
            "client.credential.proof",
            "Any success proves a credential. A page that answers everybody with a success, such as one that is public, proves \
             made-up ones.",
            "Name the paths where the application insists on a credential: `\"client\": { \"credential\": { \"proof\": { \
             \"path\": \"/api/**\" } } }`. If it insists everywhere, say so: `\"proof\": { \"path\": \"/**\" }`.",
        )
    })
}

fn without_requests(policy: &Policy) -> Vec<Trap> {
    let world = World::new(policy);
    let trap = |(index, scope): (usize, &Scope)| match witness::find(&world, index) {
        witness::Found::Some => None,
        witness::Found::None => Some(Trap::new(
            Name::NeverApplies,
            place(scope, ".match"),
            "No request was found that falls under it: its conditions seem to exclude each other, or its key.",
            "Try the request that you mean: `tollgate explain POLICY METHOD URL` shows which condition does not hold. \
             Alternatives belong into a list, or into `any`.",
        )),
        witness::Found::AllExempt => Some(Trap::new(
            Name::AllExempt,
            place(scope, ".match"),
            "Every request that was found to fall under it is exempt, and so is never counted.",
            "Narrow the exemption, by a `not` for instance, or leave the scope out.",
        )),
    };
    scopes(policy).enumerate().filter_map(trap).collect()
}

/// So many clients may come in each hour for whom there has to be room.
const CLIENTS_AN_HOUR: u64 = 1_000;

fn long_windows(policy: &Policy) -> Option<Trap> {
    if policy.config.redis.is_some() {
        return None;
    }
    let counted = scopes(policy).filter(|scope| scope.key.0 != [KeyPart::Global]);
    let with_memory =
        counted.map(|scope| (scope, scope.limits.iter().map(Limit::memory).max().unwrap_or_default()));
    let (scope, memory) = with_memory.max_by_key(|(_, memory)| *memory)?;
    let capacity = u64::from(policy.config.capacity.clients());
    let hours = memory.as_secs().div_ceil(3_600);
    let wanted = CLIENTS_AN_HOUR * hours.max(1) * 4;
    (memory > Duration::from_hours(1) && capacity < wanted).then(|| {
        let why = format!(
            "What it counts matters for {}, in which there should be room for four times the clients that come. `store.capacity` \
             is {capacity}: enough for {} clients in that time, {} an hour. If more come, counters that are still in use give \
             way, and their clients begin anew.",
            span::show(memory),
            capacity / 4,
            capacity / 4 / hours.max(1)
        );
        let instead = format!(
            "If more clients come, raise it: `\"store\": {{ \"capacity\": {} }}` has room for {CLIENTS_AN_HOUR} an hour. Or take a \
             shorter window.",
            wanted.min(u64::from(tollgate::store::Capacity::MAX))
        );
        Trap::new(Name::LongWindow, place(scope, ".rate"), why, instead)
    })
}

fn shadow_left(policy: &Policy) -> Vec<Trap> {
    let is_whole = policy.document.get("mode").is_some_and(|mode| mode == "shadow");
    if is_whole {
        let why = "The whole policy is in shadow mode: every scope counts and reports, and none denies.";
        let instead = "Once the metrics show what it would deny, leave `mode` out.";
        return vec![Trap::new(Name::ShadowLeft, "mode", why, instead)];
    }
    let trap = |scope: &Scope| {
        let why = "It is in shadow mode: it counts and reports, and never denies.";
        let instead = "Once the metrics show what it would deny, leave its `mode` out. If the trial goes on, say `--allow shadow-left`.";
        Trap::new(Name::ShadowLeft, place(scope, ".mode"), why, instead)
    };
    scopes(policy).filter(|scope| !scope.enforced).map(trap).collect()
}

fn breaks_poller(policy: &Policy) -> Option<Trap> {
    let denied = poller::play(policy)?;
    let first = scopes(policy).find(|scope| denied.scopes.contains(&scope.name))?;
    let why = format!(
        "A worker that polls is denied by {} after {}. It was played: two processes on one machine, with one credential, that \
         each ask for `{}` every 5 seconds, and are redirected to the same with a slash, as Django does. So {} requests a minute \
         come, of which half are the redirect.",
        tell::and(&denied.scopes),
        span::show(denied.after),
        poller::TARGET,
        poller::A_MINUTE,
    );
    let less = if policy.config.request_from.is_asked() {
        "Redirects cannot be left out here, since no answer comes by: let the worker ask with the slash, which leaves"
    } else {
        "Or do not count the redirects: `\"count\": { \"not\": { \"status\": [301, 308] } }` leaves"
    };
    let instead = format!(
        "Admit {} a minute. {less} {}. If no worker of yours polls like this, say `--allow breaks-poller`.",
        poller::A_MINUTE,
        poller::A_MINUTE / 2
    );
    Some(Trap::new(Name::BreaksPoller, place(first, ".rate"), why, instead))
}

fn private_addresses(policy: &Policy) -> Vec<Trap> {
    let mut traps = Vec::new();
    let mut look = |place: String, written: &serde_json::Value, what: &str| {
        let private: Vec<String> =
            witness::networks(written).into_iter().filter(|text| is_private(text)).collect();
        if private.is_empty() {
            return;
        }
        let why = format!(
            "{} is private. Where a load balancer or another proxy stands in front of Envoy, and Envoy is not told of it, all \
             clients have its address, which is private, too; then {what}.",
            tell::and(&private)
        );
        let instead = "Set `xff_num_trusted_hops` in Envoy (docs/envoy.md), try it with a client from outside, and say `--allow \
                       private-address`. Or go by what only your own requests have, such as a path that is not public.";
        traps.push(Trap::new(Name::PrivateAddress, place, why, instead));
    };
    for (index, exempt) in policy.section("exempt").as_array().into_iter().flatten().enumerate() {
        look(format!("exempt[{index}]"), exempt, "everybody is exempt");
    }
    for scope in scopes(policy) {
        let written = policy.scope(&scope.name);
        if let Some(written) = written.get("match") {
            look(place(scope, ".match"), written, "the scope is for everybody, or for nobody");
        }
    }
    traps
}

/// Whether a network lies in those that nobody on the Internet has.
fn is_private(network: &str) -> bool {
    let address = network.split('/').next().unwrap_or(network);
    match address.parse() {
        Ok(std::net::IpAddr::V4(ip)) => {
            let [first, second, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || first == 100 && (64..128).contains(&second)
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local()
        }
        Err(_) => false,
    }
}
