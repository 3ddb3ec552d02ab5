//! `request`: where the request that is judged stands.

use super::ConfigError;
use super::node::Node;
use crate::client::Source;
use crate::policy::Trust;
use crate::reply::{Body, ReplyRules};
use crate::request::RequestFrom;
use crate::scope::{Count, Scope};

/// nginx takes an answer's header whole into a buffer of 4 or 8 KiB.
const LONGEST_TEXT: usize = 2_048;

pub(super) fn read(node: &Node) -> Result<RequestFrom, ConfigError> {
    const EXPECTED: &str = "`direct`, `forwarded` or `ext_authz`";
    let fields = node.fields(&["from"])?;
    let Some(node) = fields.get("from") else { return Ok(RequestFrom::Direct) };
    match node.text(EXPECTED)? {
        "direct" => Ok(RequestFrom::Direct),
        "forwarded" => Ok(RequestFrom::Forwarded),
        "ext_authz" => Ok(RequestFrom::ExtAuthz),
        _ => Err(node.error(format_args!("expected {EXPECTED}"))),
    }
}

/// Who is only asked about a request never sees its response. What needs it is refused, rather than done without.
pub(super) fn check_trust(from: RequestFrom, sources: &[Source], trust: &Trust) -> Result<(), ConfigError> {
    if !from.is_asked() || sources.is_empty() || *trust == Trust::Any {
        return Ok(());
    }
    Err(ConfigError::new(
        "client.credential.trust",
        "`upstream`, the default, takes the application's response for proof, and with this `request.from` no \
         response comes by; say `\"trust\": \"any\"`, and let a scope by `address` stand beside those by \
         `credential`, since whoever makes up a credential is then a new client",
    ))
}

/// As [`check_trust`], for the scopes.
pub(super) fn check_counts(from: RequestFrom, scopes: &[Scope]) -> Result<(), ConfigError> {
    let waits = |scope: &&Scope| from.is_asked() && scope.count != Count::All;
    scopes.iter().find(waits).map_or(Ok(()), |scope| {
        Err(ConfigError::new(
            format!("scopes.{}.count", scope.name),
            "the response's status is not known with this `request.from`, since no response comes by; leave \
             `count` out, or put Tollgate inline",
        ))
    })
}

/// Of an answer that refuses, nginx's `auth_request` passes 401 and 403 alone, and never the body: it travels in a
/// header then.
pub(super) fn fit_to_nginx(from: RequestFrom, response: &mut ReplyRules) -> Result<(), ConfigError> {
    if from != RequestFrom::Forwarded || response.status != 403 {
        return Ok(());
    }
    if let Body::Text { text, .. } = &response.body
        && (text.len() > LONGEST_TEXT || text.contains(char::is_control) || text.trim() != text)
    {
        return Err(ConfigError::new(
            "response.body.text",
            format!(
                "with status 403 the text travels to nginx in a header, which holds at most {LONGEST_TEXT} \
                 bytes, no line breaks, and no spaces at its ends; leave `body` out here, and let nginx \
                 `return 429` your own text"
            ),
        ));
    }
    response.for_auth_request = true;
    Ok(())
}
