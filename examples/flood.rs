//! A flood of clients that never come again, against the native store: what it takes, and how long a charge takes.
//!
//! `flood [MILLIONS]` offers so many million clients (10) to a table of the default capacity and writes a line of JSON
//! for each tenth of them. Each is charged as an anonymous client is under the default policy, but by the hour, so
//! that nothing expires. A client that is at its limit before has to be denied throughout; the exit code says so.

use std::error::Error;
use std::time::Instant;

use tollgate::limit::{Limit, Verdict};
use tollgate::store::{
    Capacity, Charge, CounterId, Counters, Fingerprint, Fingerprinter, MemoryCells, Secret, Stays, Table,
};
use tollgate::time::Time;

fn main() -> Result<(), Box<dyn Error>> {
    let millions: u64 = std::env::args().nth(1).map_or(Ok(10), |number| number.parse())?;
    let limits: [(&str, Limit); 2] = [("anon", limit("60/h")?), ("user", limit("300/h")?)];
    let table = Table::new(MemoryCells::default(), Capacity::default());
    // A request each microsecond.
    let mut now = Time::from_micros(1);
    let mut admits = |name: u64| -> Result<bool, Box<dyn Error>> {
        now = Time::from_micros(now.micros() + 1);
        let charged = table.charge(&charges(client(name), &limits), None, now)?;
        drop(charged.receipt);
        Ok(charged.verdicts.iter().all(Verdict::is_admitted))
    };
    while admits(0)? {}
    let tenth = millions * 100_000;
    for part in 0..10 {
        let start = Instant::now();
        for name in part * tenth..(part + 1) * tenth {
            admits(name + 1)?;
        }
        let nanos = start.elapsed().as_nanos() / u128::from(tenth);
        if admits(0)? {
            return Err("the client at its limit was let through".into());
        }
        let (clients, bytes) = ((part + 1) * tenth, table.cells().bytes());
        println!(r#"{{"clients": {clients}, "bytes": {bytes}, "nanos_per_charge": {nanos}}}"#);
    }
    Ok(())
}

fn limit(rate: &str) -> Result<Limit, Box<dyn Error>> {
    Ok(Limit::sliding_window(rate.parse()?))
}

fn client(name: u64) -> Fingerprint {
    let mut fingerprinter = Fingerprinter::new(&Secret::new([7; 16]));
    fingerprinter.piece(0, &name.to_le_bytes());
    fingerprinter.finish()
}

fn charges(client: Fingerprint, limits: &[(&str, Limit)]) -> Vec<Charge> {
    let charge = |(scope, (name, limit)): (usize, &(&str, Limit))| Charge {
        client,
        counter: CounterId::of(name, *limit),
        limit: *limit,
        cost: 1,
        scope,
        enforced: true,
        stays: Stays::Always,
    };
    limits.iter().enumerate().map(charge).collect()
}
