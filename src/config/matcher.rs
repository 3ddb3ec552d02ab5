//! `match` and `exempt`: which requests a rule is about.

use super::names::Name;
use super::node::{Node, Value};
use super::{ConfigError, names};
use crate::client::Cidr;
use crate::scope::{
    ClientKind, Condition, HostPattern, Matcher, MethodPattern, PathPattern, PatternError, ValueTest,
};

const FIELDS: [&str; 10] =
    ["method", "path", "host", "query", "header", "cookie", "client", "address", "any", "not"];

/// Reads a match.
pub(super) fn read(node: &Node) -> Result<Matcher, ConfigError> {
    let fields = node.fields(&FIELDS)?;
    let mut conditions = Vec::new();
    for (name, node) in fields.iter() {
        match name {
            "method" => conditions.push(Condition::Method(patterns(&node, MethodPattern::new)?)),
            "path" => conditions.push(Condition::Path(patterns(&node, PathPattern::new)?)),
            "host" => conditions.push(Condition::Host(patterns(&node, HostPattern::new)?)),
            "client" => conditions.push(Condition::Client(client_kinds(&node)?)),
            "address" => conditions.push(Condition::Address(networks(&node)?)),
            "any" => conditions.push(Condition::Any(alternatives(&node)?)),
            "not" => conditions.push(Condition::Not(not_empty(&node)?)),
            "query" => conditions.extend(tests(&node, names::parameter, Condition::Query)?),
            "cookie" => conditions.extend(tests(&node, names::cookie, Condition::Cookie)?),
            _ => conditions.extend(tests(&node, names::header, Condition::Header)?),
        }
    }
    Ok(Matcher(conditions))
}

/// Reads a list of matches, none of which may match everything by being empty.
pub(super) fn read_list(node: &Node) -> Result<Vec<Matcher>, ConfigError> {
    if node.list()?.is_empty() { Ok(Vec::new()) } else { node.each(not_empty) }
}

fn alternatives(node: &Node) -> Result<Vec<Matcher>, ConfigError> {
    let matches = read_list(node)?;
    if matches.is_empty() {
        return Err(node.error("can never match; name a match in it, or leave `any` out"));
    }
    Ok(matches)
}

fn not_empty(node: &Node) -> Result<Matcher, ConfigError> {
    let matcher = read(node)?;
    if matcher.0.is_empty() {
        Err(node.error("matches every request; name a condition"))
    } else {
        Ok(matcher)
    }
}

fn patterns<T>(node: &Node, pattern: fn(&str) -> Result<T, PatternError>) -> Result<Vec<T>, ConfigError> {
    node.each(|node| pattern(node.text("a string or a list")?).map_err(|error| node.error(error)))
}

fn client_kinds(node: &Node) -> Result<Vec<ClientKind>, ConfigError> {
    const EXPECTED: &str = "`anonymous`, `authenticated` or `bot`";
    node.each(|node| match node.text(EXPECTED)? {
        "anonymous" => Ok(ClientKind::Anonymous),
        "authenticated" => Ok(ClientKind::Authenticated),
        "bot" => Ok(ClientKind::Bot),
        _ => Err(node.error(format_args!("expected {EXPECTED}"))),
    })
}

fn networks(node: &Node) -> Result<Vec<Cidr>, ConfigError> {
    node.each(|node| {
        let text = node.text("an address or a network, or a list")?;
        text.parse::<Cidr>().map_err(|error| node.error(error))
    })
}

/// Tests by the name of what they test.
fn tests(
    node: &Node,
    name: Name,
    condition: fn(String, ValueTest) -> Condition,
) -> Result<Vec<Condition>, ConfigError> {
    let fields = node.members()?;
    if fields.is_empty() {
        return Err(node.error("expected at least one name"));
    }
    let mut conditions = Vec::new();
    for (text, node) in fields.iter() {
        let node = node.confidential();
        let condition = condition(name(text).map_err(|expected| node.error(expected))?, test(&node)?);
        if let Condition::Header(_, asked) = &condition
            && !may_pass_header(asked)
        {
            return Err(node.error(
                "no header's value has this: spaces at its ends are cut off, and control characters never \
                 stand in it",
            ));
        }
        conditions.push(condition);
    }
    Ok(conditions)
}

/// Whether there are headers whose value passes; requests have it without white space at its ends.
fn may_pass_header(asked: &ValueTest) -> bool {
    let control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    let possible = |text: &str| !text.bytes().any(control);
    match asked {
        ValueTest::Truthy | ValueTest::Present => true,
        ValueTest::OneOf(texts) | ValueTest::NoneOf(texts) => {
            texts.iter().all(|text| possible(text) && text.trim_ascii() == text)
        }
        ValueTest::Prefix(text) => possible(text) && text.trim_ascii_start() == text,
        ValueTest::Suffix(text) => possible(text) && text.trim_ascii_end() == text,
        ValueTest::Contains(text) => possible(text),
    }
}

fn test(node: &Node) -> Result<ValueTest, ConfigError> {
    const EXPECTED: &str =
        "`true`, a string, a list of strings, or one of `present`, `not`, `prefix`, `suffix`, `contains`";
    match node.value() {
        Value::Bool(true) => Ok(ValueTest::Truthy),
        Value::Object(_) => {
            let fields = node.fields(&["present", "not", "prefix", "suffix", "contains"])?;
            let mut fields = fields.iter();
            let (Some((name, part)), None) = (fields.next(), fields.next()) else {
                return Err(node.error(format_args!("expected {EXPECTED}")));
            };
            let text = || Ok(part.text("a string")?.to_owned());
            Ok(match name {
                "present" if *part.value() == Value::Bool(true) => ValueTest::Present,
                "present" => {
                    return Err(part.error(
                        "expected `true`; for what must not be there put the match with `\"present\": true` into its `not`",
                    ));
                }
                "not" => ValueTest::NoneOf(texts(&part, "a string or a list of strings")?),
                "prefix" => ValueTest::Prefix(text()?),
                "suffix" => ValueTest::Suffix(text()?),
                _ => ValueTest::Contains(text()?),
            })
        }
        Value::Text(_) | Value::List(_) => Ok(ValueTest::OneOf(texts(node, EXPECTED)?)),
        _ => Err(node.error(format_args!("expected {EXPECTED}"))),
    }
}

fn texts(node: &Node, expected: &str) -> Result<Vec<String>, ConfigError> {
    node.each(|node| Ok(node.text(expected)?.to_owned()))
}
