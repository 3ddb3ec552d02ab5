//! How bytes that were written are known again.

/// A number by which bytes are known to be the ones that were written. It tells accidents, not attacks: whoever can
/// write the bytes can write their checksum too.
///
/// Each eight bytes are mixed in by a multiplication whose high half is folded back, as in wyhash and `FxHash`: a
/// few nanoseconds for a record.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| {
        let product = (sum ^ word).wrapping_mul(ODD);
        product ^ product >> 32
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let [a, b, c, d, ..] = mix(sum, u64::from_le_bytes(last)).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_notices_every_changed_bit() {
        let bytes: Vec<u8> = (0..=100).collect();
        for length in 0..bytes.len() {
            let sum = checksum(&bytes[..length]);
            assert_ne!(sum, checksum(&bytes[..=length]), "a byte more than {length}");
            for bit in 0..8 * length {
                let mut changed = bytes[..length].to_vec();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(sum, checksum(&changed), "bit {bit} of {length} bytes");
            }
        }
        assert_ne!(checksum(&[]), checksum(&[0]), "zeros count");
    }
}
