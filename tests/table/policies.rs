//! Any interleaving of requests under several policies, against the model.

use proptest::prelude::*;
use tollgate::store::{Charge, Counters, Outcome, Receipt};
use tollgate::time::Time;

use super::both::Both;
use super::model::{Subject, steps, walk};
use super::{admitted, charge, limit, room, seconds, table};

impl Subject for Both {
    fn charge(&mut self, charges: &[Charge], micros: u64) -> Outcome {
        Counters::charge(self, charges, None, Time::from_micros(micros)).expect("memory is always there")
    }

    fn refund(&mut self, receipt: Receipt, micros: u64) {
        Counters::refund(self, receipt, Time::from_micros(micros)).expect("memory is always there");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn each_limit_holds_and_nobody_is_denied_without_a_cause(steps in steps(60), start in 0..9_000_000_u64) {
        walk(&mut table(4_096), &steps, start)?;
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
