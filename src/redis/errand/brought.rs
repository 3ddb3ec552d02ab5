//! What an errand brings back.

use std::fmt;
use std::time::Duration;

use super::question::{Cursor, Question};
use crate::limit::Verdict;
use crate::redis::acts::{client, read_acts, read_time};
use crate::redis::failure::{Failure, Refusal};
use crate::redis::resp::Reply;
use crate::redis::told::Acts;
use crate::store::{Fingerprint, MOST_BLOCKED, Seen};

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brought {
    /// To a look.
    Seen {
        /// What is known of the client.
        seen: Seen,
        /// For how long it is blocked yet; `None` if it is not.
        blocked_for: Option<Duration>,
        /// Whether something stands under the client's key that was not written by Tollgate. It counts as nothing.
        is_corrupt: bool,
    },
    /// To a step of a survey.
    Surveyed(Surveyed),
    /// To a block, an unblock, a pardon.
    Done {
        /// Whether there was anything to do: to end, or to forget. A block is always something.
        changed: bool,
    },
    /// To the question who is blocked.
    Acts(Acts),
}

/// One step of a survey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// Where to go on; `None` if that was all.
    pub next: Option<Cursor>,
    /// The clients that were found, in no order, each once in this step. Another step may tell of one again, with what is true by then;
    /// whoever puts the steps together takes the later word. One that is there all the while is found.
    pub found: Vec<Seen>,
    /// Under so many clients' keys something stands that was not written by Tollgate. It counts as nothing.
    pub corrupt: u32,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Redis has refused, in these words.
    ByRedis(Refusal),
    /// As many clients are blocked as can be.
    TooManyBlocked,
    /// What has come is no answer to this.
    Nonsense,
}

impl Refused {
    pub(super) fn of_error(message: &[u8]) -> Self {
        Self::ByRedis(Refusal::of_error(message))
    }
}

impl fmt::Display for Refused {
    /// A sentence for people: what was wrong, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByRedis(Refusal { failure, text }) => {
                write!(f, "Redis refuses ({}): {}", failure.name(), without_place(text))?;
                match failure {
                    Failure::Auth => f.write_str(
                        "; docs/configuration.md says at `store.redis.password` which login it takes, and which rights",
                    ),
                    _ => Ok(()),
                }
            }
            Self::TooManyBlocked => write!(
                f,
                "{MOST_BLOCKED} clients are blocked in Redis, which is as many as can be: unblock one, or wait until a block is over"
            ),
            Self::Nonsense => f.write_str(
                "what came from Redis is no answer to this: is it Redis, or Valkey, that listens there?",
            ),
        }
    }
}

/// An error without where in the script it was.
fn without_place(text: &str) -> &str {
    match text.rsplit_once(" script: ") {
        Some((error, place)) if place.contains("@user_script") => error,
        _ => text,
    }
}

/// Reads the replies to this question, in which there is no error.
pub(super) fn read(question: &Question, replies: &[Reply]) -> Result<Brought, Refused> {
    if let (Question::Acts, [time, members]) = (question, replies) {
        let acts = read_time(time).and_then(|now| read_acts(members, now));
        return acts.map(Brought::Acts).map_err(Refused::ByRedis);
    }
    let [Reply::List(Some(words))] = replies else { return Err(Refused::Nonsense) };
    let brought = match question {
        Question::Look { client, watched } => look(&mut Words(words), *client, watched.len()),
        Question::Survey { watched, .. } => survey(&mut Words(words), watched.len()).map(Brought::Surveyed),
        Question::Block { .. } | Question::Unblock { .. } | Question::Pardon { .. } => {
            match done(&mut Words(words)) {
                Some(2) => return Err(Refused::TooManyBlocked),
                done => done.map(|done| Brought::Done { changed: done == 1 }),
            }
        }
        Question::Acts => None,
    };
    brought.ok_or(Refused::Nonsense)
}

/// The rest of what the script has returned.
struct Words<'r, 'a>(&'r [Reply<'a>]);

impl Words<'_, '_> {
    fn next(&mut self) -> Option<&Reply<'_>> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<u64> {
        match self.next()? {
            Reply::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<&[u8]> {
        match self.next()? {
            Reply::Bytes(bytes) => *bytes,
            _ => None,
        }
    }

    fn span(&mut self) -> Option<Duration> {
        self.number().map(Duration::from_micros)
    }

    /// How many values were not written by Tollgate. The time before it is nobody's business here.
    fn broken(&mut self) -> Option<u32> {
        self.number()?;
        u32::try_from(self.number()?).ok()
    }

    /// What so many of the limits say, of `most`.
    fn seen(&mut self, client: Fingerprint, count: usize, most: usize) -> Option<Seen> {
        let proved_for = Some(self.span()?).filter(|left| !left.is_zero());
        let mut standings = Vec::with_capacity(count.min(most));
        for _ in 0..count {
            let place = usize::try_from(self.number()?).ok().filter(|place| *place < most)?;
            let (is_admitted, tells, reset) = (self.number()?, self.number()?, self.span()?);
            standings.push((
                place,
                match is_admitted {
                    0 => Verdict::Denied { wait: Duration::from_micros(tells) },
                    1 => Verdict::Admitted { remaining: u32::try_from(tells).ok()?, reset },
                    _ => return None,
                },
            ));
        }
        standings.sort_unstable_by_key(|(place, _)| *place);
        Some(Seen { client, proved_for, standings })
    }
}

fn look(words: &mut Words, client: Fingerprint, most: usize) -> Option<Brought> {
    let is_corrupt = words.broken()? > 0;
    let blocked_for = Some(words.span()?).filter(|left| !left.is_zero());
    // Behind how long the proof counts.
    let count = words.0.len().checked_sub(1)? / 4;
    let seen = words.seen(client, count, most)?;
    words.0.is_empty().then_some(Brought::Seen { seen, blocked_for, is_corrupt })
}

fn survey(words: &mut Words, most: usize) -> Option<Surveyed> {
    let corrupt = words.broken()?;
    let cursor = std::str::from_utf8(words.bytes()?).ok()?.parse().ok()?;
    let mut found = Vec::new();
    while !words.0.is_empty() {
        let client = client(words.bytes()?)?;
        let count = usize::try_from(words.number()?).ok()?;
        found.push(words.seen(client, count, most)?);
    }
    Some(Surveyed { next: (cursor > 0).then_some(Cursor(cursor)), found, corrupt })
}

fn done(words: &mut Words) -> Option<u64> {
    words.broken()?;
    let done = words.number().filter(|done| *done <= 2)?;
    words.0.is_empty().then_some(done)
}
