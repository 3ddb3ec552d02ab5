//! `count`: which requests count, by the statuses of their answers.

use std::ops::RangeInclusive;

use super::ConfigError;
use super::node::{Fields, Node, Value};
use crate::scope::{Condition, Count, GrpcStatuses, Matcher, ValueTest};

const FORM: &str =
    "expected `all`, an object with `status`, `grpc` or both, or `{ \"not\": { … } }` around such an object";
const OF_GRPC: &str = "is a gRPC status; write it under `grpc`";

pub(super) fn read(node: &Node) -> Result<Count, ConfigError> {
    if !node.is_object() {
        return match node.value() {
            Value::Text(text) if text == "all" => Ok(Count::All),
            _ => Err(node.error(FORM)),
        };
    }
    let fields = node.fields(&["status", "grpc", "not"])?;
    match fields.get("not") {
        None => answers(node, &fields, false),
        Some(not) if fields.iter().nth(1).is_none() => answers(&not, &not.fields(&["status", "grpc"])?, true),
        Some(not) => {
            Err(not.error_without_value("stands alone; what counts cannot be listed beside what does not"))
        }
    }
}

fn answers(node: &Node, fields: &Fields, negated: bool) -> Result<Count, ConfigError> {
    let (status, grpc) = (fields.get("status"), fields.get("grpc"));
    if status.is_none() && grpc.is_none() {
        return Err(node.error(FORM));
    }
    let statuses = status.map(|node| node.each(http_status)).transpose()?.unwrap_or_default();
    let mut listed = GrpcStatuses::default();
    if let Some(grpc) = grpc {
        for node in grpc.one_or_more()? {
            listed = listed.with(grpc_status(&node)?);
        }
    }
    Ok(Count::Answers { statuses, grpc: listed, negated })
}

/// One status, `401`, or a class of them, `"4xx"`.
fn http_status(node: &Node) -> Result<RangeInclusive<u16>, ConfigError> {
    match node.value() {
        Value::Text(class) => match class.as_bytes() {
            [digit @ b'1'..=b'5', b'x', b'x'] => {
                let first = u16::from(digit - b'0') * 100;
                Ok(first..=first + 99)
            }
            _ if GrpcStatuses::number(class).is_some() => Err(node.error(OF_GRPC)),
            _ => Err(node.error("expected a status, such as 401, or a class, such as `5xx`")),
        },
        _ if node.whole_number(0, GrpcStatuses::LAST).is_ok() => Err(node.error(OF_GRPC)),
        _ => match u16::try_from(node.whole_number(100, 599)?).unwrap_or_default() {
            100 | 102..200 => Err(node.error("is never the last answer; only those from 200 are, and 101")),
            status => Ok(status..=status),
        },
    }
}

/// One status by its name or number.
fn grpc_status(node: &Node) -> Result<u32, ConfigError> {
    if let Value::Text(name) = node.value() {
        if let Some(number) = GrpcStatuses::number(name) {
            return Ok(number);
        }
    } else if let Ok(number) = node.whole_number(0, 599) {
        // What is meant by one of HTTP, which is never gRPC's (google/rpc/code.proto).
        let meant = match number {
            0..=GrpcStatuses::LAST => return Ok(number),
            200 => "OK",
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ALREADY_EXISTS",
            429 => "RESOURCE_EXHAUSTED",
            499 => "CANCELLED",
            500 => "INTERNAL",
            501 => "UNIMPLEMENTED",
            503 => "UNAVAILABLE",
            504 => "DEADLINE_EXCEEDED",
            _ => "",
        };
        if !meant.is_empty() {
            return Err(node.error(format_args!("is an HTTP status; gRPC's is `{meant}`")));
        }
    }
    Err(node.error("expected the name of a gRPC status, such as `UNAUTHENTICATED`, or its number, 0 to 16"))
}

/// The HTTP status of an answered gRPC call is 200: a scope for gRPC that counts by others would count nothing.
pub(super) fn check_grpc(node: &Node, matcher: &Matcher, count: &Count) -> Result<(), ConfigError> {
    if count.counts_any_grpc() || !is_for_grpc(matcher) {
        return Ok(());
    }
    Err(node.error_without_value(
        "counts nothing, since a gRPC call is answered with the HTTP status 200, whatever comes of it; list what counts \
         under `grpc`, such as `UNAUTHENTICATED`",
    ))
}

/// Whether only gRPC calls match.
fn is_for_grpc(matcher: &Matcher) -> bool {
    let grpc = |kind: &String| kind.starts_with("application/grpc");
    matcher.0.iter().any(|condition| match condition {
        Condition::Header(name, ValueTest::OneOf(kinds)) => name == "content-type" && kinds.iter().all(grpc),
        Condition::Header(name, ValueTest::Prefix(kind)) => name == "content-type" && grpc(kind),
        Condition::Any(matchers) => matchers.iter().all(is_for_grpc),
        _ => false,
    })
}
