//! `scopes`: which requests, who is counted, how much.

use std::ops::RangeInclusive;

use super::names::header;
use super::node::{Fields, Node, Value};
use super::{ConfigError, Mode, matcher};
use crate::limit::Rate;
use crate::limit::{Algorithm, Limit};
use crate::scope::{Count, Key, KeyPart, Scope};
use crate::store::CounterId;

/// Reads all scopes. Those that are off, or all if the policy's `mode` is, are checked and left out.
pub(super) fn read(node: &Node, mode: Mode) -> Result<Vec<Scope>, ConfigError> {
    let members = node.members()?;
    if members.is_empty() {
        return Err(node
            .error("limits nothing; leave `scopes` out for the default policy, or say `\"mode\": \"off\"`"));
    }
    let mut scopes = Vec::new();
    let mut counters = Vec::new();
    for (name, node) in members.iter() {
        let (scope, scope_mode) = scope(name, &node)?;
        for counter in &scope.counters {
            if counters.contains(counter) {
                return Err(
                    node.error_without_value("its name falls together with another scope's; rename it")
                );
            }
            counters.push(*counter);
        }
        match (mode, scope_mode) {
            (Mode::Off, _) | (_, Mode::Off) => {}
            (Mode::Shadow, _) | (_, Mode::Shadow) => scopes.push(Scope { enforced: false, ..scope }),
            (Mode::Enforce, Mode::Enforce) => scopes.push(scope),
        }
    }
    Ok(scopes)
}

fn scope(name: &str, node: &Node) -> Result<(Scope, Mode), ConfigError> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(valid) {
        return Err(node.error_without_value("a scope's name is 1 to 64 letters, digits, `_` and `-`"));
    }
    let fields = node.fields(&["rate", "algorithm", "burst", "match", "key", "cost", "mode", "count"])?;
    let count = fields.get("count").map(|node| count(&node)).transpose()?.unwrap_or_default();
    let limits = limits(&fields)?;
    let matcher = fields.get("match").map(|node| matcher::read(&node)).transpose()?.unwrap_or_default();
    let counted = fields
        .require("key", "say who is counted, such as `\"address\"` or `[\"credential\", \"address\"]`")?;
    let mode = fields.get("mode").map_or(Ok(Mode::Enforce), |node| Mode::read(&node))?;
    let cost = fields.get("cost").map_or(Ok(1), |node| cost(&node, &limits))?;
    let key = Key(key_parts(&counted)?);
    let counters = limits.iter().map(|limit| CounterId::of(name, *limit)).collect();
    Ok((Scope { name: name.to_owned(), matcher, key, limits, counters, cost, count, enforced: true }, mode))
}

fn limits(fields: &Fields) -> Result<Vec<Limit>, ConfigError> {
    let rates = fields.require("rate", "say how much, such as `\"60/min\"`")?.one_or_more()?;
    let bucket = match fields.get("algorithm") {
        None => false,
        Some(node) => match node.text("`sliding_window` or `token_bucket`")? {
            "sliding_window" => false,
            "token_bucket" => true,
            _ => return Err(node.error("expected `sliding_window` or `token_bucket`")),
        },
    };
    let burst = fields.get("burst");
    if let Some(burst) = &burst {
        if !bucket {
            return Err(burst.error("only a token bucket has a burst; add `\"algorithm\": \"token_bucket\"`"));
        }
        if rates.len() > 1 {
            return Err(burst.error("belongs to one rate; with several, each one's burst is its quota"));
        }
    }
    let burst = burst.map(|node| node.whole_number(1, u32::MAX)).transpose()?;
    let mut limits: Vec<Limit> = Vec::new();
    for node in &rates {
        let limit = limit(node, bucket, burst)?;
        let same = limits.iter().find(|other| other.rate.window_secs() == limit.rate.window_secs());
        if let Some(other) = same {
            return Err(node.error(format_args!(
                "has the same window as `{}`: the smaller quota alone decides; leave out the other one",
                other.rate
            )));
        }
        limits.push(limit);
    }
    Ok(limits)
}

