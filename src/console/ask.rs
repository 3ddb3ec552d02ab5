//! What was asked for.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Answer;
use crate::client::Address;
use crate::limit::parse_window;
use crate::request::{Headers, NoProperties, Request};
use crate::store::Fingerprint;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The page.
    Page,
    /// What is in force.
    Policies,
    /// The clients closest to their limits, of one scope and policy or of all, and so many at most.
    Clients {
        /// The scope's name.
        scope: Option<String>,
        /// The policy's name.
        policy: Option<String>,
        /// From 1 to 1000.
        limit: usize,
    },
    /// One client.
    Find(Whom),
    /// Something is to be done with a client.
    Act {
        /// With whom.
        client: Fingerprint,
        /// What.
        act: Act,
        /// Who says that it is him, for the log.
        by: Option<String>,
    },
}

/// Who is sought.
#[derive(Clone, PartialEq, Eq)]
pub enum Whom {
    /// The client at this address.
    Address(Address),
    /// The bearer of this credential.
    Credential(String),
    /// The one with this fingerprint.
    Client(Fingerprint),
}

impl std::fmt::Debug for Whom {
    /// Without the credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "Address({address})"),
            Self::Credential(_) => f.write_str("Credential(…)"),
            Self::Client(client) => write!(f, "Client({client})"),
        }
    }
}

/// What can be done with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its counters and its proof are forgotten.
    Pardon,
    /// It is denied everything for so long.
    Block(Duration),
    /// It is not blocked any more.
    Unblock,
}

impl Act {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pardon => "pardon",
            Self::Block(_) => "block",
            Self::Unblock => "unblock",
        }
    }
}

const USUAL: usize = 100;
const MOST: usize = 1000;
/// The longest name that somebody may give himself.
const LONGEST_NAME: usize = 64;

impl Ask {
    /// Reads a request. The body matters to a POST alone.
    ///
    /// # Errors
    /// The answer that it gets instead: 404, 405, or 400 with what is wrong.
    pub fn read(headers: Headers, body: &[u8]) -> Result<Self, Answer> {
        let target = headers.first(":path").unwrap_or_default();
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let path = std::str::from_utf8(path).unwrap_or_default();
        let method = headers.first(":method").unwrap_or_default();
        let get = |ask: &dyn Fn() -> Result<Self, Answer>| match method {
            b"GET" | b"HEAD" => ask(),
            _ => Err(not_allowed("GET, HEAD")),
        };
        let post = |ask: &dyn Fn() -> Result<Self, Answer>| match method {
            b"POST" => ask(),
            _ => Err(not_allowed("POST")),
        };
        match path.trim_start_matches('/').split('/').collect::<Vec<_>>()[..] {
            [""] => get(&|| Ok(Self::Page)),
            ["v1", "policies"] => get(&|| Ok(Self::Policies)),
            ["v1", "clients"] => get(&|| clients(headers)),
            ["v1", "clients", "find"] => post(&|| find(body)),
            ["v1", "clients", client, act @ ("pardon" | "block" | "unblock")] => {
                post(&|| read_act(client, act, body))
            }
            _ => Err(Answer::refusal(
                404,
                "there is nothing here; the console knows `/`, `/v1/policies`, `/v1/clients`, `/v1/clients/find` and \
                 `/v1/clients/CLIENT/pardon`, `/block` and `/unblock`",
            )),
        }
    }
}

fn not_allowed(methods: &str) -> Answer {
    Answer::refusal(405, &format!("this takes {methods} alone")).with("allow", methods)
}

fn bad(reason: &str) -> Answer {
    Answer::refusal(400, reason)
}

fn clients(headers: Headers) -> Result<Ask, Answer> {
    let request = Request::new(headers, &NoProperties);
    let text = |name: &str| {
        let value = request.query(name.as_bytes()).last();
        value.map(|value| String::from_utf8_lossy(&value).into_owned()).filter(|value| !value.is_empty())
    };
    let limit = match text("limit") {
        None => USUAL,
        Some(limit) => match limit.parse() {
            Ok(limit @ 1..=MOST) => limit,
            _ => return Err(bad("limit: expected a whole number from 1 to 1000")),
        },
    };
    Ok(Ask::Clients { scope: text("scope"), policy: text("policy"), limit })
}

