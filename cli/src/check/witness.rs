//! A request that falls under a scope, looked for by trying: made from what the scope's match and key ask for, and judged as
//! any other.

use serde_json::Value;
use tollgate::client::{Client, Source};
use tollgate::scope::{Counted, KeyPart, Reading};

use crate::policy::Policy;
use crate::request::{Sent, Url};
use crate::world::{SECRET, World};

/// So many requests are tried at the most.
const MOST: usize = 20_000;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A request that falls under the scope.
    Some,
    /// None.
    None,
    /// Some, but all are exempt.
    AllExempt,
}

/// A request in the making.
#[derive(Clone, Debug, Default)]
struct Draft {
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    has_credential: Option<bool>,
    is_bot: bool,
    from: Option<String>,
    claims: Vec<String>,
}

/// Looks for a request that falls under the scope at this place.
pub(super) fn find(world: &World, index: usize) -> Found {
    let policy = world.policy;
    let Some(scope) = policy.config.policy.scopes.get(index) else { return Found::None };
    let written = policy.scope(&scope.name);
    let mut drafts = vec![Draft::default()];
    if let Some(written) = written.get("match") {
        drafts = matching(written, drafts);
    }
    // Each part of the key can be the one by which it is counted.
    drafts = scope
        .key
        .0
        .iter()
        .flat_map(|part| drafts.iter().cloned().map(|draft| with_key(part, draft)))
        .collect();
    // A `not` and an exemption are got round by another request of the kind, if there is one.
    for (vary, _) in VARIATIONS {
        if drafts.len() * 4 <= MOST {
            let more: Vec<Draft> = drafts.iter().flat_map(|draft| vary(draft.clone())).collect();
            drafts.extend(more);
        }
    }
    let mut found = Found::None;
    for draft in drafts.into_iter().take(MOST) {
        let Some(sent) = draft.sent(policy) else { continue };
        let judged = world.with_client(&sent, |client| judge(policy, index, client));
        match judged {
            Ok(Found::Some) => return Found::Some,
            Ok(Found::AllExempt) => found = Found::AllExempt,
            _ => {}
        }
    }
    found
}

/// The request as its client's, whose credential is believed.
fn judge(policy: &Policy, index: usize, client: &Client) -> Found {
    let rules = &policy.config.policy;
    let Some(scope) = rules.scopes.get(index) else { return Found::None };
    let falls = scope.matcher.matches(client, Reading::Possible)
        && scope.key.client(client, &SECRET, &mut Counted::default()).is_some();
    match (falls, rules.exempts(client)) {
        (false, _) => Found::None,
        (true, true) => Found::AllExempt,
        (true, false) => Found::Some,
    }
}

type Vary = fn(Draft) -> Vec<Draft>;

/// What may be different about a request of which nothing is said, most important first.
const VARIATIONS: [(Vary, &str); 5] = [
    (|draft| of_each(draft, &["/", "/witness", "/api/witness/7"], |draft| &mut draft.path), "path"),
    (|draft| of_each(draft, &["POST", "DELETE"], |draft| &mut draft.method), "method"),
    (
        |draft| match draft.has_credential {
            None => vec![Draft { has_credential: Some(true), ..draft }],
            Some(_) => Vec::new(),
        },
        "credential",
    ),
    (|draft| of_each(draft, &["witness.example"], |draft| &mut draft.host), "host"),
    (|draft| of_each(draft, &["198.51.100.77", "2001:db8::7"], |draft| &mut draft.from), "address"),
];

fn of_each(draft: Draft, texts: &[&str], field: fn(&mut Draft) -> &mut Option<String>) -> Vec<Draft> {
    let mut draft = draft;
    if field(&mut draft).is_some() {
        return Vec::new();
    }
    let with = |text: &&str| {
        let mut draft = draft.clone();
        *field(&mut draft) = Some((*text).to_owned());
        draft
    };
    texts.iter().map(with).collect()
}

/// The drafts, each in every way to satisfy a match. What must not be is not looked at.
fn matching(written: &Value, drafts: Vec<Draft>) -> Vec<Draft> {
    let mut drafts = drafts;
    for (field, value) in written.as_object().into_iter().flatten() {
        let ways: Vec<Draft> = drafts.iter().flat_map(|draft| ways(field, value, draft)).take(MOST).collect();
        drafts = ways;
    }
    drafts
}

