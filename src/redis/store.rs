//! One worker's side of the counters in Redis.

use std::time::Duration;

use super::breaker::Breaker;
use super::command::Commands;
use super::denials::Denials;
use super::exchange::{Decided, Exchange, Report};
use super::failure::Failure;
use super::proofs::Proofs;
use super::queue::Queue;
use super::settings::Settings;
use crate::limit::Verdict;
use crate::policy::{Policy, Trust};
use crate::scope::Count;
use crate::store::{Acceptance, Charge, Fingerprint, Outcome, Plan, Proof, Settlement};
use crate::time::Time;

/// What one worker knows of the counters in Redis, and who waits for them there.
#[derive(Debug)]
pub struct Store<W> {
    queue: Queue<W>,
    proofs: Proofs,
    denials: Denials,
    lasting: Lasting,
}

/// What happens to a request that is to be charged.
#[derive(Debug)]
pub enum Asked<W> {
    /// It waits.
    Waits {
        /// Whether [`Store::dispatch`] has to be called soon.
        wake: bool,
    },
    /// It is known already what becomes of it, and for how long its proof counts, if it does.
    Known(W, Plan, Option<Duration>, Outcome),
    /// Redis cannot be asked.
    Refused(W, Plan, Failure),
}

/// Which denials last as long as they say, since nothing is given back to their counters meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// By their places in the policy, the scopes whose charges stay whatever the response is.
    pub scopes: Vec<bool>,
    /// Whether nothing moves from one client to another when a credential is accepted.
    pub nothing_moves: bool,
}

impl<W> Store<W> {
    /// Nothing known, nobody waiting. For the seed see [`Breaker::new`].
    #[must_use]
    pub fn new(settings: &Settings, lasting: Lasting, seed: u64) -> Self {
        let commands = Commands::new(settings.prefix.clone(), settings.login.clone());
        Self {
            queue: Queue::new(commands, settings.timeout, Breaker::new(seed)),
            proofs: Proofs::default(),
            denials: Denials::default(),
            lasting,
        }
    }

    /// What is known of the proof that a request needs, if it needs one.
    #[must_use]
    pub fn acceptance(&self, proof: Option<Proof>, now: Time) -> Acceptance {
        match proof {
            None => Acceptance::NotNeeded,
            Some(proof) => match self.proofs.left(proof, now) {
                Duration::ZERO => Acceptance::Unknown(proof),
                left => Acceptance::Known(proof, left),
            },
        }
    }

    /// A request is to be charged. For the ticket see [`Queue::arrive`].
    pub fn ask(&mut self, ticket: u32, waiter: W, plan: Plan, now: Time) -> Asked<W> {
        let known = match &plan {
            Plan::Certain { known, .. } => known.map(|(_, left)| left),
            Plan::Depends { .. } => None,
        };
        if plan.is_free() {
            return Asked::Known(waiter, plan, known, Outcome::default());
        }
        if let Some(denied) = self.known_denial(&plan, now) {
            return Asked::Known(waiter, plan, known, denied);
        }
        match self.queue.arrive(ticket, waiter, plan, now) {
            Ok(wake) => Asked::Waits { wake },
            Err((waiter, plan, failure)) => Asked::Refused(waiter, plan, failure),
        }
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
        let Ok(answer) = &decided.outcome else { return Some(decided) };
        let client = decided.plan.proof().map(|proof| proof.client);
        if let (Some(client), Some(lasts)) = (client, answer.proved_for) {
            self.proofs.remember(client, lasts, now);
        }
        // What was charged for a credential that is not proved may be given back.
        let bearer = client.filter(|_| answer.is_proved());
        let charges = decided.plan.charges(answer.is_proved());
        for (charge, verdict) in charges.iter().zip(&answer.outcome.verdicts) {
            if let Verdict::Denied { wait } = verdict
                && self.lasting.lasts(charge, bearer)
            {
                self.denials.note(charge, *wait, now);
            }
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

    /// See [`Queue::sleep_on`].
    pub const fn sleep_on(&mut self) {
        self.queue.sleep_on();
    }

    /// See [`Queue::withdraw`].
    pub fn withdraw(&mut self, ticket: u32) -> Option<(W, Plan)> {
        self.queue.withdraw(ticket)
    }

    /// What becomes of a request that is known to be denied. The verdicts on its other charges are not known: they have
    /// no consequences, and stand as admitted.
    fn known_denial(&self, plan: &Plan, now: Time) -> Option<Outcome> {
        let Plan::Certain { charges, .. } = plan else { return None };
        let verdict = |charge: &Charge| match self.denials.wait(charge, now) {
            Some(wait) if charge.enforced => Verdict::Denied { wait },
            _ => Verdict::Admitted { remaining: 0, reset: Duration::ZERO },
        };
        let verdicts: Vec<_> = charges.iter().map(verdict).collect();
        let is_denied = verdicts.iter().any(|verdict| !verdict.is_admitted());
        is_denied.then(|| Outcome { verdicts, ..Outcome::default() })
    }
}

impl Lasting {
    /// Under this policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            scopes: policy.scopes.iter().map(|scope| scope.count == Count::All).collect(),
            nothing_moves: policy.trust == Trust::Any,
        }
    }

    /// Whether a denial of this charge lasts, given whose credential the request has. A client with a credential that
    /// counts is charged as itself alone, but what others have paid as anonymous may yet move.
    fn lasts(&self, charge: &Charge, bearer: Option<Fingerprint>) -> bool {
        let stays = self.scopes.get(charge.scope).is_some_and(|stays| *stays);
        stays && (self.nothing_moves || bearer == Some(charge.client))
    }
}
