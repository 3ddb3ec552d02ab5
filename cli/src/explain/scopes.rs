//! For each scope whether a request falls under it, why, and what its limits say.

use serde::Serialize;
use tollgate::client::Client;
use tollgate::limit::Verdict;
use tollgate::request::RequestFrom;
use tollgate::scope::{Counted, Matcher, Reading, Scope};
use tollgate::store::{Acceptance, Fingerprint};
use tollgate::words;

use super::parameters::{self, Parameter};
use super::who::{Role, Who, counted, roles};
use super::why::{self, Step};
use crate::policy::Policy;
use crate::request::Sent;
use crate::tell;
use crate::world::{Outcome, SECRET, World};

/// What can be said of a request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Explanation {
    /// The request in one line.
    pub(crate) request: String,
    /// The paths that it may be for; `None` if it may be for any.
    pub(crate) paths: Option<Vec<String>>,
    /// The parameters that the policy looks at and that have several readings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parameters: Vec<Parameter>,
    /// Who has sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<Who>,
    /// The exemptions that it falls under.
    pub(crate) exempt: Vec<Exempt>,
    /// Each scope that is not off, in order.
    pub(crate) scopes: Vec<Explained>,
}

/// An exemption.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Exempt {
    /// Its place in `exempt`, from 0.
    pub(crate) index: usize,
    /// It in words.
    pub(crate) words: String,
    /// Whether the request falls under it.
    pub(crate) holds: bool,
    /// Each of its conditions.
    pub(crate) why: Vec<Step>,
}

/// One scope, and one request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Explained {
    /// The scope's name.
    pub(crate) scope: String,
    #[serde(skip)]
    pub(crate) index: usize,
    /// Whether its denial denies the request.
    pub(crate) enforced: bool,
    /// Units that the request takes.
    pub(crate) cost: u32,
    /// Whether the request falls under it, as anybody.
    pub(crate) applies: bool,
    /// As whom the request is judged.
    pub(crate) judged: Vec<JudgedAs>,
}

/// A request, judged as one of those that it may come from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct JudgedAs {
    /// As whom.
    #[serde(rename = "as")]
    pub(crate) role: Role,
    /// Whether it falls under the scope as such.
    pub(crate) applies: bool,
    /// Why, if it does not: `exempt`, `match` or `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided_by: Option<&'static str>,
    /// Each condition of the scope's match.
    pub(crate) why: Vec<Step>,
    /// Whom it counts; or which key the request does not have.
    pub(crate) key: String,
    #[serde(skip)]
    client: Option<Fingerprint>,
    /// What its limits say.
    pub(crate) limits: Vec<LimitSays>,
}

/// What one limit has said.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LimitSays {
    /// Such as `60/min`.
    pub(crate) rate: String,
    /// Whether it admits the request.
    pub(crate) admits: bool,
    /// Units that are left then.
    pub(crate) remaining: u32,
    /// Seconds until there are more, or until it would admit the request.
    pub(crate) seconds: f64,
    /// Whether the charge has stayed when the request was answered; `None` if nothing was charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stayed: Option<bool>,
}

impl Explanation {
    /// Of a request, and of what has become of it.
    pub(crate) fn of(world: &World, sent: &Sent, outcome: &Outcome) -> Self {
        let policy = world.policy;
        let found = world.with_client(sent, |client| {
            let acceptance = outcome.acceptance;
            let who = Who::of(client, acceptance, policy, sent);
            let roles = roles(client, acceptance, policy);
            let paths = client.request().paths().map(|paths| paths.map(shown).collect());
            let parameters = parameters::several(policy, client);
            let exempt = exempt(policy, &roles);
            let scopes = scopes(policy, &roles, &who, acceptance);
            (paths, parameters, who, exempt, scopes)
        });
        let request = sent.line();
        let Ok((paths, parameters, who, exempt, mut scopes)) = found else {
            return Self {
                request,
                paths: None,
                parameters: Vec::new(),
                client: None,
                exempt: Vec::new(),
                scopes: Vec::new(),
            };
        };
        for scope in &mut scopes {
            for judged in &mut scope.judged {
                judged.limits = limits(scope.index, judged, outcome);
            }
        }
        Self { request, paths, parameters, client: Some(who), exempt, scopes }
    }
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { "/".to_owned() } else { tell::bytes(path) }
}

