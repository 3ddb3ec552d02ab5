//! A list of headers in the form in which the proxy hands it over, read in place.

/// Headers as the proxy hands them over: in one block of bytes, or as a list of pairs.
///
/// A block is in the proxy-wasm ABI's form: the number of pairs, then the lengths of each name and value, all `u32` little-endian, then
/// every name and value followed by a NUL. A block that is cut short ends where it is cut: what cannot be read is not there.
///
/// Nothing is copied or decoded until it is asked for. Names and values are arbitrary bytes; names are in lower case, by the proxy
/// or by [`Headers::lower_names`].
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a>(Form<'a>);

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Block(&'a [u8]),
    Pairs(&'a [(&'a [u8], &'a [u8])]),
}

impl Default for Headers<'_> {
    /// No headers.
    fn default() -> Self {
        Self::of_pairs(&[])
    }
}

impl<'a> Headers<'a> {
    /// Headers in `block`.
    #[must_use]
    pub const fn new(block: &'a [u8]) -> Self {
        Self(Form::Block(block))
    }

    /// Headers as names and values, in order.
    #[must_use]
    pub const fn of_pairs(pairs: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self(Form::Pairs(pairs))
    }

    /// All values of the header `name` (in lower case), in order.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let mut rest = self.iter();
        std::iter::from_fn(move || rest.next_named(name.as_bytes()))
    }

    /// The first value of the header `name` (in lower case).
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// All headers, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        Iter(match self.0 {
            Form::Block(block) => Rest::Block(Block::of(block)),
            Form::Pairs(pairs) => Rest::Pairs(pairs.iter()),
        })
    }

    /// Makes the names in a block lower case, for hosts that hand them over as the client has written them. A block that is cut
    /// short ends where it is cut.
    pub fn lower_names(block: &mut [u8]) {
        let (Some(count), size) = (take_u32(&mut &*block), block.len()) else { return };
        let table = (count as usize).saturating_mul(8).saturating_add(4).min(size);
        let (lengths, mut pairs) = block.split_at_mut(table);
        let mut lengths = &lengths[4..];
        while let (Some(name), Some(value)) = (take_u32(&mut lengths), take_u32(&mut lengths)) {
            let (name, size) =
                (name as usize, (name as usize).saturating_add(value as usize).saturating_add(2));
            let Some((pair, rest)) = std::mem::take(&mut pairs).split_at_mut_checked(size) else { return };
            pair[..name].make_ascii_lowercase();
            pairs = rest;
        }
    }

    /// Writes pairs in the same form.
    #[must_use]
    pub fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Vec<u8> {
        let pairs = pairs.iter().map(|(name, value)| [name.as_ref(), value.as_ref()]);
        let mut block = Vec::new();
        put_length(&mut block, pairs.len());
        for text in pairs.clone().flatten() {
            put_length(&mut block, text.len());
        }
        for text in pairs.flatten() {
            block.extend_from_slice(text);
            block.push(0);
        }
        block
    }
}

impl<'a> IntoIterator for &Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Headers, one after the other. See [`Headers::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a>(Rest<'a>);

#[derive(Clone, Debug)]
enum Rest<'a> {
    Block(Block<'a>),
    Pairs(std::slice::Iter<'a, (&'a [u8], &'a [u8])>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Rest::Block(block) => block.next(),
            Rest::Pairs(pairs) => pairs.next().copied(),
        }
    }

    /// Asks for the form once, and not for each header.
    #[inline]
    fn fold<T, F: FnMut(T, Self::Item) -> T>(self, start: T, mut fold: F) -> T {
        match self.0 {
            Rest::Block(mut block) => {
                let mut folded = start;
                while let Some(pair) = block.next() {
                    folded = fold(folded, pair);
                }
                folded
            }
            Rest::Pairs(pairs) => pairs.copied().fold(start, fold),
        }
    }
}

impl<'a> Iter<'a> {
    /// The value of the next header with this name.
    fn next_named(&mut self, name: &[u8]) -> Option<&'a [u8]> {
        match &mut self.0 {
            Rest::Block(block) => block.next_named(name),
            Rest::Pairs(pairs) => pairs.find(|(found, _)| *found == name).map(|(_, value)| *value),
        }
    }
}

/// What is left of a block.
#[derive(Clone, Debug)]
struct Block<'a> {
    lengths: &'a [u8],
    pairs: &'a [u8],
}

