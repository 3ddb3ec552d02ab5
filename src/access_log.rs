//! What the proxy's access log can say of a request: what was decided, by which scope, about which client.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::decision::{Decision, Judged, Ruling};
use crate::limit::Verdict;
use crate::policy::Policy;
use crate::store::Fingerprint;
use crate::time::whole_seconds;

/// Of which requests the log is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Logged {
    /// Of none.
    Off,
    /// Of those that do not simply pass: that are denied, blocked or malformed, or that a scope in shadow mode would deny.
    #[default]
    Limited,
    /// Of all.
    All,
}

/// A field of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What was decided. Each entry has it.
    Decision,
    /// By which scope.
    Scope,
    /// Which scopes in shadow mode would have denied it, separated by commas.
    Shadow,
    /// Who was counted.
    Client,
    /// For how many seconds its client is told to wait.
    Wait,
    /// How many units the scope has left.
    Remaining,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Decision, Self::Scope, Self::Shadow, Self::Client, Self::Wait, Self::Remaining];

    /// The filter state that Envoy's log shows it by, as in `%FILTER_STATE(wasm.tollgate.scope:PLAIN)%`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Decision => "wasm.tollgate.decision",
            Self::Scope => "wasm.tollgate.scope",
            Self::Shadow => "wasm.tollgate.shadow",
            Self::Client => "wasm.tollgate.client",
            Self::Wait => "wasm.tollgate.wait",
            Self::Remaining => "wasm.tollgate.remaining",
        }
    }

    /// Its name.
    fn name(self) -> &'static str {
        self.key().strip_prefix("wasm.tollgate.").unwrap_or_default()
    }
}

/// What the log is told of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'p> {
    /// What was decided.
    pub ruling: Ruling,
    /// The scope that denied it, of several the one with the longest wait. Of a request that passes: the one that admits the fewest more.
    pub scope: Option<&'p str>,
    /// The scopes that would have denied it, were they not in shadow mode.
    pub shadow: Vec<&'p str>,
    /// Who was counted: by that scope, else by the first of those in shadow; of a blocked one who is blocked.
    pub client: Option<Fingerprint>,
    /// For how many seconds its client is told to wait.
    pub wait: Option<u64>,
    /// How many units that scope has left.
    pub remaining: Option<u32>,
}

impl<'p> Entry<'p> {
    /// What there is to say of a request that was ruled on so.
    #[must_use]
    pub fn of(policy: &'p Policy, ruling: Ruling, decision: &Decision) -> Self {
        let name = |scope: usize| policy.scopes.get(scope).map(|scope| scope.name.as_str());
        let is_shadowed =
            |judged: &&Judged| !judged.enforced && matches!(judged.verdict, Verdict::Denied { .. });
        let shadowed = decision.limits.iter().filter(is_shadowed);
        let mut shadow: Vec<_> = shadowed.clone().filter_map(|judged| name(judged.scope)).collect();
        shadow.dedup();
        let nearest = decision.nearest();
        let client =
            nearest.map(|standing| standing.client).or_else(|| shadowed.map(|judged| judged.client).next());
        Self {
            ruling,
            scope: nearest.and_then(|standing| name(standing.scope)),
            shadow,
            client: decision.blocked.or(client),
            wait: decision.wait.map(whole_seconds),
            remaining: nearest.map(|standing| standing.remaining),
        }
    }

    /// That a request was none.
    #[must_use]
    pub const fn malformed() -> Self {
        Self {
            ruling: Ruling::Malformed,
            scope: None,
            shadow: Vec::new(),
            client: None,
            wait: None,
            remaining: None,
        }
    }

    /// The fields of the log that have something to say.
    #[must_use]
    pub fn fields(&self) -> Vec<(Field, Cow<'p, str>)> {
        let mut fields = Vec::with_capacity(Field::ALL.len());
        fields.push((Field::Decision, self.ruling.name().into()));
        fields.extend(self.scope.map(|scope| (Field::Scope, scope.into())));
        if !self.shadow.is_empty() {
            fields.push((Field::Shadow, self.shadow.join(",").into()));
        }
        fields.extend(self.client.map(|client| (Field::Client, client.to_string().into())));
        fields.extend(self.wait.map(|wait| (Field::Wait, wait.to_string().into())));
        fields.extend(self.remaining.map(|remaining| (Field::Remaining, remaining.to_string().into())));
        fields
    }

    /// The same as one header, for the log of a proxy that asks: a structured field (RFC 9651), the decision with the others as its
    /// parameters, as in `denied;scope="worker";client="…";wait=12;remaining=0`.
    #[must_use]
    pub fn header(&self) -> String {
        let mut header = String::with_capacity(96);
        for (field, value) in self.fields() {
            let name = field.name();
            // Writing to a string does not fail.
            let _ = match field {
                Field::Decision => write!(header, "{value}"),
                Field::Wait | Field::Remaining => write!(header, ";{name}={value}"),
                Field::Scope | Field::Shadow | Field::Client => write!(header, ";{name}=\"{value}\""),
            };
        }
        header
    }
}

impl Logged {
    /// Whether the log is told of a request that was ruled on so: of those that do not simply pass, unless all or none are.
    #[must_use]
    pub fn takes(self, ruling: Ruling, decision: &Decision) -> bool {
        let is_over = |judged: &Judged| matches!(judged.verdict, Verdict::Denied { .. });
        match self {
            Self::Off => false,
            Self::All => true,
            Self::Limited => {
                !matches!(ruling, Ruling::Allowed | Ruling::Exempt) || decision.limits.iter().any(is_over)
            }
        }
    }
}
