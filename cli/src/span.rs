//! Spans of time as people write them: `500ms`, `90s`, `1min30s`, `2h`.

use std::time::Duration;

pub(crate) use tollgate::words::span as show;

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
}