/// The fields of a body, of which only these may be there.
fn fields(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, Answer> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err(bad("the body: expected a JSON object, such as { \"for\": \"15m\" }"));
    };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(fields),
        Some(_) => Err(bad(&format!("the body has an unknown field; expected one of: {}", known.join(", ")))),
    }
}

fn find(body: &[u8]) -> Result<Ask, Answer> {
    const EXPECTED: &str = "expected one of { \"address\": \"203.0.113.7\" }, { \"credential\": \"…\" } and { \"client\": \"32 hexadecimal digits\" }";
    let fields = fields(body, &["address", "credential", "client"])?;
    let mut fields = fields.iter();
    let (Some((name, Value::String(text))), None) = (fields.next(), fields.next()) else {
        return Err(bad(EXPECTED));
    };
    let text = text.trim();
    Ok(Ask::Find(match name.as_str() {
        "address" => match Address::parse(text.as_bytes()) {
            Address::Unknown => {
                return Err(bad("address: expected an IP address, such as 203.0.113.7 or 2001:db8::7"));
            }
            address @ Address::Ip(_) => Whom::Address(address),
        },
        "credential" if text.is_empty() => return Err(bad("credential: expected a text that is not empty")),
        "credential" => Whom::Credential(text.to_owned()),
        _ => Whom::Client(read_client(text)?),
    }))
}

fn read_client(text: &str) -> Result<Fingerprint, Answer> {
    text.parse().map_err(|_| {
        bad("client: expected 32 hexadecimal digits, as the access log has them; an address or a credential goes to /v1/clients/find")
    })
}

