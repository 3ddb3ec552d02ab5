//! Random requests of a few clients, against logs in a map.

use std::collections::HashMap;

use proptest::prelude::*;
use tollgate::limit::Verdict;
use tollgate::store::Charge;
use tollgate::time::Time;

use super::{charge, limit, seconds, shadow, table};

/// Client 9 stands for everybody: its counter is another client's, in another cell.
const EVERYBODY: u64 = 9;

#[derive(Clone, Debug)]
struct Step {
    passes: u64,
    client: u64,
    scopes: Vec<u32>,
    refund: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop_oneof![Just(0_u64), 1..400_000_u64, Just(1_000_000)],
        0..3_u64,
        prop::sample::subsequence(vec![0_u32, 1, 2, 3], 1..4),
        prop::bool::weighted(0.2),
    );
    let step = step.prop_map(|(passes, client, scopes, refund)| Step { passes, client, scopes, refund });
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

/// Every counter's log of what it has admitted.
#[derive(Default)]
struct Logs(HashMap<(String, u32), Vec<(u64, u32)>>);

impl Logs {
    fn of(&mut self, charge: &Charge) -> &mut Vec<(u64, u32)> {
        self.0.entry((format!("{:?}", charge.client), charge.counter.0)).or_default()
    }

    fn admits(&mut self, charge: &Charge, now: u64) -> bool {
        let rate = charge.limit.rate;
        let live = |at: u64| at + u64::from(rate.window_secs()) * 1_000_000 > now;
        let used: u32 = self.of(charge).iter().filter(|(at, _)| live(*at)).map(|(_, cost)| cost).sum();
        used + charge.cost <= rate.quota()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn all_or_none_and_exactly(steps in steps()) {
        let table = table(64);
        let mut logs = Logs::default();
        let mut now = seconds(100).micros();
        for step in steps {
            now += step.passes;
            let charges = charges(&step);
            let outcome = table.charge(&charges, Time::from_micros(now)).unwrap();
            let admits: Vec<bool> = charges.iter().map(|charge| logs.admits(charge, now)).collect();
            let verdicts: Vec<bool> = outcome.verdicts.iter().map(Verdict::is_admitted).collect();
            prop_assert_eq!(&verdicts, &admits);
            let denied = charges.iter().zip(&admits).any(|(charge, admits)| charge.enforced && !admits);
            let shadow_over = charges.iter().zip(&admits).any(|(charge, admits)| !charge.enforced && !admits);
            let taken: Vec<&Charge> = charges.iter().filter(|charge| {
                !denied && (charge.enforced || !shadow_over)
            }).collect();
            prop_assert_eq!(outcome.receipt.is_empty(), taken.is_empty());
            if step.refund {
                table.refund(outcome.receipt, Time::from_micros(now)).unwrap();
            } else {
                drop(outcome.receipt);
                for charge in taken {
                    logs.of(charge).push((now, charge.cost));
                }
            }
        }
    }
}
