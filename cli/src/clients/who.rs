//! Which client is meant.

use std::io::{self, IsTerminal as _, Read};
use std::net::IpAddr;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};

use crate::tell;

/// One client, by one of the ways to name it.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false, id = "named")]
pub(super) struct Named {
    /// The client's id, 32 hexadecimal digits, as the access log, `list` and `find` show it
    #[arg(value_name = "CLIENT", group = "named")]
    client: Option<String>,
    /// The client with this address
    #[arg(long, value_name = "ADDRESS", group = "named")]
    address: Option<String>,
    /// The client with the credential that is in this file
    #[arg(long, value_name = "FILE", group = "named")]
    credential_file: Option<String>,
    /// The client with the credential that comes on standard input
    #[arg(long, group = "named")]
    credential_stdin: bool,
}

/// One client.
pub(super) enum Who {
    /// By its id: 32 hexadecimal digits in lower case.
    Client(String),
    /// By its address.
    Address(IpAddr),
    /// By its credential.
    Credential(String),
}

impl Named {
    /// Who it is; reads a credential.
    ///
    /// # Errors
    /// If it is no id or no address, or the credential cannot be read or cannot be one; in words, which do not show it.
    pub(super) fn read(&self) -> anyhow::Result<Who> {
        if let Some(text) = &self.client {
            return Ok(Who::Client(id(text)?));
        }
        if let Some(text) = &self.address {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            let address = bare.parse().map_err(|_| {
                anyhow!(
                    "`{}` is no address: expected one such as 203.0.113.7 or 2001:db8::7, without a port or a prefix",
                    tell::clean(text)
                )
            })?;
            return Ok(Who::Address(address));
        }
        let credential = if let Some(file) = &self.credential_file {
            let read = std::fs::File::open(file).map_err(anyhow::Error::from).and_then(credential);
            read.with_context(|| format!("the credential in {}", tell::clean(file)))?
        } else {
            let stdin = io::stdin();
            if stdin.is_terminal() {
                anstream::eprintln!("The credential, then Enter, then Ctrl-D:");
            }
            credential(stdin.lock()).context("the credential on standard input")?
        };
        Ok(Who::Credential(credential))
    }
}

impl Who {
    /// As the console is asked for it.
    pub(super) fn body(&self) -> Value {
        match self {
            Self::Client(client) => json!({ "client": client }),
            Self::Address(address) => json!({ "address": address }),
            Self::Credential(credential) => json!({ "credential": credential }),
        }
    }
}

/// A client's id.
///
/// # Errors
/// If it is none; in words. They show it only if it is an address: by mistake it may be a credential.
pub(super) fn id(text: &str) -> anyhow::Result<String> {
    const DIGITS: usize = 32;
    if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    if text.parse::<IpAddr>().is_ok() {
        bail!("`{text}` is an address, not a client's id: write --address {text}");
    }
    bail!(
        "that is no client's id, which has {DIGITS} hexadecimal digits, as the access log has it; a client can also be named by --address, \
         --credential-file or --credential-stdin"
    )
}

/// Reads a credential. The end of its line is none of it.
fn credential(from: impl Read) -> anyhow::Result<String> {
    /// More than a proxy lets through in a header.
    const LONGEST: u64 = 64 * 1024;
    let mut bytes = Vec::new();
    from.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        bail!("has more than 64 KiB, so it is something else");
    }
    let text = String::from_utf8(bytes).map_err(|_| anyhow!("is not UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        bail!("is empty");
    }
    if line.contains(['\n', '\r']) {
        bail!("has more than one line; expected the credential alone");
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_32_digits() {
        let hex = "0123456789ABCDEF0123456789abcdef";
        assert_eq!(id(hex).expect("an id"), hex.to_ascii_lowercase());
        for text in
            ["", "0123", &hex[1..], "g123456789abcdef0123456789abcdef", "Token 0123456789abcdef012345678"]
        {
            let error = id(text).expect_err(text).to_string();
            assert!(
                error.contains("--credential-file") && (text.is_empty() || !error.contains(text)),
                "{error}"
            );
        }
        assert!(id("2001:db8::7").expect_err("an address").to_string().contains("--address 2001:db8::7"));
    }

    #[test]
    fn a_credential_is_one_line() {
        for (bytes, expected) in [
            (&b"abc\n"[..], "abc"),
            (b"abc\r\n", "abc"),
            (b" a b ", " a b "),
            ("\u{e4}".as_bytes(), "\u{e4}"),
        ] {
            assert_eq!(credential(bytes).expect("a credential"), expected);
        }
        for bytes in [&b""[..], b"\n", b"a\nb", b"\xff", &vec![b'a'; 64 * 1024 + 1]] {
            assert!(credential(bytes).is_err());
        }
    }
}
