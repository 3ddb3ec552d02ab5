//! The console: where it is, what it is asked, and what is said when it does not answer as one.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error, Proxy, Timeout};

use super::answers::Refused;
use super::who::Who;
use crate::tell;

/// Where the shipped configurations have it.
const USUAL: &str = "http://127.0.0.1:9902";
/// The environment variables.
const PLACE: &str = "TOLLGATE_CONSOLE";
const TOKEN: &str = "TOLLGATE_CONSOLE_TOKEN";

/// A console that can be asked.
pub(super) struct Console {
    agent: Agent,
    /// Without a slash at its end.
    base: String,
    token: Option<String>,
}

/// What it is asked.
pub(super) struct Question<'q> {
    path: String,
    query: Vec<(&'q str, &'q str)>,
    body: Option<Value>,
    is_act: bool,
}

/// What it has answered: as it is, and as it was read.
pub(super) struct Answer<T> {
    pub(super) json: Value,
    pub(super) said: T,
}

impl<'q> Question<'q> {
    pub(super) fn get(path: &str) -> Self {
        Self { path: path.to_owned(), query: Vec::new(), body: None, is_act: false }
    }

    pub(super) fn find(whom: &Who) -> Self {
        Self { body: Some(whom.body()), ..Self::get("/v1/clients/find") }
    }

    /// `client` is an id.
    pub(super) fn act(client: &str, what: &str, body: &Value) -> Self {
        Self { body: Some(body.clone()), is_act: true, ..Self::get(&format!("/v1/clients/{client}/{what}")) }
    }

    /// With a parameter, if there is a value for it.
    pub(super) fn with(mut self, name: &'q str, value: Option<&'q str>) -> Self {
        self.query.extend(value.map(|value| (name, value)));
        self
    }
}

impl Console {
    /// The console at this place, or at that of the environment, or at the usual one.
    ///
    /// # Errors
    /// If the place is no URL of one, or the token can be none; in words.
    pub(super) fn new(place: Option<&str>) -> anyhow::Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let (from, place) = match (place, set(PLACE)) {
            (Some(place), _) => ("--console", place.to_owned()),
            (None, Some(place)) => ("$TOLLGATE_CONSOLE", place.to_string_lossy().into_owned()),
            (None, None) => ("the console's place", USUAL.to_owned()),
        };
        let (base, is_private) = base(&place).with_context(|| from)?;
        let token = set(TOKEN).map(|token| {
            let token =
                token.into_string().ok().filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
            token.ok_or_else(|| anyhow!("${TOKEN} has a space, or a character that no token has"))
        });
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The token is for this console alone.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy would read what is asked, but for what is encrypted.
            .proxy(if is_private { None } else { Proxy::try_from_env() })
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_secs(30)))
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.into(), base, token: token.transpose()? })
    }

    /// Asks.
    ///
    /// # Errors
    /// If it cannot be reached, refuses, or answers what no console would; in words.
    pub(super) fn ask<T: DeserializeOwned>(&self, question: &Question) -> anyhow::Result<Answer<T>> {
        let unknown = || {
            if question.is_act {
                "\nWhether it was done is not known: `tollgate clients find` tells."
            } else {
                ""
            }
        };
        let mut response = self.send(question).map_err(|error| {
            let is_sent = reached(&error);
            anyhow!("{}{}", self.unanswered(&error), if is_sent { unknown() } else { "" })
        })?;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(LARGEST)
            .read_to_vec()
            .map_err(|error| anyhow!("{}{}", self.unanswered(&error), unknown()))?;
        if status != 200 {
            bail!("{}", self.refusal(status, &body));
        }
        let foreign = |error: serde_json::Error| {
            anyhow!(
                "{} answers what no console of this version does ({}). Is it Tollgate's console, and as old as this command?{}",
                self.base,
                tell::clean(&error.to_string()),
                unknown()
            )
        };
        let json: Value = serde_json::from_slice(&body).map_err(foreign)?;
        let said = T::deserialize(&json).map_err(foreign)?;
        Ok(Answer { json, said })
    }

    fn send(&self, question: &Question) -> Result<Response<Body>, Error> {
        let url = format!("{}{}", self.base, question.path);
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let Some(body) = &question.body else {
            let mut request = self.agent.get(url).query_pairs(question.query.iter().copied());
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            return request.call();
        };
        let mut request = self.agent.post(url).content_type("application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        request.send(body.to_string())
    }

    /// Why there is no answer.
    fn unanswered(&self, error: &Error) -> String {
        let Self { base, .. } = self;
        let reason = match error {
            Error::Io(error) => tell::clean(&error.to_string()),
            error => tell::clean(&error.to_string()),
        };
        match error {
            error if is_tls(error) => format!(
                "{base} cannot be trusted: {reason}.\nIs its certificate one that this system trusts ($SSL_CERT_FILE names others), and does it speak TLS at all?"
            ),
            Error::HostNotFound => format!("{base} cannot be reached: there is no host of this name.\n{TRY}"),
            error if !reached(error) => format!("{base} cannot be reached: {reason}.\n{TRY}"),
            Error::Timeout(_) => format!("{base} does not answer in time: {reason}.\n{TRY}"),
            _ => format!(
                "{base} gives no whole answer: {reason}.\nIs it Tollgate's console, or another server?"
            ),
        }
    }

    /// What another status than 200 means.
    fn refusal(&self, status: u16, body: &[u8]) -> String {
        const LONGEST: usize = 500;
        let Self { base, token, .. } = self;
        let Ok(Refused { error }) = serde_json::from_slice(body) else {
            return format!(
                "{base} answers with the status {status}, and not as Tollgate's console does. Is there another server, or a proxy in between?"
            );
        };
        let error: String = tell::clean(&error).chars().take(LONGEST).collect();
        let what_to_do = match (status, token) {
            (401, None) => format!("\nIt wants a token: put one that it knows into ${TOKEN}."),
            (401, Some(_)) => format!("\nIt does not know the token that is in ${TOKEN}."),
            (502, _) => {
                "\nIts Redis does not answer: `tollgate clients status` tells more, and so does Envoy's log."
                    .to_owned()
            }
            _ => String::new(),
        };
        format!("{base} refuses: {error} (status {status}){what_to_do}")
    }
}

