//! A file of tests, as it is written.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{args, span};

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// For editors alone.
    #[serde(rename = "$schema", default)]
    _schema: Option<String>,
    /// The path of the policy, from where the file is; `default`; or the policy itself.
    #[serde(default)]
    pub(super) policy: Option<Value>,
    pub(super) tests: Vec<Test>,
}

/// One test: requests in order, on a clock that begins at 0, with no client known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) name: String,
    /// What the requests of all steps have, unless a step says otherwise.
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) host: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, List<Text>>,
    #[serde(default)]
    pub(super) claims: BTreeMap<String, Text>,
    pub(super) steps: Vec<Step>,
}

/// One request, or the same several times.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Step {
    /// `GET /path` or `GET https://host/path`.
    pub(super) request: Option<String>,
    /// A pasted line, in place of it.
    pub(super) curl: Option<String>,
    pub(super) from: Option<String>,
    pub(super) host: Option<String>,
    pub(super) headers: BTreeMap<String, List<Text>>,
    pub(super) claims: BTreeMap<String, Text>,
    /// When, since the test began.
    pub(super) at: Option<Span>,
    /// Or how long after the request before.
    pub(super) after: Option<Span>,
    pub(super) times: Option<u32>,
    pub(super) every: Option<Span>,
    /// What the application answers.
    pub(super) status: Option<Answered>,
    pub(super) grpc_status: Option<u32>,
    pub(super) expect: Option<Expect>,
}

/// What is expected.
#[derive(Debug, Default)]
pub(super) struct Expect(pub(super) Expected);

/// What is expected, each of it if it is said.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Expected {
    /// Of each request of the step: `allowed` or `denied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<Decision>,
    /// How many of the step's requests are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allowed: Option<u32>,
    /// How many are denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) denied: Option<u32>,
    /// Of the last request: the scopes that deny it, no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<List<String>>,
    /// The scopes in shadow mode that would deny it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shadowed_by: Option<List<String>>,
    /// The scopes that it falls under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<List<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<u64>,
    /// Units left, by scope.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) remaining: BTreeMap<String, u32>,
    /// The status of the denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// Fields that the client is told by the gate.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) headers: BTreeMap<String, Text>,
    /// The body of the denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Decision {
    Allowed,
    Denied,
}

impl Decision {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted;
        impl<'de> Visitor<'de> for Wanted {
            type Value = Expect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`allowed`, `denied`, or a map such as `{ decision: denied, by: login, retry_after: 50 }`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Expect, E> {
                let decision = match text {
                    "allowed" => Decision::Allowed,
                    "denied" => Decision::Denied,
                    _ => return Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                };
                Ok(Expect(Expected { decision: Some(decision), ..Expected::default() }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expect, A::Error> {
                Expected::deserialize(MapAccessDeserializer::new(map)).map(Expect)
            }
        }
        deserializer.deserialize_any(Wanted)
    }
}

/// A list, or one of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de> + From<String>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + From<String>> Visitor<'de> for Wanted<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<List<T>, E> {
                Ok(List(vec![text.to_owned().into()]))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<List<T>, E> {
                Ok(List(vec![number.to_string().into()]))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<List<T>, E> {
                Ok(List(vec![number.to_string().into()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(List(all))
            }
        }
        deserializer.deserialize_any(Wanted(PhantomData))
    }
}

/// A text; of what YAML takes for something else, as it is usually written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Text(pub(super) String);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Reads what can be written as a text or as a number.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D, expected: &'static str) -> Result<String, D::Error> {
    struct Wanted(&'static str);
    impl Visitor<'_> for Wanted {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    deserializer.deserialize_any(Wanted(expected))
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, "a text").map(Self)
    }
}

/// A span of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar(deserializer, "a span of time, such as `5s`")?;
        span::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

/// What the application answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered(pub(super) args::Status);

impl<'de> Deserialize<'de> for Answered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar(deserializer, "a status, or `none`")?;
        args::status(&text).map(Self).map_err(D::Error::custom)
    }
}
