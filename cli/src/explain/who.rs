//! Who the client of a request is, and why.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use tollgate::client::{Address, Client, ClientRules, Source};
use tollgate::policy::Trust;
use tollgate::scope::{Key, KeyPart};
use tollgate::store::Acceptance;
use tollgate::words;

use crate::policy::Policy;
use crate::request::Sent;
use crate::world::SECRET;
use crate::{span, tell};

/// Who the client is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Who {
    /// As the proxy says it.
    pub(crate) address: String,
    /// What it is counted as.
    pub(crate) counted_as: String,
    /// `anonymous`, `unproved`, `proved`, `trusted`, `unclear` or `not minded`.
    pub(crate) credential: &'static str,
    /// Why.
    pub(crate) why: String,
    /// The family of the crawler that it says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) crawler: Option<String>,
}

/// As whom a request is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// As the client that it is.
    Itself,
    /// As an anonymous client, since its credential may be worth nothing.
    Anonymous,
    /// As the bearer of its credential, which may be worth something.
    Bearer,
}

impl Role {
    /// In words, behind what is counted.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Itself => "",
            Self::Anonymous => ", as an anonymous client",
            Self::Bearer => ", as the bearer of its credential",
        }
    }
}

impl Who {
    pub(super) fn of(client: &Client, acceptance: Acceptance, policy: &Policy, sent: &Sent) -> Self {
        let (address, network) = (client.address(), client.network());
        let (credential, why) = credential(client, acceptance, policy, sent);
        let prefixes = policy.config.policy.client.prefixes;
        let counted_as = match network {
            Address::Ip(ip) if ip.is_ipv4() && prefixes.ipv4 == 32 => ip.to_string(),
            Address::Ip(ip) if ip.is_ipv4() => format!("{ip}/{}", prefixes.ipv4),
            Address::Ip(ip) => format!("{ip}/{}", prefixes.ipv6),
            Address::Unknown => "an unknown address, which all such clients share".to_owned(),
        };
        let crawler = client.crawler().map(tell::clean);
        Self { address: address.to_string(), counted_as, credential, why, crawler }
    }
}

fn credential(
    client: &Client,
    acceptance: Acceptance,
    policy: &Policy,
    sent: &Sent,
) -> (&'static str, String) {
    let rules = &policy.config.policy;
    let places: Vec<String> = found(rules.client.credential_from.as_slice(), client);
    let place = || tell::and(&places);
    if !client.could_be().is_empty() {
        let why = if client.could_be().len() > 1 {
            format!(
                "it presents several credentials, in {}; nobody knows which one the application uses, so it proves nothing, and each is charged",
                place()
            )
        } else {
            format!(
                "it presents a credential in {}, and something beside it that may be another, or that is read in several ways; so it proves nothing",
                place()
            )
        };
        return ("unclear", why);
    }
    if client.credential().is_none() {
        let looked: Vec<String> = rules.client.credential_from.iter().map(words::source).collect();
        let why = match looked.as_slice() {
            [] => "the policy looks for no credentials".to_owned(),
            looked => format!(
                "it presents no credential in {}{}",
                tell::or(looked),
                hint(rules.client.credential_from.as_slice(), sent)
            ),
        };
        return ("anonymous", why);
    }
    match (acceptance, &rules.trust) {
        (Acceptance::Known(_, left), _) => (
            "proved",
            format!(
                "it presents a credential in {}, which the application has accepted; that counts for {} yet",
                place(),
                span::show(whole(left))
            ),
        ),
        (Acceptance::Unknown(_), _) => (
            "unproved",
            format!(
                "it presents a credential in {}, which the application has not accepted yet: charged as its bearer and as an anonymous client",
                place()
            ),
        ),
        (Acceptance::NotNeeded, Trust::Any) => {
            ("trusted", format!("it presents a credential in {}, and the policy trusts any", place()))
        }
        (Acceptance::NotNeeded, Trust::Upstream { .. }) => (
            "not minded",
            format!(
                "it presents a credential in {}, but no scope and no exemption minds credentials",
                place()
            ),
        ),
    }
}

/// Without the part of a second, which nobody wants to know.
fn whole(span: Duration) -> Duration {
    if span < Duration::from_mins(1) { span } else { Duration::from_secs(span.as_secs()) }
}

