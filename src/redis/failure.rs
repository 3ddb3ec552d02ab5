//! Why Redis did not decide about a request.

/// Why Redis did not decide about a request. Each is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It took longer than `timeout`.
    Timeout,
    /// There was no connection, or it broke.
    Connection,
    /// The proxy knows no cluster of the configured name.
    NoCluster,
    /// The answer was cut short, or is not what the script returns.
    Reply,
    /// The user, the password or the user's permissions are wrong (`NOAUTH`, `WRONGPASS`, `NOPERM`, `DENIED`).
    Auth,
    /// Its memory is full (`OOM`).
    Memory,
    /// It takes no writes: a replica, or one that cannot save (`READONLY`, `MISCONF`, `NOREPLICAS`).
    ReadOnly,
    /// It is starting, or waits for its master (`LOADING`, `MASTERDOWN`).
    Loading,
    /// Another script keeps it busy (`BUSY`).
    Busy,
    /// The key is another node's in a Redis Cluster, or the cluster is down (`MOVED`, `CROSSSLOT`, …).
    Cluster,
    /// It had forgotten the script twice in a row (`NOSCRIPT`).
    NoScript,
    /// Another error.
    Other,
    /// Too many requests were waiting already.
    QueueFull,
    /// It has failed repeatedly, and is not asked for a while.
    BreakerOpen,
}

impl Failure {
    /// Every cause, and its name in metrics.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Timeout, "timeout"),
        (Self::Connection, "connection"),
        (Self::NoCluster, "no_cluster"),
        (Self::Reply, "reply"),
        (Self::Auth, "auth"),
        (Self::Memory, "memory"),
        (Self::ReadOnly, "read_only"),
        (Self::Loading, "loading"),
        (Self::Busy, "busy"),
        (Self::Cluster, "cluster"),
        (Self::NoScript, "no_script"),
        (Self::Other, "other"),
        (Self::QueueFull, "queue_full"),
        (Self::BreakerOpen, "breaker_open"),
    ];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(failure, _)| *failure == self).map_or("other", |(_, name)| name)
    }

    /// What an error of Redis means. It begins with a word for its kind; an error inside a script may have that
    /// word further back (`ERR Error running script …: -OOM …`, up to Redis 6).
    #[must_use]
    pub fn of_error(message: &[u8]) -> Self {
        let mut words = message.split(|byte| !byte.is_ascii_uppercase());
        let first = words.next().unwrap_or_default();
        if first == b"ERR" { words.find_map(Self::of_word) } else { Self::of_word(first) }
            .unwrap_or(Self::Other)
    }

    fn of_word(word: &[u8]) -> Option<Self> {
        KINDS.iter().find(|(kind, _)| kind.as_bytes() == word).map(|(_, failure)| *failure)
    }
}

/// What Redis' kinds of error mean.
const KINDS: [(&str, Failure); 17] = [
    ("NOAUTH", Failure::Auth),
    ("WRONGPASS", Failure::Auth),
    ("NOPERM", Failure::Auth),
    ("DENIED", Failure::Auth),
    ("OOM", Failure::Memory),
    ("READONLY", Failure::ReadOnly),
    ("MISCONF", Failure::ReadOnly),
    ("NOREPLICAS", Failure::ReadOnly),
    ("LOADING", Failure::Loading),
    ("MASTERDOWN", Failure::Loading),
    ("BUSY", Failure::Busy),
    ("MOVED", Failure::Cluster),
    ("ASK", Failure::Cluster),
    ("CROSSSLOT", Failure::Cluster),
    ("CLUSTERDOWN", Failure::Cluster),
    ("TRYAGAIN", Failure::Cluster),
    ("NOSCRIPT", Failure::NoScript),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_by_their_kind() {
        for (message, failure) in [
            ("NOAUTH Authentication required.", Failure::Auth),
            ("WRONGPASS invalid username-password pair or user is disabled.", Failure::Auth),
            ("NOPERM this user has no permissions to run the 'evalsha' command", Failure::Auth),
            (
                "OOM command not allowed when used memory > 'maxmemory'. script: 55, on @user_script:1.",
                Failure::Memory,
            ),
            (
                "ERR Error running script (call to f_5): @user_script:9: -OOM command not allowed",
                Failure::Memory,
            ),
            ("READONLY You can't write against a read only replica.", Failure::ReadOnly),
            ("MISCONF Redis is configured to save RDB snapshots", Failure::ReadOnly),
            ("NOREPLICAS Not enough good replicas to write.", Failure::ReadOnly),
            ("LOADING Redis is loading the dataset in memory", Failure::Loading),
            ("MASTERDOWN Link with MASTER is down", Failure::Loading),
            ("BUSY Redis is busy running a script.", Failure::Busy),
            ("MOVED 3999 127.0.0.1:6381", Failure::Cluster),
            ("CROSSSLOT Keys in request don't hash to the same slot", Failure::Cluster),
            ("CLUSTERDOWN Hash slot not served", Failure::Cluster),
            ("NOSCRIPT No matching script. Please use EVAL.", Failure::NoScript),
            ("ERR unknown command 'EVALSHA'", Failure::Other),
            ("ERR max number of clients reached", Failure::Other),
            ("", Failure::Other),
        ] {
            assert_eq!(Failure::of_error(message.as_bytes()), failure, "{message}");
        }
    }

    #[test]
    fn every_cause_has_a_name_of_its_own() {
        for (index, (failure, name)) in Failure::ALL.iter().enumerate() {
            assert!(Failure::ALL[..index].iter().all(|(other, known)| other != failure && known != name));
            assert_eq!(failure.name(), *name);
        }
    }
}