/// What to try if it cannot be reached.
const TRY: &str = "Is Envoy running? Is the console's listener in its configuration (docs/operations.md)? Another place is given by --console URL \
                   or $TOLLGATE_CONSOLE.";

/// Far more than a thousand clients take.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Whether there is no encrypted connection. What the library for TLS says comes as an error of reading.
fn is_tls(error: &Error) -> bool {
    match error {
        Error::Tls(_) | Error::Rustls(_) => true,
        Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Whether the question may have got there.
fn reached(error: &Error) -> bool {
    match error {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::BadUri(_)
        | Error::Timeout(Timeout::Connect | Timeout::Resolve) => false,
        error if is_tls(error) => false,
        Error::Io(error) => !matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::PermissionDenied
        ),
        _ => true,
    }
}

/// The URL without a slash at its end, and whether a proxy has to be kept away from what is said.
fn base(text: &str) -> anyhow::Result<(String, bool)> {
    const EXPECTED: &str = "expected a URL such as http://127.0.0.1:9902 or https://console.example.com";
    let uri: Uri = text.trim().parse().map_err(|_| anyhow!("{EXPECTED}"))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    let (Some(authority), "http" | "https") = (uri.authority(), scheme) else { bail!("{EXPECTED}") };
    if authority.as_str().contains('@') {
        bail!(
            "a name and a password in a URL are seen by others; the console's token is taken from ${TOKEN}"
        );
    }
    if uri.query().is_some() {
        bail!("has a query, which is none of the console's place; {EXPECTED}");
    }
    let host = authority.host();
    let is_loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let base = format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'));
    Ok((base, scheme == "http" || is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_a_url() {
        for (text, expected, is_private) in [
            ("http://127.0.0.1:9902", "http://127.0.0.1:9902", true),
            ("HTTP://console.test/", "http://console.test", true),
            ("https://console.test/tollgate/", "https://console.test/tollgate", false),
            ("https://[::1]:9902", "https://[::1]:9902", true),
        ] {
            assert_eq!(base(text).expect(text), (expected.to_owned(), is_private));
        }
        for text in [
            "",
            "127.0.0.1:9902",
            "/",
            "ftp://a.test",
            "http://",
            "http://u:secret@a.test",
            "http://a.test/?token=secret",
            "http://a b",
        ] {
            let error = base(text).expect_err(text);
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
    }
}