/// The places where this request has a credential, or what may be one.
fn found(sources: &[Source], client: &Client) -> Vec<String> {
    let has_one = |source: &&Source| {
        let rules = ClientRules { credential_from: vec![(*source).clone()], ..ClientRules::default() };
        let alone = Client::identify(&rules, client.request());
        alone.credential().is_some() || !alone.could_be().is_empty()
    };
    sources.iter().filter(has_one).map(words::source).collect()
}

/// What stands in `Authorization` all the same.
fn hint(sources: &[Source], sent: &Sent) -> String {
    let Some(value) = sent.header("authorization") else { return String::new() };
    let scheme = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let is_listed = |source: &Source| {
        matches!(source, Source::Header { name, schemes } if name == "authorization"
        && schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes())))
    };
    if sources.iter().any(is_listed) {
        "; what `authorization` has behind its scheme is none".to_owned()
    } else if scheme.len() < value.len() && scheme.len() <= 20 {
        format!("; `authorization` has the scheme {}", tell::bytes(scheme))
    } else {
        "; `authorization` has no scheme that is looked for".to_owned()
    }
}

/// As whom the request is judged, and that client. (As the gate plans it.)
pub(super) fn roles<'r, 'a>(
    client: &Client<'r, 'a>,
    acceptance: Acceptance,
    policy: &Policy,
) -> Vec<(Role, Client<'r, 'a>)> {
    let itself = || match client.credential() {
        Some(credential) => client.with(&Cow::Owned(credential.to_vec())),
        None => client.anonymous(),
    };
    match acceptance {
        Acceptance::Unknown(_) => vec![(Role::Anonymous, client.anonymous()), (Role::Bearer, itself())],
        Acceptance::Known(..) => vec![(Role::Itself, itself())],
        Acceptance::NotNeeded if client.could_be().is_empty() => vec![(Role::Itself, itself())],
        Acceptance::NotNeeded => {
            let must_prove = matches!(policy.config.policy.trust, Trust::Upstream { .. });
            let as_anonymous = policy.config.minds_credentials && (must_prove || client.could_be_another());
            let anonymous = as_anonymous.then(|| (Role::Anonymous, client.anonymous()));
            let bearers = client.could_be().iter().map(|bearer| (Role::Bearer, client.with(bearer)));
            anonymous.into_iter().chain(bearers).collect()
        }
    }
}

/// The part of a key that a request has, and whom it counts by it, in words.
pub(super) fn counted(key: &Key, client: &Client, who: &Who) -> Option<String> {
    let has = |part: &&KeyPart| {
        Key(vec![(*part).clone()]).client(client, &SECRET, &mut tollgate::scope::Counted::default()).is_some()
    };
    key.0.iter().find(has).map(|part| value(part, client, who))
}

fn value(part: &KeyPart, client: &Client, who: &Who) -> String {
    let request = client.request();
    match part {
        KeyPart::Address => format!("the address {}", who.counted_as),
        KeyPart::Credential => "its credential".to_owned(),
        KeyPart::Global => "everybody together".to_owned(),
        KeyPart::Bot => format!("the crawler {}", tell::clean(client.crawler().unwrap_or_default())),
        KeyPart::Header(name) => format!("its value of the header `{}`", words::header(name)),
        KeyPart::Cookie(name) => format!("its value of the cookie `{}`", tell::clean(name)),
        KeyPart::Query(name) => {
            let value =
                request.query(name.as_bytes()).filter(|value| !value.is_empty()).last().unwrap_or_default();
            format!(
                "`{}` of the parameter `{}`",
                tell::bytes(&value[..value.len().min(100)]),
                tell::clean(name)
            )
        }
        KeyPart::JwtClaim(path) => {
            let value = request.jwt_claim(path).unwrap_or_default();
            let name = tell::clean(&path.replace('\0', "."));
            format!("`{}` of the claim `{name}`", tell::bytes(&value[..value.len().min(100)]))
        }
        KeyPart::All(parts) => {
            let parts: Vec<String> = parts.iter().map(|part| value(part, client, who)).collect();
            tell::and(&parts)
        }
    }
}
