//! What a client is told.

use std::fmt::Write as _;

use crate::decision::{Decision, Judged, Standing};
use crate::limit::{Algorithm, Limit};
use crate::policy::Policy;
use crate::request::Unclear;
use crate::time::whole_seconds;

/// How denials and quotas are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyRules {
    /// The status of a denial, 400 to 599.
    pub status: u16,
    /// The body of a denial.
    pub body: Body,
    /// The fields that tell the quota.
    pub ratelimit_headers: Dialect,
    /// Whether nginx's `auth_request` asks. It takes no body from an answer, and closes the connection if there is
    /// one, so the body stands in the header `x-tollgate-body` instead, and its type in `x-tollgate-type`. It makes a
    /// 429 of the status, so a body that tells it says 429.
    pub for_auth_request: bool,
}

impl Default for ReplyRules {
    fn default() -> Self {
        Self { status: 429, body: Body::Drf, ratelimit_headers: Dialect::Off, for_auth_request: false }
    }
}

/// The body of a denial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// That of Django REST framework: `{"detail":"Request was throttled. …"}`.
    Drf,
    /// Problem details (RFC 9457) of the type `quota-exceeded`, which the IETF `RateLimit` draft defines.
    Problem,
    /// Always the same text.
    Text {
        /// The text.
        text: String,
        /// Its `content-type`.
        content_type: String,
    },
}

/// The fields that tell the quota, on allowed and denied replies alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// None.
    Off,
    /// `RateLimit-Policy` and `RateLimit`, IETF draft-ietf-httpapi-ratelimit-headers 08 to 11.
    Draft,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds), as Envoy's own limiters write them.
    XRateLimit,
}

/// A reply in the application's place: a denial, or another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u16,
    /// The fields, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// What the proxy's access log shows as the reason of the reply.
    pub details: String,
    /// The text that goes with the status `RESOURCE_EXHAUSTED` if the request is a gRPC call.
    pub grpc_message: String,
}

const DENIED: &str = "tollgate_denied";
const BLOCKED: &str = "tollgate_blocked";
const MALFORMED: &str = "tollgate_malformed";
const BAD_REQUEST: u16 = 400;
const FIELDS_TOO_LARGE: u16 = 431;

impl LocalReply {
    /// The answer to a proxy that asks without saying about which request: no denial, so there is no use in waiting.
    #[must_use]
    pub fn malformed(unclear: Unclear) -> Self {
        Self::refusal(BAD_REQUEST, format!("{unclear}\n"))
    }

    /// The answer to a request of which the proxy shows some headers only: nobody knows what the others say. It is what Envoy
    /// itself answers.
    #[must_use]
    pub fn too_many_headers() -> Self {
        Self::refusal(FIELDS_TOO_LARGE, "there are too many headers\n".to_owned())
    }

    fn refusal(status: u16, body: String) -> Self {
        let headers = vec![("content-type", "text/plain; charset=utf-8".to_owned())];
        Self { status, headers, body, details: MALFORMED.to_owned(), grpc_message: String::new() }
    }
}

impl ReplyRules {
    /// The status of a reply of ours, by its [`LocalReply::details`]; `None` if these are not ours.
    #[must_use]
    pub fn status_of(&self, details: &[u8]) -> Option<u16> {
        if details.starts_with(DENIED.as_bytes()) || details == BLOCKED.as_bytes() {
            Some(self.status)
        } else {
            (details == MALFORMED.as_bytes()).then_some(BAD_REQUEST)
        }
    }

    /// Whether clients are told their quota.
    #[must_use]
    pub fn tells_quota(&self) -> bool {
        self.ratelimit_headers != Dialect::Off
    }

