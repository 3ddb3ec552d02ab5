//! Whether Redis forgets counters when its memory is full.

use super::resp::Reply;

/// Whether a Redis with this answer to `INFO memory` drops keys before they expire, once its memory is full; `None` if it does not
/// say. All of Tollgate's keys expire, so every policy but `noeviction` drops them.
pub(super) fn evicts(info: &Reply) -> Option<bool> {
    let Reply::Bytes(Some(info)) = info else { return None };
    let field = |name: &str| {
        let mut lines = info.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.find_map(|line| line.strip_prefix(name.as_bytes()))
    };
    let (limit, policy) = (field("maxmemory:")?, field("maxmemory_policy:")?);
    Some(limit != b"0" && policy != b"noeviction")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_if_its_memory_has_a_limit_and_its_policy_says_so() {
        for (limit, policy, expected) in [
            ("100", "allkeys-lru", true),
            ("100", "volatile-ttl", true),
            ("100", "noeviction", false),
            ("0", "allkeys-lru", false),
        ] {
            let info =
                format!("# Memory\r\nused_memory:9\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n");
            assert_eq!(evicts(&Reply::Bytes(Some(info.as_bytes()))), Some(expected), "{info}");
        }
        for reply in [
            Reply::Error(b"NOPERM this user has no permissions to run the 'info' command"),
            Reply::Bytes(None),
            Reply::Bytes(Some(b"maxmemory_policy:allkeys-lru\r\n")),
            Reply::Bytes(Some(b"maxmemory:100\r\n")),
        ] {
            assert_eq!(evicts(&reply), None, "{reply:?}");
        }
    }
}
