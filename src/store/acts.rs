//! What operators have done to clients: who is blocked, until when. All workers look at it with each request, so it stands in a cell of
//! its own, which is empty as long as nobody is blocked.
//!
//! With counters in Redis it is a copy of what stands there, and says how often anything was done there: a worker that finds another
//! number forgets what it remembers of clients.

use std::sync::Arc;
use std::time::Duration;

use super::Fingerprint;
use crate::time::Time;
use crate::varint::{Reader, put};

/// So many clients can be blocked at once, with one keeper.
pub const MOST_BLOCKED: usize = 1000;

/// Where an act is kept: in this proxy, or in one Redis that several proxies share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keeper(u64);

impl Keeper {
    /// This proxy.
    pub const HERE: Self = Self(0);

    /// The Redis that is reached so, by a cluster's name or an address, with keys that begin so.
    #[must_use]
    pub fn redis(way: &str, prefix: &str) -> Self {
        let mut name = super::Fingerprinter::new(&super::Secret::new(*b"tollgate.redises"));
        name.piece(0, way.as_bytes());
        name.piece(1, prefix.as_bytes());
        let bytes = name.finish().to_bytes();
        Self(bytes.first_chunk().map_or(1, |first| u64::from_le_bytes(*first)).max(1))
    }
}

/// What operators have done, by keeper. A copy costs next to nothing: all look at the same until one of them is changed.
#[derive(Clone, Debug, Default)]
pub struct Acts(Option<Arc<Vec<Of>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Of {
    keeper: Keeper,
    number: u64,
    blocked: Vec<(Fingerprint, Time)>,
}

/// Too many clients are blocked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Acts {
    /// Reads what [`Self::encode`] has written; `None` if it has not written this.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut keepers = Vec::new();
        while !reader.is_empty() {
            let keeper = Keeper(u64::from_le_bytes(*reader.take()?));
            let number = reader.number()?;
            let mut blocked = Vec::new();
            for _ in 0..reader.number()? {
                let client = Fingerprint::from_bytes(*reader.take()?);
                blocked.push((client, Time::from_micros(reader.number()?)));
            }
            keepers.push(Of { keeper, number, blocked });
        }
        Some(Self::of(keepers))
    }

    /// What matters yet.
    #[must_use]
    pub(super) fn kept(&self, now: Time) -> Self {
        let kept = self.all().iter().map(|of| Of {
            blocked: of.blocked.iter().filter(|(_, until)| now < *until).copied().collect(),
            ..*of
        });
        Self::of(kept.filter(|of| of.number != 0 || !of.blocked.is_empty()).collect())
    }

    /// The bytes of what matters yet; none if nothing does.
    #[must_use]
    pub fn encode(&self, now: Time) -> Vec<u8> {
        let mut out = Vec::new();
        for Of { keeper, number, blocked } in self.kept(now).all() {
            out.extend_from_slice(&keeper.0.to_le_bytes());
            put(&mut out, *number);
            put(&mut out, blocked.len() as u64);
            for (client, until) in blocked {
                out.extend_from_slice(&client.to_bytes());
                put(&mut out, until.micros());
            }
        }
        out
    }

    /// Whether nothing was ever done, or nothing of it matters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// For how long this client is blocked yet, wherever that was done; `None` if it is not.
    #[must_use]
    pub fn blocked_for(&self, client: Fingerprint, now: Time) -> Option<Duration> {
        let left = self.blocked(now).filter(|(blocked, _)| *blocked == client);
        left.map(|(_, left)| left).max()
    }

    /// Who is blocked, and for how long yet.
    pub fn blocked(&self, now: Time) -> impl Iterator<Item = (Fingerprint, Duration)> {
        let all = self.all().iter().flat_map(|of| &of.blocked);
        all.filter(move |(_, until)| now < *until).map(move |(client, until)| (*client, until.since(now)))
    }

    /// How often anything was done there; 0 if that is not known, as in this proxy, where it does not matter.
    #[must_use]
    pub fn number(&self, keeper: Keeper) -> u64 {
        self.all().iter().find(|of| of.keeper == keeper).map_or(0, |of| of.number)
    }

    /// Blocks a client in this proxy until then, whatever it was before.
    ///
    /// # Errors
    /// If [`MOST_BLOCKED`] are blocked already.
    pub fn block(&mut self, client: Fingerprint, until: Time, now: Time) -> Result<(), TooMany> {
        let of = self.at(Keeper::HERE);
        of.blocked.retain(|(blocked, until)| *blocked != client && now < *until);
        if of.blocked.len() >= MOST_BLOCKED {
            return Err(TooMany);
        }
        of.blocked.push((client, until));
        Ok(())
    }

    /// Ends the blocks of a client, but for those whose keeper is in `elsewhere`: there they are ended where they stand. Also one that was
    /// copied from a Redis that no policy has any more, or nobody could end it. Returns whether there was one.
    pub fn unblock(&mut self, client: Fingerprint, elsewhere: &[Keeper], now: Time) -> bool {
        let mut was = false;
        for of in self.all_mut().iter_mut().filter(|of| !elsewhere.contains(&of.keeper)) {
            was |= of.blocked.iter().any(|(blocked, until)| *blocked == client && now < *until);
            of.blocked.retain(|(blocked, _)| *blocked != client);
        }
        was
    }

    /// What stands in Redis now: how often anything was done there, and who is blocked for how long yet.
    pub fn copy(&mut self, keeper: Keeper, number: u64, blocked: &[(Fingerprint, Duration)], now: Time) {
        let until = |(client, left): &(Fingerprint, Duration)| (*client, now.after(*left));
        let of = self.at(keeper);
        of.number = number;
        of.blocked = blocked.iter().map(until).collect();
    }

    /// Whether the other ones say the same of everybody, but for so short a time as clocks differ by.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        const A_BIT: Duration = Duration::from_millis(500);
        let is_near = |one: Time, other: Time| one.since(other).max(other.since(one)) < A_BIT;
        let same = |(one, other): (&(Fingerprint, Time), &(Fingerprint, Time))| {
            one.0 == other.0 && is_near(one.1, other.1)
        };
        self.all().len() == other.all().len()
            && self.all().iter().zip(other.all()).all(|(one, other)| {
                one.keeper == other.keeper
                    && one.number == other.number
                    && one.blocked.len() == other.blocked.len()
                    && one.blocked.iter().zip(&other.blocked).all(same)
            })
    }

    fn at(&mut self, keeper: Keeper) -> &mut Of {
        let all = self.all_mut();
        let index = all.iter().position(|of| of.keeper == keeper).unwrap_or_else(|| {
            all.push(Of { keeper, number: 0, blocked: Vec::new() });
            all.len() - 1
        });
        &mut all[index]
    }

    fn of(all: Vec<Of>) -> Self {
        Self((!all.is_empty()).then(|| Arc::new(all)))
    }

    fn all(&self) -> &[Of] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn all_mut(&mut self) -> &mut Vec<Of> {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl PartialEq for Acts {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

impl Eq for Acts {}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_000_000);

    fn client(name: u8) -> Fingerprint {
        Fingerprint::from_bytes([name; Fingerprint::SIZE])
    }

    fn after(seconds: u64) -> Time {
        NOW.after(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_written_is_read() {
        let mut acts = Acts::default();
        acts.block(client(1), after(60), NOW).expect("room");
        acts.copy(Keeper::redis("redis", "tollgate:"), 7, &[(client(2), Duration::from_secs(5))], NOW);
        let bytes = acts.encode(NOW);
        assert_eq!(Acts::decode(&bytes), Some(acts.clone()));
        for cut in 1..bytes.len() {
            let read = Acts::decode(&bytes[..cut]);
            assert!(read.as_ref() != Some(&acts), "{cut}");
        }
        assert_eq!(Acts::decode(b""), Some(Acts::default()));
        assert_eq!(Acts::decode(&[0xff; 40]), None);
    }

    #[test]
    fn a_block_ends_by_itself_or_when_it_is_lifted() {
        let mut acts = Acts::default();
        assert!(!acts.unblock(client(1), &[], NOW));
        acts.block(client(1), after(60), NOW).expect("room");
        assert_eq!(acts.blocked_for(client(1), NOW), Some(Duration::from_mins(1)));
        assert_eq!(acts.blocked_for(client(1), after(59)), Some(Duration::from_secs(1)));
        assert_eq!(acts.blocked_for(client(1), after(60)), None);
        assert_eq!(acts.blocked_for(client(2), NOW), None);
        assert!(acts.encode(after(60)).is_empty(), "nothing is left to look at");
        acts.block(client(1), after(5), NOW).expect("room");
        assert_eq!(
            acts.blocked(NOW).collect::<Vec<_>>(),
            [(client(1), Duration::from_secs(5))],
            "the last word counts"
        );
        assert!(acts.unblock(client(1), &[], NOW) && !acts.unblock(client(1), &[], NOW));
        assert!(acts.encode(NOW).is_empty());
    }

    #[test]
    fn so_many_are_blocked_and_no_more() {
        let mut acts = Acts::default();
        let numbered = |number: usize| {
            let mut bytes = [0; Fingerprint::SIZE];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Fingerprint::from_bytes(bytes)
        };
        for number in 0..MOST_BLOCKED {
            acts.block(numbered(number), after(60), NOW).expect("room");
        }
        assert_eq!(acts.block(numbered(MOST_BLOCKED), after(60), NOW), Err(TooMany));
        acts.block(numbered(5), after(70), NOW).expect("it is blocked already");
        acts.block(numbered(MOST_BLOCKED), after(90), after(65)).expect("the others are over");
    }

    #[test]
    fn a_copy_of_redis_touches_no_other_keeper() {
        let (one, other) = (Keeper::redis("redis", "a:"), Keeper::redis("redis", "b:"));
        assert!(one != other && one != Keeper::HERE);
        let mut acts = Acts::default();
        acts.block(client(1), after(60), NOW).expect("room");
        acts.copy(one, 3, &[(client(2), Duration::from_secs(9))], NOW);
        acts.copy(other, 4, &[], NOW);
        acts.copy(one, 5, &[], NOW);
        assert_eq!((acts.number(one), acts.number(other), acts.number(Keeper::HERE)), (5, 4, 0));
        assert_eq!(acts.blocked(NOW).map(|(client, _)| client).collect::<Vec<_>>(), [client(1)]);
        assert!(!acts.encode(after(100)).is_empty(), "the numbers stay");
    }

    #[test]
    fn a_block_that_stands_elsewhere_is_ended_there_unless_nobody_asks_there_any_more() {
        let (used, given_up) = (Keeper::redis("redis", "a:"), Keeper::redis("redis", "b:"));
        let mut acts = Acts::default();
        acts.copy(used, 1, &[(client(1), Duration::from_secs(9))], NOW);
        acts.copy(given_up, 1, &[(client(1), Duration::from_secs(99))], NOW);
        assert!(acts.unblock(client(1), &[used], NOW));
        assert_eq!(acts.blocked_for(client(1), NOW), Some(Duration::from_secs(9)));
        assert!(!acts.unblock(client(1), &[used], NOW));
    }

    #[test]
    fn copies_that_differ_by_a_moment_are_alike() {
        let copy = |number, left| {
            let mut acts = Acts::default();
            acts.copy(Keeper::redis("redis", ""), number, &[(client(1), Duration::from_millis(left))], NOW);
            acts
        };
        assert!(copy(1, 5000).is_like(&copy(1, 5400)) && copy(1, 5400).is_like(&copy(1, 5000)));
        assert!(!copy(1, 5000).is_like(&copy(2, 5000)));
        assert!(!copy(1, 5000).is_like(&copy(1, 6000)));
        assert!(!copy(1, 5000).is_like(&Acts::default()));
    }
}
