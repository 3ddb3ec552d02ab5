//! Group commit: who waits for Redis, what goes there together, and what comes of it.

use std::collections::VecDeque;
use std::time::Duration;

use super::answer::{Answer, Settled};
use super::breaker::Breaker;
use super::command::Commands;
use super::exchange::{Decided, Exchange, Replies, Report};
use super::failure::Failure;
use crate::store::{Plan, Settlement};
use crate::time::Time;

/// The most requests that go to Redis together, and the most settlements that go with them.
pub const BATCH: usize = if cfg!(feature = "one-by-one") { 1 } else { 128 };
/// How many decided requests go on in one call of the worker: the proxy lets one go on inside the call of the other, so
/// that their number is how deep its stack becomes. A thousand are more than it bears; more than a few cost more each.
pub const AT_ONCE: usize = 8;
/// The most requests, and the most settlements, that wait for their turn.
pub const WAITING: usize = 1_024;

/// One worker's requests on their way to Redis and back.
///
/// At most one exchange is under way; what arrives meanwhile waits and goes with the next. `W` is what the worker
/// needs to go on with a request. Every request that [`Self::arrive`] takes comes out of [`Self::next_decided`]
/// exactly once, unless it is [`Self::gone`] or [`Self::withdraw`]n.
#[derive(Debug)]
pub struct Queue<W> {
    commands: Commands,
    timeout: Duration,
    breaker: Breaker,
    waiting: VecDeque<Request<W>>,
    settlements: VecDeque<Settling>,
    in_flight: Option<InFlight<W>>,
    decided: VecDeque<Decided<W>>,
    /// Redis has forgotten the script.
    script_is_missing: bool,
    /// Somebody is about to call [`Self::dispatch`].
    is_woken: bool,
}

#[derive(Debug)]
struct Request<W> {
    ticket: u32,
    /// None if its client has gone away.
    waiter: Option<W>,
    plan: Plan,
    deadline: Time,
    is_retried: bool,
}

#[derive(Debug)]
struct Settling {
    settlement: Settlement,
    is_retried: bool,
}

#[derive(Debug)]
struct InFlight<W> {
    requests: Vec<Request<W>>,
    settlements: Vec<Settling>,
    loads_script: bool,
    /// When it has lasted as long as it may.
    ends: Time,
}

impl<W> Queue<W> {
    /// An empty queue. A request waits no longer than `timeout`.
    #[must_use]
    pub const fn new(commands: Commands, timeout: Duration, breaker: Breaker) -> Self {
        Self {
            commands,
            timeout,
            breaker,
            waiting: VecDeque::new(),
            settlements: VecDeque::new(),
            in_flight: None,
            decided: VecDeque::new(),
            script_is_missing: false,
            is_woken: false,
        }
    }

    /// A request that is to be charged. The ticket is a number that no other request in here has. Returns whether
    /// [`Self::dispatch`] has to be called soon.
    ///
    /// # Errors
    /// The request is handed back if it cannot wait; Redis is not asked then.
    pub fn arrive(
        &mut self,
        ticket: u32,
        waiter: W,
        plan: Plan,
        now: Time,
    ) -> Result<bool, (W, Plan, Failure)> {
        if !self.breaker.admits(now, self.is_idle()) {
            return Err((waiter, plan, Failure::BreakerOpen));
        }
        if self.waiting.len() >= WAITING {
            return Err((waiter, plan, Failure::QueueFull));
        }
        let deadline = now.after(self.timeout);
        self.waiting.push_back(Request { ticket, waiter: Some(waiter), plan, deadline, is_retried: false });
        Ok(self.must_wake())
    }

    /// What is to be settled goes with one of the next exchanges; nobody waits for it. Returns whether
    /// [`Self::dispatch`] has to be called soon.
    ///
    /// # Errors
    /// It is lost if too much waits already, or the breaker is open.
    pub fn settle(&mut self, settlement: Settlement) -> Result<bool, Failure> {
        self.put(settlement)?;
        Ok(self.must_wake())
    }

