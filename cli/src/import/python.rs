//! What a Python file assigns at its top level, as far as that stands there literally.
//!
//! A reader of literals rather than a parser of Python: what is computed could not be known from a syntax tree either, and the
//! parsers that are kept well need a newer Rust than this project, or C. What is no literal is kept as it is written, to be named.

use std::collections::BTreeMap;

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    None,
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// Something that is computed, a number, a name.
    Other(String),
}

/// What a file assigns.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// By name; of several assignments the last.
    pub(super) values: BTreeMap<String, Value>,
    /// Names that are assigned inside blocks, where nobody knows whether that happens, and on which line.
    pub(super) in_blocks: Vec<(String, usize)>,
}

impl Assigned {
    /// A value; of a name, what that was assigned.
    pub(super) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value {
            Value::Other(name) => self.values.get(name).unwrap_or(value),
            value => value,
        }
    }
}

impl Value {
    /// What a dictionary has under this key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(pairs) = self else { return None };
        pairs
            .iter()
            .rev()
            .find(|(known, _)| matches!(known, Self::Text(text) if text == key))
            .map(|(_, value)| value)
    }

    fn set(&mut self, key: Self, value: Self) {
        if let Self::Dict(pairs) = self {
            pairs.push((key, value));
        }
    }
}

/// Reads a file.
pub(super) fn read(text: &str) -> Assigned {
    let mut assigned = Assigned::default();
    let mut reader = Reader { text, at: 0 };
    while reader.at < text.len() {
        let start = reader.at;
        reader.skip_spaces();
        let is_in_block = reader.at > start;
        reader.statement(is_in_block, &mut assigned);
        if reader.at == start {
            // Nothing that it knows: on with the next line.
            reader.skip_line();
        }
    }
    assigned
}

