//! One client: what is known of it, and what is done with it, here and in each Redis.

use std::fmt::Write as _;
use std::sync::Arc;

use super::errands::{Outcome, Trouble};
use super::jobs::{Acting, Find, Job, Task, watched_in};
use super::waiting::{SCAN, STEP};
use super::{Console, Desk, Shown, unreachable};
use crate::console::view::Found;
use crate::console::{Act, Answer, Listed, Operator, Whom};
use crate::redis::{self, Question, Settings};
use crate::store::{Acts, Counters, StoreError, TooMany};

impl<H: Desk> Console<H> {
    pub(super) fn find(&self, id: u32, shown: &Arc<Shown<H>>, whom: &Whom) {
        if shown.book.policies().is_empty() {
            return self.send(id, &nothing_in_force());
        }
        let (now, acts, book) = (self.host.now(), self.acts(), &shown.book);
        let watched = book.watched();
        let is = match whom {
            Whom::Address(_) => "address",
            Whom::Credential(_) => "credential",
            Whom::Client(_) => "client",
        };
        let mut find =
            Find { shown: shown.clone(), is, found: Vec::new(), instead: Vec::new(), asked: Vec::new() };
        let mut questions = Vec::new();
        for (place, client) in book.clients(whom).into_iter().enumerate() {
            let seen = self.counters().map(|counters| counters.look(client, &watched, now)).transpose();
            let Ok(seen) = seen else { return self.send(id, &unreachable()) };
            let (proved_for, standings) =
                seen.map(|seen| (seen.proved_for, seen.standings)).unwrap_or_default();
            let listed = standings.into_iter().map(|(known, verdict)| Listed { client, known, verdict });
            let (instead, listed) =
                listed.partition(|listed| book.is_in_redis(book.known()[listed.known].policy));
            find.instead.extend::<Vec<_>>(instead);
            find.found.push(Found { client, proved_for, blocked_for: acts.blocked_for(client, now), listed });
            for settings in book.redises() {
                let (known, watched) = watched_in(book, settings);
                find.asked.push((place, known));
                questions.push((settings.clone(), Question::Look { client, watched }));
            }
        }
        self.begin(Some(id), Task::Find(find), questions);
    }

    pub(super) fn act(&self, id: u32, shown: &Shown<H>, mut acting: Acting) {
        let Some(counters) = self.counters().filter(|_| !shown.book.policies().is_empty()) else {
            return self.refuse(id, &acting, &nothing_in_force());
        };
        if let Some(unread) = shown.book.problem() {
            let reason = format!("nothing was done, since it might not reach all: {unread}");
            return self.refuse(id, &acting, &Answer::refusal(503, &reason));
        }
        let (now, client) = (self.host.now(), acting.client);
        acting.redises = shown.book.redises().into_iter().cloned().collect();
        let keepers: Vec<_> = acting.redises.iter().map(Settings::keeper).collect();
        let done = match acting.act {
            // Also of a policy with counters in Redis: those here count while Redis is away.
            Act::Pardon => counters.pardon(client, now).map(Ok),
            Act::Unblock => counters.change_acts(now, |acts| acts.unblock(client, &keepers, now)).map(Ok),
            // What stands in Redis is copied to where all policies of this proxy look.
            Act::Block(_) if !keepers.is_empty() => Ok(Ok(false)),
            Act::Block(span) => {
                let block = |acts: &mut Acts| acts.block(client, now.after(span), now).map(|()| true);
                counters.change_acts(now, block)
            }
        };
        let refusal = match done {
            Ok(Ok(changed)) => {
                acting.changed = changed;
                let questions = acting.questions(&acting.question());
                return self.begin(Some(id), Task::Act(acting), questions);
            }
            Ok(Err(TooMany)) => Answer::refusal(
                409,
                "1,000 clients are blocked already: unblock some, or turn a network away before Tollgate sees it",
            ),
            Err(StoreError::Unavailable | StoreError::Contended) => unreachable(),
        };
        self.refuse(id, &acting, &refusal);
    }

