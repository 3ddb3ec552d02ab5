//! The most requests of one client in any span as long as a window.

const MICROS: u64 = 1_000_000;
/// A window is counted in so many parts, and one more: so a peak is told up to a tenth too high, and never too low.
const PARTS: usize = 11;

/// What is remembered of one client for one window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    part: u64,
    counts: [u32; PARTS],
    most: u32,
}

impl Ring {
    /// A request at this moment, in microseconds, which is not before the last one; the window has so many seconds, always
    /// the same.
    pub(crate) fn count(&mut self, time: u64, window: u64) {
        let part = time / (window * MICROS / 10).max(1);
        let gone = part.saturating_sub(self.part).min(PARTS as u64);
        for step in 1..=gone {
            self.counts[place(self.part + step)] = 0;
        }
        if gone == PARTS as u64 {
            self.counts = [0; PARTS];
        }
        self.part = self.part.max(part);
        let count = &mut self.counts[place(self.part)];
        *count = count.saturating_add(1);
        self.most = self.most.max(self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count)));
    }

    /// The most requests in any window so far.
    pub(crate) const fn most(&self) -> u32 {
        self.most
    }
}

fn place(part: u64) -> usize {
    usize::try_from(part % PARTS as u64).unwrap_or(0)
}
