//! Settlement, against the model, with the counters in Redis.

use std::cell::RefCell;

use proptest::test_runner::{Config, TestRunner};
use tollgate::client::Client;
use tollgate::gate::{Gate, Passage, Pending};
use tollgate::store::{Acceptance, MemoryCells, Secret, Settlement, Table};
use tollgate::time::Time;

use super::settled::{Subject, events, policies, walk};
use super::{Program, Script};

struct InRedis<'s> {
    gate: Gate<Table<MemoryCells>>,
    script: &'s mut Script,
}

impl Subject for InRedis<'_> {
    type Counters = Table<MemoryCells>;

    fn gate(&self) -> &Gate<Table<MemoryCells>> {
        &self.gate
    }

    fn admit(&mut self, client: &Client, now: Time) -> Passage {
        let acceptance = self.gate.proof(client).map_or(Acceptance::NotNeeded, Acceptance::Unknown);
        let plan = self.gate.plan(client, acceptance);
        let answer = self.script.charge(&plan, now).expect("Redis answers");
        self.gate.conclude(&plan, answer.proved_for, answer.outcome, Pending::default())
    }

    fn settle(&mut self, settlement: Settlement, now: Time) {
        if !settlement.is_empty() {
            self.script.settle(&settlement, now).expect("Redis settles");
        }
    }
}

#[test]
fn everybody_is_charged_what_the_answers_say() {
    let script = RefCell::new(Script::on_a_set_clock(&Program::own(), "settlement"));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(300) });
    let outcome = runner.run(&(policies(), events()), |(policy, events)| {
        let mut script = script.borrow_mut();
        script.connection.command(&[b"FLUSHDB"]);
        let config = policy.config();
        let table = Table::new(MemoryCells::default(), config.capacity);
        let gate = Gate::new(config, Secret::new([1; 16]), table);
        walk(&mut InRedis { gate, script: &mut script }, &policy, &events, 1_764_000_000)
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
