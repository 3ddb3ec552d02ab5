//! Who waits, for a scan or for a body of his own, and what is done meanwhile.

use std::rc::Rc;
use std::time::Duration;

use super::scan::Scan;
use super::{Console, send, unreachable};
use crate::console::{Answer, Ask};
use crate::filter::host;
use crate::filter::redis::Link;
use crate::time::Time;

/// How often there is something to do while anybody waits.
pub(super) const STEP: Duration = Duration::from_millis(5);
/// So long a body may take; then the proxy keeps it back.
const PATIENCE: Duration = Duration::from_secs(2);
/// The number of the scan among jobs.
pub(super) const SCAN: u32 = 0;
/// How long a scan is good for.
const FRESH: Duration = Duration::from_secs(1);

impl Console {
    pub(super) fn await_scan(&self, id: u32, ask: Ask) {
        let mut state = self.state.borrow_mut();
        let is_fresh = |(at, _): &(Time, _)| host::now().since(*at) < FRESH;
        if let Some((_, scan)) = state.latest.as_ref().filter(|latest| is_fresh(latest)) {
            return send(&scan.answer(&ask));
        }
        state.waiting.push((id, ask));
        host::set_tick_period(STEP);
    }

    /// Does a step of what is to be done. Returns in how long there is more to do; zero if there is nothing.
    pub(in crate::filter) fn on_tick(&self) -> Duration {
        self.give_up_bodies();
        for (purpose, outcome) in self.errands.go_on() {
            self.take(purpose, outcome);
        }
        let is_scanned_for = !self.state.borrow().waiting.is_empty();
        if is_scanned_for {
            self.scan();
        }
        let state = self.state.borrow();
        let is_busy =
            !state.waiting.is_empty() || !state.bodies.is_empty() || self.errands.are_on_their_way();
        if is_busy { STEP } else { Duration::ZERO }
    }

    fn scan(&self) {
        // One of its questions is on its way.
        if self.errands.is_on_its_way(SCAN) {
            return;
        }
        let scan = self.state.borrow_mut().scan.take();
        let mut scan = match scan {
            Some(scan) => scan,
            None => match self.shown() {
                Some(shown) => Scan::new(shown),
                None => return self.answer_waiting(|_| unreachable()),
            },
        };
        let now = host::now();
        let is_over = match scan.question() {
            Some((settings, question)) => {
                self.errands.put((SCAN, 0), settings, question);
                false
            }
            None => self.table().is_none_or(|table| scan.step(&table, now)),
        };
        if !is_over {
            self.state.borrow_mut().scan = Some(scan);
            return;
        }
        let scan = Rc::new(scan);
        self.state.borrow_mut().latest = Some((now, scan.clone()));
        self.answer_waiting(|ask| scan.answer(ask));
    }

    fn answer_waiting(&self, answer: impl Fn(&Ask) -> Answer) {
        let waiting = std::mem::take(&mut self.state.borrow_mut().waiting);
        for (id, ask) in waiting {
            Link::enter(id);
            send(&answer(&ask));
        }
    }

    /// The body of this request comes later.
    pub(super) fn awaits_body(&self, id: u32) {
        self.state.borrow_mut().bodies.push((id, host::now()));
        host::set_tick_period(STEP);
    }

    pub(super) fn has_body(&self, id: u32) {
        self.state.borrow_mut().bodies.retain(|(other, _)| *other != id);
    }

    fn give_up_bodies(&self) {
        let now = host::now();
        let is_late = |(_, since): &(u32, Time)| now.since(*since) > PATIENCE;
        let late: Vec<_> = self.state.borrow_mut().bodies.extract_if(.., |body| is_late(body)).collect();
        for (id, _) in late {
            Link::enter(id);
            send(&Answer::refusal(
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
        state.jobs.retain(|job| job.stream != id);
    }
}
