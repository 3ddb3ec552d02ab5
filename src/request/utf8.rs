//! Bytes that are not UTF-8: some servers drop them, others put a character in their place.

/// What is put in their place.
pub(super) const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// The text with this in place of each invalid sequence; `None` if it has none.
pub(super) fn with_invalid(text: &[u8], in_its_place: &[u8]) -> Option<Vec<u8>> {
    if text.is_ascii() || str::from_utf8(text).is_ok() {
        return None;
    }
    let mut valid = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        valid.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            valid.extend_from_slice(in_its_place);
        }
    }
    Some(valid)
}
