//! What is said on one connection to Redis: commands, and the replies to them in the same order.

use std::collections::VecDeque;
use std::time::Duration;

use super::acts::{read_acts, read_time};
use super::answer::{Answer, Settled};
use super::command::Commands;
use super::eviction::evicts;
use super::failure::{Failure, Refusal};
use super::queue::{Batch, Request, Settling};
use super::resp::{Reply, RespError, read_reply};
use super::told::Acts;
use crate::store::Plan;
use crate::time::Time;

/// No answer is larger, in bytes: a thousand times what the script answers to a request under three scopes.
pub const MAX_ANSWER: usize = 1_048_576;

/// How long what arrives waits to go along with the next batch, once the last one has been answered. A Redis nearby answers
/// sooner; one that takes longer is sent the next batch meanwhile.
pub const GAP: Duration = Duration::from_millis(5);
/// How often Redis is asked whether it forgets: its settings may change.
const EACH: Duration = Duration::from_mins(1);
/// The most commands that are sent and not answered yet.
const UNDER_WAY: usize = 1_024;

/// One connection, from when it is opened until it is closed.
#[derive(Debug)]
pub(super) struct Conversation<W> {
    /// What has been said and is not answered yet.
    said: VecDeque<Said<W>>,
    /// What has been heard and is not a whole reply yet.
    heard: Vec<u8>,
    /// How much of that has been read.
    read: usize,
    last_said: Time,
    /// When it was last asked about its memory.
    asked: Option<Time>,
    /// The time there when it was last asked what operators have done.
    time_there: Option<Time>,
    has_answered: bool,
    refusal: Option<Refusal>,
}

/// A command that has been sent.
#[derive(Debug)]
enum Said<W> {
    Login,
    Script,
    /// What its memory is like.
    Memory,
    /// What time it is there, for the next one.
    Time,
    /// What operators have done.
    Acts,
    Settle(Settling),
    Charge(Request<W>),
    /// A request that was decided without it, as it took too long.
    Late(Plan),
    /// Whether it can be written to.
    Probe {
        with_script: bool,
    },
}

/// What a reply says.
#[derive(Debug)]
pub(super) enum Heard<W> {
    /// Nothing that anybody waits for.
    Nothing,
    Login(Result<(), Failure>),
    Script(Result<(), Failure>),
    /// Whether it drops keys that it was to keep, when its memory is full.
    Memory {
        evicts: bool,
    },
    /// What operators have done, or what Redis says instead.
    Acts(Result<Acts, Refusal>),
    Settled(Settling, Result<Settled, Failure>),
    Charged(Request<W>, Result<Answer, Failure>),
    /// The same for a request that was decided without it.
    Late(Result<Answer, Failure>),
    /// Whether it could be written to, and whether the script was sent along.
    Probed(Result<(), Failure>, bool),
    /// What is no reply, or a reply to nothing. Nobody knows where the next one begins.
    Nonsense,
}

