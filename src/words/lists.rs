//! Texts from elsewhere on one line, and lists of them.

use std::fmt::Display;

/// A text from elsewhere on one line, without what could steer a terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // Also what turns the direction of writing.
        let turns =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// `one`, `one or two`, `one, two or three`.
#[must_use]
pub fn or<T: AsRef<str>>(texts: &[T]) -> String {
    joined(texts, " or ")
}

/// `one`, `one and two`, `one, two and three`.
#[must_use]
pub fn and<T: AsRef<str>>(texts: &[T]) -> String {
    joined(texts, " and ")
}

/// Patterns and networks, one of which is enough.
pub(super) fn any_of<T: Display>(all: &[T]) -> String {
    or(&all.iter().map(|one| clean(&one.to_string())).collect::<Vec<_>>())
}

fn joined<T: AsRef<str>>(texts: &[T], word: &str) -> String {
    let mut all = String::new();
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            all.push_str(if index + 1 == texts.len() { word } else { ", " });
        }
        all.push_str(text.as_ref());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(or(&["a"; 0]), "");
        assert_eq!(or(&["a"]), "a");
        assert_eq!(or(&["a", "b"]), "a or b");
        assert_eq!(and(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn nothing_from_elsewhere_steers_a_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\n\\u{202e}c");
    }
}
