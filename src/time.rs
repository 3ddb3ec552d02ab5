//! A moment in time, handed to every decision as an argument.

use std::time::Duration;

/// A moment, in whole microseconds since an arbitrary start.
///
/// The core never reads a clock. Inside the proxy the moments come from a monotonic clock, so that
/// nobody's counter jumps when the machine's wall clock is set; a test or a log replay makes its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The last moment, some two thousand years after the start. Sums with any window stay far from
    /// overflowing.
    pub const MAX: Self = Self(u64::MAX >> 8);

    /// The moment `micros` microseconds after the start, at most [`Self::MAX`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        if micros < Self::MAX.0 { Self(micros) } else { Self::MAX }
    }

    /// The moment `nanos` nanoseconds after the start, rounded down to a microsecond.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self::from_micros(nanos / 1_000)
    }

    /// Microseconds since the start.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The moment so much later, at most [`Self::MAX`].
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX).saturating_add(self.0))
    }

    /// How long this moment is after `earlier`; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A span in whole seconds, rounded up: what `Retry-After` and the `RateLimit` fields carry.
#[must_use]
pub fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        for (micros, seconds) in [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2)] {
            assert_eq!(whole_seconds(Duration::from_micros(micros)), seconds, "{micros} µs");
        }
    }

    #[test]
    fn an_earlier_moment_is_no_time_ago() {
        let (early, late) = (Time::from_nanos(1_999), Time::from_micros(5));
        assert_eq!(early.micros(), 1);
        assert_eq!(Time::from_nanos(u64::MAX).micros(), u64::MAX / 1_000);
        assert_eq!(Time::from_micros(u64::MAX), Time::MAX);
        assert_eq!(late.since(early), Duration::from_micros(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.after(Duration::from_micros(4)), late);
        assert_eq!(early.after(Duration::MAX), Time::MAX);
    }
}
