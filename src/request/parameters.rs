//! The parameters of a query.

use std::borrow::Cow;

use super::target::split_at_byte;
use super::{percent, utf8};

/// The most pairs that are looked at: more than applications take. (Django refuses more than 1,000; PHP and Express leave
/// out what comes behind so many.)
const MOST: usize = 1024;
/// How much of the values of one parameter is read in several ways: their bytes, and so many more for each.
const MOST_WORK: usize = 8 * 1024;
const WORK_OF_EACH: usize = 64;
/// So many are there as a rule, at most.
const USUAL: usize = 8;

/// A name and a value, as they were sent, with a `=` between them.
#[derive(Clone, Copy, Debug)]
struct Pair<'a>(&'a [u8]);

impl<'a> Pair<'a> {
    /// The name, and the value; nothing if there is no `=`.
    fn parts(self) -> (&'a [u8], &'a [u8]) {
        split_at_byte(self.0, b'=')
    }

    /// The same, if some server may read the name as `name`: see [`may_be_named`]. Most are known by their first letter.
    fn if_named(self, name: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
        if is_other_letter(self.0, name) {
            return None;
        }
        let (found, value) = self.parts();
        may_be_named(found, name).then_some((found, value))
    }
}

/// The pairs of a query that are separated by `&`, and by this byte, in order. `None` if there are too many.
fn pairs(query: &[u8], also: u8) -> Option<Vec<Pair<'_>>> {
    let mut pairs: Vec<Pair> = Vec::with_capacity(if query.is_empty() { 0 } else { USUAL });
    let mut rest = query;
    while !rest.is_empty() {
        let end = if also == b'&' { memchr::memchr(b'&', rest) } else { memchr::memchr2(b'&', also, rest) };
        let end = end.unwrap_or(rest.len());
        let pair = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if pair.is_empty() {
            continue;
        }
        if pairs.len() == MOST {
            return None;
        }
        pairs.push(Pair(pair));
    }
    Some(pairs)
}

/// A query's parameters, in each way in which servers separate them.
#[derive(Debug, Default)]
pub struct Parameters<'a> {
    first: Vec<Pair<'a>>,
    others: Vec<Vec<Pair<'a>>>,
}

impl<'a> Parameters<'a> {
    /// Of a query, and of the same as others read it. `None` if they are too many.
    pub(super) fn read(query: &'a [u8], others: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Self> {
        let mut parameters = Self { first: pairs(query, b'&')?, others: Vec::new() };
        for other in others.clone() {
            parameters.others.push(pairs(other, b'&')?);
        }
        for query in [query].into_iter().chain(others) {
            if memchr::memchr(b';', query).is_some() {
                parameters.others.push(pairs(query, b';')?);
            }
        }
        Some(parameters)
    }

    /// The values of those that are named so as most servers read them, in order.
    pub(super) fn plain<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'_, 'a, 'n> {
        self.first
            .iter()
            .map(|pair| pair.parts())
            .filter(move |(found, _)| is_named(found, name))
            .map(|(_, value)| percent::form_text(value))
    }

    /// Each way to separate them: a list of the values that may be named so, in order; and whether they are named so for
    /// certain. A value may be anything (`None`) if there is too much to read in several ways.
    pub fn named<'n>(
        &self,
        name: &'n [u8],
    ) -> impl Iterator<Item = impl Iterator<Item = (Option<Values<'a>>, bool)> + use<'_, 'a, 'n>> + use<'_, 'a, 'n>
    {
        [&self.first].into_iter().chain(&self.others).map(move |list| {
            let mut left = MOST_WORK;
            let values = move |value: &'a [u8]| {
                if !is_plain(value) {
                    left = left.saturating_sub(value.len() + WORK_OF_EACH);
                }
                (left > 0).then(|| Values::of(value))
            };
            list.iter().filter_map(|pair| pair.if_named(name)).scan(values, move |values, (found, value)| {
                let is_named_so = is_named(found, name);
                // A part of a list or an object.
                let is_part = !is_named_so && percent::decode_form(found).any(|byte| byte == b'[');
                Some((values(value).filter(|_| !is_part), is_named_so))
            })
        })
    }
}

/// What one value may be read as.
#[derive(Debug)]
pub struct Values<'a> {
    plain: Cow<'a, [u8]>,
    others: Vec<Vec<u8>>,
}

