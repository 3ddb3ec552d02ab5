//! One request and its response, as Envoy has them.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::headers::{self, Pair};
use super::raw::{self, Body, EnvoyBytes, EnvoyStream, HeaderMap, OurBytes, OurHeader};
use super::{Scheduler, lent};

/// One request and its response, for as long as one hook lasts.
pub struct Stream<'a> {
    pub(super) envoy: EnvoyStream,
    /// Where the scheduler is kept, once there is one.
    pub(super) scheduler: &'a mut Option<Scheduler>,
    pub(super) hook: PhantomData<&'a *mut ()>,
}

/// What Envoy knows of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Attribute {
    /// `response.code_details`: why the response is what it is.
    ResponseCodeDetails = 16,
    /// `source.address`: whose request it is, with the port. It follows `use_remote_address` and `xff_num_trusted_hops`.
    SourceAddress = 24,
    /// `destination.address`: where it has come to, with the port.
    DestinationAddress = 26,
}

/// `connection.id`, which is a number.
const CONNECTION_ID: u32 = 28;

/// The filter state in which Envoy counts redirects.
const REDIRECTS: &str = "num_internal_redirects";

/// The filter state in which the shipped configurations keep the payload of a verified token.
const JWT_PAYLOAD: &str = "tollgate.jwt_payload";

/// An answer in the application's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status. Of an answer to a gRPC call Envoy makes 200, unless it is `verbatim`.
    pub status: u16,
    /// The fields, names in lower case. Envoy adds `content-length`, and `content-type: text/plain` if there is none.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body. If the request is a gRPC call, Envoy makes `grpc-message` of it, and `grpc-status` is 0 unless `headers` has one.
    pub body: Vec<u8>,
    /// What the access log shows as the reason. It wants no spaces.
    pub details: Cow<'static, str>,
    /// Whether even the answer to a gRPC call is to be as it stands here. Then the access log does not show `details`: Envoy has no
    /// place for both.
    pub verbatim: bool,
}

