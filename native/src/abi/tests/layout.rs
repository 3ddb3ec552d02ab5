//! What crosses the border lies in memory as Envoy's header has it.

use std::mem::{align_of, offset_of, size_of};

use crate::abi::raw::{self, EnvoyBytes, EnvoyHeader, HeaderMap, OurBytes, OurHeader};
use crate::abi::{Attribute, Level};

/// Where a C compiler puts fields of these sizes, each of which is aligned to its own size: offsets, and the whole's size.
fn c_layout(fields: &[usize]) -> (Vec<usize>, usize) {
    let (mut offsets, mut end, mut widest) = (Vec::new(), 0_usize, 1);
    for size in fields {
        let start = end.next_multiple_of(*size);
        offsets.push(start);
        end = start + size;
        widest = widest.max(*size);
    }
    (offsets, end.next_multiple_of(widest))
}

#[test]
fn what_crosses_the_border_lies_in_memory_as_the_header_says() {
    const POINTER: usize = size_of::<*const u8>();
    const LENGTH: usize = size_of::<usize>();
    // `envoy_dynamic_module_type_envoy_buffer` and `_module_buffer`: { ptr, length }.
    let (offsets, size) = c_layout(&[POINTER, LENGTH]);
    assert_eq!([offset_of!(EnvoyBytes, data), offset_of!(EnvoyBytes, len)], *offsets);
    assert_eq!([offset_of!(OurBytes, data), offset_of!(OurBytes, len)], *offsets);
    assert_eq!((size_of::<EnvoyBytes>(), size_of::<OurBytes>()), (size, size));
    // `_envoy_http_header` and `_module_http_header`: { key_ptr, key_length, value_ptr, value_length }.
    let (offsets, size) = c_layout(&[POINTER, LENGTH, POINTER, LENGTH]);
    assert_eq!(
        [
            offset_of!(EnvoyHeader, name) + offset_of!(EnvoyBytes, data),
            offset_of!(EnvoyHeader, name) + offset_of!(EnvoyBytes, len),
            offset_of!(EnvoyHeader, value) + offset_of!(EnvoyBytes, data),
            offset_of!(EnvoyHeader, value) + offset_of!(EnvoyBytes, len),
        ],
        *offsets
    );
    assert_eq!(
        [
            offset_of!(OurHeader, name) + offset_of!(OurBytes, data),
            offset_of!(OurHeader, name) + offset_of!(OurBytes, len),
            offset_of!(OurHeader, value) + offset_of!(OurBytes, data),
            offset_of!(OurHeader, value) + offset_of!(OurBytes, len),
        ],
        *offsets
    );
    assert_eq!((size_of::<EnvoyHeader>(), size_of::<OurHeader>()), (size, size));
    assert_eq!((align_of::<EnvoyHeader>(), align_of::<OurHeader>()), (POINTER, POINTER));
    // Enumerations are C's `int`, and `bool` is C's `_Bool`.
    assert_eq!((size_of::<HeaderMap>(), size_of::<raw::Body>(), size_of::<bool>()), (4, 4, 1));
    // Their order in the header: RequestHeader, RequestTrailer, ResponseHeader, ResponseTrailer; ReceivedRequestBody,
    // BufferedRequestBody; Trace, Debug, Info, Warn, Error.
    assert_eq!(
        [HeaderMap::Request, HeaderMap::Response, HeaderMap::ResponseTrailers].map(|map| map as u32),
        [0, 2, 3]
    );
    assert_eq!([raw::Body::Received, raw::Body::Buffered].map(|body| body as u32), [0, 1]);
    assert_eq!(
        [Level::Debug, Level::Info, Level::Warn, Level::Error].map(|level| level as u32),
        [1, 2, 3, 4]
    );
    let attributes =
        [Attribute::ResponseCodeDetails, Attribute::SourceAddress, Attribute::DestinationAddress];
    assert_eq!(attributes.map(|attribute| attribute as u32), [16, 24, 26]);
    assert_eq!(raw::VERSION.to_bytes(), b"v0.2.0");
}
