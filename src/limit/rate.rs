//! How much in how long: `60/min`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest window: 31 days.
pub const MAX_WINDOW: u32 = 31 * DAY;

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// A quota of units per window, written `QUOTA/WINDOW`.
///
/// `WINDOW` is one of `s sec second`, `m min minute`, `h hour`, `d day`, or their plurals, optionally
/// with a count in front: `10/5m` is ten in five minutes, `100/300s` a hundred in three hundred seconds.
/// A quota of 0 admits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    quota: u32,
    window: u32,
}

impl Rate {
    /// `quota` units per `window` seconds; `None` unless the window is within `1..=MAX_WINDOW`.
    #[must_use]
    pub const fn new(quota: u32, window: u32) -> Option<Self> {
        if window == 0 || window > MAX_WINDOW { None } else { Some(Self { quota, window }) }
    }

    /// Units per window.
    #[must_use]
    pub const fn quota(self) -> u32 {
        self.quota
    }

    /// The window in seconds, `1..=MAX_WINDOW`.
    #[must_use]
    pub const fn window_secs(self) -> u32 {
        self.window
    }

    /// The window as a span.
    #[must_use]
    pub const fn window(self) -> Duration {
        Duration::from_secs(self.window as u64)
    }

    /// The window as it stands in a rate: `min`, `5min`.
    #[must_use]
    pub fn window_name(self) -> String {
        let shown = self.to_string();
        shown.split_once('/').map_or_else(String::new, |(_, window)| window.to_owned())
    }

    /// Whether both have the same window.
    pub(crate) const fn is_as_long_as(self, other: Self) -> bool {
        self.window == other.window
    }

    /// The window in microseconds.
    pub(crate) const fn window_micros(self) -> u64 {
        self.window as u64 * 1_000_000
    }
}

/// Why a text is not a rate. Its `Display` says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateError {
    /// There is no `/`.
    Form,
    /// The part before the `/` is not a whole number up to 4294967295.
    Quota,
    /// The part after the `/` is not a window.
    Window,
    /// The window is zero or longer than [`MAX_WINDOW`].
    WindowRange,
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a rate is written QUOTA/WINDOW, such as `60/min` or `10/5m`",
            Self::Quota => "quota must be a whole number, 0 to 4294967295",
            Self::Window => "window must be s, min, h or d, optionally with a number (`10/5m`)",
            Self::WindowRange => "window must be from 1 second to 31 days",
        })
    }
}

impl std::error::Error for RateError {}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (quota, window) = text.split_once('/').ok_or(RateError::Form)?;
        let quota = whole_number(quota).ok_or(RateError::Quota)?;
        Self::new(quota, parse_window(window)?).ok_or(RateError::WindowRange)
    }
}

/// Reads a window as it stands in a rate, such as `min`, `5m` or `300s`, in seconds.
///
/// # Errors
/// [`RateError::Window`] or [`RateError::WindowRange`].
pub fn parse_window(text: &str) -> Result<u32, RateError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let count = match count {
        "" => 1,
        count => whole_number(count).ok_or(RateError::WindowRange)?,
    };
    let unit = seconds(unit).ok_or(RateError::Window)?;
    let window = count.checked_mul(unit).ok_or(RateError::WindowRange)?;
    if (1..=MAX_WINDOW).contains(&window) { Ok(window) } else { Err(RateError::WindowRange) }
}

/// Digits only: `str::parse` would take a leading `+`.
fn whole_number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// DRF reads the first letter only, so that its `60/month` is 60 per minute: such a unit is refused here.
fn seconds(unit: &str) -> Option<u32> {
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(MINUTE),
        "h" | "hour" | "hours" => Some(HOUR),
        "d" | "day" | "days" => Some(DAY),
        _ => None,
    }
}

impl fmt::Display for Rate {
    /// The shortest way to write it, in the largest unit that divides the window.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")]
            .into_iter()
            .find(|(unit, _)| self.window.is_multiple_of(*unit))
            .unwrap_or((1, "s"));
        match self.window / unit {
            1 => write!(f, "{}/{name}", self.quota),
            count => write!(f, "{}/{count}{name}", self.quota),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_rate() {
        for (text, quota, window, shown) in [
            ("60/min", 60, 60, "60/min"),
            ("60/m", 60, 60, "60/min"),
            ("20/s", 20, 1, "20/s"),
            ("20/second", 20, 1, "20/s"),
            ("7/secs", 7, 1, "7/s"),
            ("300/hours", 300, 3600, "300/h"),
            ("5/day", 5, 86_400, "5/d"),
            ("10/5m", 10, 300, "10/5min"),
            ("100/300s", 100, 300, "100/5min"),
            ("0/min", 0, 60, "0/min"),
            ("4294967295/31days", u32::MAX, MAX_WINDOW, "4294967295/31d"),
        ] {
            let rate: Rate = text.parse().expect(text);
            assert_eq!((rate.quota(), rate.window_secs()), (quota, window), "{text}");
            assert_eq!(rate.to_string(), shown);
            assert_eq!(shown.parse(), Ok(rate), "what is shown reads back");
        }
    }

    #[test]
    fn what_is_not_a_rate_is_refused_with_the_reason() {
        for (text, error) in [
            ("", RateError::Form),
            ("60", RateError::Form),
            ("/min", RateError::Quota),
            ("+60/min", RateError::Quota),
            ("6 0/min", RateError::Quota),
            ("-1/min", RateError::Quota),
            ("4294967296/min", RateError::Quota),
            ("60/", RateError::Window),
            ("60/month", RateError::Window),
            ("30/fortnight", RateError::Window),
            ("60/Min", RateError::Window),
            ("60/min/min", RateError::Window),
            ("60/5", RateError::Window),
            ("60/0s", RateError::WindowRange),
            ("60/32d", RateError::WindowRange),
            ("60/99999999999d", RateError::WindowRange),
            ("60/4294967295d", RateError::WindowRange),
        ] {
            assert_eq!(text.parse::<Rate>(), Err(error), "{text}");
        }
    }
}
