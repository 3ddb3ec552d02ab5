//! Which part of a Redis Cluster a key is in.

/// How many slots a cluster has.
pub const SLOTS: u16 = 16_384;

/// What stands between the first `{` of a key and the `}` behind it, if that is anything: keys with the same are in one slot. Whatever
/// follows behind `start` does not change it, if there is one in `start`.
#[must_use]
pub fn hash_tag(start: &str) -> Option<&str> {
    let (_, behind) = start.split_once('{')?;
    let (tag, _) = behind.split_once('}')?;
    if tag.is_empty() { None } else { Some(tag) }
}

/// The slot of keys with this hash tag, below [`SLOTS`].
#[must_use]
pub fn slot(tag: &str) -> u16 {
    // CRC16 as XMODEM has it: the polynomial 0x1021, highest bit first, from 0.
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_the_first_that_is_not_empty_or_none() {
        for (start, tag) in [
            ("{tollgate}:", Some("tollgate")),
            ("a{b}{c}", Some("b")),
            ("a{{b}}", Some("{b")),
            ("tollgate:", None),
            ("{tollgate:", None),
            ("}a{", None),
            ("{}{a}", None),
        ] {
            assert_eq!(hash_tag(start), tag, "{start}");
        }
    }

    #[test]
    fn slots_as_redis_counts_them() {
        for (tag, expected) in [("", 0), ("123456789", 0x31c3), ("foo", 12_182), ("bar", 5_061)] {
            assert_eq!(slot(tag), expected, "{tag}");
        }
    }
}