    /// The client of a request has gone away. What it was or is still going to be charged is given back. Returns
    /// whether [`Self::dispatch`] has to be called soon.
    pub fn gone(&mut self, ticket: u32) -> bool {
        self.waiting.retain(|request| request.ticket != ticket);
        if let Some(in_flight) = &mut self.in_flight
            && let Some(request) = in_flight.requests.iter_mut().find(|request| request.ticket == ticket)
        {
            request.waiter = None;
        }
        let decided = self.decided.iter().position(|decided| decided.ticket == ticket);
        match decided.and_then(|place| self.decided.remove(place)) {
            Some(Decided { outcome: Ok(answer), .. }) => self.undo(answer) && self.must_wake(),
            _ => false,
        }
    }

    /// Nobody can be woken to call [`Self::dispatch`]: the next one to come has to try again.
    pub const fn sleep_on(&mut self) {
        self.is_woken = false;
    }

    /// Takes back the request that has arrived last, if it is still waiting.
    pub fn withdraw(&mut self, ticket: u32) -> Option<(W, Plan)> {
        if self.waiting.back()?.ticket != ticket {
            return None;
        }
        let Request { waiter, plan, .. } = self.waiting.pop_back()?;
        Some((waiter?, plan))
    }

    /// The next exchange, if none is under way and there is anything to send. Whoever sends it reports what came
    /// of it by [`Self::answered`] or [`Self::failed`].
    pub fn dispatch(&mut self, now: Time) -> Option<Exchange> {
        self.is_woken = false;
        if self.in_flight.is_some() {
            return None;
        }
        let mut requests = Vec::new();
        let mut timeout = self.timeout;
        while requests.len() < BATCH
            && let Some(request) = self.waiting.pop_front()
        {
            // Those with little time left would leave as little to all that go with them.
            let left = request.deadline.since(now);
            if left < self.timeout / 2 {
                self.decide(request, Err(Failure::Timeout));
            } else {
                timeout = timeout.min(left);
                requests.push(request);
            }
        }
        let mut settlements = Vec::new();
        while settlements.len() < BATCH
            && let Some(settling) = self.settlements.pop_front()
        {
            settlements.push(settling);
        }
        if requests.is_empty() && settlements.is_empty() {
            return None;
        }
        let mut commands = self.commands.begin(self.script_is_missing);
        // First what answered requests give back, of which those that come after them may be in need.
        for settling in &settlements {
            self.commands.settle(&settling.settlement, &mut commands);
        }
        for request in &requests {
            self.commands.charge(&request.plan, &mut commands);
        }
        self.commands.end(&mut commands);
        let (loads_script, ends) = (self.script_is_missing, now.after(timeout));
        self.in_flight = Some(InFlight { requests, settlements, loads_script, ends });
        Some(Exchange { commands, timeout })
    }

    /// Redis has answered the exchange with these bytes, whatever they are.
    pub fn answered(&mut self, bytes: &[u8], now: Time) -> Report {
        let Some(InFlight { requests, settlements, loads_script, .. }) = self.in_flight.take() else {
            return Report::default();
        };
        let mut report = Report { requests: requests.len(), ..Report::default() };
        let mut replies = Replies::of(bytes);
        if self.commands.begins_with_login() {
            replies.skip();
        }
        if loads_script {
            self.script_is_missing = replies.skip().is_some();
        }
        let mut has_succeeded = false;
        let mut failure = None;
        for mut settling in settlements {
            let outcome = replies.next().and_then(|reply| Settled::read(&reply));
            if self.is_worth_a_retry(&outcome, settling.is_retried) {
                settling.is_retried = true;
                self.settlements.push_front(settling);
                continue;
            }
            has_succeeded |= outcome.is_ok();
            match outcome {
                Ok(Settled { proved_for, events, .. }) => {
                    report.events += events;
                    report.proofs.extend(settling.settlement.proof.map(|proof| proof.client).zip(proved_for));
                }
                Err(error) => {
                    failure = failure.or(Some(error));
                    report.unsettled += 1;
                }
            }
        }
        let mut again = Vec::new();
        for mut request in requests {
            let outcome = replies.next().and_then(|reply| Answer::read(&reply, &request.plan));
            if self.is_worth_a_retry(&outcome, request.is_retried) {
                request.is_retried = true;
                again.push(request);
                continue;
            }
            has_succeeded |= outcome.is_ok();
            failure = failure.or(outcome.as_ref().err().copied());
            self.decide(request, outcome);
        }
        for request in again.into_iter().rev() {
            self.waiting.push_front(request);
        }
        report.has_failed = failure.is_some();
        match failure {
            _ if has_succeeded => report.has_recovered = self.breaker.succeeded(),
            Some(failure) => self.count_failure(failure, now, &mut report),
            None => {}
        }
        report
    }