fn exempt(policy: &Policy, roles: &[(Role, Client)]) -> Vec<Exempt> {
    let of = |(index, matched): (usize, &Matcher)| {
        let judged: Vec<Vec<Step>> =
            roles.iter().map(|(_, client)| why::steps(matched, client, Reading::Certain)).collect();
        let why =
            judged.iter().find(|steps| why::hold(steps)).or(judged.first()).cloned().unwrap_or_default();
        Exempt { index, words: words::matcher(matched), holds: why::hold(&why), why }
    };
    policy.config.policy.exempt.iter().enumerate().map(of).collect()
}

fn scopes(policy: &Policy, roles: &[(Role, Client)], who: &Who, acceptance: Acceptance) -> Vec<Explained> {
    let mut explained = Vec::new();
    for (index, scope) in policy.config.policy.scopes.iter().enumerate() {
        let mut judged: Vec<JudgedAs> = Vec::new();
        for (role, client) in roles {
            let one = judge(policy, scope, *role, client, who);
            // As whom it is judged makes no difference: it is said once.
            match judged.iter_mut().find(|known| same(known, &one)) {
                Some(known) if !matches!(acceptance, Acceptance::NotNeeded) => known.role = Role::Itself,
                Some(known) if known.role != one.role => known.role = Role::Itself,
                Some(_) => {}
                None => judged.push(one),
            }
        }
        let applies = judged.iter().any(|judged| judged.applies);
        let (name, enforced, cost) = (scope.name.clone(), scope.enforced, scope.cost);
        explained.push(Explained { scope: name, index, enforced, cost, applies, judged });
    }
    explained
}

fn same(one: &JudgedAs, other: &JudgedAs) -> bool {
    let holds = |judged: &JudgedAs| judged.why.iter().map(|step| step.holds).collect::<Vec<_>>();
    one.applies == other.applies
        && one.client == other.client
        && one.decided_by == other.decided_by
        && holds(one) == holds(other)
}

fn judge(policy: &Policy, scope: &Scope, role: Role, client: &Client, who: &Who) -> JudgedAs {
    let why = why::steps(&scope.matcher, client, Reading::Possible);
    let is_exempt = policy.config.policy.exempts(client);
    let whom = scope.key.client(client, &SECRET, &mut Counted::default());
    let (decided_by, client_of) = match (is_exempt, scope.matcher.matches(client, Reading::Possible), whom) {
        (true, ..) => (Some("exempt"), None),
        (_, false, _) => (Some("match"), None),
        (.., None) => (Some("key"), None),
        (.., whom) => (None, whom),
    };
    let key = counted(&scope.key, client, who).unwrap_or_else(|| words::key(&scope.key.0));
    JudgedAs {
        role,
        applies: decided_by.is_none(),
        decided_by,
        why,
        key,
        client: client_of,
        limits: Vec::new(),
    }
}

fn limits(index: usize, judged: &JudgedAs, outcome: &Outcome) -> Vec<LimitSays> {
    let Some(client) = judged.client else { return Vec::new() };
    let pairs = outcome.charges.iter().zip(&outcome.decision.limits);
    let of_this = pairs.filter(|(charge, _)| charge.scope == index && charge.client == client);
    let says = |(charge, limit): (&tollgate::store::Charge, &tollgate::decision::Judged)| {
        let (admits, remaining, span) = match limit.verdict {
            Verdict::Admitted { remaining, reset } => (true, remaining, reset),
            Verdict::Denied { wait } => (false, 0, wait),
        };
        let was_charged = outcome.is_allowed() && admits;
        let stayed = was_charged.then(|| !outcome.has_given_back(charge));
        LimitSays {
            rate: limit.limit.rate.to_string(),
            admits,
            remaining,
            seconds: span.as_secs_f64(),
            stayed,
        }
    };
    of_this.map(says).collect()
}

/// How the request stands before the policy, if not by itself.
pub(super) const fn asked(from: RequestFrom) -> Option<&'static str> {
    match from {
        RequestFrom::Direct => None,
        RequestFrom::Forwarded => Some("asked about as nginx does, in X-Original-URI and X-Original-Method"),
        RequestFrom::ExtAuthz => Some("asked about by Envoy's ext_authz"),
    }
}
