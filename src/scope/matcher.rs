//! Which requests a rule is about.

use memchr::memmem;

use super::{HostPattern, MethodPattern, PathPattern};
use crate::client::{Cidr, Client};
use crate::request::{Request, Values, percent};

/// How a request that can be read in several ways is read.
///
/// A parameter may stand twice, a `%2F` may separate segments or not: which reading counts is the
/// application's affair, and what has too many readings may be anything. So a limit applies if it would under any reading, and an exemption only if it
/// would under every one. Negation turns one into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// At least one reading must match.
    Possible,
    /// Every reading must match.
    Certain,
}

impl Reading {
    const fn negated(self) -> Self {
        match self {
            Self::Possible => Self::Certain,
            Self::Certain => Self::Possible,
        }
    }

    /// Whether the values, as many as there are, match: there must be one at least.
    fn holds<T>(self, mut values: impl Iterator<Item = T>, test: impl Fn(T) -> bool) -> bool {
        match self {
            Self::Possible => values.any(test),
            Self::Certain => values.next().is_some_and(|first| test(first) && values.all(test)),
        }
    }

    /// The same of values that may be anything (`None`).
    fn holds_of<T>(self, values: Option<impl Iterator<Item = T>>, test: impl Fn(T) -> bool) -> bool {
        values.map_or(self == Self::Possible, |values| self.holds(values, test))
    }
}

/// Conditions that must all hold; with none, every request matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher(pub Vec<Condition>);

/// One condition. Where it has a list, one of it is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The method.
    Method(Vec<MethodPattern>),
    /// The path.
    Path(Vec<PathPattern>),
    /// The host.
    Host(Vec<HostPattern>),
    /// A query parameter by its decoded name.
    Query(String, ValueTest),
    /// A header by its name in lower case.
    Header(String, ValueTest),
    /// A cookie by its name.
    Cookie(String, ValueTest),
    /// What kind of client it is.
    Client(Vec<ClientKind>),
    /// The client's address.
    Address(Vec<Cidr>),
    /// One of these matches.
    Any(Vec<Matcher>),
    /// This does not match.
    Not(Matcher),
}

/// What kind of client sent the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// One without a credential.
    Anonymous,
    /// One with a credential that counts.
    Authenticated,
    /// A crawler, whatever credential it has.
    Bot,
}

/// A test of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueTest {
    /// It is there, whatever it is.
    Present,
    /// One of `1 true t yes y on`, in any case.
    Truthy,
    /// None of these, in any case of ASCII letters.
    NoneOf(Vec<String>),
    /// One of these, exactly.
    OneOf(Vec<String>),
    /// Starts with this.
    Prefix(String),
    /// Ends with this.
    Suffix(String),
    /// Contains this.
    Contains(String),
}

impl Matcher {
    /// Whether the request is one that this rule is about.
    #[must_use]
    pub fn matches(&self, client: &Client, reading: Reading) -> bool {
        self.0.iter().all(|condition| condition.holds(client, reading))
    }

    /// Whether it can make a difference whether a request's credential counts.
    #[must_use]
    pub fn minds_credentials(&self) -> bool {
        self.0.iter().any(|condition| match condition {
            Condition::Client(kinds) => kinds.iter().any(|kind| *kind != ClientKind::Bot),
            Condition::Any(matchers) => matchers.iter().any(Self::minds_credentials),
            Condition::Not(matcher) => matcher.minds_credentials(),
            _ => false,
        })
    }
}

/// Each kind of condition is a function of its own: a request meets few of them, and what it does not meet is not to
/// stand in the way.
impl Condition {
    fn holds(&self, client: &Client, reading: Reading) -> bool {
        let request = client.request();
        match self {
            Self::Method(methods) => method_holds(methods, request, reading),
            Self::Host(hosts) => host_holds(hosts, request, reading),
            Self::Path(patterns) => path_holds(patterns, request, reading),
            Self::Query(name, test) => parameter_holds(name, test, request, reading),
            Self::Header(name, test) => header_holds(name, test, request, reading),
            Self::Cookie(name, test) => cookie_holds(name, test, request, reading),
            Self::Client(kinds) => kinds.iter().any(|kind| kind.is(client)),
            Self::Address(networks) => {
                let address = client.address();
                networks.iter().any(|network| network.contains(address))
            }
            Self::Any(matchers) => matchers.iter().any(|matcher| matcher.matches(client, reading)),
            Self::Not(matcher) => !matcher.matches(client, reading.negated()),
        }
    }
}