    /// The exchange has failed.
    pub fn failed(&mut self, failure: Failure, now: Time) -> Report {
        let Some(InFlight { requests, settlements, ends, .. }) = self.in_flight.take() else {
            return Report::default();
        };
        // The proxy breaks a connection off when its time is over.
        let is_late = failure == Failure::Connection && now >= ends;
        let failure = if is_late { Failure::Timeout } else { failure };
        let unsettled = u32::try_from(settlements.len()).unwrap_or(u32::MAX);
        let mut report =
            Report { requests: requests.len(), has_failed: true, unsettled, ..Report::default() };
        for request in requests {
            self.decide(request, Err(failure));
        }
        self.count_failure(failure, now, &mut report);
        report
    }

    /// The next request that can go on.
    pub fn next_decided(&mut self) -> Option<Decided<W>> {
        self.decided.pop_front()
    }

    /// Whether [`Self::next_decided`] or [`Self::dispatch`] have anything to do. To be asked by those who do not go on
    /// with it at once: they have to come back.
    pub fn must_come_back(&mut self) -> bool {
        let has_work = !self.decided.is_empty() || (self.in_flight.is_none() && self.has_waiting());
        let must = has_work && !self.is_woken;
        self.is_woken |= must;
        must
    }

    fn count_failure(&mut self, failure: Failure, now: Time, report: &mut Report) {
        let was_closed = self.breaker.is_closed();
        if self.breaker.failed(now) {
            report.gave_up = was_closed.then_some(failure);
            for request in std::mem::take(&mut self.waiting) {
                self.decide(request, Err(Failure::BreakerOpen));
            }
            let lost = u32::try_from(std::mem::take(&mut self.settlements).len()).unwrap_or(u32::MAX);
            report.unsettled = report.unsettled.saturating_add(lost);
        }
    }

    /// Whether it failed only since Redis has forgotten the script, which goes with the next exchange then.
    fn is_worth_a_retry<T>(&mut self, outcome: &Result<T, Failure>, is_retried: bool) -> bool {
        let is_missing = matches!(outcome, Err(Failure::NoScript));
        self.script_is_missing |= is_missing;
        is_missing && !is_retried
    }

    fn decide(&mut self, request: Request<W>, outcome: Result<Answer, Failure>) {
        let Request { ticket, waiter, plan, .. } = request;
        match (waiter, outcome) {
            (Some(waiter), outcome) => self.decided.push_back(Decided { ticket, waiter, plan, outcome }),
            // Whoever decides goes on to dispatch, or is told to come back.
            (None, Ok(answer)) => {
                self.undo(answer);
            }
            (None, Err(_)) => {}
        }
    }

    /// Gives back what a request was charged that will never be sent on. Returns whether there is anything to do.
    fn undo(&mut self, answer: Answer) -> bool {
        let settlement = answer.undo();
        !settlement.is_empty() && self.put(settlement).is_ok()
    }

    fn put(&mut self, settlement: Settlement) -> Result<(), Failure> {
        if !self.breaker.is_closed() {
            return Err(Failure::BreakerOpen);
        }
        if self.settlements.len() >= WAITING {
            return Err(Failure::QueueFull);
        }
        self.settlements.push_back(Settling { settlement, is_retried: false });
        Ok(())
    }

    fn must_wake(&mut self) -> bool {
        let must = self.in_flight.is_none() && !self.is_woken;
        self.is_woken |= must;
        must
    }

    fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.settlements.is_empty()
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_none() && !self.has_waiting()
    }
}