impl Stream<'_> {
    /// Shows the request's headers, and returns what `look` returns. Nothing is copied, and nothing allocated if there are at most
    /// 64. There are none once the request is gone.
    pub fn with_request_headers<R>(&self, look: impl FnOnce(&[Pair<'_>]) -> R) -> R {
        // SAFETY: the stream is there for as long as the hook lasts; and what changes headers wants this value for itself.
        unsafe { headers::with(self.envoy, HeaderMap::Request, look) }
    }

    /// A header of the response by its name, which is in lower case; the first, if there are several.
    #[must_use]
    pub fn response_header(&self, name: &str) -> Option<&[u8]> {
        self.header(HeaderMap::Response, name)
    }

    /// A field of the response's trailers by its name; as [`Self::response_header`].
    #[must_use]
    pub fn response_trailer(&self, name: &str) -> Option<&[u8]> {
        self.header(HeaderMap::ResponseTrailers, name)
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<&[u8]> {
        self.bytes(|value| {
            let mut count = 0;
            // SAFETY: the stream is there, and the pointers are good for the call.
            let found = unsafe {
                raw::envoy_dynamic_module_callback_http_get_header(
                    self.envoy,
                    map,
                    name.as_bytes().into(),
                    value,
                    0,
                    &raw mut count,
                )
            };
            found && count > 0
        })
    }

    /// What Envoy knows of the stream. It stays until the hook returns, or something is set.
    #[must_use]
    pub fn attribute(&self, attribute: Attribute) -> Option<&[u8]> {
        self.bytes(|value| {
            // SAFETY: the stream is there, and the pointer is good for the call.
            unsafe {
                raw::envoy_dynamic_module_callback_http_filter_get_attribute_string(
                    self.envoy,
                    attribute as u32,
                    value,
                )
            }
        })
    }

    /// The number of the connection that the request has come by; 0 if Envoy does not know.
    #[must_use]
    pub fn connection(&self) -> u64 {
        let mut id = 0;
        // SAFETY: the stream is there, and the pointer is good for the call.
        let known = unsafe {
            raw::envoy_dynamic_module_callback_http_filter_get_attribute_int(
                self.envoy,
                CONNECTION_ID,
                &raw mut id,
            )
        };
        if known { id } else { 0 }
    }

    /// How often Envoy has redirected this request already (`internal_redirect_policy`). No client can write it.
    #[must_use]
    pub fn redirects(&self) -> u32 {
        let count = self.filter_state(REDIRECTS);
        count.and_then(|count| std::str::from_utf8(count).ok()?.parse().ok()).unwrap_or(0)
    }

    /// Filter state that can be written as text.
    #[must_use]
    pub fn filter_state(&self, key: &str) -> Option<&[u8]> {
        self.bytes(|value| {
            // SAFETY: the stream is there, and the pointers are good for the call.
            unsafe {
                raw::envoy_dynamic_module_callback_http_get_filter_state_typed(
                    self.envoy,
                    key.as_bytes().into(),
                    value,
                )
            }
        })
    }

    /// What the token says that Envoy's `jwt_authn` has verified: its payload, as JSON. `None` if there is none, or if nobody has
    /// put it here: see docs/native.md. No client can write it.
    ///
    /// (Envoy lets a module read text and numbers of dynamic metadata, but nothing that lies within something, as a claim does.)
    #[must_use]
    pub fn jwt_payload(&self) -> Option<&[u8]> {
        self.filter_state(JWT_PAYLOAD)
    }

    /// What a call lends, if it is true.
    #[expect(clippy::unused_self, reason = "what is lent is borrowed from this value")]
    fn bytes(&self, call: impl FnOnce(*mut EnvoyBytes) -> bool) -> Option<&[u8]> {
        let mut value = EnvoyBytes::NONE;
        // SAFETY: it is Envoy's, for as long as the hook lasts and nothing is set; and what sets wants this value for itself.
        call(&raw mut value).then(|| unsafe { lent(value) })
    }

    /// The request's body as far as it has come: what was kept before, and what the present hook is called for.
    #[must_use]
    pub fn request_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.append(Body::Buffered, &mut body);
        self.append(Body::Received, &mut body);
        body
    }

    fn append(&self, part: Body, to: &mut Vec<u8>) {
        // SAFETY: the stream is there.
        let count = unsafe { raw::envoy_dynamic_module_callback_http_get_body_chunks_size(self.envoy, part) };
        let mut chunks = vec![EnvoyBytes::NONE; count];
        // SAFETY: the stream is there, and there is room for as many chunks as Envoy has said that there are.
        let there = count > 0
            && unsafe {
                raw::envoy_dynamic_module_callback_http_get_body_chunks(self.envoy, part, chunks.as_mut_ptr())
            };
        if there {
            // SAFETY: nothing is set while this looks at them.
            to.extend(chunks.into_iter().flat_map(|chunk| unsafe { lent(chunk) }));
        }
    }

    /// The worker that this is, from 0.
    #[must_use]
    pub fn worker(&self) -> u32 {
        // SAFETY: the stream is there.
        unsafe { raw::envoy_dynamic_module_callback_http_filter_get_worker_index(self.envoy) }
    }

    /// Sets a header of the response, in place of any that has its name.
    pub fn set_response_header(&mut self, name: &str, value: &str) {
        // SAFETY: the stream is there, and the pointers are good for the call. Nothing that was lent is left.
        unsafe {
            raw::envoy_dynamic_module_callback_http_set_header(
                self.envoy,
                HeaderMap::Response,
                name.as_bytes().into(),
                value.as_bytes().into(),
            )
        };
    }

    /// Sets what the access log shows as `%FILTER_STATE(key:PLAIN)%`, in place of what was set before.
    pub fn set_filter_state(&mut self, key: &str, value: &str) {
        // SAFETY: as above.
        unsafe {
            raw::envoy_dynamic_module_callback_http_set_filter_state_bytes(
                self.envoy,
                key.as_bytes().into(),
                value.as_bytes().into(),
            )
        };
    }

    /// By which any thread can have [`Request::on_scheduled`](super::Request::on_scheduled) called, on the stream's own thread.
    #[must_use]
    pub fn scheduler(&mut self) -> Scheduler {
        let envoy = self.envoy;
        let scheduler = self.scheduler.get_or_insert_with(|| {
            // SAFETY: the stream is there.
            Scheduler::of_stream(unsafe {
                raw::envoy_dynamic_module_callback_http_filter_scheduler_new(envoy)
            })
        });
        scheduler.clone()
    }
}

/// Answers the stream.
///
/// # Safety
/// The stream is there, and nothing of the module's stream is borrowed: Envoy may call its hooks, and end it, before this returns.
pub(super) unsafe fn send(stream: EnvoyStream, reply: &Reply) {
    let status = reply.status.to_string();
    let mut headers = Vec::with_capacity(reply.headers.len() + 1);
    if reply.verbatim {
        headers.push((":status", &status));
    }
    headers.extend(reply.headers.iter().map(|(name, value)| (&**name, value)));
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| OurHeader { name: name.as_bytes().into(), value: value.as_bytes().into() })
        .collect();
    let (all, count) = (headers.as_ptr(), headers.len());
    let body = OurBytes::from(&*reply.body);
    // SAFETY: the pointers are good for the calls, in which Envoy copies what it needs. If headers lead to the stream's end, Envoy
    // keeps its own object until the hook returns, and takes no data for it.
    unsafe {
        if reply.verbatim {
            let is_all = reply.body.is_empty();
            raw::envoy_dynamic_module_callback_http_send_response_headers(stream, all, count, is_all);
            if !is_all {
                raw::envoy_dynamic_module_callback_http_send_response_data(stream, body, true);
            }
        } else {
            let (status, details) = (reply.status.into(), reply.details.as_bytes().into());
            raw::envoy_dynamic_module_callback_http_send_response(stream, status, all, count, body, details);
        }
    }
}
