//! Which policies are in force in this proxy: the filters post them in the proxy's shared data, and the console reads them there.
//!
//! A filter that ends badly takes nothing away. So beside each policy stand signs of life of the workers that have it, and one without
//! any for a while is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::store::{SharedCells, SharedData, Topic, Unavailable};
use crate::time::Time;
use crate::varint::{Reader, put};

const POSTED: &[u8] = b"tollgate.v2.policies";
const SIGNS: &[u8] = b"tollgate.v2.signs";

/// How often a worker gives a sign of life.
const EACH: Duration = Duration::from_secs(5);
/// After so long without one a worker is gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// A policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Which one it is: another document under the same name is another one.
    pub topic: Topic,
    /// The name that its plugin has in the proxy's configuration.
    pub name: Vec<u8>,
    /// The policy as it was written.
    pub document: Vec<u8>,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

/// A worker's sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// Of which policy.
    pub topic: Topic,
    /// Of which worker: a random number.
    pub worker: u64,
}

/// The place where policies are posted.
pub struct Registry<'c, D>(pub &'c SharedCells<D>);

impl<D: SharedData> Registry<'_, D> {
    /// A worker has this policy in force from now on.
    ///
    /// # Errors
    /// If shared data cannot be written.
    pub fn post(&self, posted: &Posted, sign: Sign, now: Time) -> Result<(), Unavailable> {
        // Those before this worker's own sign: a policy that nobody has is in force anew.
        let alive: BTreeSet<Topic> = self.signs(now)?.into_iter().map(|sign| sign.topic).collect();
        self.give_sign(sign, now)?;
        self.0.change(POSTED, |bytes| {
            let before = read_posted(bytes);
            let mut after: Vec<Posted> =
                before.iter().filter(|known| alive.contains(&known.topic)).cloned().collect();
            if after.iter().all(|known| known.topic != posted.topic) {
                after.push(posted.clone());
            }
            (after != before).then(|| write_posted(&after))
        })?;
        Ok(())
    }

    /// The worker is there yet.
    ///
    /// # Errors
    /// If shared data cannot be written.
    pub fn give_sign(&self, sign: Sign, now: Time) -> Result<(), Unavailable> {
        self.0.change(SIGNS, |bytes| {
            let mut signs = read_signs(bytes);
            if signs.iter().any(|(known, seen)| *known == sign && now.since(*seen) < EACH) {
                return None;
            }
            signs.retain(|(known, seen)| *known != sign && now.since(*seen) < PATIENCE);
            signs.push((sign, now));
            Some(write_signs(&signs))
        })?;
        Ok(())
    }

    /// The worker has this policy no longer.
    ///
    /// # Errors
    /// If shared data cannot be written.
    pub fn take_away(&self, sign: Sign) -> Result<(), Unavailable> {
        self.0.change(SIGNS, |bytes| {
            let before = read_signs(bytes);
            let after: Vec<_> = before.iter().filter(|(known, _)| *known != sign).copied().collect();
            (after.len() < before.len()).then(|| write_signs(&after))
        })?;
        Ok(())
    }

    /// The policies in force, and how many workers have each.
    ///
    /// # Errors
    /// If shared data cannot be read.
    pub fn in_force(&self, now: Time) -> Result<Vec<(Posted, u32)>, Unavailable> {
        let signs = self.signs(now)?;
        let posted = read_posted(&self.0.entry(POSTED)?).into_iter();
        let counted = posted.map(|posted| {
            let workers = signs.iter().filter(|sign| sign.topic == posted.topic).count();
            (posted, u32::try_from(workers).unwrap_or(u32::MAX))
        });
        Ok(counted.filter(|(_, workers)| *workers > 0).collect())
    }

    fn signs(&self, now: Time) -> Result<Vec<Sign>, Unavailable> {
        let signs = read_signs(&self.0.entry(SIGNS)?).into_iter();
        Ok(signs.filter(|(_, seen)| now.since(*seen) < PATIENCE).map(|(sign, _)| sign).collect())
    }
}

/// As much of it as can be read.
fn read_posted(bytes: &[u8]) -> Vec<Posted> {
    let mut reader = Reader(bytes);
    let mut next = || {
        let topic = *reader.take()?;
        let since = reader.number()?;
        let mut text = || {
            let length = usize::try_from(reader.number()?).ok()?;
            Some(reader.bytes(length)?.to_vec())
        };
        Some(Posted { topic, since, name: text()?, document: text()? })
    };
    std::iter::from_fn(&mut next).collect()
}

fn write_posted(all: &[Posted]) -> Vec<u8> {
    let mut out = Vec::new();
    for Posted { topic, name, document, since } in all {
        out.extend_from_slice(topic);
        put(&mut out, *since);
        for text in [name, document] {
            put(&mut out, text.len() as u64);
            out.extend_from_slice(text);
        }
    }
    out
}

fn read_signs(bytes: &[u8]) -> Vec<(Sign, Time)> {
    let rows = bytes.as_chunks::<32>().0.iter();
    rows.map(|row| {
        let number = |from: usize| row[from..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let mut topic = Topic::default();
        topic.copy_from_slice(&row[..16]);
        (Sign { topic, worker: number(16) }, Time::from_micros(number(24)))
    })
    .collect()
}

fn write_signs(signs: &[(Sign, Time)]) -> Vec<u8> {
    let row = |(Sign { topic, worker }, seen): &(Sign, Time)| {
        [&topic[..], &worker.to_le_bytes(), &seen.micros().to_le_bytes()].concat()
    };
    signs.iter().flat_map(row).collect()
}