/// So deep may values stand in each other.
const DEEPEST: usize = 40;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.rest().starts_with(token);
        self.at += if is_there { token.len() } else { 0 };
        is_there
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\\']).len();
    }

    /// Inside brackets, where line breaks and comments mean nothing.
    fn skip_all(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\\').len();
            if self.peek() != Some('#') {
                return;
            }
            let rest = self.rest();
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    /// To the end of the statement: of the line, but for what stands in brackets or strings.
    fn skip_line(&mut self) {
        self.skip_until(&['\n']);
        self.bump();
    }

    /// To the first of these that stands in no bracket and no string.
    fn skip_until(&mut self, ends: &[char]) {
        let mut depth = 0_usize;
        while let Some(next) = self.peek() {
            if depth == 0 && ends.contains(&next) {
                return;
            }
            match next {
                '#' => {
                    let rest = self.rest();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                    continue;
                }
                '"' | '\'' => {
                    self.string();
                    continue;
                }
                '[' | '(' | '{' => depth += 1,
                ']' | ')' | '}' => depth = depth.saturating_sub(1),
                '\\' => self.bump(),
                _ => {}
            }
            self.bump();
        }
    }

    fn name(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = &rest[..length];
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.at += length;
        Some(name)
    }

    /// `NAME = …`, `NAME: T = …`, `NAME["key"] = …`, `NAME |= …` or `NAME.update(…)`.
    fn statement(&mut self, is_in_block: bool, assigned: &mut Assigned) {
        let line = self.line();
        let Some(name) = self.name() else { return self.skip_line() };
        self.skip_spaces();
        let mut key = None;
        if self.take("[") {
            self.skip_all();
            key = Some(self.value(0));
            self.skip_all();
            if !self.take("]") {
                return self.skip_line();
            }
            self.skip_spaces();
        } else if self.take(":") {
            self.skip_until(&['=', '\n']);
        }
        let updates = self.take("|=") || self.take(".update(");
        if !updates && (self.rest().starts_with("==") || !self.take("=")) {
            return self.skip_line();
        }
        if is_in_block {
            assigned.in_blocks.push((name.to_owned(), line));
            return self.skip_line();
        }
        self.skip_all();
        let value = self.value(0);
        match (key, updates, value) {
            (None, false, value) => {
                assigned.values.insert(name.to_owned(), value);
            }
            (None, true, Value::Dict(pairs)) => {
                if let Some(known) = assigned.values.get_mut(name) {
                    for (key, value) in pairs {
                        known.set(key, value);
                    }
                }
            }
            (Some(key), _, value) => {
                if let Some(known) = assigned.values.get_mut(name) {
                    known.set(key, value);
                }
            }
            (None, true, _) => {}
        }
        self.skip_line();
    }

    /// A value; what is no literal goes on to the next comma, bracket or line's end.
    fn value(&mut self, depth: usize) -> Value {
        let start = self.at;
        if depth < DEEPEST
            && let Some(value) = self.literal(depth)
        {
            self.skip_spaces();
            let is_over =
                matches!(self.peek(), None | Some(',' | ')' | ']' | '}' | ':' | '\n' | '\r' | '#' | ';'));
            if is_over {
                return value;
            }
        }
        self.at = start;
        self.skip_until(&[',', ')', ']', '}', ':', '\n', ';']);
        if self.at == start {
            self.bump();
        }
        Value::Other(self.text[start..self.at].trim().to_owned())
    }

    fn literal(&mut self, depth: usize) -> Option<Value> {
        match self.peek()? {
            '"' | '\'' => self.strings(),
            '[' => {
                self.bump();
                self.items(']', depth).map(|(items, _)| Value::List(items))
            }
            '(' => {
                self.bump();
                // Without a comma it is the value itself.
                let (mut items, has_comma) = self.items(')', depth)?;
                if items.len() == 1 && !has_comma { items.pop() } else { Some(Value::List(items)) }
            }
            '{' => {
                self.bump();
                self.dict(depth)
            }
            _ => {
                let start = self.at;
                let name = self.name()?;
                if matches!(self.peek(), Some('"' | '\'')) && ["r", "u", "R", "U"].contains(&name) {
                    return self.strings();
                }
                if name == "None" {
                    return Some(Value::None);
                }
                self.at = start;
                None
            }
        }
    }

    /// Strings, one behind the other, are one.
    fn strings(&mut self) -> Option<Value> {
        let mut text = String::new();
        loop {
            text.push_str(&self.string()?);
            let end = self.at;
            self.skip_all();
            if !matches!(self.peek(), Some('"' | '\'')) {
                self.at = end;
                return Some(Value::Text(text));
            }
        }
    }

    /// What stands in quotes. Escapes stay as they are: no rate and no name of a class has any.
    fn string(&mut self) -> Option<String> {
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| self.take(quote))?;
        let start = self.at;
        while !self.rest().is_empty() {
            if self.rest().starts_with(quote) {
                let text = self.text[start..self.at].to_owned();
                self.at += quote.len();
                return Some(text);
            }
            if self.peek() == Some('\\') {
                self.bump();
            }
            self.bump();
        }
        None
    }

    fn items(&mut self, end: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        let (mut items, mut has_comma) = (Vec::new(), false);
        loop {
            self.skip_all();
            if self.peek()? == end {
                self.bump();
                return Some((items, has_comma));
            }
            items.push(self.value(depth + 1));
            self.skip_all();
            if self.take(",") {
                has_comma = true;
            } else if self.peek()? != end {
                return None;
            }
        }
    }

    fn dict(&mut self, depth: usize) -> Option<Value> {
        let mut pairs = Vec::new();
        loop {
            self.skip_all();
            if self.take("}") {
                return Some(Value::Dict(pairs));
            }
            let key = self.value(depth + 1);
            self.skip_all();
            if self.take(":") {
                self.skip_all();
                let value = self.value(depth + 1);
                pairs.push((key, value));
                self.skip_all();
            } else {
                // `**others`
                pairs.push((key.clone(), key));
            }
            if !self.take(",") && self.peek()? != '}' {
                return None;
            }
        }
    }
}

#[cfg(test)]
#[path = "python_tests.rs"]
mod tests;
