//! One worker's side of the counters in Redis: who waits, who goes on, and what is to be done with its connection.

mod heard;

use std::collections::VecDeque;
use std::time::Duration;

use super::acts::Hearsay;
use super::answer::Answer;
use super::breaker::Breaker;
use super::command::Commands;
use super::conversation::Conversation;
use super::failure::Failure;
use super::memory::Memory;
use super::queue::{Batch, Queue, Request};
use super::settings::{OnFailure, Settings};
use super::told::{Asked, Decided, Report, Step};
use crate::store::{Acceptance, Outcome, Plan, Proof, Settlement};
use crate::time::Time;

/// How many decided requests go on in one call of the worker: the proxy lets one go on inside the call of the other, so
/// that their number is how deep its stack becomes. A thousand are more than it bears; more than a few cost more each.
pub const AT_ONCE: usize = 8;

/// What one worker knows of the counters in Redis, and who waits for them there.
///
/// Every request for which [`Self::ask`] says [`Asked::Waits`] comes out of [`Self::next_decided`] exactly once, unless it is
/// [`Self::gone`]. After each call, [`Self::next_step`] says what is to be done with the connection. `W` is what the worker needs to
/// go on with a request.
#[derive(Debug)]
pub struct Store<W> {
    commands: Commands,
    timeout: Duration,
    on_failure: OnFailure,
    breaker: Breaker,
    queue: Queue<W>,
    conversation: Option<Conversation<W>>,
    decided: VecDeque<Decided<W>>,
    memory: Memory,
    hearsay: Hearsay,
    report: Report,
    /// Redis has forgotten the script.
    script_is_missing: bool,
    /// The connection is of no use any more.
    must_close: bool,
}

impl<W> Store<W> {
    /// Nothing known, nobody waiting, no connection. For the seed see [`Breaker::new`].
    #[must_use]
    pub fn new(settings: &Settings, seed: u64) -> Self {
        Self {
            commands: Commands::new(settings.prefix.clone(), settings.login.clone()),
            timeout: settings.timeout,
            on_failure: settings.on_failure,
            breaker: Breaker::new(seed),
            queue: Queue::new(),
            conversation: None,
            decided: VecDeque::new(),
            memory: Memory::default(),
            hearsay: Hearsay::default(),
            report: Report::default(),
            script_is_missing: false,
            must_close: false,
        }
    }

    /// What is known of the proof that a request needs, if it needs one.
    #[must_use]
    pub fn acceptance(&self, proof: Option<Proof>, now: Time) -> Acceptance {
        self.memory.acceptance(proof, now)
    }

    /// A request is to be charged. The ticket is a number that no other request in here has.
    pub fn ask(&mut self, ticket: u32, waiter: W, plan: Plan, now: Time) -> Asked<W> {
        let known = match &plan {
            Plan::Certain { known, .. } => known.map(|(_, left)| left),
            Plan::Depends { .. } => None,
        };
        if plan.is_free() {
            return Asked::Known(waiter, plan, known, Outcome::default());
        }
        if let Some(denied) = self.memory.denied(&plan, now) {
            return Asked::Known(waiter, plan, known, denied);
        }
        if !self.breaker.admits(now) {
            return Asked::Refused(waiter, plan, Failure::BreakerOpen);
        }
        if !self.queue.has_room() {
            return Asked::Refused(waiter, plan, Failure::QueueFull);
        }
        let deadline = now.after(self.timeout);
        self.queue.push(Request { ticket, waiter: Some(waiter), plan, deadline, is_retried: false });
        Asked::Waits
    }

    /// What is to be settled goes along with the next batch; nobody waits for it. It is lost, and counted, if too much waits already,
    /// or Redis is not asked at the moment.
    pub fn settle(&mut self, settlement: Settlement) {
        self.memory.given_back(&settlement.given_back);
        if !self.breaker.is_closed() || !self.queue.put(settlement) {
            self.lose(1);
        }
    }

    /// The client of a request has gone away. What it was or is still going to be charged is given back.
    pub fn gone(&mut self, ticket: u32) {
        self.queue.remove(ticket);
        if let Some(conversation) = &mut self.conversation {
            conversation.forget(ticket);
        }
        let decided = self.decided.iter().position(|decided| decided.ticket == ticket);
        if let Some(Decided { outcome: Ok(answer), .. }) =
            decided.and_then(|place| self.decided.remove(place))
        {
            self.undo(answer);
        }
    }

    /// What is to be done next with the connection, if anything.
    pub fn next_step(&mut self, now: Time) -> Option<Step> {
        if std::mem::take(&mut self.must_close) {
            return Some(Step::Close);
        }
        let is_probing = self.breaker.is_probing();
        if self.queue.is_empty() && !is_probing {
            return None;
        }
        let Some(conversation) = &mut self.conversation else { return Some(Step::Open) };
        // One that tries goes alone.
        if !conversation.is_free(now) || (is_probing && !conversation.is_idle()) {
            return None;
        }
        let batch = self.queue.next_batch();
        let requests = batch.requests.len();
        let with_script = std::mem::take(&mut self.script_is_missing);
        let with_acts = self.hearsay.asks(now);
        let commands = conversation.say(batch, with_script, with_acts, &self.commands, now);
        Some(Step::Send { commands, requests })
    }

    /// The connection is open, or soon will be.
    pub fn opened(&mut self, now: Time) {
        self.conversation = Some(Conversation::new(now));
    }

