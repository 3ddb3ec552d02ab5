//! Random requests of a few clients, against logs in a map.

use std::collections::HashMap;

use proptest::prelude::*;
use tollgate::limit::Verdict;
use tollgate::store::{Charge, CounterId, Fingerprint};
use tollgate::time::Time;

use super::{admitted, charge, limit, room, seconds, shadow, table};

/// Client 9 stands for everybody: its counter is another client's, in another cell.
const EVERYBODY: u64 = 9;

#[derive(Clone, Debug)]
struct Step {
    passes: u64,
    client: u64,
    scopes: Vec<u32>,
    /// Whether the charge waits for a response.
    waits: bool,
    /// Which of the waiting charges is given back now, if any.
    gives_back: Option<prop::sample::Index>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop_oneof![Just(0_u64), 1..400_000_u64, Just(1_000_000)],
        0..3_u64,
        prop::sample::subsequence(vec![0_u32, 1, 2, 3], 1..4),
        any::<bool>(),
        prop::option::weighted(0.3, any::<prop::sample::Index>()),
    );
    let step = step.prop_map(|(passes, client, scopes, waits, gives_back)| Step {
        passes,
        client,
        scopes,
        waits,
        gives_back,
    });
    prop::collection::vec(step, 1..150)
}

/// Scopes 0 and 1 are the client's own, 2 is everybody's, 3 is a shadow with two rates.
fn charges(step: &Step) -> Vec<Charge> {
    let mut charges = Vec::new();
    for scope in &step.scopes {
        match scope {
            0 => charges.push(charge(step.client, 0, limit("4/s"))),
            1 => charges.push(Charge { cost: 2, ..charge(step.client, 1, limit("9/3s")) }),
            2 => charges.push(charge(EVERYBODY, 2, limit("7/2s"))),
            _ => {
                charges.push(shadow(charge(step.client, 3, limit("2/s"))));
                charges.push(Charge { scope: 3, ..shadow(charge(step.client, 4, limit("3/2s"))) });
            }
        }
    }
    charges.sort_by_key(|charge| charge.client);
    charges
}

/// Every counter's log of what it has admitted: when, how much, and for which request.
#[derive(Default)]
struct Logs(HashMap<(Fingerprint, CounterId), Log>);

type Log = Vec<(u64, u32, usize)>;

impl Logs {
    fn of(&mut self, charge: &Charge) -> &mut Log {
        self.0.entry((charge.client, charge.counter)).or_default()
    }

    fn admits(&mut self, charge: &Charge, now: u64) -> bool {
        let rate = charge.limit.rate;
        let live = |at: u64| at + u64::from(rate.window_secs()) * 1_000_000 > now;
        let used: u32 = self.of(charge).iter().filter(|(at, ..)| live(*at)).map(|(_, cost, _)| cost).sum();
        used + charge.cost <= rate.quota()
    }

    fn give_back(&mut self, request: usize) {
        self.0.values_mut().for_each(|log| log.retain(|(.., of)| *of != request));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn all_or_none_and_exactly(steps in steps()) {
        let table = table(64);
        let mut logs = Logs::default();
        let mut now = seconds(100).micros();
        let mut waiting = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            now += step.passes;
            if let Some(index) = step.gives_back.filter(|_| !waiting.is_empty()) {
                // However long ago it was taken.
                let (request, receipt) = waiting.swap_remove(index.index(waiting.len()));
                table.refund(receipt, Time::from_micros(now)).unwrap();
                logs.give_back(request);
            }
            let charges = charges(&step);
            let outcome = table.charge(&charges, None, Time::from_micros(now)).unwrap();
            let admits: Vec<bool> = charges.iter().map(|charge| logs.admits(charge, now)).collect();
            let verdicts: Vec<bool> = outcome.verdicts.iter().map(Verdict::is_admitted).collect();
            prop_assert_eq!(&verdicts, &admits);
            let denied = charges.iter().zip(&admits).any(|(charge, admits)| charge.enforced && !admits);
            let shadow_over = charges.iter().zip(&admits).any(|(charge, admits)| !charge.enforced && !admits);
            let taken: Vec<&Charge> = charges.iter().filter(|charge| {
                !denied && (charge.enforced || !shadow_over)
            }).collect();
            prop_assert_eq!(outcome.receipt.is_empty(), taken.is_empty());
            for charge in taken {
                logs.of(charge).push((now, charge.cost, number));
            }
            if step.waits {
                waiting.push((number, outcome.receipt));
            } else {
                drop(outcome.receipt);
            }
        }
    }

    #[test]
    fn with_evictions_nobody_gets_past_a_used_up_limit_or_stays_locked_out(
        flood in prop::collection::vec((0..300_u64, 0..200_000_u64, any::<bool>()), 1..400)
    ) {
        let table = table(64);
        let abuser = charge(1_000, 0, limit("5/min"));
        let mut now = seconds(100).micros();
        prop_assert_eq!(room(&table, abuser, Time::from_micros(now)), 5);
        let end = now + 60_000_000;
        let mut waiting = Vec::new();
        for (name, passes, waits) in flood {
            now += passes;
            let outcome = table.charge(&[charge(name, 0, limit("5/min"))], None, Time::from_micros(now)).unwrap();
            if waits { waiting.push(outcome.receipt) } else { drop(outcome.receipt) }
            if now.is_multiple_of(3) && let Some(receipt) = waiting.pop() {
                table.refund(receipt, Time::from_micros(now)).unwrap();
            }
            prop_assert!(now >= end || !admitted(&table, &[abuser], Time::from_micros(now)));
        }
        let later = Time::from_micros(now.max(end) + 60_000_000);
        for name in 0..300 {
            prop_assert!(admitted(&table, &[charge(name, 0, limit("5/min"))], later));
        }
    }
}
