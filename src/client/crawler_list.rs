//! The list of crawlers, and how a name is found in it.
//!
//! `crawlers.txt` is made by `scripts/update-crawlers` of the data that the package `crawler-user-agents` publishes: what
//! searches, previews, archives, studies or learns from sites that did not ask for it. HTTP libraries (curl,
//! python-requests, Go-http-client) are not in it, since an honest worker uses them; nor are monitors and webhooks, whom
//! somebody asked to call, nor headless browsers, nor whatever a person's device might say.

/// A table is text, so that it is not copied: lines in the order of bytes, each with a name in lower case and, behind a
/// tab, the family if that is another word. Notes begin with `#`.
pub(super) const LIST: &str = include_str!("crawlers.txt");

/// Whether a name may end here: not in the midst of a word, a host's name or an address.
pub(super) fn may_end(rest: &[u8]) -> bool {
    match rest {
        [b'.', byte, ..] => !byte.is_ascii_alphabetic(),
        [byte, ..] => !is_word(*byte) && *byte != b'@',
        [] => true,
    }
}

pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// How much of `text` is the beginning of `name`, in any case. (Nothing that delimits names in a line is part of one.)
pub(super) fn common(name: &[u8], text: &[u8]) -> usize {
    let same = |ours: u8, theirs: u8| ours == theirs.to_ascii_lowercase() && !ours.is_ascii_control();
    let common = name.iter().zip(text).take_while(|(ours, theirs)| same(**ours, **theirs)).count();
    steps(common + 1);
    common
}

/// A word of a text.
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
    /// By FNV-1a, in any case.
    hash: u32,
}

/// The first word of `text` behind `at`.
const fn next_word(text: &[u8], at: usize) -> Option<Word> {
    let mut start = at;
    while start < text.len() && !is_word(text[start]) {
        start += 1;
    }
    let (mut end, mut hash) = (start, 0x811c_9dc5);
    while end < text.len() && is_word(text[end]) {
        hash = (hash ^ text[end].to_ascii_lowercase() as u32).wrapping_mul(PRIME);
        end += 1;
    }
    if start < end { Some(Word { start, end, hash }) } else { None }
}

pub(super) fn read_word(text: &[u8], at: usize) -> Option<Word> {
    let word = next_word(text, at);
    steps(word.as_ref().map_or(text.len(), |word| word.end) - at);
    word
}

const PRIME: u32 = 0x0100_0193;

/// By what to look for names that begin with these two words, or have but one: half of it is the first word's.
///
/// A name ends where a word does, so where it stands in a text its words are the text's. By two of them almost every name
/// is the only one. One would be too little: many begin with `google`.
pub(super) const fn key(first: &Word, second: Option<&Word>) -> u32 {
    match second {
        Some(second) => first.hash ^ second.hash >> 16,
        None => first.hash,
    }
}

/// The key of a name.
pub(super) const fn key_of(name: &[u8]) -> u32 {
    match next_word(name, 0) {
        Some(first) => key(&first, next_word(name, first.end).as_ref()),
        None => 0,
    }
}

/// The family of the longest name in the list that has one of these keys and that `text` begins with. The keys' first word
/// is the same.
pub(super) fn family_of(keys: [u32; 2], text: &[u8]) -> Option<&'static str> {
    let found = |at| {
        let length = common(&LIST.as_bytes()[at..], text);
        let ends = LIST.as_bytes()[at + length].is_ascii_control() && may_end(&text[length..]);
        ends.then_some((at, length))
    };
    let (at, length) = INDEX.lines(keys).find_map(found)?;
    let (name, rest) = LIST[at..].split_at(length);
    rest.strip_prefix('\t').map_or(Some(name), |rest| rest.lines().next())
}

/// Where the lines of the list are, by the keys of their names.
struct Index {
    /// There is one for each first word. Each bucket's first place in `lines`, and the end of the last one's.
    buckets: [u16; BUCKETS + 1],
    /// Where lines start in the list: bucket by bucket, and in each the last one first, so longer names before those
    /// that they begin with.
    lines: [u16; LINES],
    /// What else the keys of the same lines say: few names need to be read that are not in the text.
    tags: [u8; LINES],
}

/// About one for each name.
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 10;

/// How many lines the list has. The few that are notes count as names, too: no word begins with `#`.
const LINES: usize = {
    let (mut at, mut lines) = (0, 0);
    while at < LIST.len() {
        at = next_line(at);
        lines += 1;
    }
    lines
};

/// Made by the compiler: a worker has nothing to do when it starts.
static INDEX: Index = Index::new();

impl Index {
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    const fn new() -> Self {
        assert!(LIST.len() <= u16::MAX as usize, "the list has grown too long");
        let mut index = Self { buckets: [0; BUCKETS + 1], lines: [0; LINES], tags: [0; LINES] };
        let mut at = 0;
        while at < LIST.len() {
            index.buckets[bucket_of(key_of(name(at)))] += 1;
            at = next_line(at);
        }
        let mut bucket = 1;
        while bucket <= BUCKETS {
            index.buckets[bucket] += index.buckets[bucket - 1];
            bucket += 1;
        }
        // By now each bucket says where it ends. It is filled from there.
        at = 0;
        while at < LIST.len() {
            let key = key_of(name(at));
            let bucket = bucket_of(key);
            index.buckets[bucket] -= 1;
            let place = index.buckets[bucket] as usize;
            (index.lines[place], index.tags[place]) = (at as u16, tag_of(key));
            at = next_line(at);
        }
        index
    }

    /// The lines that may have one of these keys, of which the first word is the same.
    fn lines(&self, keys: [u32; 2]) -> impl Iterator<Item = usize> {
        let bucket = bucket_of(keys[0]);
        let [from, to] = [self.buckets[bucket], self.buckets[bucket + 1]].map(usize::from);
        steps(1 + to - from);
        let lines = self.lines[from..to].iter().zip(&self.tags[from..to]);
        let [two, one] = keys.map(tag_of);
        lines.filter(move |(_, tag)| **tag == two || **tag == one).map(|(at, _)| usize::from(*at))
    }
}

const fn bucket_of(key: u32) -> usize {
    (key >> (u32::BITS - BUCKET_BITS)) as usize
}

const fn tag_of(key: u32) -> u8 {
    key.to_le_bytes()[0]
}

/// The name in the list's line that starts at `at`.
const fn name(at: usize) -> &'static [u8] {
    let (_, line) = LIST.as_bytes().split_at(at);
    let mut length = 0;
    while !line[length].is_ascii_control() {
        length += 1;
    }
    line.split_at(length).0
}

/// Where the list's line behind that at `at` starts.
const fn next_line(mut at: usize) -> usize {
    while LIST.as_bytes()[at] != b'\n' {
        at += 1;
    }
    at + 1
}

/// Called with the number of bytes that were read: tests count them, since a clock would not say the same each time.
#[cfg(not(test))]
const fn steps(_: usize) {}

#[cfg(test)]
fn steps(count: usize) {
    STEPS.with(|steps| steps.set(steps.get() + count));
}

#[cfg(test)]
thread_local! {
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn almost_every_name_is_the_only_one_with_its_key() {
        let keys = LIST.lines().map(|line| key_of(line.split('\t').next().unwrap_or(line).as_bytes()));
        let different: std::collections::HashSet<u32> = keys.collect();
        assert!(LINES - different.len() < 8, "{} of {LINES}", different.len());
        let longest = INDEX.buckets.windows(2).map(|ends| ends[1] - ends[0]).max();
        // Of those that begin with `google`.
        assert!(longest < Some(25), "{longest:?}");
    }
}
