//! Names of headers, cookies and parameters: as the document writes them, and as requests have them. A name that no
//! request can have is refused.

use super::ConfigError;
use super::node::Node;

/// The name of a request's part, or what was expected.
pub(super) type Name = fn(&str) -> Result<String, &'static str>;

/// A header's name as the proxy writes it: in lower case, and the host as `:authority`.
pub(super) fn header(name: &str) -> Result<String, &'static str> {
    if !is_token(name) {
        return Err("expected the name of a header; method, path and host are fields of `match`");
    }
    let name = name.to_ascii_lowercase();
    Ok(if name == "host" { ":authority".to_owned() } else { name })
}

/// A cookie's name, exactly.
pub(super) fn cookie(name: &str) -> Result<String, &'static str> {
    let ends = |character: char| character.is_ascii_control() || matches!(character, '=' | ';');
    if name.is_empty() || name.trim_ascii() != name || name.contains(ends) {
        return Err("expected the name of a cookie, without `=`, `;` and spaces at its ends");
    }
    Ok(name.to_owned())
}

/// The decoded name of a parameter.
pub(super) fn parameter(name: &str) -> Result<String, &'static str> {
    if name.is_empty() { Err("expected the name of a parameter") } else { Ok(name.to_owned()) }
}

/// The value of this field as a name. It is not shown: by mistake it may be a whole header or cookie.
pub(super) fn value(node: &Node, name: Name) -> Result<String, ConfigError> {
    let node = node.confidential();
    name(node.text("a name")?).map_err(|expected| node.error(expected))
}

/// Whether it is a word as HTTP has them (RFC 9110, 5.6.2).
pub(super) fn is_token(word: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !word.is_empty() && word.bytes().all(token)
}
