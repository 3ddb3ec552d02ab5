//! What one worker knows to be denied.

use std::time::Duration;

use crate::limit::Limit;
use crate::store::{Charge, CounterId, Fingerprint};
use crate::time::Time;

/// How many denials are remembered. Each has one place, where a later one takes it.
const PLACES: u32 = 4_096;

/// How long a denial is remembered at most. Something may be given back to the counter meanwhile, by another worker or proxy, or an
/// operator may pardon the client: it shows within this time.
const LONGEST: Duration = Duration::from_secs(1);

/// Remembers charges that were denied: for a second, or for as long as they were told to wait, the counters need not be asked.
#[derive(Debug, Default)]
pub(super) struct Denials(Vec<Option<Denial>>);

#[derive(Clone, Copy, Debug)]
struct Denial {
    client: Fingerprint,
    counter: CounterId,
    limit: Limit,
    cost: u32,
    until: Time,
    /// Until when it is remembered.
    asked_again: Time,
}

impl Denials {
    /// The charge was denied, and told at `now` to wait so long.
    pub(super) fn note(&mut self, charge: &Charge, wait: Duration, now: Time) {
        if self.0.is_empty() {
            self.0 = vec![None; PLACES as usize];
        }
        let Charge { client, counter, limit, cost, .. } = *charge;
        self.0[place(client, counter)] = Some(Denial {
            client,
            counter,
            limit,
            cost,
            until: now.after(wait),
            asked_again: now.after(wait.min(LONGEST)),
        });
    }

    /// Something is given back to this counter.
    pub(super) fn forget(&mut self, client: Fingerprint, counter: CounterId) {
        if let Some(known) = self.0.get_mut(place(client, counter)) {
            known.take_if(|denial| (denial.client, denial.counter) == (client, counter));
        }
    }

    /// How long the charge has still to wait; `None` if it is not known to be denied.
    #[must_use]
    pub(super) fn wait(&self, charge: &Charge, now: Time) -> Option<Duration> {
        let denial = self.0.get(place(charge.client, charge.counter))?.as_ref()?;
        let is_same =
            (denial.client, denial.counter, denial.limit) == (charge.client, charge.counter, charge.limit);
        // Less might be admitted where more was not.
        (is_same && denial.cost <= charge.cost && now < denial.asked_again).then(|| denial.until.since(now))
    }
}

/// The counters of one client lie side by side.
fn place(client: Fingerprint, counter: CounterId) -> usize {
    ((client.place(PLACES) ^ counter.0) % PLACES) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Fingerprinter, Secret, Stays};

    const fn seconds(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn charge(client: u8, counter: u32) -> Charge {
        let client = Fingerprint::from_bytes([client; Fingerprint::SIZE]);
        let limit = Limit::sliding_window("5/min".parse().expect("a rate"));
        Charge {
            client,
            counter: CounterId(counter),
            limit,
            cost: 2,
            scope: 0,
            enforced: true,
            stays: Stays::Always,
        }
    }

    #[test]
    fn a_denial_is_known_for_a_second_or_for_as_long_as_it_said() {
        let mut denials = Denials::default();
        let at = |millis: u64| Time::from_micros(millis * 1_000);
        assert_eq!(denials.wait(&charge(1, 1), at(0)), None);
        denials.note(&charge(1, 1), Duration::from_secs(30), at(0));
        assert_eq!(denials.wait(&charge(1, 1), at(0)), Some(Duration::from_secs(30)));
        assert_eq!(denials.wait(&charge(1, 1), at(999)), Some(Duration::from_millis(29_001)));
        assert_eq!(denials.wait(&charge(1, 1), at(1_000)), None);
        denials.note(&charge(1, 1), Duration::from_millis(300), at(0));
        assert_eq!(denials.wait(&charge(1, 1), at(299)), Some(Duration::from_millis(1)));
        assert_eq!(denials.wait(&charge(1, 1), at(300)), None);
    }

    #[test]
    fn it_is_forgotten_when_something_is_given_back() {
        let mut denials = Denials::default();
        denials.forget(charge(1, 1).client, CounterId(1));
        denials.note(&charge(1, 1), Duration::from_secs(30), seconds(0));
        denials.forget(charge(1, 1).client, CounterId(1 + PLACES));
        denials.forget(charge(2, 1).client, CounterId(1));
        assert!(denials.wait(&charge(1, 1), seconds(0)).is_some());
        denials.forget(charge(1, 1).client, CounterId(1));
        assert_eq!(denials.wait(&charge(1, 1), seconds(0)), None);
    }

    #[test]
    fn it_is_about_this_charge_or_a_larger_one() {
        let mut denials = Denials::default();
        let denied = charge(1, 1);
        denials.note(&denied, Duration::from_secs(30), seconds(0));
        let known = |charge: Charge| denials.wait(&charge, seconds(0)).is_some();
        assert!(known(Charge { cost: 3, scope: 9, ..denied }));
        assert!(!known(Charge { cost: 1, ..denied }));
        assert!(!known(Charge { limit: Limit::sliding_window("6/min".parse().expect("a rate")), ..denied }));
        assert!(!known(charge(2, 1)) && !known(charge(1, 2)));
    }

    #[test]
    fn those_of_several_clients_and_counters_are_known_at_once() {
        let mut denials = Denials::default();
        let charges: Vec<Charge> =
            (0..4).flat_map(|client| (0..4).map(move |counter| charge(client, counter))).collect();
        for charge in &charges {
            denials.note(charge, Duration::from_secs(30), seconds(0));
        }
        assert!(charges.iter().all(|charge| denials.wait(charge, seconds(0)).is_some()));
    }

    #[test]
    fn places_are_spread_evenly() {
        let mut denials = Denials::default();
        let charges: Vec<Charge> = (0..1_000_u32)
            .map(|number| {
                let mut name = Fingerprinter::new(&Secret::new([1; 16]));
                name.piece(0, &number.to_le_bytes());
                let scope = format!("scope {}", number % 10);
                let counter = CounterId::of(&scope, charge(1, 1).limit);
                Charge { client: name.finish(), counter, ..charge(1, 1) }
            })
            .collect();
        for charge in &charges {
            denials.note(charge, Duration::from_secs(30), seconds(0));
        }
        let known = charges.iter().filter(|charge| denials.wait(charge, seconds(0)).is_some()).count();
        // By chance one in nine shares its place with a later one.
        assert!(known > 850, "{known}");
    }

    #[test]
    fn a_place_is_its_last_ones() {
        let mut denials = Denials::default();
        denials.note(&charge(1, 1), Duration::from_secs(30), seconds(0));
        denials.note(&charge(1, 1 + PLACES), Duration::from_secs(30), seconds(0));
        assert_eq!(denials.wait(&charge(1, 1), seconds(0)), None);
        assert!(denials.wait(&charge(1, 1 + PLACES), seconds(0)).is_some());
    }
}
