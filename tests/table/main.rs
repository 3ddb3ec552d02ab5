//! The table of counters: against a plain map, at capacity, and among workers that race.

mod agreement;
#[path = "../common/both.rs"]
mod both;
mod capacity;
mod census;
#[path = "../common/charges.rs"]
mod charges;
mod hosts;
#[path = "../common/model.rs"]
mod model;
mod operators;
mod policies;
mod races;
mod reload;
mod threads;

use std::time::Duration;

use tollgate::store::{Capacity, Charge, Counters, Events, Fingerprint};
use tollgate::time::Time;

use both::Both;
use charges::{bucket, charge, client, limit};

fn shadow(charge: Charge) -> Charge {
    Charge { enforced: false, ..charge }
}

/// For how long the application's acceptance of a client counts yet.
fn proved_for<T: Counters>(table: &T, client: Fingerprint, now: Time) -> Option<Duration> {
    let loaded = table.load(client, &mut Events::default()).expect("memory");
    T::proved_for(&loaded, now)
}

fn table(clients: u32) -> Both {
    Both::new(Capacity::new(clients).expect("a capacity"))
}

const fn seconds(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

/// Whether every charge is admitted. What is taken stays.
fn admitted(table: &impl Counters, charges: &[Charge], now: Time) -> bool {
    let outcome = table.charge(charges, None, now).expect("memory is always there");
    let all = outcome.verdicts.iter().all(tollgate::limit::Verdict::is_admitted);
    drop(outcome.receipt);
    all
}

/// How often in a row one unit is admitted, up to 10,000 times.
fn room(table: &impl Counters, charge: Charge, now: Time) -> usize {
    (0..10_000).take_while(|_| admitted(table, &[charge], now)).count()
}
