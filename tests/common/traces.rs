//! Random policies, and what happens to their requests.

use proptest::prelude::*;
use tollgate::config::Config;
use tollgate::response::{Origin, Response};

/// Whom a scope counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Address,
    Credential,
    Either,
    Everybody,
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the document")]
pub(super) struct Scope {
    pub(super) quota: usize,
    pub(super) window: u64,
    pub(super) key: Key,
    pub(super) only_anonymous: bool,
    pub(super) only_login: bool,
    pub(super) counts_failures: bool,
    pub(super) is_enforced: bool,
}

/// A policy, and the document that says it.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(super) scopes: Vec<Scope>,
    /// Whom `/free` is free for: anonymous clients, or those with a credential.
    pub(super) exempts: Option<bool>,
    pub(super) trust_for: u64,
    /// Whether only `/login` proves.
    pub(super) only_login_proves: bool,
    /// How many credentials may become known from an address, and in how many seconds.
    pub(super) new_per_address: (usize, u64),
}

/// What the proxy sees next.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Request {
        address: u8,
        /// In the header, in the cookie.
        tokens: [Option<u8>; 2],
        path: &'static str,
        method: &'static str,
        is_upgrade: bool,
    },
    Answer {
        which: prop::sample::Index,
        response: Option<Response>,
    },
    Passes(u64),
}

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;

pub(crate) fn policies() -> impl Strategy<Value = Policy> {
    let key = prop::sample::select(vec![Key::Address, Key::Credential, Key::Either, Key::Everybody]);
    let window = prop::sample::select(vec![MINUTE, HOUR, 24 * HOUR]);
    let scope = (1..8_usize, window, key, prop::collection::vec(prop::bool::weighted(0.3), 4));
    let scope = scope.prop_map(|(quota, window, key, flags)| Scope {
        quota,
        window,
        key,
        // Of anonymous clients there is none with a credential: such a scope is refused.
        only_anonymous: flags[0] && key != Key::Credential,
        only_login: flags[1],
        counts_failures: flags[2],
        is_enforced: !flags[3],
    });
    let trust_for = prop::sample::select(vec![MINUTE, HOUR]);
    let new_per_address =
        (prop::sample::select(vec![1_usize, 2, 100]), prop::sample::select(vec![MINUTE, HOUR]));
    let scopes = prop::collection::vec(scope, 1..5);
    let exempts = prop::option::of(any::<bool>());
    let policy = (scopes, exempts, trust_for, prop::bool::weighted(0.3), new_per_address);
    policy.prop_map(|(scopes, exempts, trust_for, only_login_proves, new_per_address)| Policy {
        scopes,
        exempts,
        trust_for,
        only_login_proves,
        new_per_address,
    })
}

pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    let path = prop::sample::select(vec!["/", "/login", "/free"]);
    let method = prop::sample::select(vec!["GET", "POST"]);
    let tokens = [prop::option::weighted(0.8, 0..3_u8), prop::option::weighted(0.1, 0..3_u8)];
    let request = (0..2_u8, tokens, path, method, any::<bool>()).prop_map(
        |(address, tokens, path, method, is_upgrade)| Event::Request {
            address,
            tokens,
            path,
            method,
            is_upgrade,
        },
    );
    let status = prop::sample::select(vec![101, 200, 204, 302, 303, 304, 401, 403, 404, 500]);
    let grpc = prop::option::weighted(0.2, prop::sample::select(vec![0, 16]));
    let origin = prop::sample::select(vec![Origin::Application, Origin::Proxy, Origin::Lost]);
    let response = (status, grpc, prop_oneof![3 => Just(Origin::Application), 1 => origin]);
    let response = response.prop_map(|(status, grpc, origin)| Response { status, grpc, origin });
    let answer = (any::<prop::sample::Index>(), prop::option::weighted(0.9, response))
        .prop_map(|(which, response)| Event::Answer { which, response });
    let passes = prop_oneof![0..9_u64, 20..70_u64, 600..4_000_u64, Just(9 * HOUR)].prop_map(Event::Passes);
    prop::collection::vec(prop_oneof![5 => request, 4 => answer, 2 => passes], 1..80)
}

impl Policy {
    pub(crate) fn config(&self) -> Config {
        let scopes = self.scopes.iter().enumerate().map(|(index, scope)| {
            let key = match scope.key {
                Key::Address => r#""address""#,
                Key::Credential => r#""credential""#,
                Key::Either => r#"["credential", "address"]"#,
                Key::Everybody => r#""global""#,
            };
            let mut matches = Vec::new();
            matches.extend(scope.only_anonymous.then_some(r#""client": "anonymous""#));
            matches.extend(scope.only_login.then_some(r#""path": "/login""#));
            let count = if scope.counts_failures { r#"{ "status": [401, 403], "grpc": ["UNAUTHENTICATED"] }"# } else { r#""all""# };
            let mode = if scope.is_enforced { "enforce" } else { "shadow" };
            format!(
                r#""s{index}": {{ "rate": "{}/{}s", "key": {key}, "match": {{ {} }}, "count": {count}, "mode": "{mode}" }}"#,
                scope.quota,
                scope.window,
                matches.join(", "),
            )
        });
        let exempt = self.exempts.map_or(String::new(), |authenticated| {
            let kind = if authenticated { "authenticated" } else { "anonymous" };
            format!(r#""exempt": [{{ "path": "/free", "client": "{kind}" }}],"#)
        });
        let (new, window) = self.new_per_address;
        let proof = if self.only_login_proves { r#""proof": { "path": "/login" }, "# } else { "" };
        let from = r#""from": [{ "header": "authorization", "schemes": ["Token"] }, { "cookie": "sid" }]"#;
        let document = format!(
            r#"{{ "store": {{ "capacity": 64 }},
                  "client": {{ "credential": {{ {from}, {proof} "trust_for": "{}s", "new_per_address": "{new}/{window}s" }} }},
                  {exempt} "scopes": {{ {} }} }}"#,
            self.trust_for,
            scopes.collect::<Vec<_>>().join(", "),
        );
        Config::parse(document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"))
    }
}