impl<W> Conversation<W> {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            said: VecDeque::new(),
            heard: Vec::new(),
            read: 0,
            last_said: now,
            asked: None,
            time_there: None,
            has_answered: false,
            refusal: None,
        }
    }

    /// Whether more may be said at `now`.
    pub(super) fn is_free(&self, now: Time) -> bool {
        self.said.is_empty() || (now.since(self.last_said) >= GAP && self.said.len() < UNDER_WAY)
    }

    /// Whether something was said so long ago, or longer, and is not answered yet.
    pub(super) fn has_waited(&self, span: Duration, now: Time) -> bool {
        !self.said.is_empty() && now.since(self.last_said) >= span
    }

    /// Whether everything is answered.
    pub(super) fn is_idle(&self) -> bool {
        self.said.is_empty()
    }

    /// Whether Redis has ever answered on it.
    pub(super) const fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// The bytes that say this. `with_script`: Redis has forgotten it. `with_acts`: it is asked what operators have done. With nothing in
    /// the batch, they ask whether Redis can be written to.
    pub(super) fn say(
        &mut self,
        batch: Batch<W>,
        with_script: bool,
        with_acts: bool,
        commands: &Commands,
        now: Time,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(4_096);
        if self.asked.is_none() && commands.login(&mut out) {
            self.said.push_back(Said::Login);
        }
        if self.asked.is_none_or(|asked| now.since(asked) >= EACH) {
            commands.memory(&mut out);
            self.said.push_back(Said::Memory);
            self.asked = Some(now);
        }
        if with_script {
            commands.script(&mut out);
            self.said.push_back(Said::Script);
        }
        if with_acts {
            commands.acts(&mut out);
            self.said.extend([Said::Time, Said::Acts]);
        }
        if batch.settlements.is_empty() && batch.requests.is_empty() {
            commands.probe(&mut out);
            self.said.push_back(Said::Probe { with_script });
        }
        for settling in batch.settlements {
            commands.settle(&settling.settlement, &mut out);
            self.said.push_back(Said::Settle(settling));
        }
        for request in batch.requests {
            commands.charge(&request.plan, &mut out);
            self.said.push_back(Said::Charge(request));
        }
        self.last_said = now;
        out
    }

    /// More bytes have come. What they say comes out of [`Self::next_heard`].
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.heard.drain(..std::mem::take(&mut self.read));
        self.heard.extend_from_slice(bytes);
    }

    /// What the next reply says, if it is there as a whole.
    pub(super) fn next_heard(&mut self) -> Option<Heard<W>> {
        let unread = &self.heard[self.read..];
        let mut rest = unread;
        let reply = match read_reply(&mut rest) {
            Ok(reply) => reply,
            Err(RespError::CutShort) if unread.len() <= MAX_ANSWER => return None,
            Err(_) => {
                self.read = self.heard.len();
                return Some(Heard::Nonsense);
            }
        };
        let said = self.said.pop_front();
        let refusal = match reply {
            Reply::Error(message) => Some(Refusal::of_error(message)),
            _ => None,
        };
        let result = refusal.as_ref().map_or(Ok(()), |refusal| Err(refusal.failure));
        self.has_answered |= result.is_ok();
        // Not every user may ask for that, and nobody needs it.
        let is_forbidden = matches!(reply, Reply::Error(message) if message.starts_with(b"NOPERM"));
        let is_needless = match said {
            Some(Said::Memory) => is_forbidden || result == Err(Failure::UnknownCommand),
            Some(Said::Time | Said::Acts) => {
                is_forbidden || matches!(result, Err(Failure::UnknownCommand | Failure::Other))
            }
            _ => false,
        };
        if !is_needless {
            self.refusal = refusal;
        }
        let heard = match said {
            Some(Said::Login) => Heard::Login(result),
            Some(Said::Script) => Heard::Script(result),
            Some(Said::Memory) => evicts(&reply).map_or(Heard::Nothing, |evicts| Heard::Memory { evicts }),
            Some(Said::Time) => match read_time(&reply) {
                Ok(time) => {
                    self.time_there = Some(time);
                    Heard::Nothing
                }
                Err(refusal) => Heard::Acts(Err(refusal)),
            },
            // That it does not tell the time is said already.
            Some(Said::Acts) => match self.time_there.take() {
                Some(time) => Heard::Acts(read_acts(&reply, time)),
                None => Heard::Nothing,
            },
            Some(Said::Settle(settling)) => Heard::Settled(settling, Settled::read(&reply)),
            Some(Said::Charge(request)) => {
                let answer = Answer::read(&reply, &request.plan);
                Heard::Charged(request, answer)
            }
            Some(Said::Late(plan)) => Heard::Late(Answer::read(&reply, &plan)),
            Some(Said::Probe { with_script }) => {
                Heard::Probed(Settled::read(&reply).map(|_| ()), with_script)
            }
            // Before it closes a connection, Redis may say why.
            None if result.is_err() => Heard::Nothing,
            None => Heard::Nonsense,
        };
        self.read = self.heard.len() - rest.len();
        Some(heard)
    }

    /// What Redis said if the last reply was an error. If the connection ends after one, it is the reason.
    pub(super) const fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Takes out a request that has waited as long as it may, if there is one. What comes of it is heard all the same.
    pub(super) fn expired(&mut self, now: Time) -> Option<Request<W>> {
        // Those that were sent once more are not in the order in which they came.
        let is_expired = |said: &Said<W>| matches!(said, Said::Charge(request) if request.waiter.is_some() && request.deadline <= now);
        let said = self.said.iter_mut().find(|said| is_expired(said))?;
        let Said::Charge(request) = std::mem::replace(said, Said::Login) else { return None };
        *said = Said::Late(request.plan.clone());
        Some(request)
    }

    /// The client of this request has gone away.
    pub(super) fn forget(&mut self, ticket: u32) {
        for said in &mut self.said {
            match said {
                Said::Charge(request) if request.ticket == ticket => request.waiter = None,
                _ => {}
            }
        }
    }

    /// The connection is over. What was said and not answered: the requests, and the number of settlements.
    pub(super) fn end(self) -> (Vec<Request<W>>, usize) {
        let mut settlements = 0;
        let mut requests = Vec::new();
        for said in self.said {
            match said {
                Said::Charge(request) => requests.push(request),
                Said::Settle(_) => settlements += 1,
                _ => {}
            }
        }
        (requests, settlements)
    }
}
