//! What is common to all that is printed: the two kinds of output, numbers and spans for people, tables, progress.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::log::Input;
use crate::style::{NAME, Style, padded, styled, width};

/// What the answer looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON object, for scripts
    Json,
}

/// Prints what somebody or something else may read on; if nobody does any more, that is an error and no panic.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Tells what stands beside the result.
pub(crate) fn tell(text: &str) -> io::Result<()> {
    anstream::stderr().lock().write_all(text.as_bytes())
}

/// What somebody has sent, on one line: not more than so many characters, and none that would change the terminal.
pub(crate) fn printable(text: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(most.saturating_mul(4))]);
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == most {
            shown.push('…');
            break;
        }
        if character.is_control() || character == '\u{2028}' || character == '\u{202e}' {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `1,234 requests`.
#[must_use]
pub fn count(many: u64, one: &str) -> String {
    format!("{} {one}{}", number(many), if many == 1 { "" } else { "s" })
}

/// A part of a whole, such as `1.2 %`.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let permille = part.saturating_mul(1_000).checked_div(whole).unwrap_or_default();
    match (permille, part) {
        (0, 0) => "0 %".into(),
        (0, _) => "less than 0.1 %".into(),
        (1_000, _) if part == whole => "100 %".into(),
        _ => format!("{}.{} %", permille / 10, permille % 10),
    }
}

/// A span in microseconds in its two largest units: `3 h 20 min`.
pub(crate) fn span(micros: u64) -> String {
    let seconds = micros.div_ceil(1_000_000);
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown =
        parts[first..].iter().take(2).filter(|(count, unit)| *count > 0 || *unit == "s" && first == 3);
    shown.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// The number in this style if it is not zero, which is no news.
pub(crate) fn if_any(style: Style, many: u64) -> String {
    if many > 0 { styled(style, number(many)) } else { number(many) }
}

/// Rows of text in columns, which may have styles. Of a column whose heading begins with a space, the cells stand at its right.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell));
        cells.chain([headings[column].trim().len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(widest).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for ((cell, heading), wanted) in cells.zip(headings).zip(&widths) {
            if heading.starts_with(' ') {
                line.extend(std::iter::repeat_n(' ', wanted.saturating_sub(width(cell))));
                line.push_str(cell);
            } else {
                line.push_str(&padded(cell, *wanted));
            }
            line.push_str("  ");
        }
        line.trim_end().to_owned() + "\n"
    };
    let bold: Vec<String> = headings.iter().map(|heading| styled(NAME, heading.trim())).collect();
    let mut text = line(&mut bold.iter().map(String::as_str));
    text.push_str(&"─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)));
    text.push('\n');
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// How far long work has come, on a terminal.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    size: Option<u64>,
    start: Instant,
}

/// What takes less time is not worth a bar.
const SHORT: Duration = Duration::from_millis(500);

impl Progress {
    pub(crate) fn new(inputs: &[Input]) -> Self {
        Self { bar: None, size: inputs.iter().map(Input::size).sum(), start: Instant::now() }
    }

    /// So many bytes are read, and so many requests judged.
    pub(crate) fn tell(&mut self, bytes: u64, requests: u64) {
        if self.bar.is_none() && self.start.elapsed() > SHORT {
            self.bar = Some(self.make());
        }
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(count(requests, "request"));
        }
    }

    /// Nobody sees it where standard error is no terminal.
    fn make(&self) -> ProgressBar {
        let (bar, form) = match self.size {
            Some(size) => (
                ProgressBar::new(size),
                "{bar:40} {percent:>3} %  {bytes} of {total_bytes}  {msg}  {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
        };
        let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.with_style(style)
    }

    /// It is done, and the bar goes.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([count(1, "line"), count(2_000, "line")], ["1 line", "2,000 lines"]);
        assert_eq!(
            [share(0, 0), share(0, 9), share(1, 9_999), share(1, 8), share(9, 9)],
            ["0 %", "0 %", "less than 0.1 %", "12.5 %", "100 %"]
        );
        assert_eq!(
            [0, 1, 61_000_000, 3_600_000_000, 90_061_000_000].map(span),
            ["0 s", "1 s", "1 min 1 s", "1 h", "1 d 1 h"]
        );
    }

    #[test]
    fn nothing_that_was_sent_changes_the_terminal() {
        assert_eq!(printable("\u{1b}[31m\"ä\"\n".as_bytes(), 80), "\\u{1b}[31m\"ä\"\\u{a}");
        assert_eq!((printable(b"abcd", 4), printable(b"abcde", 4)), ("abcd".into(), "abcd…".into()));
    }

    #[test]
    fn a_table_has_columns() {
        let rows = [vec!["a".into(), if_any(NAME, 1)], vec![styled(NAME, "long"), "1,000".into()]];
        let plain = anstream::adapter::strip_str(&table(&["name", " n"], &rows)).to_string();
        assert_eq!(plain, "name      n\n───────────\na         1\nlong  1,000\n");
    }
}