fn ways(field: &str, value: &Value, draft: &Draft) -> Vec<Draft> {
    let with = |set: &dyn Fn(&mut Draft)| {
        let mut draft = draft.clone();
        set(&mut draft);
        draft
    };
    let each = |texts: Vec<String>, set: fn(&mut Draft, String)| -> Vec<Draft> {
        texts.into_iter().map(|text| with(&|draft| set(draft, text.clone()))).collect()
    };
    match field {
        "method" => each(list(value), |draft, text| draft.method = Some(text)),
        "path" => each(list(value).iter().flat_map(|pattern| paths(pattern)).collect(), |draft, text| {
            draft.path = Some(text);
        }),
        "host" => each(list(value), |draft, text| draft.host = Some(text.replace("*.", "witness."))),
        "address" => each(list(value).iter().flat_map(|network| within(network)).collect(), |draft, text| {
            draft.from = Some(text);
        }),
        "client" => each(list(value), |draft, kind| match kind.as_str() {
            "anonymous" => draft.has_credential = Some(false),
            "authenticated" => draft.has_credential = Some(true),
            _ => draft.is_bot = true,
        }),
        "any" => {
            let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            all.iter().flat_map(|one| matching(one, vec![draft.clone()])).collect()
        }
        "query" | "header" | "cookie" => {
            let mut drafts = vec![draft.clone()];
            for (name, test) in value.as_object().into_iter().flatten() {
                let put = |draft: &Draft, text: String| {
                    let mut draft = draft.clone();
                    let list = match field {
                        "query" => &mut draft.query,
                        "header" => &mut draft.headers,
                        _ => &mut draft.cookies,
                    };
                    list.push((name.clone(), text));
                    draft
                };
                drafts = drafts
                    .iter()
                    .flat_map(|draft| values(test).into_iter().map(move |text| put(draft, text)))
                    .take(MOST)
                    .collect();
            }
            drafts
        }
        _ => vec![draft.clone()],
    }
}

/// Values that pass a test.
fn values(test: &Value) -> Vec<String> {
    let Some((kind, expected)) = test.as_object().and_then(|fields| fields.iter().next()) else {
        return if test.is_boolean() { vec!["1".to_owned()] } else { list(test) };
    };
    let texts = list(expected);
    match kind.as_str() {
        "present" | "not" => vec!["1".to_owned(), "witness".to_owned(), "2".to_owned()],
        "prefix" => texts.iter().flat_map(|text| [text.clone(), format!("{text}w")]).collect(),
        "suffix" => texts.iter().flat_map(|text| [text.clone(), format!("w{text}")]).collect(),
        _ => texts.iter().flat_map(|text| [text.clone(), format!("w{text}w")]).collect(),
    }
}

/// Paths that fit a pattern.
fn paths(pattern: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, group)) = rest.split_once('{') {
        let (group, behind) = group.split_once('}').unwrap_or((group, ""));
        texts = texts
            .iter()
            .flat_map(|text| group.split(',').map(move |one| format!("{text}{before}{one}")))
            .take(64)
            .collect();
        rest = behind;
    }
    let texts: Vec<String> = texts.into_iter().map(|text| text + rest).collect();
    let fill = |segments: &str, part: &str| {
        texts.iter().map(|text| text.replace("**", segments).replace('*', part)).collect::<Vec<_>>()
    };
    let mut filled =
        [fill("witness", "witness"), fill("witness/7", "7"), fill("", "w"), fill("a/b/c", "77")].concat();
    filled.dedup();
    filled
}

/// Addresses in a network.
fn within(network: &str) -> Vec<String> {
    let (address, prefix) = network.split_once('/').unwrap_or((network, "128"));
    let is_wide =
        prefix.parse().is_ok_and(|prefix: u8| prefix <= if address.contains(':') { 112 } else { 24 });
    let mut all = vec![address.to_owned()];
    match address.parse() {
        Ok(std::net::IpAddr::V4(ip)) if is_wide => {
            all.push(std::net::Ipv4Addr::from(u32::from(ip) | 0x4d).to_string());
        }
        Ok(std::net::IpAddr::V6(ip)) if is_wide => {
            all.push(std::net::Ipv6Addr::from(u128::from(ip) | 0x4d).to_string());
        }
        _ => {}
    }
    all
}