fn limit(node: &Node, bucket: bool, burst: Option<u32>) -> Result<Limit, ConfigError> {
    let rate: Rate = node.text("a rate, such as `60/min`")?.parse().map_err(|error| node.error(error))?;
    if !bucket {
        return Ok(Limit::sliding_window(rate));
    }
    if rate.quota() == 0 {
        return Err(
            node.error("a token bucket that nothing flows into admits its burst once and then never again")
        );
    }
    Ok(Limit { rate, algorithm: Algorithm::TokenBucket { burst: burst.unwrap_or(rate.quota()) } })
}

/// A request that costs more than a limit ever admits would be denied for ever. A quota of 0 says just that.
fn cost(node: &Node, limits: &[Limit]) -> Result<u32, ConfigError> {
    let cost = node.whole_number(1, u32::MAX)?;
    match limits.iter().map(Limit::most_at_once).filter(|most| *most > 0).min() {
        Some(most) if cost > most => {
            Err(node.error(format_args!("is more than the {most} units that the scope ever admits at once")))
        }
        _ => Ok(cost),
    }
}

fn count(node: &Node) -> Result<Count, ConfigError> {
    const EXPECTED: &str = "`all` or `{ \"status\": [ … ] }`";
    if !node.is_object() {
        return match node.text(EXPECTED)? {
            "all" => Ok(Count::All),
            _ => Err(node.error(format_args!("expected {EXPECTED}"))),
        };
    }
    let statuses =
        node.fields(&["status"])?.require("status", "list the statuses that count")?.one_or_more()?;
    Ok(Count::Status(statuses.iter().map(status).collect::<Result<_, _>>()?))
}

/// One status, `401`, or a class of them, `"4xx"`.
fn status(node: &Node) -> Result<RangeInclusive<u16>, ConfigError> {
    let Value::Text(class) = node.value() else {
        let status = u16::try_from(node.whole_number(100, 599)?).unwrap_or_default();
        return Ok(status..=status);
    };
    let [digit @ b'1'..=b'5', b'x', b'x'] = class.as_bytes() else {
        return Err(node.error("expected a status, such as 401, or a class, such as `5xx`"));
    };
    let first = u16::from(digit - b'0') * 100;
    Ok(first..=first + 99)
}

/// The name travels to the proxy as part of a path whose parts end with NUL.
fn jwt_claim(node: &Node) -> Result<String, ConfigError> {
    const EXPECTED: &str = "the name of a claim";
    let name = node.text(EXPECTED)?;
    if name.is_empty() || name.contains(char::is_control) {
        return Err(node.error(format_args!("expected {EXPECTED}")));
    }
    Ok(name.to_owned())
}

fn key_parts(node: &Node) -> Result<Vec<KeyPart>, ConfigError> {
    node.one_or_more()?.iter().map(key_part).collect()
}

fn key_part(node: &Node) -> Result<KeyPart, ConfigError> {
    const EXPECTED: &str = "expected `address`, `credential`, `bot`, `global`, or an object with `header`, `query`, `cookie`, `jwt_claim` or `all`";
    if let Value::Text(name) = node.value() {
        return match name.as_str() {
            "address" => Ok(KeyPart::Address),
            "credential" => Ok(KeyPart::Credential),
            "global" => Ok(KeyPart::Global),
            "bot" => Ok(KeyPart::Bot),
            _ => Err(node.error(EXPECTED)),
        };
    }
    if !node.is_object() {
        return Err(node.error(EXPECTED));
    }
    let fields = node.fields(&["header", "query", "cookie", "jwt_claim", "all"])?;
    let mut fields = fields.iter();
    let (Some((kind, part)), None) = (fields.next(), fields.next()) else {
        return Err(node.error(EXPECTED));
    };
    let name = |expected| part.confidential().text(expected).map(str::to_owned);
    match kind {
        "header" => header(&part.confidential()).map(KeyPart::Header),
        "query" => name("the name of a query parameter").map(KeyPart::Query),
        "cookie" => name("the name of a cookie").map(KeyPart::Cookie),
        "jwt_claim" => jwt_claim(&part).map(KeyPart::JwtClaim),
        _ => key_parts(&part).map(KeyPart::All),
    }
}
