//! One worker's side of the counters in Redis.

use super::breaker::Breaker;
use super::command::Commands;
use super::failure::Failure;
use super::proofs::Proofs;
use super::queue::{Decided, Exchange, Queue, Report};
use super::settings::Settings;
use crate::store::{Acceptance, Charged, Plan, Proof, Settlement};
use crate::time::Time;

/// What one worker knows of the counters in Redis, and who waits for them there.
#[derive(Debug)]
pub struct Shared<W> {
    queue: Queue<W>,
    proofs: Proofs,
}

/// What happens to a request that is to be charged.
#[derive(Debug)]
pub enum Asked<W> {
    /// It waits. If so said, [`Shared::dispatch`] has to be called soon.
    Waits {
        /// Whether to call it.
        wake: bool,
    },
    /// It is known already what becomes of it, and whether its proof counts.
    Known(W, Plan, bool, Charged),
    /// Redis cannot be asked.
    Refused(W, Plan, Failure),
}

impl<W> Shared<W> {
    /// Nothing known, nobody waiting. For the seed see [`Breaker::new`].
    #[must_use]
    pub fn new(settings: &Settings, seed: u64) -> Self {
        let commands = Commands::new(settings.prefix.clone(), settings.login.clone());
        Self { queue: Queue::new(commands, settings.timeout, Breaker::new(seed)), proofs: Proofs::default() }
    }

    /// What is known of the proof that a request needs, if it needs one.
    #[must_use]
    pub fn acceptance(&self, proof: Option<Proof>, now: Time) -> Acceptance {
        match proof {
            None => Acceptance::NotNeeded,
            Some(proof) if self.proofs.knows(proof, now) => Acceptance::Known(proof),
            Some(proof) => Acceptance::Unknown(proof),
        }
    }

    /// A request is to be charged. For the ticket see [`Queue::arrive`].
    pub fn ask(&mut self, ticket: u32, waiter: W, plan: Plan, now: Time) -> Asked<W> {
        if plan.is_free() {
            return Asked::Known(waiter, plan, false, Charged::default());
        }
        match self.queue.arrive(ticket, waiter, plan, now) {
            Ok(wake) => Asked::Waits { wake },
            Err((waiter, plan, failure)) => Asked::Refused(waiter, plan, failure),
        }
    }

    /// The proof of a request that costs nothing, if it is time to renew it: nothing else does.
    #[must_use]
    pub fn renewal(&self, plan: &Plan, now: Time) -> Option<Settlement> {
        let proof = plan.proof().filter(|proof| plan.is_free() && self.proofs.is_ageing(*proof, now));
        proof.map(|proof| Settlement { proof: Some(proof), ..Settlement::default() })
    }

    /// See [`Queue::settle`].
    ///
    /// # Errors
    /// As there.
    pub fn settle(&mut self, settlement: Settlement) -> Result<bool, Failure> {
        self.queue.settle(settlement)
    }

    /// See [`Queue::dispatch`].
    pub fn dispatch(&mut self, now: Time) -> Option<Exchange> {
        self.queue.dispatch(now)
    }

    /// See [`Queue::answered`].
    pub fn answered(&mut self, bytes: &[u8], now: Time) -> Report {
        let report = self.queue.answered(bytes, now);
        for (client, lasts) in &report.proofs {
            self.proofs.remember(*client, *lasts, now);
        }
        report
    }

    /// See [`Queue::failed`].
    pub fn failed(&mut self, failure: Failure, now: Time) -> Report {
        self.queue.failed(failure, now)
    }

    /// See [`Queue::next_decided`].
    pub fn next_decided(&mut self, now: Time) -> Option<Decided<W>> {
        let decided = self.queue.next_decided()?;
        if let (Ok(answer), Some(proof)) = (&decided.outcome, decided.plan.proof())
            && let Some(lasts) = answer.proved_for
        {
            self.proofs.remember(proof.client, lasts, now);
        }
        Some(decided)
    }

    /// See [`Queue::must_come_back`].
    pub fn must_come_back(&mut self) -> bool {
        self.queue.must_come_back()
    }

    /// See [`Queue::gone`].
    pub fn gone(&mut self, ticket: u32) -> bool {
        self.queue.gone(ticket)
    }

    /// See [`Queue::withdraw`].
    pub fn withdraw(&mut self, ticket: u32) -> Option<(W, Plan)> {
        self.queue.withdraw(ticket)
    }
}
