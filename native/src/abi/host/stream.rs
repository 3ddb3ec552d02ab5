//! A request and its response, as a host has them.

use std::ffi::c_void;
use std::ptr::null;

use super::{Fields, HostStream, Said, Sent, Stream, locked};
use crate::abi::{Attribute, Plugin, hooks};

impl<P: Plugin> HostStream<'_, P> {
    fn at(&mut self) -> &mut Stream {
        // SAFETY: it is there until this is dropped, and the module does not work now.
        unsafe { &mut *self.stream }
    }

    fn slot(&mut self) -> *const c_void {
        self.at().slot
    }

    /// Whether the module has a part in it: else Envoy answers 500.
    #[must_use]
    pub fn is_there(&mut self) -> bool {
        !self.slot().is_null()
    }

    /// The request's headers come.
    pub fn request(&mut self, headers: Fields, end: bool) -> Said {
        self.at().request = headers;
        let slot = self.slot();
        // SAFETY: both are there.
        Said(unsafe { hooks::request_headers::<P>(self.stream.cast(), slot, end) })
    }

    /// A part of its body comes.
    pub fn body(&mut self, part: &[u8], end: bool) -> Said {
        self.at().received = vec![part.to_vec()];
        let slot = self.slot();
        // SAFETY: both are there.
        let said = Said(unsafe { hooks::request_body::<P>(self.stream.cast(), slot, end) });
        if self.is_there() {
            let stream = self.at();
            let received = std::mem::take(&mut stream.received);
            stream.buffered.extend(received);
        }
        said
    }

    /// The request's trailers come.
    pub fn request_trailers(&mut self) -> Said {
        let slot = self.slot();
        // SAFETY: both are there.
        Said(unsafe { hooks::request_trailers::<P>(self.stream.cast(), slot) })
    }

    /// The response's headers come.
    pub fn respond(&mut self, headers: Fields, end: bool) -> Said {
        self.at().response = headers;
        let slot = self.slot();
        // SAFETY: both are there.
        Said(unsafe { hooks::response_headers::<P>(self.stream.cast(), slot, end) })
    }

    /// The response's trailers come.
    pub fn trailers(&mut self, trailers: Fields) -> Said {
        self.at().trailers = trailers;
        let slot = self.slot();
        // SAFETY: both are there.
        Said(unsafe { hooks::response_trailers::<P>(self.stream.cast(), slot) })
    }

    /// Does what was scheduled for the stream, as long as it is there.
    pub fn do_scheduled(&mut self) {
        let events = std::mem::take(&mut *locked(&self.at().events));
        for event in events {
            let slot = self.slot();
            if !slot.is_null() {
                // SAFETY: both are there.
                unsafe { hooks::stream_scheduled::<P>(self.stream.cast(), slot, event) };
            }
        }
    }

    /// From now on, an answer or going on leads to the stream's end before it returns.
    pub fn end_at_once(&mut self) {
        self.at().ends_at_once = true;
    }

    /// What Envoy knows of it: an attribute by its number.
    pub fn set_attribute(&mut self, attribute: Attribute, value: &[u8]) {
        self.at().attributes.insert(attribute as u32, value.to_vec());
    }

    /// The connection's number.
    pub fn set_connection(&mut self, number: u64) {
        self.at().connection = number;
    }

    /// Sets filter state.
    pub fn set_filter_state(&mut self, key: &str, value: &[u8]) {
        self.at().state.insert(key.into(), value.to_vec());
    }

    /// Filter state.
    #[must_use]
    pub fn filter_state(&mut self, key: &str) -> Option<Vec<u8>> {
        self.at().state.get(key.as_bytes()).cloned()
    }

    /// The response's headers as they are now.
    #[must_use]
    pub fn response(&mut self) -> Fields {
        self.at().response.clone()
    }

    /// What the module has answered.
    #[must_use]
    pub fn sent(&mut self) -> Option<Sent> {
        self.at().sent.clone()
    }

    /// How often it was let go on.
    #[must_use]
    pub fn continued(&mut self) -> u32 {
        self.at().continued
    }

    /// It ends: first well, then altogether. Not twice.
    pub fn end(&mut self) {
        // SAFETY: it is there.
        unsafe { end(self.stream) };
    }
}

/// # Safety
/// The stream is there.
pub(super) unsafe fn end(stream: *mut Stream) {
    // SAFETY: as promised.
    let (slot, hooks) = unsafe { (std::mem::replace(&mut (*stream).slot, null()), (*stream).hooks) };
    if !slot.is_null() {
        // SAFETY: the slot was not destroyed.
        unsafe {
            (hooks.complete)(stream.cast(), slot);
            (hooks.destroy)(slot);
        }
    }
}

impl<P: Plugin> Drop for HostStream<'_, P> {
    fn drop(&mut self) {
        self.end();
        // SAFETY: nobody uses it again.
        let stream = unsafe { Box::from_raw(self.stream) };
        assert_eq!(*locked(&stream.schedulers), 0, "the module has kept a scheduler");
    }
}
