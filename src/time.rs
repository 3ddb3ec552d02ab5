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

/// A time of the wall clock, in seconds since 1970, as RFC 3339 has it in UTC: `2026-11-28T06:30:39Z`.
#[must_use]
pub fn date_and_time(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // Years that begin in March have their leap day last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + 400 * era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_795_847_439, "2026-11-28T06:30:39Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (1_798_761_600, "2027-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date_and_time(unix), text);
        }
    }

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
