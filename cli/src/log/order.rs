//! Lines in the order of their requests' beginnings.
//!
//! A log is written in the order in which requests end. So a line is kept back until no request that began before it is likely
//! to be still under way.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// So long, in microseconds, a line is kept back. A request that lasts longer is judged when its line comes.
pub(super) const SLACK: u64 = 30_000_000;
/// So many lines are kept back at the most.
const MOST: usize = 1 << 19;

/// Puts lines in order.
pub(super) struct Order<T> {
    held: BinaryHeap<Reverse<Held<T>>>,
    /// The latest end of a request so far.
    latest: u64,
    /// The beginning of the last line that was let go.
    gone: u64,
    /// How many there were.
    serial: u64,
    /// Lines of requests that began before one which was let go already.
    pub(super) late: u64,
}

struct Held<T> {
    start: u64,
    serial: u64,
    item: T,
}

impl<T> Order<T> {
    pub(super) const fn new() -> Self {
        Self { held: BinaryHeap::new(), latest: 0, gone: 0, serial: 0, late: 0 }
    }

    /// Takes one more line in. False if it stands too far behind others to be judged.
    pub(super) fn put(&mut self, start: u64, end: u64, item: T) -> bool {
        if end.saturating_add(SLACK) < self.latest {
            return false;
        }
        self.latest = self.latest.max(end);
        self.late += u64::from(start < self.gone);
        let start = start.max(self.gone);
        self.held.push(Reverse(Held { start, serial: self.serial, item }));
        self.serial += 1;
        true
    }

    /// The next line that can be let go, with the time at which it is to be judged; at the `end`, any.
    pub(super) fn next(&mut self, is_end: bool) -> Option<(u64, T)> {
        let Reverse(first) = self.held.peek()?;
        let is_due = is_end || first.start.saturating_add(SLACK) < self.latest || self.held.len() > MOST;
        if !is_due {
            return None;
        }
        let Reverse(Held { start, item, .. }) = self.held.pop()?;
        self.gone = start;
        Some((start, item))
    }
}

impl<T> Ord for Held<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.start, self.serial).cmp(&(other.start, other.serial))
    }
}

impl<T> PartialOrd for Held<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Held<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Held<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_request_is_judged_when_it_began() {
        let mut order = Order::new();
        for (start, end, name) in
            [(90, 100, "a"), (70, 101, "long"), (101, 101, "b"), (101, 101, "c"), (140, 140, "d")]
        {
            assert!(order.put(start * SECOND, end * SECOND, name));
        }
        let mut next = |is_end| order.next(is_end).map(|(time, name)| (time / SECOND, name));
        assert_eq!(
            [next(false), next(false), next(false)],
            [Some((70, "long")), Some((90, "a")), Some((101, "b"))]
        );
        assert_eq!([next(false), next(false)], [Some((101, "c")), None]);
        // Began before one that is judged already; and one that is too old.
        assert!(
            order.put(60 * SECOND, 141 * SECOND, "late") && !order.put(110 * SECOND, 110 * SECOND, "old")
        );
        assert_eq!(order.late, 1);
        assert_eq!(order.next(true), Some((101 * SECOND, "late")));
        assert_eq!((order.next(true), order.next(true)), (Some((140 * SECOND, "d")), None));
    }

    proptest! {
        #[test]
        fn times_never_go_backwards(lines in proptest::collection::vec((0..200 * SECOND, 0..90 * SECOND), 0..200)) {
            let mut order = Order::new();
            let (mut last, mut taken, mut given) = (0, 0, 0);
            for (end, duration) in lines {
                taken += usize::from(order.put(end.saturating_sub(duration), end, ()));
                while let Some((time, ())) = order.next(false) {
                    prop_assert!(time >= last);
                    (last, given) = (time, given + 1);
                }
            }
            while let Some((time, ())) = order.next(true) {
                prop_assert!(time >= last);
                (last, given) = (time, given + 1);
            }
            prop_assert_eq!(taken, given);
        }
    }
}
