//! What to call a client whom a scope has counted.

use std::fmt::Write;

use tollgate::client::Client;
use tollgate::scope::{Key, KeyPart, credential_fingerprint};
use tollgate::store::Fingerprint;

use super::judge::SECRET;
use super::request::Entry;
use crate::output::printable;

/// The client with this fingerprint, by the first part of the key that this request has.
pub(crate) fn name(key: &Key, counted: Fingerprint, client: &Client, entry: &Entry) -> String {
    let of_part = |part: &KeyPart| part_name(part, key.0.len() == 1, counted, client, entry);
    key.0.iter().find_map(of_part).unwrap_or_else(|| client.network().to_string())
}

fn part_name(
    part: &KeyPart,
    is_alone: bool,
    counted: Fingerprint,
    client: &Client,
    entry: &Entry,
) -> Option<String> {
    let request = client.request();
    match part {
        KeyPart::Address => Some(client.network().to_string()),
        KeyPart::Global => Some("everybody".into()),
        KeyPart::Credential => {
            let is_counted = |secret: &[u8]| is_alone || credential_fingerprint(secret, &SECRET) == counted;
            let is_here = client.credential().is_some_and(is_counted)
                || client.could_be().iter().any(|secret| is_counted(secret));
            is_here.then(|| credential(counted, entry))
        }
        KeyPart::Header(name) => last(request.header(name).map(<[u8]>::to_vec)),
        KeyPart::Query(name) => last(request.query(name.as_bytes()).map(std::borrow::Cow::into_owned)),
        KeyPart::Cookie(name) => last(request.cookie(name.as_bytes()).map(std::borrow::Cow::into_owned)),
        KeyPart::Bot => client.crawler().map(str::to_owned),
        KeyPart::JwtClaim(_) => last(Some(entry.stand_in().to_vec()).into_iter()),
        KeyPart::All(parts) => {
            let names: Option<Vec<String>> =
                parts.iter().map(|part| part_name(part, true, counted, client, entry)).collect();
            names.map(|names| names.join(" + "))
        }
    }
}

/// What stands for a credential in the log; or, if that is the secret itself, a number in its place.
fn credential(counted: Fingerprint, entry: &Entry) -> String {
    let stand_in = entry.stand_in();
    if !stand_in.is_empty() {
        return shown(stand_in);
    }
    let mut name = "credential ".to_owned();
    for byte in &counted.to_bytes()[..4] {
        // A string takes all that is written.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn last(values: impl Iterator<Item = Vec<u8>>) -> Option<String> {
    values.filter(|value| !value.is_empty()).last().map(|value| shown(&value))
}

/// Something that a client has chosen.
fn shown(text: &[u8]) -> String {
    printable(text, 48)
}
