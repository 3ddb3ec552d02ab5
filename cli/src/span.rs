//! Spans of time as people write them: `500ms`, `90s`, `1min30s`, `2h`.

use std::time::Duration;

/// The longest span that is taken: 366 days.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Reads a span. A number without a unit is in seconds.
///
/// # Errors
/// If it is none, or longer than 366 days; in words.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a span of time, such as `500ms`, `90s`, `1min30s` or `2h`");
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let is_number = |character: char| character.is_ascii_digit() || character == '.';
        let number = rest.find(|character| !is_number(character)).unwrap_or(rest.len());
        let (count, behind) = rest.split_at(number);
        let letters = behind.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let count: f64 = count.parse().map_err(|_| wrong())?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "" if sum.is_zero() && behind.is_empty() => 1.0,
            _ => return Err(wrong()),
        };
        let part = Duration::try_from_secs_f64(count * seconds).map_err(|_| wrong())?;
        sum = sum
            .checked_add(part)
            .filter(|sum| *sum <= LONGEST)
            .ok_or_else(|| format!("`{text}` is longer than 366 days"))?;
        rest = behind.trim_start();
    }
    // What a clock of microseconds can tell.
    Ok(Duration::from_micros(u64::try_from(sum.as_micros()).unwrap_or(u64::MAX)))
}

/// A span as it is shown: `0 s`, `1.5 s`, `2 min 5 s`, `1 h`.
pub(crate) fn show(span: Duration) -> String {
    let micros = span.as_micros();
    if micros < 60_000_000 {
        let whole = micros / 1_000_000;
        let part = format!("{:06}", micros % 1_000_000);
        return match part.trim_end_matches('0') {
            "" => format!("{whole} s"),
            part => format!("{whole}.{part} s"),
        };
    }
    let mut parts = Vec::new();
    let mut rest = span.as_secs();
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")] {
        if rest >= unit {
            parts.push(format!("{} {name}", rest / unit));
            rest %= unit;
        }
    }
    parts.join(" ")
}

/// A rate's window in words: `second`, `5 minutes`.
pub(crate) fn window(seconds: u32) -> String {
    for (unit, name) in [(86_400, "day"), (3_600, "hour"), (60, "minute")] {
        if seconds.is_multiple_of(unit) {
            return counted(seconds / unit, name);
        }
    }
    counted(seconds, "second")
}

fn counted(count: u32, name: &str) -> String {
    if count == 1 { name.to_owned() } else { format!("{count} {name}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, millis) in [
            ("0", 0),
            ("5", 5_000),
            ("1.5s", 1_500),
            ("500ms", 500),
            ("90s", 90_000),
            ("1min30s", 90_000),
            ("1m 30s", 90_000),
            ("2h", 7_200_000),
            ("366d", 366 * 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", " ", "s", "-1s", "1x", "1s5", "..s", "5 5", "1e3s", "∞", "367d", "99999999999999999999d"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_are_shown() {
        for (micros, shown) in [
            (0, "0 s"),
            (1_500_000, "1.5 s"),
            (20, "0.00002 s"),
            (60_000_000, "1 min"),
            (3_725_000_000, "1 h 2 min 5 s"),
            (86_400_000_000, "1 d"),
        ] {
            assert_eq!(show(Duration::from_micros(micros)), shown);
        }
        for (seconds, shown) in
            [(1, "second"), (60, "minute"), (300, "5 minutes"), (90, "90 seconds"), (86_400, "day")]
        {
            assert_eq!(window(seconds), shown);
        }
    }
}
