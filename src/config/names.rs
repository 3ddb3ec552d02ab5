//! Names of headers, as sections of the document write them and as requests have them.

use super::ConfigError;
use super::node::Node;

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
