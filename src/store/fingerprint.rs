//! Whom a counter counts, as a number that tells nothing about it.

use std::fmt;

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;
use std::str::FromStr;

use crate::text::hex;

/// The key under which fingerprints are made. Whoever does not know it cannot tell which client a
/// fingerprint stands for, nor find two clients that share one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 16]);

impl Secret {
    /// A secret of these bytes, which should be random.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The secret that follows from this text, the same everywhere. It is worth what the text is worth.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut fingerprinter = Fingerprinter::new(&Self(*b"tollgate.secret1"));
        fingerprinter.piece(0, text.as_bytes());
        Self(fingerprinter.finish().to_bytes())
    }
}

impl fmt::Debug for Secret {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A client's 128-bit keyed hash (SipHash-2-4): all that is ever stored of an address or a credential.
///
/// Bytes rather than a `u128`, whose alignment of 16 makes allocators take a detour for whatever holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; Self::SIZE]);

impl Fingerprint {
    /// How many bytes a fingerprint takes where it is stored.
    pub const SIZE: usize = 16;

    /// Everybody together. Nothing else has these bytes, but by a chance of one in 2^128.
    pub const EVERYBODY: Self = Self([0; Self::SIZE]);

    pub(crate) const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// The fingerprint as it is stored.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::SIZE] {
        self.0
    }

    /// A number from 0 to `count - 1`, evenly spread.
    pub(crate) fn place(self, count: u32) -> u32 {
        let [.., a, b, c, d] = self.0;
        let place = (u64::from(u32::from_le_bytes([a, b, c, d])) * u64::from(count)) >> 32;
        u32::try_from(place).unwrap_or(0)
    }
}

impl fmt::Display for Fingerprint {
    /// As 32 hexadecimal digits, in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 2 * Self::SIZE];
        for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(self.0) {
            *pair = hex(byte);
        }
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    /// Reads what [`fmt::Display`] writes, in capitals, too.
    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let digits = text.as_bytes();
        let mut bytes = [0; Self::SIZE];
        if digits.len() != 2 * Self::SIZE {
            return Err(NoFingerprint);
        }
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks().0) {
            *byte = value(*high).ok_or(NoFingerprint)? << 4 | value(*low).ok_or(NoFingerprint)?;
        }
        Ok(Self(bytes))
    }
}

/// These are not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFingerprint;

/// Takes in what identifies a client, piece by piece.
///
/// Each piece is written with its kind and its length, so that no two different lists of pieces read the
/// same: an address never meets a credential, nor `ab` + `c` a client `a` + `bc`.
pub struct Fingerprinter(SipHasher24);

/// In front of a piece stand its kind and its length.
const HEAD: usize = 9;
/// So long is an address, and a token as frameworks make them.
const SHORT: usize = 64;

impl Fingerprinter {
    /// Nothing taken in yet.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self(SipHasher24::new_with_key(&secret.0))
    }

    /// Takes in one piece of this kind.
    pub fn piece(&mut self, kind: u8, bytes: &[u8]) {
        // Most are short, and taken in together with what stands in front.
        let mut piece = [kind; HEAD + SHORT];
        piece[1..HEAD].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        if let Some(room) = piece[HEAD..].get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.0.write(&piece[..HEAD + bytes.len()]);
        } else {
            self.0.write(&piece[..HEAD]);
            self.0.write(bytes);
        }
    }

    /// The fingerprint of all pieces.
    #[must_use]
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.0.finish128().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(secret: u8, pieces: &[(u8, &str)]) -> Fingerprint {
        let mut fingerprinter = Fingerprinter::new(&Secret::new([secret; 16]));
        for (kind, bytes) in pieces {
            fingerprinter.piece(*kind, bytes.as_bytes());
        }
        fingerprinter.finish()
    }

    #[test]
    fn no_two_lists_of_pieces_are_the_same_client() {
        let lists: [&[(u8, &str)]; 7] = [
            &[],
            &[(1, "")],
            &[(1, "abc")],
            &[(2, "abc")],
            &[(1, "a"), (1, "bc")],
            &[(1, "ab"), (1, "c")],
            &[(1, "abc"), (1, "")],
        ];
        for (index, one) in lists.iter().enumerate() {
            for other in &lists[..index] {
                assert_ne!(fingerprint(0, one), fingerprint(0, other), "{one:?} {other:?}");
            }
            assert_ne!(fingerprint(0, one), fingerprint(1, one), "the secret matters");
            assert_eq!(fingerprint(0, one), fingerprint(0, one));
        }
    }

    #[test]
    fn places_are_in_range() {
        assert_eq!(Fingerprint([0xff; 16]).place(1000), 999);
        assert_eq!(Fingerprint([0; 16]).place(1000), 0);
        assert_eq!(Fingerprint([0xff; 16]).place(1), 0);
    }

    #[test]
    fn written_for_people_and_read_back() {
        let one = fingerprint(7, &[(1, "x")]);
        let text = one.to_string();
        assert_eq!((text.len(), text.parse(), text.to_uppercase().parse()), (32, Ok(one), Ok(one)));
        for text in ["", "0", &"0".repeat(31), &"0".repeat(33), &"g".repeat(32), &"é".repeat(16)] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NoFingerprint), "{text}");
        }
    }

    #[test]
    fn stored_and_read_back() {
        let one = fingerprint(7, &[(1, "x")]);
        assert_eq!(Fingerprint::from_bytes(one.to_bytes()), one);
    }
}
