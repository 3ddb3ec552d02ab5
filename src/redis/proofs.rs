//! The proofs that one worker has heard of.

use std::time::Duration;

use crate::store::{Fingerprint, Proof};
use crate::time::Time;

/// How many are remembered. Each has one place, where a later one takes it.
const PLACES: u32 = 4_096;

/// How long it is remembered that there is none: another worker may hear of one at any time.
const MISSING: Duration = Duration::from_secs(1);

/// Remembers which proofs stand in Redis, each at most as long as it counts there: whoever is known needs to be planned only once, as
/// itself. And for a second, which do not.
#[derive(Debug, Default)]
pub(super) struct Proofs(Vec<Option<Entry>>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    client: Fingerprint,
    stands: bool,
    until: Time,
}

/// What is known of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// It stands in Redis, and counts for so long yet.
    Noted(Duration),
    /// It did not stand in Redis just now.
    Missing,
}

impl Proofs {
    /// A proof counts for so long from `now` on.
    pub(super) fn remember(&mut self, client: Fingerprint, lasts: Duration, now: Time) {
        self.put(Entry { client, stands: true, until: now.after(lasts) });
    }

    /// There was no proof of this client at `now`.
    pub(super) fn is_missing(&mut self, client: Fingerprint, now: Time) {
        self.put(Entry { client, stands: false, until: now.after(MISSING) });
    }

    /// What is known of this proof.
    #[must_use]
    pub(super) fn known(&self, proof: Proof, now: Time) -> Known {
        match self.0.get(proof.client.place(PLACES) as usize) {
            Some(Some(Entry { client, stands, until })) if *client == proof.client && now < *until => {
                if *stands {
                    Known::Noted(until.since(now))
                } else {
                    Known::Missing
                }
            }
            _ => Known::Nothing,
        }
    }

    fn put(&mut self, entry: Entry) {
        if self.0.is_empty() {
            self.0 = vec![None; PLACES as usize];
        }
        self.0[entry.client.place(PLACES) as usize] = Some(entry);
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
        assert_eq!(proofs.known(proof(1), seconds(0)), Known::Nothing);
        proofs.remember(proof(1).client, Duration::from_secs(10), seconds(0));
        assert_eq!(proofs.known(proof(1), seconds(6)), Known::Noted(Duration::from_secs(4)));
        assert_eq!(proofs.known(proof(1), seconds(10)), Known::Nothing);
        assert_eq!(proofs.known(proof(2), seconds(0)), Known::Nothing);
    }

    #[test]
    fn that_there_is_none_is_known_for_a_second() {
        let mut proofs = Proofs::default();
        proofs.is_missing(proof(1).client, seconds(5));
        assert_eq!(proofs.known(proof(1), seconds(5)), Known::Missing);
        assert_eq!(proofs.known(proof(1), seconds(6)), Known::Nothing);
        proofs.is_missing(proof(1).client, seconds(6));
        proofs.remember(proof(1).client, Duration::from_secs(10), seconds(6));
        assert_eq!(proofs.known(proof(1), seconds(6)), Known::Noted(Duration::from_secs(10)));
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
        assert_eq!(proofs.known(same_place, seconds(0)), Known::Nothing);
        proofs.remember(same_place.client, same_place.lasts, seconds(0));
        assert_eq!(proofs.known(other, seconds(0)), Known::Nothing);
        assert_ne!(proofs.known(same_place, seconds(0)), Known::Nothing);
    }
}
