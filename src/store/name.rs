//! What a table is called.

use std::fmt;

/// The name of a table: 1 to 64 letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

impl TableName {
    /// The most characters.
    pub const LONGEST: usize = 64;

    /// This name; `None` if no table can have it.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_one = (1..=Self::LONGEST).contains(&name.len()) && name.bytes().all(is_of_name);
        is_one.then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "Public-anon_1.2", &"x".repeat(64)] {
            assert_eq!(TableName::new(name).map(|name| name.to_string()).as_deref(), Some(name));
        }
        for wrong in ["", " ", "a b", "a/b", "a\n", "ä", &"x".repeat(65)] {
            assert_eq!(TableName::new(wrong), None, "{wrong:?}");
        }
    }
}