impl<'a> Values<'a> {
    fn of(sent: &'a [u8]) -> Self {
        let plain = percent::form_text(sent);
        let mut others = Vec::new();
        if !is_plain(sent) {
            let with_plus = sent.contains(&b'+').then(|| percent::decode(sent).collect());
            for value in [&*plain].into_iter().chain(with_plus.as_deref()) {
                others.extend(utf8::with_invalid(value, utf8::REPLACEMENT));
                others.extend(cleaned(value));
                // Some trim what is in front before anybody looks for a NUL.
                let behind = value.iter().take_while(|byte| is_blank(**byte)).count();
                if value[..behind].contains(&0) {
                    let rest = &value[behind..];
                    others.push(cleaned(rest).unwrap_or_else(|| rest.to_vec()));
                }
            }
            others.extend(with_plus);
        }
        Self { plain, others }
    }

    /// One that is not encoded: what a header says.
    pub(super) fn literal(sent: &'a [u8]) -> Self {
        Self { plain: Cow::Borrowed(sent.trim_ascii()), others: Vec::new() }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        [&*self.plain].into_iter().chain(self.others.iter().map(Vec::as_slice))
    }
}

/// Whether the value can be read in one way only.
fn is_plain(sent: &[u8]) -> bool {
    sent.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'+'))
}

/// Without what stands behind a NUL, bytes that are not UTF-8, and white space and control characters at its ends.
fn cleaned(value: &[u8]) -> Option<Vec<u8>> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    let valid = utf8::with_invalid(&value[..end], b"");
    let rest = trimmed(valid.as_deref().unwrap_or(&value[..end]));
    (rest != value).then(|| rest.to_vec())
}

/// Without Unicode's white space and control characters at the ends of what is UTF-8.
fn trimmed(value: &[u8]) -> &[u8] {
    let is_cut = |character: char| character.is_whitespace() || character.is_control();
    std::str::from_utf8(value).map_or(value, |text| text.trim_matches(is_cut).as_bytes())
}

const fn is_blank(byte: u8) -> bool {
    byte.is_ascii_control() || byte == b' '
}

fn is_named(sent: &[u8], name: &[u8]) -> bool {
    is_written(sent, name) || sent.len() >= name.len() && percent::decode_form(sent).eq(name.iter().copied())
}

/// Whether this is the name as it is, with nothing to decode: so most are sent.
fn is_written(sent: &[u8], name: &[u8]) -> bool {
    sent == name && !sent.iter().any(|byte| matches!(byte, b'%' | b'+'))
}

/// Whether this begins with a letter, and `name` with something else: that is no spelling of it.
fn is_other_letter(sent: &[u8], name: &[u8]) -> bool {
    let is_other =
        |first: &u8, wanted: &u8| first.is_ascii_alphabetic() && !first.eq_ignore_ascii_case(wanted);
    sent.first().zip(name.first()).is_some_and(|(first, wanted)| is_other(first, wanted))
}