/// What overrides the method is looked at only if it can make a difference.
fn method_holds(methods: &[MethodPattern], request: &Request, reading: Reading) -> bool {
    let is_covered = covers(methods, request.method());
    match reading {
        Reading::Possible => is_covered || override_holds(methods, request, reading),
        Reading::Certain => is_covered && override_holds(methods, request, reading),
    }
}

fn covers(methods: &[MethodPattern], method: &[u8]) -> bool {
    methods.iter().any(|pattern| pattern.matches(method))
}

/// Of what may override the method; if nothing does, its own is certain.
#[inline(never)]
fn override_holds(methods: &[MethodPattern], request: &Request, reading: Reading) -> bool {
    let overrides = request.method_overrides();
    let holds = |values: Option<Values>| {
        reading.holds_of(values.as_ref().map(Values::iter), |method| covers(methods, method))
    };
    match reading {
        Reading::Possible => reading.holds_of(overrides, holds),
        Reading::Certain => overrides.is_some_and(|mut overrides| overrides.all(holds)),
    }
}

#[inline(never)]
fn host_holds(hosts: &[HostPattern], request: &Request, reading: Reading) -> bool {
    reading.holds(request.hosts(), |found| hosts.iter().any(|host| host.matches(found)))
}

#[inline(never)]
fn path_holds(patterns: &[PathPattern], request: &Request, reading: Reading) -> bool {
    reading.holds_of(request.paths(), |path| patterns.iter().any(|pattern| pattern.matches(path, reading)))
}

#[inline(never)]
fn header_holds(name: &str, test: &ValueTest, request: &Request, reading: Reading) -> bool {
    reading.holds(request.header(name), |value| {
        test.passes(value) || reading == Reading::Possible && any_part_passes(value, test)
    })
}

/// Some proxies join headers of one name by a comma.
fn any_part_passes(value: &[u8], test: &ValueTest) -> bool {
    value.contains(&b',') && value.split(|byte| *byte == b',').any(|part| test.passes(part.trim_ascii()))
}

/// One that frameworks read in different ways may be anything.
#[inline(never)]
fn cookie_holds(name: &str, test: &ValueTest, request: &Request, reading: Reading) -> bool {
    reading.holds(request.cookies(name.as_bytes()), |place| {
        if place.is_clear { test.passes(&percent::text(place.value)) } else { reading == Reading::Possible }
    })
}

/// In each way to separate parameters: for certain if there is one that has this name for certain, and each that may have it
/// passes in each reading of its value.
#[inline(never)]
fn parameter_holds(name: &str, test: &ValueTest, request: &Request, reading: Reading) -> bool {
    let lists = request.parameters().map(|parameters| parameters.named(name.as_bytes()));
    reading.holds_of(lists, |list| {
        let mut is_there = false;
        for (values, is_named_so) in list {
            let values = values.as_ref().map(Values::iter);
            match (reading, reading.holds_of(values, |value| test.passes(value))) {
                (Reading::Possible, true) => return true,
                (Reading::Certain, false) => return false,
                _ => is_there |= is_named_so,
            }
        }
        is_there && reading == Reading::Certain
    })
}

impl ClientKind {
    fn is(self, client: &Client) -> bool {
        match self {
            Self::Anonymous => client.credential().is_none(),
            Self::Authenticated => client.credential().is_some(),
            Self::Bot => client.crawler().is_some(),
        }
    }
}

impl ValueTest {
    fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Truthy => is_truthy(value.trim_ascii()),
            Self::NoneOf(texts) => !texts.iter().any(|text| value.eq_ignore_ascii_case(text.as_bytes())),
            Self::OneOf(texts) => texts.iter().any(|text| text.as_bytes() == value),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Suffix(text) => value.ends_with(text.as_bytes()),
            Self::Contains(text) => memmem::find(value, text.as_bytes()).is_some(),
        }
    }
}

fn is_truthy(value: &[u8]) -> bool {
    const TRUTHY: [&[u8]; 6] = [b"1", b"true", b"t", b"yes", b"y", b"on"];
    TRUTHY.iter().any(|truthy| value.eq_ignore_ascii_case(truthy))
}
