//! Lines of text: fields with fixed text between them.

use super::draft::Draft;
use super::field::{Field, Line, Scalar, Skip};

/// A format of lines of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// What each line begins with.
    start: Vec<u8>,
    /// The fields, each with the text that ends it. That of the last one may be empty: then it goes on to the line's end.
    fields: Vec<(Field, Vec<u8>)>,
    /// Whether more may follow, behind a space.
    is_open: bool,
    /// Whether the server writes `\"` or `\x22` for a quote. Envoy and Traefik write what was sent as it is.
    escapes: bool,
}

impl Pattern {
    /// A pattern of these pieces; or what is wrong with them.
    pub(super) fn new(pieces: Vec<Piece>, is_open: bool, escapes: bool) -> Result<Self, String> {
        let mut pattern = Self { start: Vec::new(), fields: Vec::new(), is_open, escapes };
        for piece in pieces {
            match (piece, pattern.fields.last_mut()) {
                (Piece::Text(text), None) => pattern.start.extend_from_slice(text.as_bytes()),
                (Piece::Text(text), Some((_, end))) => end.extend_from_slice(text.as_bytes()),
                (Piece::Field(_, name), Some((_, end))) if end.is_empty() => {
                    return Err(format!("nothing stands before `{name}` that could tell where it begins"));
                }
                (Piece::Field(field, _), _) => pattern.fields.push((field, Vec::new())),
            }
        }
        Ok(pattern)
    }

    /// The fields that it tells.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().map(|(field, _)| field)
    }

    /// What a line says.
    pub(super) fn read<'a>(&'a self, line: &'a [u8]) -> Result<Line<'a>, Skip> {
        self.draft(line).ok_or(Skip::Unreadable)?.finish()
    }

    fn draft<'a>(&'a self, line: &'a [u8]) -> Option<Draft<'a>> {
        let mut rest = line.strip_prefix(&*self.start)?;
        let mut draft = Draft::default();
        for (field, end) in &self.fields {
            let length = if end.is_empty() { self.last(rest) } else { self.find(rest, end)? };
            let (value, after) = rest.split_at(length);
            draft.put(field, if self.escapes { Scalar::Text(value) } else { Scalar::Plain(value) })?;
            rest = &after[end.len()..];
        }
        let is_over = rest.is_empty() || self.is_open && rest.starts_with(b" ");
        is_over.then_some(draft)
    }

    /// Where `end` begins. If it begins with a quote, that is none which the server has escaped.
    fn find(&self, text: &[u8], end: &[u8]) -> Option<usize> {
        let first = *end.first()?;
        let is_quote = self.escapes && first == b'"';
        let mut from = 0;
        loop {
            let index = from + memchr::memchr(first, &text[from..])?;
            if text[index..].starts_with(end) && !(is_quote && is_escaped(text, index)) {
                return Some(index);
            }
            from = index + 1;
        }
    }

    /// How long a field is that nothing ends.
    fn last(&self, rest: &[u8]) -> usize {
        let space = if self.is_open { memchr::memchr(b' ', rest) } else { None };
        space.unwrap_or(rest.len())
    }
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    /// A field, and how the format calls it.
    Field(Field, String),
}

/// Whether an odd number of backslashes stands before this byte.
fn is_escaped(text: &[u8], index: usize) -> bool {
    text[..index].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}