    /// The reply to a denied request: `Retry-After` and the quota fields, and the body. `None` if the request is
    /// allowed.
    #[must_use]
    pub fn reply(&self, policy: &Policy, decision: &Decision) -> Option<LocalReply> {
        let wait = whole_seconds(decision.wait?);
        let seconds = wait.to_string();
        let message = throttled(&seconds);
        let (content_type, body) = match &self.body {
            Body::Drf => ("application/json".to_owned(), [r#"{"detail":""#, &message, r#""}"#].concat()),
            Body::Problem => {
                ("application/problem+json".to_owned(), self.problem(policy, decision, &message))
            }
            Body::Text { text, content_type } => (content_type.clone(), text.clone()),
        };
        let mut headers = vec![("content-type", content_type), ("retry-after", seconds)];
        headers.extend(self.quota_headers(policy, decision));
        let body = if self.for_auth_request { in_headers(body, &mut headers) } else { body };
        let details = details(policy, decision);
        Some(LocalReply { status: self.status, headers, body, details, grpc_message: message })
    }

    /// The fields that tell the quota; none if they are off or the request fell under no enforced limit.
    #[must_use]
    pub fn quota_headers(&self, policy: &Policy, decision: &Decision) -> Vec<(&'static str, String)> {
        if !self.tells_quota() {
            return Vec::new();
        }
        let Some(standing) = decision.nearest() else { return Vec::new() };
        let Standing { scope, limit, remaining, reset, .. } = standing;
        let reset = whole_seconds(reset);
        match self.ratelimit_headers {
            Dialect::Off => Vec::new(),
            Dialect::Draft => {
                let name = name_of(policy, scope, limit);
                let standing = format!(r#""{name}";r={remaining};t={reset}"#);
                vec![("ratelimit-policy", ratelimit_policy(policy, decision)), ("ratelimit", standing)]
            }
            Dialect::XRateLimit => vec![
                ("x-ratelimit-limit", limit.most_at_once().to_string()),
                ("x-ratelimit-remaining", remaining.to_string()),
                ("x-ratelimit-reset", reset.to_string()),
            ],
        }
    }

    fn problem(&self, policy: &Policy, decision: &Decision, message: &str) -> String {
        let denying = decision.limits.iter().filter(|judged| judged.denies());
        let mut violated: Vec<String> =
            denying.map(|judged| format!(r#""{}""#, name_of(policy, judged.scope, judged.limit))).collect();
        violated.dedup();
        format!(
            concat!(
                r#"{{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","#,
                r#""title":"Request cannot be satisfied as assigned quota has been exceeded","#,
                r#""status":{},"detail":"{}","violated-policies":[{}]}}"#
            ),
            if self.for_auth_request { 429 } else { self.status },
            message,
            violated.join(",")
        )
    }
}

/// Why a request is denied, with the scope that denies it, as in `tollgate_denied{worker}`.
fn details(policy: &Policy, decision: &Decision) -> String {
    if decision.blocked.is_some() {
        return BLOCKED.to_owned();
    }
    let scope = decision.nearest().and_then(|standing| policy.scopes.get(standing.scope));
    scope.map_or_else(|| DENIED.to_owned(), |scope| [DENIED, "{", &scope.name, "}"].concat())
}

/// Moves the body into headers, and its type with it: of a reply without a body Envoy removes the type. Returns the
/// body that is left.
fn in_headers(body: String, headers: &mut Vec<(&'static str, String)>) -> String {
    for (name, _) in headers.iter_mut().filter(|(name, _)| *name == "content-type") {
        *name = "x-tollgate-type";
    }
    headers.push(("x-tollgate-body", body));
    String::new()
}

/// DRF's sentence, word for word.
fn throttled(seconds: &str) -> String {
    let unit = if seconds == "1" { " second." } else { " seconds." };
    ["Request was throttled. Expected available in ", seconds, unit].concat()
}

/// What the `RateLimit` fields call a limit: its scope's name, and where that has several limits, the window, too, as in
/// `user/s` and `user/min`.
fn name_of(policy: &Policy, scope: usize, limit: Limit) -> String {
    match policy.scopes.get(scope) {
        Some(scope) if scope.limits.len() > 1 => format!("{}/{}", scope.name, limit.rate.window_name()),
        Some(scope) => scope.name.clone(),
        None => String::new(),
    }
}

/// Every limit of the enforced scopes that the request fell under, in the policy's order.
fn ratelimit_policy(policy: &Policy, decision: &Decision) -> String {
    let mut list = String::new();
    for (index, scope) in policy.scopes.iter().enumerate() {
        let applies = |judged: &Judged| judged.scope == index && judged.enforced;
        if !decision.limits.iter().any(applies) {
            continue;
        }
        for limit in &scope.limits {
            let separator = if list.is_empty() { "" } else { ", " };
            let (quota, window) = quota_and_window(*limit);
            // Writing to a string does not fail.
            let _ = write!(list, r#"{separator}"{}";q={quota};w={window}"#, name_of(policy, index, *limit));
        }
    }
    list
}

/// The most units that a limit admits at once, and within how many seconds they come back: for a bucket its burst, and
/// the time in which that flows in.
fn quota_and_window(limit: Limit) -> (u32, u64) {
    let window = limit.rate.window_secs().into();
    match limit.algorithm {
        Algorithm::SlidingWindow => (limit.rate.quota(), window),
        Algorithm::TokenBucket { burst } => {
            (burst, (u64::from(burst) * window).div_ceil(limit.rate.quota().max(1).into()))
        }
    }
}
