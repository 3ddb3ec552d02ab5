//! Headers in Envoy's own memory.

use std::mem::MaybeUninit;

use super::lent;
use super::raw::{self, EnvoyBytes, EnvoyHeader, EnvoyStream, HeaderMap};

/// A header's name, in lower case, and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// So many headers need no memory but the stack.
const FEW: usize = 64;

/// Shows all headers to `look`, and returns what it returns. None of them is copied.
///
/// # Safety
/// The stream is there, and none of its headers is changed while `look` is at it.
pub(super) unsafe fn with<R>(stream: EnvoyStream, map: HeaderMap, look: impl FnOnce(&[Pair<'_>]) -> R) -> R {
    // SAFETY: the stream is there.
    let count = unsafe { raw::envoy_dynamic_module_callback_http_get_headers_size(stream, map) };
    if count <= FEW {
        let mut room = [const { MaybeUninit::uninit() }; FEW];
        let mut pairs = [const { MaybeUninit::uninit() }; FEW];
        // SAFETY: as promised.
        unsafe { into(stream, map, &mut room[..count], &mut pairs[..count], look) }
    } else {
        let mut room = vec![MaybeUninit::uninit(); count];
        let mut pairs = vec![MaybeUninit::uninit(); count];
        // SAFETY: as promised.
        unsafe { into(stream, map, &mut room, &mut pairs, look) }
    }
}

/// # Safety
/// As [`with`]. There is room for as many headers as there are.
unsafe fn into<'a, R>(
    stream: EnvoyStream,
    map: HeaderMap,
    room: &mut [MaybeUninit<EnvoyHeader>],
    pairs: &mut [MaybeUninit<Pair<'a>>],
    look: impl FnOnce(&[Pair<'a>]) -> R,
) -> R {
    // Should Envoy write less than it has said, then there are empty ones.
    room.fill(MaybeUninit::new(EnvoyHeader { name: EnvoyBytes::NONE, value: EnvoyBytes::NONE }));
    // SAFETY: the stream is there, and there is room for as many as Envoy has said that there are.
    let found = !room.is_empty()
        && unsafe {
            raw::envoy_dynamic_module_callback_http_get_headers(stream, map, room.as_mut_ptr().cast())
        };
    if !found {
        return look(&[]);
    }
    for (pair, header) in pairs.iter_mut().zip(&*room) {
        // SAFETY: each was written above.
        let header = unsafe { header.assume_init() };
        // SAFETY: nobody changes the headers while they are looked at.
        pair.write(unsafe { (lent(header.name), lent(header.value)) });
    }
    // SAFETY: there are as many pairs as headers, so each was written above.
    look(unsafe { &*(std::ptr::from_ref::<[MaybeUninit<Pair<'a>>]>(pairs) as *const [Pair<'a>]) })
}
