//! What has to wait for Redis: a look at a client, and acts.

use std::sync::Arc;

use super::Shown;
use super::errands::{Outcome, Trouble};
use crate::adapter::host::Host;
use crate::console::view::{self, Found};
use crate::console::{Act, Answer, Book, Listed, Operator};
use crate::redis::{Brought, Question, Settings};
use crate::store::{Fingerprint, Watched};

/// Something that an operator waits for.
pub(super) struct Job<H: Host> {
    pub(super) id: u32,
    /// The request that waits; none if its client has gone. An act goes on all the same.
    pub(super) stream: Option<u32>,
    pub(super) task: Task<H>,
    /// How many answers are still to come.
    pub(super) left: usize,
    /// Why one has not come.
    pub(super) problem: Option<Trouble>,
}

/// What is waited for.
pub(super) enum Task<H: Host> {
    /// What is known of clients.
    Find(Find<H>),
    /// That something is done in each Redis.
    Act(Acting),
    /// That this proxy knows of what was done.
    Hear(Acting),
}

/// A look at clients.
pub(super) struct Find<H: Host> {
    /// What was in force when it began: places in the book are places in this one.
    pub(super) shown: Arc<Shown<H>>,
    pub(super) is: &'static str,
    pub(super) found: Vec<Found>,
    /// What counters in this proxy say about policies that have theirs in Redis: it counts if Redis does not answer.
    pub(super) instead: Vec<Listed>,
    /// To whom each question is: the client's place in `found`, and the limits that were asked for, by their places in the book.
    pub(super) asked: Vec<(usize, Vec<usize>)>,
}

/// An act on its way.
pub(super) struct Acting {
    pub(super) operator: Operator,
    pub(super) by: Option<String>,
    pub(super) client: Fingerprint,
    pub(super) act: Act,
    pub(super) changed: bool,
    /// The Redises in question, in the order of the questions.
    pub(super) redises: Vec<Settings>,
}

/// The limits whose counters are in this Redis: their places in the book, and what to look for.
pub(super) fn watched_in(book: &Book, settings: &Settings) -> (Vec<usize>, Vec<Watched>) {
    let known = book.known().iter().enumerate().filter(|(_, known)| book.is_in(known.policy, settings));
    known.map(|(place, known)| (place, Watched { counter: known.counter, limit: known.limit })).unzip()
}

impl Acting {
    /// The question that does it.
    pub(super) const fn question(&self) -> Question {
        let client = self.client;
        match self.act {
            Act::Pardon => Question::Pardon { client },
            Act::Block(lasts) => Question::Block { client, lasts },
            Act::Unblock => Question::Unblock { client },
        }
    }

    /// The questions to all of them.
    pub(super) fn questions(&self, question: &Question) -> Vec<(Settings, Question)> {
        self.redises.iter().map(|redis| (redis.clone(), question.clone())).collect()
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::json(&view::done(self.client, self.act, self.changed))
    }
}

impl<H: Host> Find<H> {
    /// Takes in the answer to one of its questions.
    fn take(&mut self, which: usize, brought: Brought) {
        let (Some((place, known)), Brought::Seen { seen, blocked_for, .. }) =
            (self.asked.get(which), brought)
        else {
            return;
        };
        let Some(found) = self.found.get_mut(*place) else { return };
        found.proved_for = found.proved_for.max(seen.proved_for);
        found.blocked_for = found.blocked_for.max(blocked_for);
        let listed = seen.standings.into_iter().filter_map(|(at, verdict)| {
            Some(Listed { client: found.client, known: *known.get(at)?, verdict })
        });
        found.listed.extend(listed);
    }

    pub(super) fn answer(mut self, trouble: Option<&str>, unix: u64) -> Answer {
        if trouble.is_some() {
            for found in &mut self.found {
                found.listed.extend(self.instead.iter().filter(|listed| listed.client == found.client));
            }
        }
        let book = &self.shown.book;
        let unread = book.problem();
        Answer::json(&view::found(book, self.is, &self.found, trouble.or(unread.as_deref()), unix))
    }
}

impl<H: Host> Job<H> {
    /// Takes in the answer to one of its questions. Returns whether that was the last.
    pub(super) fn take(
        &mut self,
        which: usize,
        outcome: Outcome,
        hear: impl FnOnce(&Settings, crate::redis::Acts),
    ) -> bool {
        self.left = self.left.saturating_sub(1);
        match (outcome, &mut self.task) {
            (Err(problem), _) => self.problem = Some(problem),
            (Ok(brought), Task::Find(find)) => find.take(which, brought),
            (Ok(Brought::Done { changed }), Task::Act(acting)) => acting.changed |= changed,
            (Ok(Brought::Acts(acts)), Task::Hear(acting)) => {
                if let Some(redis) = acting.redises.get(which) {
                    hear(redis, acts);
                }
            }
            (Ok(_), _) => {}
        }
        self.left == 0
    }
}
