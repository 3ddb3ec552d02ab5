//! One request at Envoy, as the rest of the project sees it.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use tollgate::access_log::Field;
use tollgate::adapter;
use tollgate::request::Properties;

use crate::abi::{Attribute, Stream};
use crate::jwt;

/// A number for each request that needs one: none that is under way has the same.
#[derive(Default)]
pub(crate) struct Ticket(Cell<u32>);

impl Ticket {
    /// The number. Of most requests nobody asks for it.
    fn number(&self) -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if self.0.get() == 0 {
            self.0.set(NEXT.fetch_add(1, Ordering::Relaxed).max(1));
        }
        self.0.get()
    }
}

/// One request, for as long as one hook lasts.
pub(crate) struct At<'s, 'h> {
    pub(crate) stream: &'s mut Stream<'h>,
    pub(crate) ticket: &'s Ticket,
}

impl Properties for At<'_, '_> {
    fn source_address(&self) -> Cow<'_, [u8]> {
        self.stream.attribute(Attribute::SourceAddress).unwrap_or_default().into()
    }

    fn jwt_claim(&self, path: &str) -> Option<Cow<'_, [u8]>> {
        jwt::claim(self.stream.jwt_payload()?, path).map(Cow::Owned)
    }
}

impl adapter::Stream for At<'_, '_> {
    fn id(&self) -> u32 {
        self.ticket.number()
    }

    fn response_header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.stream.response_header(name).map(Cow::Borrowed)
    }

    fn response_trailer(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.stream.response_trailer(name).map(Cow::Borrowed)
    }

    fn code_details(&self) -> Cow<'_, [u8]> {
        self.stream.attribute(Attribute::ResponseCodeDetails).unwrap_or_default().into()
    }

    fn redirects(&self) -> u32 {
        self.stream.redirects()
    }

    fn connection(&self) -> u64 {
        self.stream.connection()
    }

    fn set_response_header(&mut self, name: &str, value: &str) {
        self.stream.set_response_header(name, value);
    }

    fn has_logged(&self, field: Field) -> bool {
        self.stream.filter_state(field.key()).is_some()
    }

    fn set_logged(&mut self, field: Field, value: &str) {
        self.stream.set_filter_state(field.key(), value);
    }
}
