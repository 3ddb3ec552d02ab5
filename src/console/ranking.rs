//! The clients that are closest to their limits, of many.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Book, Listed};

/// So many are kept of each limit.
const KEPT: usize = 1000;

/// The clients that are closest to their limits. It takes no more memory than for so many of each limit, however many are added.
#[derive(Debug, Default)]
pub struct Ranking {
    limits: Vec<Vec<(Closeness, Listed)>>,
    looked_at: usize,
}

/// How close a client is to a limit: the share that is used, in millionths, and how long it has to wait.
type Closeness = Reverse<(u64, Duration)>;

impl Ranking {
    /// One more client, by the limits that count it.
    pub fn add(&mut self, book: &Book, listed: impl IntoIterator<Item = Listed>) {
        self.looked_at += 1;
        for listed in listed {
            let Some((_, _, limit)) = book.scope(listed.known) else { continue };
            if self.limits.len() <= listed.known {
                self.limits.resize_with(listed.known + 1, Vec::new);
            }
            let ((used, _), (wait, _)) = (listed.units(limit), listed.times());
            let share = u64::from(used) * 1_000_000 / u64::from(limit.most_at_once().max(1));
            let of_limit = &mut self.limits[listed.known];
            of_limit.push((Reverse((share, wait)), listed));
            if of_limit.len() >= 2 * KEPT {
                shorten(of_limit);
            }
        }
    }

    /// How many clients were added.
    #[must_use]
    pub const fn looked_at(&self) -> usize {
        self.looked_at
    }

    /// The closest ones of the limits that are wanted, the closest first.
    #[must_use]
    pub fn first(&self, count: usize, is_wanted: impl Fn(usize) -> bool) -> Vec<Listed> {
        let wanted = self.limits.iter().enumerate().filter(|(known, _)| is_wanted(*known));
        let mut all: Vec<_> = wanted.flat_map(|(_, listed)| listed.iter().copied()).collect();
        all.sort_unstable_by_key(|(place, listed)| (*place, listed.client));
        all.dedup_by_key(|(_, listed)| (listed.client, listed.known));
        all.into_iter().map(|(_, listed)| listed).take(count).collect()
    }
}

fn shorten(listed: &mut Vec<(Closeness, Listed)>) {
    listed.sort_unstable_by_key(|(place, listed)| (*place, listed.client));
    listed.dedup_by_key(|(_, listed)| listed.client);
    listed.truncate(KEPT);
}
