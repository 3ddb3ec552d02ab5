//! Who waits, for a scan or for a body of his own, and what is done meanwhile.

use std::time::Duration;

use super::jobs::Task;
use super::scan::{self, Scan};
use super::{Console, Desk, State, unreachable};
use crate::console::{Answer, Ask};
use crate::time::Time;

/// How often there is something to do while anybody waits.
pub(super) const STEP: Duration = Duration::from_millis(5);
/// So long a body may take; then the proxy keeps it back.
const PATIENCE: Duration = Duration::from_secs(2);
/// The number of the scan among jobs.
pub(super) const SCAN: u32 = 0;
/// How long a scan is good for.
const FRESH: Duration = Duration::from_secs(1);

impl<H: Desk> Console<H> {
    pub(super) fn await_scan(&self, id: u32, ask: Ask) {
        self.state.borrow_mut().waiting.push((id, ask));
        self.host.call_back(STEP);
    }

    /// Does a step of what is to be done. Returns in how long there is more to do; zero if there is nothing.
    pub fn on_tick(&self) -> Duration {
        self.give_up_bodies();
        for (purpose, outcome) in self.errands.go_on(&self.host) {
            self.take(purpose, outcome);
        }
        if !self.state.borrow().waiting.is_empty() && (self.has_fresh_scan() || self.scan()) {
            self.answer_waiting();
        }
        let state = self.state.borrow();
        let is_busy =
            !state.waiting.is_empty() || !state.bodies.is_empty() || self.errands.are_on_their_way();
        if is_busy { STEP } else { Duration::ZERO }
    }

    fn has_fresh_scan(&self) -> bool {
        let state = self.state.borrow();
        state.latest.as_ref().is_some_and(|(at, _)| self.host.now().since(*at) < FRESH)
    }

    /// Goes on with the scan. Returns whether it is over.
    fn scan(&self) -> bool {
        // One of its questions is on its way.
        if self.errands.is_on_its_way(SCAN) {
            return false;
        }
        let scan = self.state.borrow_mut().scan.take();
        let now = self.host.now();
        let Some(mut scan) = scan.or_else(|| Some(Scan::new(self.shown()?, now))) else {
            let waiting = std::mem::take(&mut self.state.borrow_mut().waiting);
            for (id, _) in waiting {
                self.send(id, &unreachable());
            }
            return false;
        };
        let is_over = match scan.question(now) {
            Some((settings, question)) => {
                self.errands.put((SCAN, 0), settings, question, now);
                false
            }
            None => self.counters().is_none_or(|counters| scan.step(&counters, &self.host)),
        };
        let mut state = self.state.borrow_mut();
        if is_over {
            state.latest = Some((now, scan));
            state.answered.clear();
        } else {
            state.scan = Some(scan);
        }
        is_over
    }

    /// Answers those who wait, for as long as a step takes. Who has asked the same is told the same.
    fn answer_waiting(&self) {
        let (began, unix) = (self.host.now(), self.host.unix_time());
        while self.host.now().since(began) < scan::STEP {
            let (id, answer) = {
                let mut state = self.state.borrow_mut();
                let State { waiting, latest, answered, .. } = &mut *state;
                let Some((_, scan)) = latest.as_ref() else { return };
                let Some((id, ask)) = waiting.pop() else { return };
                let known =
                    answered.iter().find(|(other, _)| *other == ask).map(|(_, answer)| answer.clone());
                let answer = known.unwrap_or_else(|| {
                    let answer = scan.answer(&ask, unix);
                    answered.push((ask, answer.clone()));
                    answer
                });
                (id, answer)
            };
            self.send(id, &answer);
        }
    }

    /// The body of this request comes later.
    pub(super) fn awaits_body(&self, id: u32) {
        self.state.borrow_mut().bodies.push((id, self.host.now()));
        self.host.call_back(STEP);
    }

    pub(super) fn has_body(&self, id: u32) {
        self.state.borrow_mut().bodies.retain(|(other, _)| *other != id);
    }

    fn give_up_bodies(&self) {
        let now = self.host.now();
        let is_late = |(_, since): &(u32, Time)| now.since(*since) > PATIENCE;
        let late: Vec<_> = self.state.borrow_mut().bodies.extract_if(.., |body| is_late(body)).collect();
        for (id, _) in late {
            self.send(id, &Answer::refusal(
                408,
                "the body has not come: send it at once; and if it was sent, the console's filter needs `allow_on_headers_stop_iteration: true` \
                 in Envoy's configuration, as envoy/inline.yaml has it",
            ));
        }
    }

    /// The request is no more.
    pub(super) fn is_gone(&self, id: u32) {
        let mut state = self.state.borrow_mut();
        state.waiting.retain(|(other, _)| *other != id);
        state.bodies.retain(|(other, _)| *other != id);
        // What was to be done is done, and told to the log.
        state.jobs.retain(|job| job.stream != Some(id) || !matches!(job.task, Task::Find(_)));
        for job in state.jobs.iter_mut().filter(|job| job.stream == Some(id)) {
            job.stream = None;
        }
        // What was seen so far is old when somebody asks again.
        if state.waiting.is_empty() {
            state.scan = None;
            self.errands.forget(&self.host, SCAN);
        }
    }
}
