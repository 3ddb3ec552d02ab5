//! Spans of time in words.

use std::time::Duration;

/// A span as it is shown: `0 s`, `1.5 s`, `2 min 5 s`, `1 h`. Of a minute or more the part of a second is left out.
#[must_use]
pub fn span(span: Duration) -> String {
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

/// A rate's window, in seconds, in words: `second`, `5 minutes`.
#[must_use]
pub fn window(seconds: u32) -> String {
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
    fn spans_are_shown() {
        for (micros, shown) in [
            (0, "0 s"),
            (1_500_000, "1.5 s"),
            (20, "0.00002 s"),
            (60_000_000, "1 min"),
            (3_725_000_000, "1 h 2 min 5 s"),
            (86_400_000_000, "1 d"),
        ] {
            assert_eq!(span(Duration::from_micros(micros)), shown);
        }
        for (seconds, shown) in
            [(1, "second"), (60, "minute"), (300, "5 minutes"), (90, "90 seconds"), (86_400, "day")]
        {
            assert_eq!(window(seconds), shown);
        }
    }
}
