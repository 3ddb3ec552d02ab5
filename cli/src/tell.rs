//! What is told, and how: as a text for people, or as JSON.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
pub(crate) use tollgate::words::{and, clean, or};

/// What the answer looks like.
pub(crate) use tollgate_cli::Output as Format;

/// Good news.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// News that somebody has to judge.
pub(crate) const MIND: Style = AnsiColor::Yellow.on_default();
/// What a line is about.
pub(crate) const NAME: Style = Style::new().bold();
/// What need not be read.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The text in this style.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// One line more, behind so many spaces.
pub(crate) fn line(out: &mut String, indent: usize, text: impl Display) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{:indent$}{text}", "");
}

/// Lines of at most a hundred characters, behind so many spaces; the first behind `head`, which takes as many.
pub(crate) fn wrapped(out: &mut String, indent: usize, head: &str, text: &str) {
    const WIDTH: usize = 100;
    let mut head = head.to_owned();
    let mut current = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let count = width(word);
        if length > 0 && indent + length + 1 + count > WIDTH {
            let _ = writeln!(out, "{}{current}", padded(&head, indent));
            head.clear();
            current.clear();
            length = 0;
        }
        if length > 0 {
            current.push(' ');
            length += 1;
        }
        current.push_str(word);
        length += count;
    }
    let _ = writeln!(out, "{}{current}", padded(&head, indent));
}

/// How many characters a text takes. What styles it takes none.
pub(crate) fn width(text: &str) -> usize {
    let mut length = 0;
    let mut is_style = false;
    for character in text.chars() {
        match character {
            '\u{1b}' => is_style = true,
            'm' if is_style => is_style = false,
            _ if !is_style => length += 1,
            _ => {}
        }
    }
    length
}

/// The text, filled up with spaces to this many characters.
pub(crate) fn padded(text: &str, wanted: usize) -> String {
    format!("{text}{:1$}", "", wanted.saturating_sub(width(text)))
}

/// Bytes as a text on one line.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => clean(text),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// Prints an answer. Who has heard enough (a closed pipe) is no error.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Prints an answer as JSON.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn print_json(answer: &impl Serialize) -> anyhow::Result<()> {
    Ok(print(&(serde_json::to_string_pretty(answer)? + "\n"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_elsewhere_steers_a_terminal() {
        assert_eq!(bytes("a\u{1b}[2Jb\n".as_bytes()), "a\\u{1b}[2Jb\\n");
        assert_eq!(bytes(b"a\xff"), "a\\xff");
    }

    #[test]
    fn styles_take_no_room() {
        assert_eq!(padded(&styled(GOOD, "ab"), 4).chars().filter(|character| *character == ' ').count(), 2);
        let mut out = String::new();
        wrapped(&mut out, 4, "a", &"word ".repeat(40));
        assert!(out.lines().count() == 3 && out.lines().all(|line| line.chars().count() <= 100), "{out}");
    }
}
