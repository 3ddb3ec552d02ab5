//! Whatever stands in a cell, charging goes on: a client is admitted its quota at most, and once the windows are over
//! it is admitted again. With a record whose checksum is right but which says what nobody would have written, both
//! are a matter of what it says; nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::limit::Limit;
use tollgate::store::{
    Capacity, Cells, Charge, CounterId, Counters, Fingerprinter, MemoryCells, Secret, Stays, Table, cell_with,
};
use tollgate::time::Time;

fuzz_target!(|input: (u64, u32, u8, bool, &[u8])| {
    let (now, quota, counter, checked, bytes) = input;
    let now = Time::from_micros(now >> 9);
    let rate = tollgate::limit::Rate::new(quota % 100, 60).expect("a rate");
    let client = Fingerprinter::new(&Secret::new([0; 16])).finish();
    let charge = Charge {
        client,
        counter: CounterId(counter.into()),
        limit: Limit::sliding_window(rate),
        cost: 1,
        scope: 0,
        enforced: true,
        stays: Stays::Always,
    };
    // Bytes that hold this very client, in front of any others.
    let cell = if checked { cell_with(client, bytes) } else { [&client.to_bytes(), bytes].concat() };
    let cells = MemoryCells::default();
    for place in 0..8 {
        let (_, version) = cells.read(place).expect("memory");
        assert_eq!(cells.write(place, &cell, &version), Ok(true));
    }
    let table = Table::new(cells, Capacity::new(64).expect("a capacity"));
    let admitted = |now| {
        let outcome = table.charge(&[charge], None, now).expect("memory");
        outcome.verdicts[0].is_admitted() && table.refund(outcome.receipt, now).is_ok()
    };
    let mut used = 0;
    while used <= rate.quota() {
        let outcome = table.charge(&[charge], None, now).expect("memory");
        if !outcome.verdicts[0].is_admitted() {
            break;
        }
        used += 1;
        drop(outcome.receipt);
    }
    assert!(checked || used <= rate.quota());
    // Five windows later. (A record that is believed may say that marks lie ahead, as if the clock had been set back.)
    let later = Time::from_micros(now.micros() + 5 * 61_000_000);
    let is_admitted = admitted(later);
    assert!(checked || is_admitted == (rate.quota() > 0));
});
