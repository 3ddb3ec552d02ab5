//! What counters must do, in a few lines: logs of everything, walked through for each question.
//!
//! Any number of policies stand on the same counters: their limits differ in quota, burst and window, and their requests
//! come interleaved, while time passes and what was taken is given back.

use std::collections::HashMap;

use proptest::prelude::*;
use tollgate::limit::{Algorithm, EXACT_QUOTA, Limit};
use tollgate::store::{Charge, CounterId, Fingerprint, Outcome, Receipt};

use super::charges::{bucket, charge, limit};

/// Counters that are tested.
pub(crate) trait Subject {
    fn charge(&mut self, charges: &[Charge], micros: u64) -> Outcome;
    fn refund(&mut self, receipt: Receipt, micros: u64);
}

/// A request under one of the policies.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    passes: u64,
    client: u64,
    policy: usize,
    cost: u32,
    /// Which of the requests before is given back first, if any.
    gives_back: Option<prop::sample::Index>,
}

/// A trace of at most so many steps.
pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let passes = prop_oneof![
        Just(0),
        1..5_u64,
        (0..130_u64).prop_map(|part| part * 1_000_000 / 64),
        0..400_000_u64,
        (1..5_u64).prop_map(|seconds| seconds * 1_000_000),
    ];
    let gives_back = prop::option::weighted(0.3, any::<prop::sample::Index>());
    let step = (passes, 0..2_u64, 0..4_usize, 1..4_u32, gives_back);
    let step = step.prop_map(|(passes, client, policy, cost, gives_back)| Step {
        passes,
        client,
        policy,
        cost,
        gives_back,
    });
    prop::collection::vec(step, 1..most)
}

/// Everybody's counter is one client's.
const EVERYBODY: Fingerprint = Fingerprint::EVERYBODY;

/// The charges of a step: those of a policy whose scopes are `own`, everybody's `all`, and `seen`, which is a shadow of two
/// limits. Policies with one index are one; the others have other quotas, other windows, another order, or another algorithm
/// under the same names.
fn charges(step: &Step) -> Vec<Charge> {
    let (own, all, seen) = match step.policy {
        0 => (vec![limit("4/s"), limit("9/3s")], limit("7/2s"), [limit("2/s"), limit("3/2s")]),
        1 => (vec![limit("6/3s"), limit("5/s")], limit("100/2s"), [limit("3/2s"), limit("9/s")]),
        2 => (vec![limit("70/3s"), bucket("3/s", 5)], limit("70/4s"), [limit("5/4s"), limit("2/s")]),
        _ => (
            vec![bucket("1/s", 3), bucket("200/3s", 70)],
            bucket("5/2s", 9),
            [bucket("1/s", 1), limit("1/s")],
        ),
    };
    let of = |name: &str, scope: usize, limit: Limit| {
        let cost = step.cost.min(limit.most_at_once());
        Charge { cost, scope, counter: CounterId::of(name, limit), ..charge(step.client, 0, limit) }
    };
    let mut charges: Vec<Charge> = own.into_iter().map(|limit| of("own", 0, limit)).collect();
    charges.extend(seen.map(|limit| Charge { enforced: false, ..of("seen", 2, limit) }));
    charges.push(Charge { client: EVERYBODY, ..of("all", 1, all) });
    charges
}

/// What one counter has admitted.
#[derive(Default)]
struct Log {
    /// When, how much, and for which request.
    takes: Vec<(u64, u32, usize)>,
    /// Whether any limit was a large one, for which marks are rounded.
    is_rounded: bool,
    /// A bucket that is full by every rate that it is known by may be forgotten, at once or later. These many of the takes
    /// are then, at the most; and since then it is known by these rates.
    forgotten: usize,
    limits: Vec<Limit>,
}

type Logs = HashMap<(Fingerprint, CounterId), Log>;

/// What a limit may say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Admits,
    Denies,
    /// There is room; but units may come back a little late where marks are rounded, or may be forgotten.
    Either,
}

impl Log {
    fn expects(&self, limit: Limit, cost: u32, now: u64) -> Expected {
        if let Algorithm::TokenBucket { .. } = limit.algorithm {
            let fits = |forgotten| self.fits(limit, cost, now, forgotten);
            let forgotten = if self.may_be_forgotten(now) { self.takes.len() } else { self.forgotten };
            let is_exact = !self.is_rounded && limit.most_at_once() <= EXACT_QUOTA;
            return match (fits(0), fits(forgotten)) {
                (true, _) if is_exact => Expected::Admits,
                (_, false) => Expected::Denies,
                _ => Expected::Either,
            };
        }
        let fits = |late| self.used(limit, now, late) + cost <= limit.rate.quota();
        let late = if self.is_rounded { micros(limit) / u64::from(EXACT_QUOTA) } else { 0 };
        match (fits(0), fits(late)) {
            (false, _) => Expected::Denies,
            (_, true) => Expected::Admits,
            _ => Expected::Either,
        }
    }

