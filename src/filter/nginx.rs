//! What nginx's `ngx_wasm_module` does in another way than Envoy.

use crate::config::Config;
use crate::request::Headers;
use crate::response::Origin;
use crate::scope::KeyPart;

/// So many pairs the host hands over at most, and leaves out the rest without a word.
const MOST_PAIRS: usize = 100;

/// Only a Redis needs any, and [`check`] refuses that, whatever its secret would be.
#[expect(clippy::unnecessary_wraps, reason = "Envoy has not all")]
pub(super) fn environment_variable(_name: &str) -> Option<Vec<u8>> {
    Some(vec![b'x'; 64])
}

/// What the host cannot do.
pub(super) fn check(config: &Config) -> Result<(), String> {
    if config.redis.is_some() {
        return Err("store.redis: nginx cannot call out for a filter, so there is no way to Redis; leave it out, and each nginx counts for \
                    itself, or let several share one authz service, by `auth_request` (docs/nginx.md)"
            .to_owned());
    }
    for scope in &config.policy.scopes {
        if scope.key.0.iter().any(has_claim) {
            return Err(format!(
                "scopes.{}.key: nginx verifies no token for a filter, so there is no `jwt_claim`; write `credential`, or let Envoy \
                 verify it in an authz service, by `auth_request` (docs/nginx.md)",
                scope.name
            ));
        }
    }
    Ok(())
}

fn has_claim(part: &KeyPart) -> bool {
    match part {
        KeyPart::JwtClaim(_) => true,
        KeyPart::All(parts) => parts.iter().any(has_claim),
        _ => false,
    }
}

/// What the client has sent as the target.
pub(super) const TARGET: &[u8] = b"request\0path";

/// Of each server that nginx has asked, how long its answer took to come.
pub(super) const ANSWER_TIMES: &[u8] = b"ngx\0upstream_header_time";

/// The request's headers, from those that the host hands over: with names in lower case, and the [`TARGET`] in front of nginx's
/// own, which is decoded or rewritten. `None` if some may be missing.
pub(super) fn headers(mut block: Vec<u8>, target: &[u8]) -> Option<Vec<u8>> {
    Headers::lower_names(&mut block);
    let handed = Headers::new(&block);
    // It tells of a block that is too long a length that is too short.
    let count = block.first_chunk().map_or(0, |count| u32::from_le_bytes(*count) as usize);
    if count >= MOST_PAIRS || handed.iter().count() != count {
        return None;
    }
    if target.is_empty() || handed.first(":path") == Some(target) {
        return Some(block);
    }
    let pairs: Vec<_> = std::iter::once((&b":path"[..], target)).chain(&handed).collect();
    Some(Headers::encode(&pairs))
}

/// Who has made a response, by the [`ANSWER_TIMES`]: of a server that has not answered it is `-`, and without one there is nothing.
pub(super) fn origin(answer_times: Option<&[u8]>) -> Origin {
    match answer_times {
        None | Some(b"") => Origin::Proxy,
        Some(times) if times.ends_with(b"-") => Origin::Lost,
        Some(_) => Origin::Application,
    }
}