/// Whether some server may read this name of a parameter as `name`. They fold case; trim; drop what is not UTF-8, and what
/// stands behind a NUL; PHP makes `_` of a space, `.` and `[`, and takes `a[b]` for a part of `a`, as Express does, and as
/// that does `[a]` for `a`. A byte outside of ASCII that does not fit is passed over, whatever it is.
fn may_be_named(sent: &[u8], name: &[u8]) -> bool {
    if sent.len() < name.len() || is_other_letter(sent, name) {
        return false;
    }
    if is_written(sent, name) {
        return true;
    }
    let mut name = name.iter().copied().peekable();
    let mut found = percent::decode_form(sent);
    let mut is_begun = false;
    for byte in found.by_ref() {
        match name.peek() {
            None if byte == 0 => return true,
            None if is_blank(byte) || !byte.is_ascii() => {}
            None => return matches!(byte, b'[' | b']'),
            Some(wanted) => {
                let fits = byte.eq_ignore_ascii_case(wanted)
                    || *wanted == b'_' && matches!(byte, b' ' | b'.' | b'[');
                if fits {
                    is_begun = true;
                    name.next();
                } else if byte.is_ascii() && (is_begun || !is_blank(byte) && byte != b'[') {
                    return false;
                }
            }
        }
    }
    name.peek().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_any_spelling() {
        for sent in [
            "ids_only",
            "IDS_Only",
            "ids%5Fonly",
            "ids_only[]",
            "ids_only[0]",
            "ids_only%5b%5D",
            "ids_only[a][b]",
            "[ids_only]",
            "[ids_only][]",
            "ids.only",
            "ids only",
            "ids+only",
            "ids%20only",
            "ids[only",
            "ids%5Bonly",
            "ids[only]",
            "+ids_only",
            "%20%09ids_only",
            "ids_only+",
            "ids_only%0d%0a",
            "ids_only%00",
            "ids_only%00x",
            "ids%ff_only",
            "%ef%bb%bfids_only",
            "ids_only%c2%a0",
        ] {
            assert!(may_be_named(sent.as_bytes(), b"ids_only"), "{sent}");
        }
        for sent in [
            "",
            "ids_onl",
            "ids_onlyx",
            "xids_only",
            "ids-only",
            "idsonly",
            "ids_only.x",
            "ids%255Fonly",
            "[]",
            "%00ids",
            "ids_only x",
        ] {
            assert!(!may_be_named(sent.as_bytes(), b"ids_only"), "{sent}");
        }
        assert!(may_be_named("K%C3%B6nig".as_bytes(), "k\u{f6}nig".as_bytes()));
        assert!(!may_be_named(b"k%C3%A4nig", "k\u{f6}nig".as_bytes()));
    }

    #[test]
    fn a_value_in_every_reading() {
        for (sent, expected) in [
            ("", vec![""]),
            ("1", vec!["1"]),
            ("%31", vec!["1"]),
            ("a%20b", vec!["a b"]),
            ("1%20", vec!["1 ", "1"]),
            ("%0a1%00x", vec!["\n1\0x", "1"]),
            ("a+b", vec!["a b", "a+b"]),
            ("+1", vec![" 1", "1", "+1"]),
            ("1%ff", vec!["1\u{ff}", "1\u{fffd}", "1"]),
            ("%c3%a9", vec!["\u{e9}"]),
        ] {
            let values = Values::of(sent.as_bytes());
            let texts: Vec<_> = values
                .iter()
                .map(|value| match str::from_utf8(value) {
                    Ok(text) => text.to_owned(),
                    Err(_) => value.iter().copied().map(char::from).collect(),
                })
                .collect();
            assert_eq!(texts, expected, "{sent}");
        }
    }

    #[test]
    fn what_is_too_much_to_read_in_several_ways_may_be_anything() {
        let known = |value: &str, count: usize| {
            let query = format!("a={value}&b=1&").repeat(count);
            let parameters = Parameters::read(query.as_bytes(), std::iter::empty()).expect("not too many");
            parameters.named(b"a").flatten().filter(|(values, _)| values.is_some()).count()
        };
        assert_eq!(known("1", MOST / 2), MOST / 2);
        assert_eq!(known(&"1".repeat(50_000), 1), 1);
        assert_eq!(known("%20", 122), 122);
        assert_eq!(known("%20", MOST / 2), 122);
        assert_eq!(known(&"+".repeat(MOST_WORK), 1), 0);
    }

    #[test]
    fn lists_are_separated_in_each_way() {
        let lists = |query: &str, uncut: Option<&str>| {
            let parameters = Parameters::read(query.as_bytes(), uncut.map(str::as_bytes).into_iter())
                .expect("not too many");
            let lists: Vec<usize> = parameters.named(b"a").map(Iterator::count).collect();
            lists
        };
        assert_eq!(lists("a&&a=1&b", None), [2]);
        assert_eq!(lists("b=1;a", None), [0, 1]);
        assert_eq!(lists("", Some("a")), [0, 1]);
        assert_eq!(lists("a", Some("a#;a&a")), [1, 1, 2]);
        let many = |count: usize| "a&".repeat(count);
        assert!(Parameters::read(many(MOST).as_bytes(), std::iter::empty()).is_some());
        assert!(Parameters::read(many(MOST + 1).as_bytes(), std::iter::empty()).is_none());
        assert!(
            Parameters::read("&".repeat(57_000).as_bytes(), std::iter::empty()).is_some(),
            "nothing is no parameter"
        );
    }
}