    /// Puts these questions, if there are any; the task is over when they are answered.
    fn begin(&self, stream: Option<u32>, task: Task<H>, questions: Vec<(Settings, Question)>) {
        let left = questions.len();
        let id = {
            let mut state = self.state.borrow_mut();
            state.numbered = state.numbered.wrapping_add(1).max(1);
            state.numbered
        };
        let job = Job { id, stream, task, left, problem: None };
        if questions.is_empty() {
            return self.end(job);
        }
        for (which, (settings, question)) in questions.into_iter().enumerate() {
            self.errands.put((id, which), &settings, question, self.host.now());
        }
        self.state.borrow_mut().jobs.push(job);
        self.host.call_back(STEP);
    }

    /// All questions of a job are answered.
    fn end(&self, job: Job<H>) {
        let Job { stream, task, problem, .. } = job;
        let answer = match (task, problem) {
            (Task::Find(find), problem) => {
                find.answer(problem.as_ref().map(|trouble| trouble.reason.as_str()), self.host.unix_time())
            }
            (Task::Act(acting), Some(Trouble { status, reason })) => {
                let reason = if status == 502 { format!("nothing is certain: {reason}") } else { reason };
                told(&acting, Answer::refusal(status, &reason))
            }
            // Now this proxy's workers need not wait until they hear of it.
            (Task::Act(acting), None) if !acting.redises.is_empty() => {
                let questions = acting.questions(&Question::Acts);
                return self.begin(stream, Task::Hear(acting), questions);
            }
            (Task::Act(acting) | Task::Hear(acting), _) => {
                let answer = acting.answer();
                told(&acting, answer)
            }
        };
        if let Some(stream) = stream {
            self.send(stream, &answer);
        }
    }

    /// What has come of a question.
    pub(super) fn take(&self, (id, which): (u32, usize), outcome: Outcome) {
        if id == SCAN {
            if let Some(scan) = &mut self.state.borrow_mut().scan {
                scan.take(outcome);
            }
            return;
        }
        let mut state = self.state.borrow_mut();
        let Some(place) = state.jobs.iter().position(|job| job.id == id) else { return };
        let is_over = state.jobs[place].take(which, outcome, |redis, acts| self.hear(redis, &acts));
        if is_over {
            let job = state.jobs.swap_remove(place);
            drop(state);
            self.end(job);
        }
    }

    fn hear(&self, redis: &Settings, acts: &redis::Acts) {
        if let Some(counters) = self.counters() {
            // If this fails, workers hear of it by themselves.
            let _ = counters.hear(redis.keeper(), acts.number, &acts.blocked, self.host.now());
        }
    }

    /// These bytes have come from Redis.
    pub fn on_received(&self, connection: u32, bytes: &[u8]) {
        if let Some((purpose, outcome)) = self.errands.on_received(&self.host, connection, bytes) {
            self.take(purpose, outcome);
        }
    }

    /// A connection to Redis is no more.
    pub fn on_closed(&self, connection: u32) {
        if let Some((purpose, outcome)) = self.errands.on_closed(connection) {
            self.take(purpose, outcome);
        }
    }

    /// An act that is not done.
    fn refuse(&self, id: u32, acting: &Acting, refusal: &Answer) {
        tell(acting, refusal);
        self.send(id, refusal);
    }
}

fn nothing_in_force() -> Answer {
    Answer::refusal(
        503,
        "no policy is in force in this proxy, or not yet, so there are no counters; try again in a second",
    )
}

/// The answer to an act, of which the log is told now.
fn told(acting: &Acting, answer: Answer) -> Answer {
    tell(acting, &answer);
    answer
}

/// Every act stands in the log, whatever has come of it, and whether or not its operator is still there.
fn tell(acting: &Acting, answer: &Answer) {
    let Acting { operator: Operator { token, from }, by, client, act, changed, .. } = acting;
    let mut who = String::new();
    // Writing to a string does not fail.
    if let Some(by) = by {
        let _ = write!(who, " by {by:?}, as was said,");
    }
    if let Some(token) = token {
        let _ = write!(who, " with the token of {token:?}");
    }
    let span = if let Act::Block(span) = act { format!(" for {} s", span.as_secs()) } else { String::new() };
    let outcome = match (answer.status, changed) {
        (200, true) => "done".to_owned(),
        (200, false) => "nothing to do".to_owned(),
        (status, _) => format!("failed with {status}"),
    };
    log::warn!("console: {} client {client}{span}{who} from {from}: {outcome}", act.name());
}
