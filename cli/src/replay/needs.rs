//! What a policy looks at in a request.

use std::collections::BTreeSet;

use tollgate::config::Config;
use tollgate::policy::{Policy, Trust};
use tollgate::scope::{ClientKind, Condition, Key, KeyPart, Matcher};

/// Something about a request that a condition or a key may look at, and that a log may not tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    Host,
    Query,
    UserAgent,
    Header(String),
    Cookie(String),
    Claim,
}

impl Need {
    /// In words, as what a scope looks at.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Host => "the host".into(),
            Self::Query => "the query".into(),
            Self::UserAgent => "the user agent".into(),
            Self::Header(name) => format!("the header `{name}`"),
            Self::Cookie(name) => format!("the cookie `{name}`"),
            Self::Claim => "a token's claim".into(),
        }
    }
}

/// What a whole policy looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) all: BTreeSet<Need>,
    /// The same for each scope, in the policy's order.
    pub(crate) of_scopes: Vec<BTreeSet<Need>>,
    /// Whether it matters which credential a request has.
    pub(crate) credentials: bool,
}

impl Needs {
    pub(crate) fn of(config: &Config) -> Self {
        let Policy { scopes, exempt, trust, .. } = &config.policy;
        let of_scope = |scope: &tollgate::scope::Scope| {
            let mut needs = BTreeSet::new();
            of_matcher(&scope.matcher, &mut needs);
            of_key(&scope.key, &mut needs);
            needs
        };
        let of_scopes: Vec<_> = scopes.iter().map(of_scope).collect();
        let mut all: BTreeSet<Need> = of_scopes.iter().flatten().cloned().collect();
        for exempt in exempt {
            of_matcher(exempt, &mut all);
        }
        if let Trust::Upstream { proof, .. } = trust {
            of_matcher(proof, &mut all);
        }
        let credentials = config.minds_credentials || all.contains(&Need::Claim);
        Self { all, of_scopes, credentials }
    }

    pub(crate) fn has(&self, need: &Need) -> bool {
        self.all.contains(need)
    }
}

fn of_matcher(matcher: &Matcher, needs: &mut BTreeSet<Need>) {
    for condition in &matcher.0 {
        match condition {
            Condition::Method(_) | Condition::Path(_) | Condition::Address(_) => {}
            Condition::Host(_) => {
                needs.insert(Need::Host);
            }
            Condition::Query(..) => {
                needs.insert(Need::Query);
            }
            Condition::Header(name, _) => {
                needs.insert(header(name));
            }
            Condition::Cookie(name, _) => {
                needs.insert(Need::Cookie(name.clone()));
            }
            Condition::Client(kinds) => {
                if kinds.contains(&ClientKind::Bot) {
                    needs.insert(Need::UserAgent);
                }
            }
            Condition::Any(matchers) => matchers.iter().for_each(|inner| of_matcher(inner, needs)),
            Condition::Not(inner) => of_matcher(inner, needs),
        }
    }
}

fn of_key(key: &Key, needs: &mut BTreeSet<Need>) {
    key.0.iter().for_each(|part| of_part(part, needs));
}

fn of_part(part: &KeyPart, needs: &mut BTreeSet<Need>) {
    match part {
        KeyPart::Address | KeyPart::Credential | KeyPart::Global => {}
        KeyPart::Header(name) => {
            needs.insert(header(name));
        }
        KeyPart::Query(_) => {
            needs.insert(Need::Query);
        }
        KeyPart::Cookie(name) => {
            needs.insert(Need::Cookie(name.clone()));
        }
        KeyPart::Bot => {
            needs.insert(Need::UserAgent);
        }
        KeyPart::JwtClaim(_) => {
            needs.insert(Need::Claim);
        }
        KeyPart::All(parts) => parts.iter().for_each(|part| of_part(part, needs)),
    }
}

fn header(name: &str) -> Need {
    match name {
        "user-agent" => Need::UserAgent,
        ":authority" | "host" => Need::Host,
        name => Need::Header(name.to_owned()),
    }
}
