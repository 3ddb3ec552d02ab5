//! What a line can say about a request.

use std::borrow::Cow;

use super::escape::unescaped;
use super::time::{TimeForm, Unit, digits};

/// Bytes as a log has them, or as they were before it wrote them.
pub(crate) type Text<'a> = Cow<'a, [u8]>;

/// One thing that a format tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// When the request began, or ended.
    Time(TimeForm, Edge),
    /// How long it took.
    Duration(Unit),
    /// The client's address, with or without a port.
    Address,
    /// `X-Forwarded-For`, where nothing else tells the address.
    ForwardedFor,
    /// `GET /path HTTP/1.1`.
    RequestLine,
    Method,
    /// Path and query. A full URL is taken apart.
    Target,
    /// What stands behind the `?`, with or without it.
    Query,
    Host,
    /// Host and target in one, as ingress-nginx tells them; `-` or nothing where they stand in fields of their own.
    OriginalUrl,
    Status,
    GrpcStatus,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    Details,
    /// By what users are told apart: a name, a hash of the credential; `-` or nothing for those without one.
    Credential,
    /// The user that the server itself knows. Whoever is none may still have a credential that the application knows.
    User,
    /// A header, by its name in lower case.
    Header(String),
    /// A cookie, by its name.
    Cookie(String),
    /// Something else.
    Other,
}

/// Which end of the request a time belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Edge {
    Start,
    #[default]
    End,
}

/// A value as a log writes it.
#[derive(Clone, Debug)]
pub(crate) enum Scalar<'a> {
    /// With escapes, if there are any.
    Text(&'a [u8]),
    /// As it was sent.
    Plain(&'a [u8]),
    Owned(Vec<u8>),
    Int(u64),
    Float(f64),
}

/// Why a line was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Skip {
    /// It is not of the log's format.
    Unreadable,
    /// It tells no time, or one that cannot be read.
    NoTime,
    /// What was sent is no HTTP request, so that no gate has seen it.
    NoRequest,
    /// It is longer than any line is read.
    TooLong,
    /// It stands too far behind lines of later times.
    OutOfOrder,
}

impl Skip {
    pub(crate) const ALL: [Self; 5] =
        [Self::Unreadable, Self::NoTime, Self::NoRequest, Self::TooLong, Self::OutOfOrder];

    /// Its name for programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoTime => "no_time",
            Self::NoRequest => "no_request",
            Self::TooLong => "too_long",
            Self::OutOfOrder => "out_of_order",
        }
    }

    /// Its words for people.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Unreadable => "not of this format",
            Self::NoTime => "without a time",
            Self::NoRequest => "no HTTP request",
            Self::TooLong => "longer than 1 MiB",
            Self::OutOfOrder => "more than 30 s behind later lines",
        }
    }
}

/// What a line says about the credential of its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// Nothing: there may have been one.
    #[default]
    Untold,
    /// That there was none.
    Absent,
    /// Which one, by something that stands for it.
    StandIn(Text<'a>),
}

/// What one line says about one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line<'a> {
    /// When it began, in microseconds since 1970.
    pub(crate) start: u64,
    /// When it ended. Where the log tells one moment and no duration, both are that.
    pub(crate) end: u64,
    pub(crate) address: Text<'a>,
    pub(crate) forwarded_for: Option<Text<'a>>,
    pub(crate) method: Text<'a>,
    pub(crate) target: Text<'a>,
    pub(crate) host: Option<Text<'a>>,
    /// 0 if it was never answered.
    pub(crate) status: u16,
    pub(crate) grpc: Option<u32>,
    pub(crate) details: Text<'a>,
    pub(crate) credential: Credential<'a>,
    pub(crate) agent: Option<Text<'a>>,
    pub(crate) headers: Vec<(Cow<'a, str>, Text<'a>)>,
    pub(crate) cookies: Vec<(Cow<'a, str>, Text<'a>)>,
}

impl Line<'_> {
    /// Whether it says where the client is.
    pub(crate) fn names_client(&self) -> bool {
        !self.address.is_empty() || self.forwarded_for.is_some()
    }

    /// The client's address, where so many proxies of one's own stand in front of the one that has written the log; empty if
    /// it is not known.
    pub(crate) fn client(&self, trusted_hops: usize) -> &[u8] {
        let forwarded = self.forwarded_for.as_deref().unwrap_or_default();
        // Where there is no address, it is the last in the list: the proxy has added it.
        let place = match (self.address.is_empty(), trusted_hops) {
            (true, hops) => hops,
            (false, 0) => return &self.address,
            (false, hops) => hops - 1,
        };
        let named = forwarded.rsplit(|byte| *byte == b',').nth(place).map(<[u8]>::trim_ascii);
        named.filter(|named| !named.is_empty()).unwrap_or(&self.address)
    }
}

impl<'a> Scalar<'a> {
    /// As the client has sent it.
    pub(super) fn text(self) -> Text<'a> {
        match self {
            Self::Text(text) => unescaped(text),
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Owned(text) => Cow::Owned(text),
            Self::Int(number) => Cow::Owned(number.to_string().into_bytes()),
            Self::Float(number) => Cow::Owned(number.to_string().into_bytes()),
        }
    }

    /// The same; `None` if the log says that there was nothing.
    pub(super) fn given(self) -> Option<Text<'a>> {
        let text = self.text();
        (!text.is_empty() && *text != *b"-").then_some(text)
    }

    /// The same, as it is.
    pub(super) fn if_given(self) -> Option<Self> {
        match self {
            Self::Text(b"" | b"-") | Self::Plain(b"" | b"-") => None,
            value => Some(value),
        }
    }

    pub(super) fn status(self) -> Option<u16> {
        match self {
            Self::Int(number) => number.try_into().ok(),
            Self::Float(_) => None,
            // What has no answer has no status.
            Self::Text(b"-") | Self::Plain(b"-") => Some(0),
            Self::Text(text) | Self::Plain(text) => {
                digits(text).filter(|status| *status < 1_000)?.try_into().ok()
            }
            Self::Owned(text) => digits(&text).filter(|status| *status < 1_000)?.try_into().ok(),
        }
    }
}
