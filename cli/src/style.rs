//! How texts look on a terminal: in which colours, and how wide they are whatever their colours.
//!
//! Styles are always written. Whoever prints lets `anstream` take them out where nobody wants them: by `--color`, by `NO_COLOR`, and where
//! there is no terminal.

use std::fmt::Display;

use anstyle::AnsiColor;
pub use anstyle::Style;

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default();
/// News that somebody has to judge.
pub const MIND: Style = AnsiColor::Yellow.on_default();
/// What a line is about.
pub const NAME: Style = Style::new().bold();
/// What need not be read.
pub const FAINT: Style = Style::new().dimmed();

/// The text in this style.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// How many characters a text takes. What styles it takes none.
#[must_use]
pub fn width(text: &str) -> usize {
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
#[must_use]
pub fn padded(text: &str, wanted: usize) -> String {
    format!("{text}{:1$}", "", wanted.saturating_sub(width(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_take_no_room() {
        assert_eq!(width(&styled(GOOD, "ab")), 2);
        assert_eq!(padded(&styled(GOOD, "ab"), 4).chars().filter(|character| *character == ' ').count(), 2);
    }
}
