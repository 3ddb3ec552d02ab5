//! Any interleaving of requests under several policies, against the model, as in `tests/table/policies.rs`.

use proptest::test_runner::{Config, TestRunner};
use tollgate::store::{Charge, Outcome, Receipt, Settlement};
use tollgate::time::Time;

use super::model::{Subject, steps, walk};
use super::{Program, Script, certain};

impl Subject for Script {
    fn charge(&mut self, charges: &[Charge], micros: u64) -> Outcome {
        let plan = certain(charges.to_vec());
        Self::charge(self, &plan, Time::from_micros(micros)).expect("Redis answers").outcome
    }

    fn refund(&mut self, receipt: Receipt, micros: u64) {
        self.settle(&Settlement::undo(receipt), Time::from_micros(micros)).expect("Redis settles");
    }
}

#[test]
fn each_limit_holds_and_nobody_is_denied_without_a_cause() {
    // One server for all traces: each begins on an empty one.
    let script = std::cell::RefCell::new(Script::on_a_set_clock(&Program::own(), "policies"));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(150) });
    let outcome = runner.run(&(steps(60), 0..9_000_000_u64), |(steps, start)| {
        let mut script = script.borrow_mut();
        script.connection.command(&[b"FLUSHDB"]);
        walk(&mut *script, &steps, 1_764_000_000_000_000 + start)
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
