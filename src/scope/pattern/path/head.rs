//! The beginning of a pattern, by which most paths are told apart at once.

use super::{Glob, Segment};
use crate::scope::Reading;

/// The literal segments that a pattern begins with, each behind a slash; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    text: Box<[u8]>,
    /// What comes behind them in the pattern.
    behind: Behind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Nothing,
    Anything,
    More,
}

impl Head {
    /// Of a pattern with these segments; `None` if it begins otherwise.
    pub(super) fn of(segments: &[Segment]) -> Option<Self> {
        let (mut text, mut rest) = (Vec::new(), segments);
        while let [Segment::OneOf(globs), behind @ ..] = rest {
            let [Glob(parts)] = globs.as_slice() else { break };
            let [part] = parts.as_slice() else { break };
            text.push(b'/');
            text.extend_from_slice(part);
            rest = behind;
        }
        let behind = match rest {
            [] => Behind::Nothing,
            [Segment::AnyRest] => Behind::Anything,
            _ => Behind::More,
        };
        (!text.is_empty()).then(|| Self { text: text.into(), behind })
    }

    /// Whether the path fits, if that can be seen without looking for its segments.
    ///
    /// Up to where the path first differs from the text it has the text's segments. If it differs within one of them, then that one does not fit, with or
    /// without a suffix, unless what differs is one more slash, which separates nothing.
    pub(super) fn decides(&self, path: &[u8], reading: Reading) -> Option<bool> {
        let is_same = |(one, other): (&u8, &u8)| match reading {
            Reading::Possible => one.eq_ignore_ascii_case(other),
            Reading::Certain => one == other,
        };
        let same = if path.starts_with(&self.text) {
            self.text.len()
        } else {
            path.iter().zip(&*self.text).take_while(|pair| is_same(*pair)).count()
        };
        if same == 0 {
            return None;
        }
        match (path.get(same), self.text.get(same), self.behind) {
            (None, None, Behind::Nothing) | (None | Some(b'/'), None, Behind::Anything) => Some(true),
            (None, None, Behind::More) | (Some(b'/'), Some(_), _) | (Some(b'/' | b'.'), None, _) => None,
            // The path ends, or goes on otherwise.
            _ => Some(false),
        }
    }
}
