//! What a policy says besides its scopes, in plain words.

use super::lists::{clean, or};
use super::matches::{header, matcher};
use super::span::{span, window};
use crate::client::Source;
use crate::config::Config;
use crate::policy::Trust;
use crate::reply::{Body, Dialect};
use crate::request::RequestFrom;

/// What a policy says besides its scopes, line by line: what the line is about, and the words. `exempt` may come several times,
/// or not at all.
#[must_use]
pub fn frame(config: &Config) -> Vec<(&'static str, String)> {
    let mut lines = vec![("client", clients(config))];
    if let Some(credentials) = credentials(config) {
        lines.push(("credential", credentials));
    }
    for exempt in &config.policy.exempt {
        lines.push(("exempt", format!("{}: under no scope", matcher(exempt))));
    }
    let from = match config.request_from {
        RequestFrom::Direct => "that passes by itself",
        RequestFrom::Forwarded => {
            "that another proxy asks about, in X-Original-URI, X-Original-URL or X-Forwarded-Uri; no answer of the application comes by"
        }
        RequestFrom::ExtAuthz => "that Envoy's ext_authz asks about; no answer of the application comes by",
    };
    lines.push(("request", format!("the one {from}")));
    lines.push(("denial", denial(config)));
    let store = match &config.redis {
        None => {
            let table =
                config.table.as_ref().map_or_else(String::new, |name| format!(" in the table {name}"));
            format!("in this Envoy{table}, with room for {} clients", config.capacity.clients())
        }
        Some(redis) => {
            format!("in Redis, {}; and in this Envoy if Redis is away", clean(&redis.place()))
        }
    };
    lines.push(("counters", store));
    lines
}

fn clients(config: &Config) -> String {
    let prefixes = config.policy.client.prefixes;
    let ipv4 = if prefixes.ipv4 == 32 { String::new() } else { format!(" (IPv4 by /{})", prefixes.ipv4) };
    format!("an address{ipv4}; of IPv6 each /{} is one", prefixes.ipv6)
}

fn credentials(config: &Config) -> Option<String> {
    let rules = &config.policy;
    if rules.client.credential_from.is_empty() {
        return Some("none: every client is anonymous".to_owned());
    }
    if !config.minds_credentials {
        return None;
    }
    let places: Vec<String> = rules.client.credential_from.iter().map(source).collect();
    let trust = match &rules.trust {
        Trust::Any => "any is believed at once".to_owned(),
        Trust::Upstream { lasts, proof, new_per_address } => {
            let by = if proof.0.is_empty() {
                "any request".to_owned()
            } else {
                format!("a request where {}", matcher(proof))
            };
            format!(
                "it counts once the application has answered {by} with a success, for {} from the last one; at most {} new \
                 ones from each address in any {}",
                span(*lasts),
                new_per_address.rate.quota(),
                window(new_per_address.rate.window_secs())
            )
        }
    };
    Some(format!("from {}; {trust}", or(&places)))
}

/// Where a credential may stand: ``the header `authorization` with the scheme Token``.
#[must_use]
pub fn source(source: &Source) -> String {
    match source {
        Source::Header { name, schemes } if schemes.is_empty() => format!("the header `{}`", header(name)),
        Source::Header { name, schemes } => {
            format!("the header `{}` with the scheme {}", header(name), or(schemes))
        }
        Source::Cookie(name) => format!("the cookie `{}`", clean(name)),
    }
}

fn denial(config: &Config) -> String {
    let reply = &config.reply;
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
