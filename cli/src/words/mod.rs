//! A policy in plain words.

mod matches;
mod scope;

pub(crate) use matches::{Condition, Match, Parts};
pub(crate) use scope::{ScopeWords, header, key};

use serde::Serialize;
use tollgate::client::Source;
use tollgate::policy::Trust;
use tollgate::reply::{Body, Dialect};
use tollgate::request::RequestFrom;

use crate::policy::Policy;
use crate::{span, tell};

/// What a policy says besides its scopes, line by line: what the line is about, and the words.
pub(crate) fn frame(policy: &Policy) -> Vec<(&'static str, String)> {
    let config = &policy.config;
    let mut lines = vec![("client", clients(policy))];
    if let Some(credentials) = credentials(policy) {
        lines.push(("credential", credentials));
    }
    for exempt in exemptions(policy) {
        lines.push(("exempt", format!("{}: under no scope", exempt.words())));
    }
    let from = match config.request_from {
        RequestFrom::Direct => "that passes by itself",
        RequestFrom::Forwarded => {
            "that another proxy asks about, in X-Original-URI or X-Forwarded-Uri; no answer of the application comes by"
        }
        RequestFrom::ExtAuthz => "that Envoy's ext_authz asks about; no answer of the application comes by",
    };
    lines.push(("request", format!("the one {from}")));
    lines.push(("denial", denial(policy)));
    let store = match &config.redis {
        None => format!("in this Envoy, with room for {} clients", config.capacity.clients()),
        Some(redis) => {
            format!(
                "in Redis, by way of the cluster {}; and in this Envoy if Redis is away",
                tell::clean(&redis.cluster)
            )
        }
    };
    lines.push(("counters", store));
    lines
}

fn clients(policy: &Policy) -> String {
    let prefixes = policy.config.policy.client.prefixes;
    let ipv4 = if prefixes.ipv4 == 32 { String::new() } else { format!(" (IPv4 by /{})", prefixes.ipv4) };
    format!("an address{ipv4}; of IPv6 each /{} is one", prefixes.ipv6)
}

fn credentials(policy: &Policy) -> Option<String> {
    let rules = &policy.config.policy;
    if rules.client.credential_from.is_empty() {
        return Some("none: every client is anonymous".to_owned());
    }
    if !policy.config.minds_credentials {
        return None;
    }
    let places: Vec<String> = rules.client.credential_from.iter().map(source).collect();
    let trust = match &rules.trust {
        Trust::Any => "any is believed at once".to_owned(),
        Trust::Upstream { lasts, proof, new_per_address } => {
            let by = match Match::of(policy.proof(), proof) {
                proof if proof.is_empty() => "any request".to_owned(),
                proof => format!("a request where {}", proof.words()),
            };
            format!(
                "it counts once the application has answered {by} with a success, for {} from the last one; at most {} new \
                 ones from each address in any {}",
                span::show(*lasts),
                new_per_address.rate.quota(),
                span::window(new_per_address.rate.window_secs())
            )
        }
    };
    Some(format!("from {}; {trust}", tell::or(&places)))
}

/// Where a credential may stand, in words.
pub(crate) fn source(source: &Source) -> String {
    match source {
        Source::Header { name, schemes } if schemes.is_empty() => format!("the header `{}`", header(name)),
        Source::Header { name, schemes } => {
            format!("the header `{}` with the scheme {}", header(name), tell::or(schemes))
        }
        Source::Cookie(name) => format!("the cookie `{}`", tell::clean(name)),
    }
}

/// The exemptions, as they are written.
pub(crate) fn exemptions(policy: &Policy) -> Vec<Match<'_>> {
    let written = policy.section("exempt");
    let written = written.as_array().map(Vec::as_slice).unwrap_or_default();
    written
        .iter()
        .zip(&policy.config.policy.exempt)
        .map(|(written, judged)| Match::of(written, judged))
        .collect()
}

fn denial(policy: &Policy) -> String {
    let reply = &policy.config.reply;
    let body = match &reply.body {
        Body::Drf => "the body of Django REST framework",
        Body::Problem => "problem details",
        Body::Text { .. } => "a text of its own",
    };
    let fields = match reply.ratelimit_headers {
        Dialect::Off => "",
        Dialect::Draft => "; clients are told their quota in `RateLimit`",
        Dialect::XRateLimit => "; clients are told their quota in `X-RateLimit-…`",
    };
    format!("status {}, Retry-After, {body}{fields}", reply.status)
}

/// A policy in words, as JSON tells it.
#[derive(Serialize)]
pub(crate) struct PolicyWords {
    scopes: Vec<ScopeWords>,
    #[serde(flatten)]
    frame: serde_json::Map<String, serde_json::Value>,
}

impl PolicyWords {
    /// Of this policy.
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut frame = serde_json::Map::new();
        for (name, words) in frame_by_name(policy) {
            frame.insert(name.to_owned(), words.into());
        }
        Self { scopes: scope::all(policy), frame }
    }
}

fn frame_by_name(policy: &Policy) -> Vec<(&'static str, String)> {
    let mut lines: Vec<(&'static str, String)> = Vec::new();
    for (name, words) in frame(policy) {
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => *before = format!("{before}; {words}"),
            None => lines.push((name, words)),
        }
    }
    lines
}

/// Writes a policy in words for people.
pub(crate) fn show(policy: &Policy, out: &mut String) {
    for scope in scope::all(policy) {
        scope.show(out);
        out.push('\n');
    }
    for (name, words) in frame(policy) {
        tell::wrapped(out, 12, &tell::styled(tell::NAME, name), &words);
    }
}