    /// The connection is closed, or cannot be opened. What was on its way is tried once more if the connection had worked; a request
    /// may then be charged twice, but never for nothing.
    pub fn closed(&mut self, failure: Failure, now: Time) {
        let Some(conversation) = self.conversation.take() else {
            self.give_up_waiting(failure);
            self.count_failure(failure, now);
            return;
        };
        let failure = conversation.refusal().map_or(failure, |refusal| refusal.failure);
        // Redis closes what is idle.
        if conversation.is_idle() && self.breaker.is_closed() && conversation.has_answered() {
            return;
        }
        let has_worked = conversation.has_answered();
        self.end(conversation, failure, has_worked);
        self.count_failure(failure, now);
    }

    /// Bytes have come from Redis, whatever they are.
    pub fn received(&mut self, bytes: &[u8], now: Time) {
        let Some(conversation) = &mut self.conversation else { return };
        conversation.hear(bytes);
        let (mut has_succeeded, mut failure) = (false, None);
        let mut again = Batch::default();
        while let Some(heard) = self.conversation.as_mut().and_then(Conversation::next_heard) {
            match self.take_in(heard, &mut again, now) {
                None => {}
                Some(Ok(())) => has_succeeded = true,
                Some(Err(found)) => {
                    failure = failure.or(Some(found));
                    self.report.note(self.conversation.as_ref().and_then(Conversation::refusal));
                }
            }
        }
        self.queue.put_back(again);
        match failure {
            _ if has_succeeded => self.report.has_recovered |= self.breaker.succeeded(),
            Some(failure) => {
                self.leave(failure);
                self.count_failure(failure, now);
            }
            None => {}
        }
    }

    /// Time has passed: to be called every few milliseconds while [`Self::is_busy`].
    pub fn tick(&mut self, now: Time) {
        while let Some(request) = self.queue.expired(now) {
            self.decide(request, Err(Failure::Timeout));
        }
        let mut is_late = false;
        while let Some(request) =
            self.conversation.as_mut().and_then(|conversation| conversation.expired(now))
        {
            self.decide(request, Err(Failure::Timeout));
            is_late = true;
        }
        // Also where nobody waits for an answer: for one that tries, or to a settlement.
        let patience = if self.breaker.is_probing() { self.timeout } else { 2 * self.timeout };
        let is_silent =
            self.conversation.as_ref().is_some_and(|conversation| conversation.has_waited(patience, now));
        if is_late || is_silent {
            self.count_failure(Failure::Timeout, now);
        }
        self.breaker.tries(now);
    }

    /// Whether [`Self::tick`] has anything to watch.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let is_talking = self.conversation.as_ref().is_some_and(|conversation| !conversation.is_idle());
        is_talking || !self.queue.is_empty() || !self.breaker.is_closed()
    }

    /// Forgets what it remembers of clients: an operator has done something in Redis.
    pub fn forget(&mut self) {
        self.memory = Memory::default();
    }

    /// Whether the next batch asks what operators have done: what this worker has heard of that is a second old.
    #[must_use]
    pub fn asks_for_acts(&self, now: Time) -> bool {
        self.hearsay.is_due(now)
    }

    /// The next request that can go on.
    pub fn next_decided(&mut self) -> Option<Decided<W>> {
        self.decided.pop_front()
    }

    /// Whether [`Self::next_decided`] has anything to say.
    #[must_use]
    pub fn has_decided(&self) -> bool {
        !self.decided.is_empty()
    }

    /// What has happened since this was last asked.
    pub fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    /// Whether Redis is asked at the moment.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.breaker.is_closed()
    }

    fn decide(&mut self, request: Request<W>, outcome: Result<Answer, Failure>) {
        let Request { ticket, waiter, plan, .. } = request;
        match (waiter, outcome) {
            (Some(waiter), outcome) => self.decided.push_back(Decided { ticket, waiter, plan, outcome }),
            (None, Ok(answer)) => self.undo(answer),
            (None, Err(_)) => {}
        }
    }

    /// Gives back what a request was charged that will never be sent on.
    fn undo(&mut self, answer: Answer) {
        let settlement = answer.undo();
        if !settlement.is_empty() {
            self.settle(settlement);
        }
    }

    /// Gives the connection up if another may be better.
    fn leave(&mut self, failure: Failure) {
        if failure.is_of_connection()
            && let Some(conversation) = self.conversation.take()
        {
            self.must_close = true;
            self.end(conversation, failure, false);
        }
    }

    /// What was on its way on a connection that is over.
    fn end(&mut self, conversation: Conversation<W>, failure: Failure, try_again: bool) {
        self.report.note(conversation.refusal());
        let (requests, settlements) = conversation.end();
        // Whether those were done nobody knows, and done twice they would give back too much.
        self.lose(settlements);
        let (again, over): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .filter(|request| request.waiter.is_some())
            .partition(|request| try_again && !request.is_retried);
        for request in over {
            self.decide(request, Err(failure));
        }
        let again = again.into_iter().map(|request| Request { is_retried: true, ..request });
        self.queue.put_back(Batch { requests: again.collect(), settlements: Vec::new() });
    }

    fn count_failure(&mut self, failure: Failure, now: Time) {
        let was_closed = self.breaker.is_closed();
        if !self.breaker.failed(now) {
            return;
        }
        if was_closed {
            self.report.gave_up = Some(failure);
        }
        if let Some(conversation) = self.conversation.take() {
            self.must_close = true;
            self.end(conversation, failure, false);
        }
        self.give_up_waiting(Failure::BreakerOpen);
    }

    /// Nobody waits any longer to be sent.
    fn give_up_waiting(&mut self, failure: Failure) {
        let (requests, settlements) = self.queue.clear();
        for request in requests {
            self.decide(request, Err(failure));
        }
        self.lose(settlements);
    }

    fn lose(&mut self, settlements: usize) {
        let lost = u32::try_from(settlements).unwrap_or(u32::MAX);
        self.report.unsettled = self.report.unsettled.saturating_add(lost);
    }
}
