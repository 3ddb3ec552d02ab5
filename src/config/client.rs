//! `client`: how clients are told apart.

use std::time::Duration;

use super::node::{Fields, Node};
use super::{ConfigError, matcher, names};
use crate::client::{ClientRules, Crawlers, Prefixes, Source};
use crate::limit::parse_window;
use crate::policy::Trust;

/// How clients are told apart, and when their credentials count.
pub(super) struct ClientSection {
    pub(super) rules: ClientRules,
    pub(super) trust: Trust,
}

/// Reads the section; what it leaves out is taken from the `client` section of `default`.
pub(super) fn read(node: &Node, default: &Fields) -> Result<ClientSection, ConfigError> {
    let fields = node.fields(&["address", "credential", "bots"])?;
    let default = default.get("client").map(|node| node.members()).transpose()?;
    let section = |name| fields.get(name).or_else(|| default.as_ref()?.get(name));
    let prefixes = section("address").map(|node| prefixes(&node)).transpose()?.unwrap_or_default();
    let credential_default = default.as_ref().and_then(|default| default.get("credential"));
    let (credential_from, trust) = match section("credential") {
        Some(node) => credential(&node, credential_default.as_ref())?,
        None => (Vec::new(), Trust::Any),
    };
    let crawlers = fields.get("bots").map(|node| crawlers(&node)).transpose()?.unwrap_or_default();
    Ok(ClientSection { rules: ClientRules { prefixes, credential_from, crawlers }, trust })
}

/// Families and the names by which they are known, besides those that are known anyway.
fn crawlers(node: &Node) -> Result<Crawlers, ConfigError> {
    let mut additions = Vec::new();
    for (family, node) in node.members()?.iter() {
        let names = node.each(|name| Ok(name.text("a name in the user agent")?.to_owned()))?;
        additions.push((family.to_owned(), names));
    }
    Crawlers::new(additions).map_err(|error| node.error_without_value(error))
}

fn prefixes(node: &Node) -> Result<Prefixes, ConfigError> {
    let fields = node.fields(&["ipv4_prefix", "ipv6_prefix"])?;
    let prefix = |name, default, most: u8| {
        let Some(node) = fields.get(name) else { return Ok(default) };
        // At most 128.
        node.whole_number(1, most.into()).map(|prefix| u8::try_from(prefix).unwrap_or(most))
    };
    let Prefixes { ipv4, ipv6 } = Prefixes::default();
    Ok(Prefixes { ipv4: prefix("ipv4_prefix", ipv4, 32)?, ipv6: prefix("ipv6_prefix", ipv6, 128)? })
}

fn credential(node: &Node, default: Option<&Node>) -> Result<(Vec<Source>, Trust), ConfigError> {
    let fields = node.fields(&["from", "trust", "trust_for", "proof"])?;
    let default = default.map(Node::members).transpose()?;
    let from = fields.get("from").or_else(|| default.as_ref()?.get("from"));
    let sources = from.map(|from| sources(&from.confidential())).transpose()?.unwrap_or_default();
    Ok((sources, trust(&fields)?))
}

fn trust(fields: &Fields) -> Result<Trust, ConfigError> {
    const EXPECTED: &str = "`upstream` or `any`";
    let lasts = fields.get("trust_for").map_or(Ok(Duration::from_hours(1)), |node| span(&node))?;
    let proof = fields.get("proof").map(|node| matcher::read(&node)).transpose()?.unwrap_or_default();
    let Some(node) = fields.get("trust") else { return Ok(Trust::Upstream { lasts, proof }) };
    match node.text(EXPECTED)? {
        "upstream" => Ok(Trust::Upstream { lasts, proof }),
        "any" => match fields.get("trust_for").or_else(|| fields.get("proof")) {
            Some(needless) => {
                Err(needless.error_without_value("has no meaning where any credential is trusted"))
            }
            None => Ok(Trust::Any),
        },
        _ => Err(node.error(format_args!("expected {EXPECTED}"))),
    }
}

fn span(node: &Node) -> Result<Duration, ConfigError> {
    const EXPECTED: &str = "a span from `1s` to `31d`, such as `1h`";
    let window = parse_window(node.text(EXPECTED)?);
    let span = window.map(|seconds| Duration::from_secs(seconds.into()));
    span.map_err(|_| node.error(format_args!("expected {EXPECTED}")))
}

fn sources(node: &Node) -> Result<Vec<Source>, ConfigError> {
    let mut sources: Vec<Source> = Vec::new();
    for node in node.list()? {
        let source = source(&node)?;
        if let Some(before) = sources.iter().position(|before| before.covers(&source)) {
            let reason =
                format_args!("is never used: `from[{before}]` comes first, and takes all that this would");
            return Err(node.error(reason));
        }
        sources.push(source);
    }
    Ok(sources)
}

fn source(node: &Node) -> Result<Source, ConfigError> {
    let fields = node.fields(&["header", "schemes", "cookie"])?;
    match (fields.get("header"), fields.get("cookie")) {
        (Some(node), None) => {
            let name = names::value(&node, names::header)?;
            let schemes = fields.get("schemes").map(|node| schemes(&node)).transpose()?.unwrap_or_default();
            if name == "authorization" && schemes.is_empty() {
                let reason =
                    "needs `schemes`, those that the application accepts, such as [\"Token\", \"Bearer\"]";
                return Err(node.error(reason));
            }
            Ok(Source::Header { name, schemes })
        }
        (None, Some(cookie)) => {
            if let Some(schemes) = fields.get("schemes") {
                return Err(schemes.error_without_value("a cookie has no scheme"));
            }
            Ok(Source::Cookie(names::value(&cookie, names::cookie)?))
        }
        _ => Err(node.error("expected either `header` or `cookie`")),
    }
}

fn schemes(node: &Node) -> Result<Vec<String>, ConfigError> {
    node.each(|node| {
        let scheme = node.text("an authentication scheme, such as `Bearer`")?;
        if names::is_token(scheme) {
            Ok(scheme.to_owned())
        } else {
            Err(node.error("expected one word, such as `Bearer`"))
        }
    })
}
