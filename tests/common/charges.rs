//! Charges for tests of the counters, wherever these are.

use tollgate::limit::{Algorithm, Limit};
use tollgate::store::{Charge, CounterId, Fingerprint, Fingerprinter, Secret, Stays};

pub(crate) fn client(name: u64) -> Fingerprint {
    let mut fingerprinter = Fingerprinter::new(&Secret::new([7; 16]));
    fingerprinter.piece(0, &name.to_le_bytes());
    fingerprinter.finish()
}

pub(crate) fn limit(rate: &str) -> Limit {
    Limit::sliding_window(rate.parse().expect(rate))
}

pub(crate) fn bucket(rate: &str, burst: u32) -> Limit {
    Limit { algorithm: Algorithm::TokenBucket { burst }, ..limit(rate) }
}

/// One unit of an enforced scope of its own.
pub(crate) fn charge(name: u64, counter: u32, limit: Limit) -> Charge {
    Charge {
        client: client(name),
        counter: CounterId(counter),
        limit,
        cost: 1,
        scope: counter as usize,
        enforced: true,
        stays: Stays::Always,
    }
}
