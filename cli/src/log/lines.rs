//! Bytes in, lines out: packed or not, and whatever their length.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longer lines are skipped: no proxy writes any, since none takes such requests.
pub const MAX_LINE: usize = 1 << 20;

const BLOCK: usize = 256 << 10;

/// What was read so far of all files, as they lie on the disk.
pub(super) type Progress = Arc<AtomicU64>;

/// Counts what is read.
pub(super) struct Counting<R> {
    pub(super) inner: R,
    pub(super) progress: Progress,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Unpacks gzip and Zstandard, which are known by how they begin.
pub(super) fn unpacked(mut file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut head = [0; 4];
    let mut length = 0;
    while length < head.len() {
        match file.read(&mut head[length..])? {
            0 => break,
            count => length += count,
        }
    }
    let whole = io::Cursor::new(head[..length].to_vec()).chain(file);
    Ok(match head[..length] {
        [0x1f, 0x8b, ..] => {
            Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(64 << 10, whole)))
        }
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

/// The lines of a file, block by block.
pub(super) struct Blocks {
    from: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// How much of the buffer is filled.
    filled: usize,
    /// Where the part of it begins that was not handed out.
    rest: usize,
    /// The line that is read now is too long.
    is_skipping: bool,
    is_over: bool,
    /// Why nothing more can be read, if the file does not simply end.
    pub(super) broken: Option<io::Error>,
    /// Lines that were too long.
    pub(super) too_long: u64,
}

impl Blocks {
    pub(super) fn new(from: Box<dyn Read + Send>) -> Self {
        Self {
            from,
            buffer: vec![0; BLOCK],
            filled: 0,
            rest: 0,
            is_skipping: false,
            is_over: false,
            broken: None,
            too_long: 0,
        }
    }

    /// Some whole lines, each with its line break but perhaps the last; `None` at the end.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        self.buffer.copy_within(self.rest..self.filled, 0);
        self.filled -= self.rest;
        self.rest = 0;
        loop {
            if self.is_over {
                // What has no line break at the end of a file that broke off is no whole line.
                let length = if self.broken.is_some() || self.is_skipping { 0 } else { self.filled };
                (self.rest, self.filled, self.is_skipping) = (0, 0, false);
                return (length > 0).then(|| &self.buffer[..length]);
            }
            if self.filled == self.buffer.len() {
                if self.buffer.len() < MAX_LINE {
                    self.buffer.resize(self.buffer.len() * 2, 0);
                } else {
                    self.too_long += u64::from(!self.is_skipping);
                    (self.is_skipping, self.filled) = (true, 0);
                }
            }
            let start = self.filled;
            self.fill();
            let new = &self.buffer[start..self.filled];
            if self.is_skipping {
                // To the end of this line.
                match memchr::memchr(b'\n', new) {
                    Some(end) => {
                        self.buffer.copy_within(start + end + 1..self.filled, 0);
                        self.filled -= start + end + 1;
                        self.is_skipping = false;
                    }
                    None => self.filled = 0,
                }
            }
            if let Some(end) = memchr::memrchr(b'\n', &self.buffer[..self.filled]) {
                self.rest = end + 1;
                return Some(&self.buffer[..=end]);
            }
        }
    }

    fn fill(&mut self) {
        loop {
            match self.from.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.is_over = true,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => (self.is_over, self.broken) = (true, Some(error)),
            }
            return;
        }
    }
}

/// The lines of a block, without what ends them. Empty ones are none.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &b""[..]),
        };
        rest = after;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    /// Hands out so many bytes at once.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn all(mut blocks: Blocks) -> (Vec<Vec<u8>>, u64, bool) {
        let mut found = Vec::new();
        while let Some(block) = blocks.next() {
            found.extend(lines(block).map(<[u8]>::to_vec));
        }
        (found, blocks.too_long, blocks.broken.is_some())
    }

    fn packed(text: &[u8]) -> [Vec<u8>; 3] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).expect("memory");
        [text.to_vec(), gzip.finish().expect("memory"), zstd::encode_all(text, 1).expect("memory")]
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_counted() {
        for (long, skipped) in [(MAX_LINE - 3, 0), (MAX_LINE + 1, 1), (10 << 20, 1)] {
            let text = ["a\n", &"x".repeat(long), "\nb\n"].concat().into_bytes();
            let (found, too_long, _) = all(Blocks::new(Box::new(io::Cursor::new(text))));
            assert_eq!(
                (found.len(), too_long),
                (3 - usize::try_from(skipped).expect("few"), skipped),
                "{long}"
            );
            assert_eq!((&*found[0], &**found.last().expect("lines")), (&b"a"[..], &b"b"[..]));
        }
        let endless = "x".repeat(3 * MAX_LINE).into_bytes();
        assert_eq!(all(Blocks::new(Box::new(io::Cursor::new(endless)))), (vec![], 1, false));
    }

    #[test]
    fn what_is_packed_and_cut_short_is_read_as_far_as_it_goes() {
        let text = (0..50_000).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
        for packed in &packed(text.as_bytes())[1..] {
            let cut = packed[..packed.len() / 2].to_vec();
            let (found, _, is_broken) = all(Blocks::new(unpacked(io::Cursor::new(cut)).expect("a head")));
            assert!(is_broken && !found.is_empty() && found.len() < 50_000);
            assert!(found.iter().zip(text.lines()).all(|(found, line)| *found == line.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text(
            text in proptest::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(b'\n')], 0..500),
            step in 1_usize..64,
        ) {
            let expected: Vec<Vec<u8>> = lines(&text).map(<[u8]>::to_vec).collect();
            for packed in packed(&text) {
                let blocks = Blocks::new(unpacked(Slow(packed, step)).expect("memory"));
                let (found, too_long, is_broken) = all(blocks);
                // Random bytes may begin as a packed file does; these do not.
                prop_assert!(text.starts_with(&[0x1f, 0x8b]) || text.starts_with(&[0x28, 0xb5]) || found == expected);
                prop_assert!(too_long == 0 && (!is_broken || text.len() > 1));
            }
        }
    }
}
