//! `client`: how clients are told apart.

use super::{ConfigError, Fields, Node, not_yet};
use crate::client::{ClientRules, Prefixes, Source};

/// Reads the section; what it leaves out is taken from the `client` section of `default`.
pub(super) fn read(node: &Node, default: &Fields) -> Result<ClientRules, ConfigError> {
    let fields = node.fields(&["address", "credential"])?;
    let default = default.get("client").map(|node| node.members()).transpose()?;
    let section = |name| fields.get(name).or_else(|| default.as_ref()?.get(name));
    let prefixes = section("address").map(|node| prefixes(&node)).transpose()?.unwrap_or_default();
    let credential_from =
        section("credential").map(|node| credential(&node)).transpose()?.unwrap_or_default();
    Ok(ClientRules { prefixes, credential_from })
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

fn credential(node: &Node) -> Result<Vec<Source>, ConfigError> {
    let fields = node.fields(&["from", "trust", "trust_for"])?;
    if let Some(trust) = fields.get("trust") {
        match trust.text("`any` or `upstream`")? {
            "any" => {}
            "upstream" => return Err(not_yet(&trust)),
            _ => return Err(trust.error("expected `any` or `upstream`")),
        }
    }
    if let Some(trust_for) = fields.get("trust_for") {
        return Err(not_yet(&trust_for));
    }
    let from = fields.require("from", "say where a credential stands, or `[]` for nowhere")?;
    from.list()?.iter().map(source).collect()
}

fn source(node: &Node) -> Result<Source, ConfigError> {
    let fields = node.fields(&["header", "schemes", "cookie"])?;
    match (fields.get("header"), fields.get("cookie")) {
        (Some(node), None) => {
            let name = header(&node)?;
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
            Ok(Source::Cookie(cookie.text("the name of a cookie")?.to_owned()))
        }
        _ => Err(node.error("expected either `header` or `cookie`")),
    }
}

fn schemes(node: &Node) -> Result<Vec<String>, ConfigError> {
    let scheme = |node: &Node| {
        let scheme = node.text("an authentication scheme, such as `Bearer`")?;
        let word = !scheme.is_empty() && !scheme.contains(|character: char| character.is_whitespace());
        if word { Ok(scheme.to_owned()) } else { Err(node.error("expected one word, such as `Bearer`")) }
    };
    node.one_or_more()?.iter().map(scheme).collect()
}

/// A header's name as the proxy writes it: in lower case, and the host as `:authority`. `None` if it is none.
pub(super) fn header_name(name: &str) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let name = name.to_ascii_lowercase();
    let valid = !name.is_empty() && name.bytes().all(token);
    valid.then(|| if name == "host" { ":authority".to_owned() } else { name })
}

/// The value of this field, as a header's name.
pub(super) fn header(node: &Node) -> Result<String, ConfigError> {
    const EXPECTED: &str = "the name of a header";
    let name = header_name(node.text(EXPECTED)?);
    name.ok_or_else(|| node.error(format_args!("expected {EXPECTED}")))
}