fn list(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    }
}

/// The draft with what this part of a key counts.
fn with_key(part: &KeyPart, mut draft: Draft) -> Draft {
    let value = || "witness".to_owned();
    let has = |list: &[(String, String)], name: &str| {
        list.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    match part {
        KeyPart::Credential => {
            draft.has_credential.get_or_insert(true);
        }
        KeyPart::Bot => draft.is_bot = true,
        KeyPart::Header(name) if name == ":authority" => {
            draft.host.get_or_insert_with(|| "witness.example".to_owned());
        }
        KeyPart::Header(name) if !has(&draft.headers, name) => draft.headers.push((name.clone(), value())),
        KeyPart::Query(name) if !has(&draft.query, name) => draft.query.push((name.clone(), value())),
        KeyPart::Cookie(name) if !has(&draft.cookies, name) => draft.cookies.push((name.clone(), value())),
        // Everybody has the others, or has them already.
        KeyPart::Address | KeyPart::Global | KeyPart::Header(_) | KeyPart::Query(_) | KeyPart::Cookie(_) => {}
        KeyPart::JwtClaim(path) => draft.claims.push(path.clone()),
        KeyPart::All(parts) => draft = parts.iter().fold(draft, |draft, part| with_key(part, draft)),
    }
    draft
}

impl Draft {
    fn sent(&self, policy: &Policy) -> Option<Sent> {
        let pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        let path = self.path.as_deref().unwrap_or("/");
        let path: String = path
            .chars()
            .map(|character| {
                if character.is_ascii_graphic() {
                    character.to_string()
                } else {
                    encoded(&character.to_string())
                }
            })
            .collect();
        let url = Url::parse(format!("{path}{query}").as_bytes()).ok()?;
        let mut sent = Sent::new(self.method.as_deref().unwrap_or("GET").as_bytes(), url).ok()?;
        sent.host = self.host.clone().unwrap_or_else(|| "api.example.com".to_owned()).into_bytes();
        for (name, value) in &self.headers {
            sent.put(name.as_bytes(), value.as_bytes()).ok()?;
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
            sent.put(b"cookie", cookies.join("; ").as_bytes()).ok()?;
        }
        if self.is_bot {
            sent.put(b"user-agent", b"Googlebot/2.1").ok()?;
        }
        if self.has_credential == Some(true) {
            present_credential(policy, &mut sent);
        }
        if let Some(address) = &self.from {
            sent.come_from(address).ok()?;
        }
        sent.claims = self.claims.iter().map(|path| (path.clone(), "witness".to_owned())).collect();
        Some(sent)
    }
}

/// Percent-encoded, but for letters and digits.
fn encoded(text: &str) -> String {
    let show = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(show).collect()
}

/// Lets a request present a credential where the policy looks for one.
pub(super) fn present_credential(policy: &Policy, sent: &mut Sent) {
    let header = match policy.config.policy.client.credential_from.first() {
        None => return,
        Some(Source::Cookie(name)) => ("cookie".to_owned(), format!("{name}=witness")),
        Some(Source::Header { name, schemes }) => match schemes.first() {
            None => (name.clone(), "witness".to_owned()),
            Some(scheme) if scheme.eq_ignore_ascii_case("basic") => (name.clone(), format!("{scheme} dTpw")),
            Some(scheme) => (name.clone(), format!("{scheme} witness")),
        },
    };
    // What the match asks for is there already, and comes first.
    let _ = sent.put(header.0.as_bytes(), header.1.as_bytes());
}

/// All networks that are named in a match, wherever.
pub(super) fn networks(written: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (field, value) in written.as_object().into_iter().flatten() {
        match field.as_str() {
            "address" => found.extend(list(value)),
            "any" => {
                let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                for one in &all {
                    found.extend(networks(one));
                }
            }
            "not" => found.extend(networks(value)),
            _ => {}
        }
    }
    found
}
