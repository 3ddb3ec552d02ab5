//! Why Redis did not decide about a request.

/// Why Redis did not decide about a request. Each is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It took longer than `timeout`.
    Timeout,
    /// There was no connection, or it broke.
    Connection,
    /// The proxy knows no cluster of the configured name, or the sentinels no master of it.
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
    /// It does not know a command, or does not let it be called: `EVALSHA`, mostly, where it was renamed.
    UnknownCommand,
    /// It takes no more connections.
    TooManyClients,
    /// The script failed in it.
    Script,
    /// Another error.
    Other,
    /// Too many requests were waiting already.
    QueueFull,
    /// It has failed repeatedly, and is not asked for a while.
    BreakerOpen,
}

impl Failure {
    /// Every cause, and its name in metrics.
    pub const ALL: [(Self, &'static str); 17] = [
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
        (Self::UnknownCommand, "unknown_command"),
        (Self::TooManyClients, "too_many_clients"),
        (Self::Script, "script"),
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
    /// word further back (`ERR Error running script …: -OOM …`, up to Redis 6). Some kinds have no word of their own.
    #[must_use]
    pub fn of_error(message: &[u8]) -> Self {
        let message = without_arguments(message);
        let mut words = message.split(|byte| !byte.is_ascii_uppercase());
        let first = words.next().unwrap_or_default();
        if first != b"ERR" {
            return Self::of_word(first).unwrap_or(Self::Other);
        }
        let says = |text: &str| memchr::memmem::find(message, text.as_bytes()).is_some();
        let of_text = || TEXTS.iter().find(|(text, _)| says(text)).map(|(_, failure)| *failure);
        words.find_map(Self::of_word).or_else(of_text).unwrap_or(Self::Other)
    }

    /// Whether another node may be the right one, or the same one on a new connection: this one is to be given up.
    #[must_use]
    pub const fn is_of_connection(self) -> bool {
        matches!(self, Self::Auth | Self::ReadOnly | Self::Loading | Self::Cluster | Self::TooManyClients)
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

/// What stands in errors whose first word is `ERR`.
const TEXTS: [(&str, Failure); 6] = [
    // Inside a script: from Redis 7.2 on, and before.
    ("ACL failure in script", Failure::Auth),
    ("The user executing the script", Failure::Auth),
    ("unknown command", Failure::UnknownCommand),
    ("max number of clients", Failure::TooManyClients),
    ("user_script", Failure::Script),
    ("running script", Failure::Script),
];

/// What Redis said when it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What that means.
    pub failure: Failure,
    /// Its own words, for the log: no more than [`Self::LONGEST`] bytes, without control characters, and without arguments of
    /// commands, among which a password could be.
    pub text: String,
}

impl Refusal {
    /// The most bytes of an error that are shown.
    pub const LONGEST: usize = 200;

    /// An error of Redis.
    #[must_use]
    pub fn of_error(message: &[u8]) -> Self {
        let shown = without_arguments(message);
        let text = shown.iter().take(Self::LONGEST).map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '?',
        });
        Self { failure: Failure::of_error(message), text: text.collect() }
    }
}

/// An error without the arguments of the command that it is about.
fn without_arguments(message: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(message, b", with args").unwrap_or(message.len());
    &message[..end]
}

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
            ("ERR unknown command 'EVALSHA', with args beginning with: 'OOM' ", Failure::UnknownCommand),
            ("ERR max number of clients reached", Failure::TooManyClients),
            ("ERR max number of clients + cluster connections reached", Failure::TooManyClients),
            ("ERR user_script:9: not written here script: 55, on @user_script:9.", Failure::Script),
            ("ERR Error running script (call to f_5): @user_script:9: not written here", Failure::Script),
            (
                "ERR ACL failure in script: User u has no permissions to run the 'zadd' command script: 5, on @user_script:9.",
                Failure::Auth,
            ),
            (
                "ERR Error running script (call to f_5): @user_script:9: @user_script: 9: The user executing the script can't run \
                 this command or subcommand",
                Failure::Auth,
            ),
            ("ERR syntax error", Failure::Other),
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

    #[test]
    fn a_refusal_is_shown_without_arguments() {
        for (message, text) in [
            ("OOM command not allowed", "OOM command not allowed"),
            ("ERR unknown command 'AUTH', with args beginning with: 'secret' ", "ERR unknown command 'AUTH'"),
            ("ERR a\u{1b}[0m\u{e9}", "ERR a?[0m??"),
        ] {
            assert_eq!(Refusal::of_error(message.as_bytes()).text, text);
        }
        assert_eq!(Refusal::of_error(&[b'E'; 300]).text, "E".repeat(Refusal::LONGEST));
    }
}