    fn used(&self, limit: Limit, now: u64, late: u64) -> u32 {
        let live = |at: u64| at + micros(limit) + late > now;
        self.takes.iter().filter(|(at, ..)| live(*at)).map(|(_, units, _)| units).sum()
    }

    fn fits(&self, limit: Limit, cost: u32, now: u64, forgotten: usize) -> bool {
        let wanted = self.missing(limit, now, forgotten) + u128::from(cost) * unit(limit);
        wanted <= u128::from(limit.most_at_once()) * unit(limit)
    }

    /// What a bucket misses of which all of this was taken, but never more than it holds.
    fn missing(&self, limit: Limit, now: u64, forgotten: usize) -> u128 {
        let (quota, full) = (u128::from(limit.rate.quota()), u128::from(limit.most_at_once()) * unit(limit));
        let (mut missing, mut from) = (0, 0);
        for (at, units, _) in self.takes.iter().skip(forgotten) {
            missing = full.min(missing_after(missing, at - from, quota) + u128::from(*units) * unit(limit));
            from = *at;
        }
        missing_after(missing, now - from, quota)
    }

    fn take(&mut self, limit: Limit, cost: u32, now: u64, request: usize) {
        self.forget(now);
        self.takes.push((now, cost, request));
        self.is_rounded |= limit.most_at_once() > EXACT_QUOTA;
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
        }
    }

    fn give_back(&mut self, request: usize, now: u64) {
        self.forget(now);
        let is_of = |(.., of): &(u64, u32, usize)| *of == request;
        self.forgotten -= self.takes[..self.forgotten].iter().filter(|take| is_of(take)).count();
        self.takes.retain(|take| !is_of(take));
        self.forget(now);
    }

    fn may_be_forgotten(&self, now: u64) -> bool {
        self.limits.iter().all(|limit| self.missing(*limit, now, self.forgotten) == 0)
    }

    fn forget(&mut self, now: u64) {
        if self.may_be_forgotten(now) {
            self.forgotten = self.takes.len();
            self.limits.clear();
        }
    }
}

fn micros(limit: Limit) -> u64 {
    u64::from(limit.rate.window_secs()) * 1_000_000
}

fn unit(limit: Limit) -> u128 {
    micros(limit).into()
}

fn missing_after(missing: u128, span: u64, quota: u128) -> u128 {
    missing.saturating_sub(u128::from(span) * quota)
}

/// Walks a trace. For each limit never more than its quota passes in any of its windows, and never is a request denied
/// without a cause.
pub(crate) fn walk(counters: &mut impl Subject, steps: &[Step], start: u64) -> Result<(), TestCaseError> {
    let (mut model, mut now) = (Logs::new(), start);
    let mut receipts: Vec<(usize, Receipt)> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        now += step.passes;
        if let Some(index) = step.gives_back.filter(|_| !receipts.is_empty()) {
            let (request, receipt) = receipts.swap_remove(index.index(receipts.len()));
            counters.refund(receipt, now);
            for log in model.values_mut() {
                log.give_back(request, now);
            }
        }
        let charges = charges(step);
        let outcome = counters.charge(&charges, now);
        prop_assert_eq!(outcome.events.corrupt, 0, "every record reads back");
        for (charge, verdict) in charges.iter().zip(&outcome.verdicts) {
            let log = model.entry((charge.client, charge.counter)).or_default();
            let expected = match log.expects(charge.limit, charge.cost, now) {
                Expected::Admits => verdict.is_admitted(),
                Expected::Denies => !verdict.is_admitted(),
                Expected::Either => true,
            };
            prop_assert!(expected, "step {number}: {verdict:?} of {charge:?}");
        }
        let over = |wanted: &dyn Fn(&Charge) -> bool| {
            charges
                .iter()
                .zip(&outcome.verdicts)
                .any(|(charge, verdict)| wanted(charge) && !verdict.is_admitted())
        };
        let (is_denied, is_shadow_over) = (over(&|charge| charge.enforced), over(&|charge| !charge.enforced));
        for charge in &charges {
            let is_taken = !is_denied && (charge.enforced || !is_shadow_over);
            prop_assert_eq!(outcome.receipt.has(charge), is_taken, "all or none");
            if is_taken {
                let log = model.entry((charge.client, charge.counter)).or_default();
                log.take(charge.limit, charge.cost, now, number);
            }
        }
        receipts.push((number, outcome.receipt));
    }
    for (_, receipt) in receipts {
        drop(receipt);
    }
    Ok(())
}
