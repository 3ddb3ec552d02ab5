//! The proofs that one worker has heard of.

use std::time::Duration;

use crate::store::{Fingerprint, Proof};
use crate::time::Time;

/// How many are remembered. Each has one place, where a later one takes it.
const PLACES: u32 = 4_096;

/// Remembers proofs that stand in Redis, each at most as long as it counts there: whoever is known needs to be
/// planned only once, as itself.
#[derive(Debug, Default)]
pub struct Proofs(Vec<Option<(Fingerprint, Time)>>);

impl Proofs {
    /// A proof counts for so long from `now` on.
    pub fn remember(&mut self, client: Fingerprint, lasts: Duration, now: Time) {
        if self.0.is_empty() {
            self.0 = vec![None; PLACES as usize];
        }
        self.0[client.place(PLACES) as usize] = Some((client, now.after(lasts)));
    }

    /// For how long this proof is known to count; no time at all if it is not known.
    #[must_use]
    pub fn left(&self, proof: Proof, now: Time) -> Duration {
        match self.0.get(proof.client.place(PLACES) as usize) {
            Some(Some((client, until))) if *client == proof.client => until.since(now),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn proof(name: u8) -> Proof {
        let mut bytes = [0; 16];
        bytes[15] = name;
        Proof { client: Fingerprint::from_bytes(bytes), lasts: Duration::from_secs(10) }
    }

    #[test]
    fn a_proof_is_known_until_it_ends() {
        let mut proofs = Proofs::default();
        assert_eq!(proofs.left(proof(1), seconds(0)), Duration::ZERO);
        proofs.remember(proof(1).client, Duration::from_secs(10), seconds(0));
        assert_eq!(proofs.left(proof(1), seconds(6)), Duration::from_secs(4));
        assert_eq!(proofs.left(proof(1), seconds(10)), Duration::ZERO);
        assert_eq!(proofs.left(proof(2), seconds(0)), Duration::ZERO);
    }

    #[test]
    fn a_place_is_its_last_ones() {
        let mut proofs = Proofs::default();
        let other = Proof { client: Fingerprint::from_bytes([1; 16]), ..proof(1) };
        let same_place = Proof {
            client: Fingerprint::from_bytes([2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            ..other
        };
        assert_eq!(other.client.place(PLACES), same_place.client.place(PLACES));
        proofs.remember(other.client, other.lasts, seconds(0));
        assert!(proofs.left(same_place, seconds(0)).is_zero());
        proofs.remember(same_place.client, same_place.lasts, seconds(0));
        assert!(proofs.left(other, seconds(0)).is_zero());
        assert!(!proofs.left(same_place, seconds(0)).is_zero());
    }
}