impl<'a> Block<'a> {
    fn of(block: &'a [u8]) -> Self {
        let mut rest = block;
        let count = take_u32(&mut rest).unwrap_or(0) as usize;
        let (lengths, pairs) = rest.split_at_checked(count.saturating_mul(8)).unwrap_or_default();
        Self { lengths, pairs }
    }

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (name, pair) = self.next_pair()?;
        Some((&pair[..name], &pair[name + 1..pair.len() - 1]))
    }

    /// The length of the next name, and the bytes of the pair, with a NUL behind name and value.
    #[inline]
    fn next_pair(&mut self) -> Option<(usize, &'a [u8])> {
        let mut lengths = self.lengths;
        let name = take_u32(&mut lengths)? as usize;
        let value = take_u32(&mut lengths)? as usize;
        // A sum that is too large is longer than any block.
        let size = name.saturating_add(value).saturating_add(2);
        let (pair, pairs) = self.pairs.split_at_checked(size)?;
        (self.lengths, self.pairs) = (lengths, pairs);
        Some((name, pair))
    }

    /// The value of the next header with this name. Names of other lengths are not looked at.
    fn next_named(&mut self, name: &[u8]) -> Option<&'a [u8]> {
        while let Some((length, pair)) = self.next_pair() {
            if length == name.len() && pair.starts_with(name) {
                return Some(&pair[length + 1..pair.len() - 1]);
            }
        }
        None
    }
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

/// Texts in a block are far shorter than 4 GiB: the memory of wasm is.
fn put_length(block: &mut Vec<u8>, length: usize) {
    block.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAIRS: [(&str, &[u8]); 4] =
        [(":path", b"/a"), ("cookie", b"a=1"), ("x-empty", b""), ("cookie", b"b=\xff")];

    #[test]
    fn what_is_written_reads_back() {
        let block = Headers::encode(&PAIRS);
        let headers = Headers::new(&block);
        let expected = PAIRS.map(|(name, value)| (name.as_bytes(), value));
        assert_eq!(headers.iter().collect::<Vec<_>>(), expected);
        assert_eq!(headers.all("cookie").collect::<Vec<_>>(), [b"a=1", b"b=\xff"]);
        assert_eq!(headers.first("x-empty"), Some(&b""[..]));
        assert_eq!(headers.first("Cookie"), None);
    }

    #[test]
    fn names_become_lower_case() {
        let mixed = [(":path", &b"/A"[..]), ("COOKIE", b"A=B"), ("X-Empty", b""), ("x-\u{c4}B", b"C\xff")];
        let mut block = Headers::encode(&mixed);
        Headers::lower_names(&mut block);
        let lower = mixed.map(|(name, value)| (name.to_ascii_lowercase(), value));
        assert_eq!(block, Headers::encode(&lower));
        for length in 0..block.len() {
            let mut cut = Headers::encode(&mixed)[..length].to_vec();
            Headers::lower_names(&mut cut);
            let (cut, whole) = (Headers::new(&cut), Headers::new(&block));
            assert!(cut.iter().zip(whole.iter()).all(|(cut, whole)| cut == whole), "{length}");
        }
        for mut lies in
            [vec![0xff; 64], vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, b'A', 0, b'B', 0]]
        {
            let before = lies.clone();
            Headers::lower_names(&mut lies);
            assert_eq!(lies, before);
        }
    }

    #[test]
    fn a_block_cut_short_ends_where_it_is_cut() {
        let block = Headers::encode(&PAIRS);
        for length in 0..block.len() {
            let whole = Headers::new(&block[..length]).iter().count();
            assert!(whole < PAIRS.len(), "{length}");
        }
    }

    #[test]
    fn lengths_that_lie_are_no_headers() {
        for block in [&[0xff; 64][..], &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, b'a', 0, b'b', 0]] {
            assert_eq!(Headers::new(block).iter().count(), 0);
        }
    }

    /// Names of which many are alike, so that some are found.
    fn pairs() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
        let name = prop_oneof![Just(String::new()), Just(":path".into()), "[ab]{1,2}", "[a-z-]{0,20}"];
        prop::collection::vec((name, prop::collection::vec(any::<u8>(), 0..9)), 0..12)
    }

    proptest! {
        #[test]
        fn a_list_and_a_block_of_the_same_pairs_read_alike(pairs in pairs(), other in "[ab]{0,2}") {
            let block = Headers::encode(&pairs);
            let list: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), &**value)).collect();
            let (block, listed) = (Headers::new(&block), Headers::of_pairs(&list));
            prop_assert!(listed.iter().eq(list.iter().copied()));
            prop_assert!(block.iter().eq(listed.iter()));
            for name in pairs.iter().map(|(name, _)| name).chain([&other]) {
                let all: Vec<_> =
                    list.iter().filter(|(known, _)| *known == name.as_bytes()).map(|(_, value)| *value).collect();
                for headers in [block, listed] {
                    prop_assert_eq!(headers.all(name).collect::<Vec<_>>(), &all[..]);
                    prop_assert_eq!(headers.first(name), all.first().copied());
                }
            }
        }
    }
}
