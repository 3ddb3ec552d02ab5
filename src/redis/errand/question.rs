//! What can be asked, and how it is put.

use std::time::Duration;

use crate::limit::Algorithm;
use crate::redis::command::Commands;
use crate::redis::resp::put_command;
use crate::redis::script::console_script;
use crate::store::{Fingerprint, Watched};

/// What the console can ask of Redis. Each act (block, unblock, pardon) is heard of by every worker within a second or two, once it
/// has anything to do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// What is known of a client. Nothing is taken, and nothing written.
    Look {
        /// Who.
        client: Fingerprint,
        /// The limits to look for.
        watched: Vec<Watched>,
    },
    /// What is known of all clients that anything is known of, step by step. Nothing is written.
    Survey {
        /// Where to go on.
        cursor: Cursor,
        /// The limits to look for, the same in all steps.
        watched: Vec<Watched>,
    },
    /// To block a client from now on, whatever it was before.
    Block {
        /// Whom.
        client: Fingerprint,
        /// For how long; 71 years at the most.
        lasts: Duration,
    },
    /// To end that.
    Unblock {
        /// For whom.
        client: Fingerprint,
    },
    /// To forget a client: its counters, and that the application has accepted it. If it is blocked, it stays so.
    Pardon {
        /// Whom.
        client: Fingerprint,
    },
    /// Who is blocked.
    Acts,
}

/// How far a survey has come; at first, nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub(super) u64);

/// The longest block, in microseconds: what the script can count, twice.
const LONGEST: u64 = 1 << 51;

impl Question {
    /// How many replies there are to it.
    pub(super) const fn replies(&self) -> usize {
        match self {
            Self::Acts => 2,
            _ => 1,
        }
    }

    /// Appends the commands that ask it.
    pub(super) fn put(&self, commands: &Commands, out: &mut Vec<u8>) {
        let (what, client, arguments) = match self {
            Self::Acts => return commands.acts(out),
            Self::Look { client, watched } => (&b"look"[..], Some(*client), vec![packed(watched)]),
            Self::Survey { cursor, watched } => {
                (&b"survey"[..], None, vec![packed(watched), cursor.0.to_string().into_bytes()])
            }
            Self::Block { client, lasts } => {
                let lasts = u64::try_from(lasts.as_micros()).unwrap_or(u64::MAX).min(LONGEST);
                (&b"block"[..], Some(*client), vec![lasts.to_string().into_bytes()])
            }
            Self::Unblock { client } => (&b"unblock"[..], Some(*client), Vec::new()),
            Self::Pardon { client } => (&b"pardon"[..], Some(*client), Vec::new()),
        };
        let (script, acts, client) =
            (console_script(), commands.acts_key(), client.map(|client| commands.key(client)));
        let keys = if client.is_some() { &b"2"[..] } else { b"1" };
        let mut words = vec![b"EVAL", script.as_bytes(), keys, acts.as_bytes()];
        words.extend(client.as_ref().map(String::as_bytes));
        words.push(what);
        words.extend(arguments.iter().map(Vec::as_slice));
        put_command(out, &words);
    }
}

fn packed(watched: &[Watched]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(16 * watched.len());
    for Watched { counter, limit } in watched {
        let burst = match limit.algorithm {
            Algorithm::SlidingWindow => 0,
            Algorithm::TokenBucket { burst } => burst,
        };
        for number in [counter.0, limit.rate.quota(), limit.rate.window_secs(), burst] {
            packed.extend_from_slice(&number.to_be_bytes());
        }
    }
    packed
}
