//! Patterns for paths.

mod head;

use std::fmt;

use super::PatternError;
use crate::request::percent;
use crate::scope::Reading;
use head::Head;

/// A path: exact, or with `*` for one segment or a part of it, `**` for any segments, also none, and `{a,b}` for one of
/// several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    /// What it begins with, if that is one text.
    head: Option<Head>,
    /// As it was written, for people.
    written: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// One that is written like one of these.
    OneOf(Vec<Glob>),
    /// One of any kind.
    Any,
    /// As many as there are, also none.
    AnyRest,
}

/// Texts that stand in a segment in this order, with anything between them: the first at its start, the last at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Glob(Vec<Vec<u8>>);

impl PathPattern {
    /// A pattern as it is written. It is read like a request's path, so that its own spelling does not matter either; but
    /// a `*`, `{`, `,` or `}` that is percent-encoded stands for itself.
    ///
    /// # Errors
    /// If it does not start with `/`, has a query, has a `**` that is not a segment of its own, or looks like a pattern of
    /// another language.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::PathStart);
        }
        if text.contains(['?', '#']) {
            return Err(PatternError::PathQuery);
        }
        let mut segments = Vec::new();
        for segment in text.split('/').filter(|segment| !segment.is_empty()) {
            match segment {
                "*" => segments.push(Segment::Any),
                "**" if segments.last() == Some(&Segment::AnyRest) => {}
                "**" => segments.push(Segment::AnyRest),
                _ if segment.contains("**") => return Err(PatternError::PathStars),
                _ if segment.contains(['*', '{', '}']) => segments.push(Segment::OneOf(globs(segment)?)),
                _ if is_of_another_language(segment) => return Err(PatternError::PathPlaceholder),
                _ => push_literal(&mut segments, segment)?,
            }
        }
        Ok(Self { head: Head::of(&segments), segments, written: text.into() })
    }

    /// Whether a reading of a path fits. One that must hold for certain minds upper and lower case. Else the last segment may
    /// have a suffix more, by which many frameworks choose a format: `/jobs.json` is `/jobs`, too.
    pub(in crate::scope) fn matches(&self, path: &[u8], reading: Reading) -> bool {
        let by_head = self.head.as_ref().and_then(|head| head.decides(path, reading));
        by_head.unwrap_or_else(|| self.is_walked(path, reading))
    }

    /// The same, segment by segment.
    #[inline(never)]
    fn is_walked(&self, path: &[u8], reading: Reading) -> bool {
        let fits = |path: &[u8]| {
            let path = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
            fits(&self.segments, path, |segment, found| segment.fits(found, reading))
        };
        fits(path) || reading == Reading::Possible && without_suffix(path).is_some_and(fits)
    }
}

impl fmt::Display for PathPattern {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Goes on with a literal segment, in which encoded slashes separate others.
fn push_literal(segments: &mut Vec<Segment>, segment: &str) -> Result<(), PatternError> {
    let decoded: Vec<u8> = percent::decode(segment.as_bytes()).collect();
    for part in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        match part {
            b"" | b"." => {}
            b".." if segments.last() == Some(&Segment::AnyRest) => return Err(PatternError::PathStars),
            b".." => drop(segments.pop()),
            part => segments.push(Segment::OneOf(vec![Glob(vec![part.to_vec()])])),
        }
    }
    Ok(())
}

/// What a segment with `*` or `{a,b}` in it may be.
fn globs(segment: &str) -> Result<Vec<Glob>, PatternError> {
    let mut texts = vec![String::new()];
    let mut rest = segment;
    while let Some((before, group)) = rest.split_once('{') {
        let (group, behind) = group.split_once('}').ok_or(PatternError::PathPlaceholder)?;
        if !group.contains(',') || group.contains('{') || before.contains('}') {
            return Err(PatternError::PathPlaceholder);
        }
        let with = |text: &String| {
            group.split(',').map(move |one| format!("{text}{before}{one}")).collect::<Vec<_>>()
        };
        texts = texts.iter().flat_map(with).collect();
        if texts.len() > MOST_ALTERNATIVES {
            return Err(PatternError::PathAlternatives);
        }
        rest = behind;
    }
    let glob = |text: String| {
        let text = text + rest;
        if is_of_another_language(&text) {
            return Err(PatternError::PathPlaceholder);
        }
        let parts = text.split('*').map(|part| percent::decode(part.as_bytes()).collect::<Vec<u8>>());
        let parts: Vec<_> = parts.collect();
        let is_segment = |parts: &[Vec<u8>]| {
            !parts.iter().flatten().any(|byte| matches!(byte, b'/' | b'\\'))
                && !matches!(parts, [one] if matches!(one.as_slice(), b"" | b"." | b".."))
        };
        if is_segment(&parts) { Ok(Glob(parts)) } else { Err(PatternError::PathAlternatives) }
    };
    texts.into_iter().map(glob).collect()
}

