//! `response`: what clients are told. `access_log`: what the log is.

use super::{ConfigError, Node};
use crate::access_log::Logged;
use crate::reply::{Body, Dialect, ReplyRules};

pub(super) fn read(node: &Node) -> Result<ReplyRules, ConfigError> {
    let fields = node.fields(&["status", "body", "ratelimit_headers"])?;
    let mut rules = ReplyRules::default();
    if let Some(node) = fields.get("status") {
        rules.status = u16::try_from(node.whole_number(400, 599)?).unwrap_or(rules.status);
    }
    if let Some(node) = fields.get("body") {
        rules.body = body(&node)?;
    }
    if let Some(node) = fields.get("ratelimit_headers") {
        rules.ratelimit_headers = dialect(&node)?;
    }
    Ok(rules)
}

pub(super) fn access_log(node: &Node) -> Result<Logged, ConfigError> {
    const EXPECTED: &str = "`limited`, `all` or `off`";
    match node.text(EXPECTED)? {
        "limited" => Ok(Logged::Limited),
        "all" => Ok(Logged::All),
        "off" => Ok(Logged::Off),
        _ => Err(node.error(format_args!("expected {EXPECTED}"))),
    }
}

fn body(node: &Node) -> Result<Body, ConfigError> {
    const EXPECTED: &str = "`drf`, `problem` or `{ \"text\": … }`";
    if !node.is_object() {
        return match node.text(EXPECTED)? {
            "drf" => Ok(Body::Drf),
            "problem" => Ok(Body::Problem),
            _ => Err(node.error(format_args!("expected {EXPECTED}"))),
        };
    }
    let fields = node.fields(&["text", "content_type"])?;
    let text = fields.require("text", "the body of a denial")?.text("a string")?.to_owned();
    let content_type = fields.get("content_type").map(|node| content_type(&node)).transpose()?;
    let content_type = content_type.unwrap_or_else(|| "text/plain; charset=utf-8".to_owned());
    Ok(Body::Text { text, content_type })
}

/// It becomes a header's value: a line break in it would be another header.
fn content_type(node: &Node) -> Result<String, ConfigError> {
    const EXPECTED: &str = "a media type, such as `text/html; charset=utf-8`";
    let text = node.text(EXPECTED)?;
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if printable && text.contains('/') {
        Ok(text.to_owned())
    } else {
        Err(node.error(format_args!("expected {EXPECTED}")))
    }
}

fn dialect(node: &Node) -> Result<Dialect, ConfigError> {
    const EXPECTED: &str = "`off`, `draft` or `x-ratelimit`";
    match node.text(EXPECTED)? {
        "off" => Ok(Dialect::Off),
        "draft" => Ok(Dialect::Draft),
        "x-ratelimit" => Ok(Dialect::XRateLimit),
        _ => Err(node.error(format_args!("expected {EXPECTED}"))),
    }
}
