//! What a request's target says: its path and its query.

/// A target's path and query, as they were sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) path: &'a [u8],
    pub(super) query: &'a [u8],
}

impl<'a> Target<'a> {
    pub(super) fn of(target: &'a [u8]) -> Self {
        let (path, query) = split_at_byte(target, b'?');
        Self { path, query }
    }

    /// The reading of a target that has no others, as most have none. If there is none, [`Self::readings`] has them all.
    pub(super) fn only_reading(sent: &'a [u8]) -> Option<Self> {
        let target = Self::of(sent);
        (!target.query.starts_with(b"?") && memchr::memchr(b'#', sent).is_none()).then_some(target)
    }

    /// The readings of a target as it was sent. The first is that of most servers.
    pub(super) fn readings(sent: &'a [u8]) -> impl Iterator<Item = Self> {
        // A fragment is not the server's business, but some servers do not know that.
        let (cut, _fragment) = split_at_byte(sent, b'#');
        let uncut = (cut.len() < sent.len()).then(|| Self::of(sent));
        [Some(Self::of(cut)), uncut].into_iter().flatten().flat_map(|target| {
            // PHP's own server takes several `?` for one.
            let further = without_marks(target.query);
            let further = (further.len() < target.query.len()).then_some(Self { query: further, ..target });
            [Some(target), further].into_iter().flatten()
        })
    }
}

/// Without the `?`s in front.
fn without_marks(mut query: &[u8]) -> &[u8] {
    while let Some(rest) = query.strip_prefix(b"?") {
        query = rest;
    }
    query
}

/// What stands before the first `byte` and after it; all and nothing if there is none.
pub(super) fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(byte, text) {
        Some(index) => (&text[..index], &text[index + 1..]),
        None => (text, b""),
    }
}