fn read_act(client: &str, act: &str, body: &[u8]) -> Result<Ask, Answer> {
    let client = read_client(client)?;
    let fields = fields(body, if act == "block" { &["for", "by"] } else { &["by"] })?;
    let by = match fields.get("by") {
        None | Some(Value::Null) => None,
        Some(Value::String(by))
            if by.chars().count() <= LONGEST_NAME && !by.chars().any(char::is_control) =>
        {
            Some(by.trim().to_owned()).filter(|by| !by.is_empty())
        }
        Some(_) => {
            return Err(bad("by: expected a name of 64 characters at the most, without control characters"));
        }
    };
    let act = match act {
        "pardon" => Act::Pardon,
        "unblock" => Act::Unblock,
        _ => {
            let span = fields
                .get("for")
                .and_then(Value::as_str)
                .filter(|text| text.starts_with(|first: char| first.is_ascii_digit()));
            let seconds = span.and_then(|text| parse_window(text).ok());
            let seconds = seconds
                .ok_or_else(|| bad("for: expected how long, from 1s to 31d, such as 90s, 15m, 2h or 1d"))?;
            Act::Block(Duration::from_secs(seconds.into()))
        }
    };
    Ok(Ask::Act { client, act, by })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "0123456789abcdef0123456789abcdef";

    fn read(method: &str, path: &str, body: &str) -> Result<Ask, u16> {
        let block = Headers::encode(&[(":method", method), (":path", path)]);
        Ask::read(Headers::new(&block), body.as_bytes()).map_err(|answer| {
            assert!(answer.body.starts_with("{\"error\":\""), "{}", answer.body);
            answer.status
        })
    }

    #[test]
    fn what_can_be_looked_at() {
        let clients = |scope: Option<&str>, policy: Option<&str>, limit| {
            Ok(Ask::Clients { scope: scope.map(str::to_owned), policy: policy.map(str::to_owned), limit })
        };
        for (path, asked) in [
            ("/", Ok(Ask::Page)),
            ("/?x", Ok(Ask::Page)),
            ("/v1/policies", Ok(Ask::Policies)),
            ("/v1/clients", clients(None, None, USUAL)),
            ("/v1/clients?scope=anon&limit=5", clients(Some("anon"), None, 5)),
            ("/v1/clients?scope=&policy=a%2Db", clients(None, Some("a-b"), USUAL)),
            ("/v1/clients?limit=0", Err(400)),
            ("/v1/clients?limit=1001", Err(400)),
            ("/v1/clients?limit=x", Err(400)),
            ("/v1", Err(404)),
            ("/favicon.ico", Err(404)),
            ("/v1/policies/", Err(404)),
            ("/v1/clients/find", Err(405)),
        ] {
            assert_eq!(read("GET", path, ""), asked, "{path}");
        }
        assert_eq!(read("HEAD", "/", ""), Ok(Ask::Page));
        for method in ["POST", "PUT", "DELETE", "OPTIONS", ""] {
            assert_eq!(read(method, "/v1/policies", ""), Err(405), "{method}");
        }
    }

    #[test]
    fn who_can_be_sought() {
        let find = |body: &str| read("POST", "/v1/clients/find", body);
        let address = |text: &str| Ok(Ask::Find(Whom::Address(Address::parse(text.as_bytes()))));
        assert_eq!(find(r#"{"address": " 203.0.113.7 "}"#), address("203.0.113.7"));
        assert_eq!(find(r#"{"address": "203.0.113.7:80"}"#), address("203.0.113.7"));
        assert_eq!(find(r#"{"address": "2001:db8::7"}"#), address("2001:db8::7"));
        assert_eq!(find(r#"{"credential": "abc"}"#), Ok(Ask::Find(Whom::Credential("abc".to_owned()))));
        let client = CLIENT.parse().expect("a fingerprint");
        assert_eq!(find(&format!(r#"{{"client": "{CLIENT}"}}"#)), Ok(Ask::Find(Whom::Client(client))));
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "{",
            r#"{"address": "example.com"}"#,
            r#"{"address": 7}"#,
            r#"{"credential": " "}"#,
            r#"{"client": "abc"}"#,
            r#"{"who": "abc"}"#,
            r#"{"address": "203.0.113.7", "credential": "abc"}"#,
        ] {
            assert_eq!(find(body), Err(400), "{body}");
        }
    }

    #[test]
    fn what_can_be_done() {
        let act = |act: &str, body: &str| read("POST", &format!("/v1/clients/{CLIENT}/{act}"), body);
        let client = CLIENT.parse().expect("a fingerprint");
        let done = |act, by: Option<&str>| Ok(Ask::Act { client, act, by: by.map(str::to_owned) });
        assert_eq!(act("pardon", ""), done(Act::Pardon, None));
        assert_eq!(act("pardon", r#"{"by": "alice"}"#), done(Act::Pardon, Some("alice")));
        assert_eq!(act("unblock", r#"{"by": " "}"#), done(Act::Unblock, None));
        for (span, seconds) in [("1s", 1), ("15m", 900), ("2h", 7_200), ("31d", 31 * 86_400)] {
            let block = done(Act::Block(Duration::from_secs(seconds)), None);
            assert_eq!(act("block", &format!(r#"{{"for": "{span}"}}"#)), block, "{span}");
        }
        for body in [
            "",
            "{}",
            r#"{"for": 900}"#,
            r#"{"for": "0s"}"#,
            r#"{"for": "32d"}"#,
            r#"{"for": "h"}"#,
            r#"{"for": "soon"}"#,
        ] {
            assert_eq!(act("block", body), Err(400), "{body}");
        }
        assert_eq!(act("pardon", r#"{"for": "15m"}"#), Err(400));
        assert_eq!(act("pardon", r#"{"by": "a\u0000"}"#), Err(400));
        assert_eq!(act("pardon", &format!(r#"{{"by": "{}"}}"#, "a".repeat(65))), Err(400));
        assert_eq!(act("delete", ""), Err(404));
        assert_eq!(read("POST", "/v1/clients/abc/pardon", ""), Err(400));
        assert_eq!(read("GET", &format!("/v1/clients/{CLIENT}/pardon"), ""), Err(405));
    }
}
