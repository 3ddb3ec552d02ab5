//! Numbers as few bytes: seven bits a byte, the lowest first (LEB128).

/// Appends a number.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

const HIGHEST_BITS: u64 = 0x8080_8080_8080_8080;

/// The seven lower bits of each byte, side by side.
const fn joined(bytes: u64) -> u64 {
    let sevens = bytes & !HIGHEST_BITS;
    let fourteens = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
    let halves = fourteens & 0x0000_3fff_0000_3fff | (fourteens & 0x3fff_0000_3fff_0000) >> 2;
    halves & 0x0fff_ffff | (halves >> 4) & 0x00ff_ffff_f000_0000
}

/// Reads bytes from the front; everything is `None` once they run out or do not make sense.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn number(&mut self) -> Option<u64> {
        if let [byte @ 0..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Some(u64::from(*byte));
        }
        // Up to eight bytes at once: the last is the first without its highest bit.
        if let Some(eight) = self.0.first_chunk() {
            let word = u64::from_le_bytes(*eight);
            let last = (!word & HIGHEST_BITS).trailing_zeros();
            if last < 64 {
                self.0 = &self.0[last as usize / 8 + 1..];
                return Some(joined(word << (63 - last) >> (63 - last)));
            }
        }
        self.byte_by_byte()
    }

    #[inline(never)]
    fn byte_by_byte(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take::<1>()?[0];
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_reads_back() {
        for bits in 0..64 {
            for number in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut bytes = Vec::new();
                put(&mut bytes, number);
                let mut reader = Reader(&bytes);
                assert_eq!(reader.number(), Some(number));
                assert!(reader.is_empty());
                assert_eq!(Reader(&bytes[..bytes.len() - 1]).number(), None, "cut short");
                for behind in [0, 0x7f, 0x80, 0xff] {
                    let more = [bytes.as_slice(), &[behind; 9]].concat();
                    let mut reader = Reader(&more);
                    assert_eq!((reader.number(), reader.0), (Some(number), &[behind; 9][..]), "{number}");
                }
            }
        }
    }

    #[test]
    fn numbers_too_large_are_none() {
        assert_eq!(Reader(&[0xff; 12]).number(), None);
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).number(), None);
        assert_eq!(Reader(&[0x80, 0x80, 0x80, 0x80, 0x10]).small(), None);
    }
}
