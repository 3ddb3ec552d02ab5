//! `client`: how clients are told apart.

use std::time::Duration;

use super::node::{Fields, Node};
use super::{ConfigError, matcher, names, scopes};
use crate::client::{ClientRules, Crawlers, Prefixes, Source};
use crate::limit::{Limit, parse_window};
use crate::policy::Trust;

/// How clients are told apart, and when their credentials count.
pub(super) struct ClientSection {
    pub(super) rules: ClientRules,
    pub(super) trust: Trust,
}

/// Reads the section; what it leaves out is taken from the `client` section of `default`. But what proves is so only with the default
/// scopes: both are for a certain application.
pub(super) fn read(
    own: Option<&Node>,
    default: &Fields,
    with_default_scopes: bool,
) -> Result<ClientSection, ConfigError> {
    let own = own.map(|node| node.fields(&["address", "credential", "bots"])).transpose()?;
    let own = |name| own.as_ref()?.get(name);
    let default = default.require("client", NO_DEFAULT)?.members()?;
    let prefixes = own("address").or_else(|| default.get("address"));
    let prefixes = prefixes.map(|node| prefixes_of(&node)).transpose()?.unwrap_or_default();
    let credentials = default.require("credential", NO_DEFAULT)?;
    let credentials =
        Credentials { own: own("credential"), default: credentials.members()?, with_default_scopes };
    let (credential_from, trust) = credentials.read()?;
    let crawlers = own("bots").map(|node| crawlers(&node)).transpose()?.unwrap_or_default();
    Ok(ClientSection { rules: ClientRules { prefixes, credential_from, crawlers }, trust })
}

const NO_DEFAULT: &str = "has no default";

/// Families and the names by which they are known, besides those that are known anyway.
fn crawlers(node: &Node) -> Result<Crawlers, ConfigError> {
    let mut additions = Vec::new();
    for (family, node) in node.members()?.iter() {
        let names = node.each(|name| Ok(name.text("a name in the user agent")?.to_owned()))?;
        additions.push((family.to_owned(), names));
    }
    Crawlers::new(additions).map_err(|error| node.error_without_value(error))
}

fn prefixes_of(node: &Node) -> Result<Prefixes, ConfigError> {
    let fields = node.fields(&["ipv4_prefix", "ipv6_prefix"])?;
    let prefix = |name, default, most: u8| {
        let Some(node) = fields.get(name) else { return Ok(default) };
        // At most 128.
        node.whole_number(1, most.into()).map(|prefix| u8::try_from(prefix).unwrap_or(most))
    };
    let Prefixes { ipv4, ipv6 } = Prefixes::default();
    Ok(Prefixes { ipv4: prefix("ipv4_prefix", ipv4, 32)?, ipv6: prefix("ipv6_prefix", ipv6, 128)? })
}

struct Credentials<'a> {
    own: Option<Node<'a>>,
    default: Fields<'a>,
    with_default_scopes: bool,
}

impl Credentials<'_> {
    fn read(&self) -> Result<(Vec<Source>, Trust), ConfigError> {
        let known = ["from", "trust", "trust_for", "proof", "new_per_address"];
        let fields = self.own.as_ref().map(|node| node.fields(&known)).transpose()?;
        let own = |name| fields.as_ref()?.get(name);
        let from = own("from").or_else(|| self.default.get("from"));
        let sources = from.map(|from| sources(&from.confidential())).transpose()?.unwrap_or_default();
        if let Some(node) = own("trust") {
            const EXPECTED: &str = "`upstream` or `any`";
            match node.text(EXPECTED)? {
                "upstream" => {}
                "any" => return Ok((sources, trust_any(own)?)),
                _ => return Err(node.error(format_args!("expected {EXPECTED}"))),
            }
        }
        let lasts = own("trust_for").map_or(Ok(Duration::from_hours(1)), |node| span(&node))?;
        let default_proof = self.default.get("proof").filter(|_| self.with_default_scopes);
        let proof = own("proof").or(default_proof);
        let proof = proof.map(|node| matcher::read(&node)).transpose()?.unwrap_or_default();
        let new_per_address = match own("new_per_address") {
            Some(node) => new_credentials(&node)?,
            None => new_credentials(&self.default.require("new_per_address", NO_DEFAULT)?)?,
        };
        Ok((sources, Trust::Upstream { lasts, proof, new_per_address }))
    }
}

fn trust_any<'a>(own: impl Fn(&'static str) -> Option<Node<'a>>) -> Result<Trust, ConfigError> {
    match ["trust_for", "proof", "new_per_address"].into_iter().find_map(own) {
        Some(needless) => Err(needless.error_without_value("has no meaning where any credential is trusted")),
        None => Ok(Trust::Any),
    }
}

fn new_credentials(node: &Node) -> Result<Limit, ConfigError> {
    let rate = scopes::rate(node)?;
    if rate.quota() == 0 {
        return Err(
            node.error("no credential could ever become known; to let none count, write `\"from\": []`")
        );
    }
    Ok(Limit::sliding_window(rate))
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
        if ["digest", "oauth", "aws4-hmac-sha256"].contains(&&*scheme.to_ascii_lowercase()) {
            Err(node.error("signs each request anew, so it never presents the same secret twice; count such clients by `address` or a `header`"))
        } else if names::is_token(scheme) {
            Ok(scheme.to_owned())
        } else {
            Err(node.error("expected one word, such as `Bearer`"))
        }
    })
}