/// So many alternatives at most may stand in one segment: `{a,b}{c,d}` are four.
const MOST_ALTERNATIVES: usize = 64;

/// Whether what was found fits the pattern, in which [`Segment::AnyRest`] stands for any number. What is behind the last of
/// these that was met is tried further on when it does not fit, and nothing before it ever again: so it takes at most as many
/// steps as the pattern has segments times those that were found.
fn fits<'p, 'f>(
    mut pattern: &'p [Segment],
    mut found: impl Iterator<Item = &'f [u8]> + Clone,
    fits: impl Fn(&'p Segment, &'f [u8]) -> bool,
) -> bool {
    let mut again = None;
    loop {
        if let [Segment::AnyRest, behind @ ..] = pattern {
            if behind.is_empty() {
                return true;
            }
            pattern = behind;
            again = Some((behind, found.clone()));
            continue;
        }
        match (pattern, found.next()) {
            ([], None) => return true,
            ([segment, behind @ ..], Some(next)) if fits(segment, next) => pattern = behind,
            (_, None) => return false,
            _ => {
                let Some((behind, from)) = &mut again else { return false };
                from.next();
                (pattern, found) = (*behind, from.clone());
            }
        }
    }
}

impl Segment {
    fn fits(&self, found: &[u8], reading: Reading) -> bool {
        match (self, reading) {
            (Self::Any | Self::AnyRest, _) => true,
            (Self::OneOf(globs), Reading::Possible) => {
                globs.iter().any(|glob| glob.fits(found, <[u8]>::eq_ignore_ascii_case))
            }
            (Self::OneOf(globs), Reading::Certain) => {
                globs.iter().any(|glob| glob.fits(found, |one, other| one == other))
            }
        }
    }
}

impl Glob {
    /// Whether the segment fits. What stands between the first and the last text is looked for from left to right: what is
    /// found first leaves most for the others.
    fn fits(&self, found: &[u8], is_same: fn(&[u8], &[u8]) -> bool) -> bool {
        let [first, behind @ ..] = self.0.as_slice() else { return false };
        let Some((start, rest)) = found.split_at_checked(first.len()) else { return false };
        if !is_same(start, first) {
            return false;
        }
        let [between @ .., last] = behind else { return rest.is_empty() };
        let Some(end) = rest.len().checked_sub(last.len()) else { return false };
        let (mut rest, end) = rest.split_at(end);
        is_same(end, last)
            && between.iter().filter(|text| !text.is_empty()).all(|text| {
                let place = rest.windows(text.len()).position(|part| is_same(part, text));
                place.map(|place| rest = &rest[place + text.len()..]).is_some()
            })
    }
}

/// The path without what stands behind the last `.` of its last segment; `None` if there is none, or nothing before it.
fn without_suffix(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().rposition(|byte| *byte != b'/')? + 1;
    let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let dot = path[start..end].iter().rposition(|byte| *byte == b'.')?;
    (dot > 0 && start + dot + 1 < end).then(|| &path[..start + dot])
}

/// Whether a segment has a placeholder such as routers have, `{id}`, `<id>` or `:id`, or looks like a regular expression. What
/// stands for it here is `*`; taken literally, it would match no request.
fn is_of_another_language(segment: &str) -> bool {
    let is_name = |name: &str| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    segment.strip_prefix(':').is_some_and(is_name)
        || [".+", ".*", "(.*)"].contains(&segment)
        || segment.ends_with('$')
        || segment.contains(['{', '}', '<', '>', '[', ']', '|', '^', '\\'])
}

#[cfg(test)]
mod tests;
