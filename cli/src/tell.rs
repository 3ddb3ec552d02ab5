//! What is told, and how: as a text for people, or as JSON.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

use serde::Serialize;
pub(crate) use tollgate::words::{and, clean, or};

/// What the answer looks like.
pub(crate) use tollgate_cli::Output as Format;

pub(crate) use tollgate_cli::style::{BAD, FAINT, GOOD, MIND, NAME, padded, styled, width};

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
    fn lines_end_where_words_do() {
        let mut out = String::new();
        wrapped(&mut out, 4, "a", &"word ".repeat(40));
        assert!(out.lines().count() == 3 && out.lines().all(|line| line.chars().count() <= 100), "{out}");
    }
}
