//! Crawlers, by the names they give themselves.
//!
//! `crawlers.txt` is made by `scripts/update-crawlers` of the data that the package `crawler-user-agents` publishes: what
//! searches, previews, archives, studies or learns from sites that did not ask for it. HTTP libraries (curl,
//! python-requests, Go-http-client) are not in it, since an honest worker uses them; nor are monitors and webhooks, whom
//! somebody asked to call, nor headless browsers, nor whatever a person's device might say.
//!
//! Whoever wants to be taken for a browser will be: a name helps to treat those fairly who say who they are.

use std::fmt;

use crate::text::quoted;

/// A table is text, so that it is not copied: lines in the order of bytes, each with a name in lower case and, behind a
/// tab, the family if that is another word. Notes begin with `#`.
const LIST: &str = include_str!("crawlers.txt");

/// A name is no longer, nor shorter.
const NAME: std::ops::RangeInclusive<usize> = 3..=64;

/// Crawlers, and the families that they are counted by.
///
/// A family is what the published list has as one crawler, whatever its version, and whatever its name goes on with:
/// `Googlebot/2.1` and `Googlebot-Image/1.0` are `googlebot`, `AdsBot-Google-Mobile` is `adsbot-google`, and `msnbot` is
/// `bingbot`. Where a user agent has several names, the first counts.
///
/// The default is the list alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crawlers {
    /// By key and name, in order.
    additions: Vec<Addition>,
}

/// A name that is not in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Addition {
    key: u32,
    name: String,
    family: String,
}

impl Crawlers {
    /// The list with `additions`: families, each with names, in any case. They win over the list. A family of the list
    /// may be given more names.
    ///
    /// # Errors
    /// If a name is none that could be found, or is two families'.
    pub fn new(additions: Vec<(String, Vec<String>)>) -> Result<Self, CrawlerError> {
        let mut known: Vec<Addition> = Vec::new();
        for (family, names) in additions {
            if family.is_empty() || family.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(CrawlerError { text: family, reason: Reason::Family });
            }
            for name in names {
                let ends = name.as_bytes().first().zip(name.as_bytes().last());
                let words = ends.is_some_and(|(first, last)| is_word(*first) && is_word(*last));
                let visible = name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
                if !words || !visible || !NAME.contains(&name.len()) {
                    return Err(CrawlerError { text: name, reason: Reason::Name });
                }
                let addition = Addition {
                    key: key_of(name.as_bytes()),
                    name: name.to_ascii_lowercase(),
                    family: family.to_ascii_lowercase(),
                };
                // Not sorted at the end, since a few lines are not worth a sort's code.
                let order = |other: &Addition| (other.key, &other.name).cmp(&(addition.key, &addition.name));
                match known.binary_search_by(order) {
                    Ok(at) if known[at] != addition => {
                        return Err(CrawlerError { text: name, reason: Reason::TwoFamilies });
                    }
                    Ok(_) => {}
                    Err(at) => known.insert(at, addition),
                }
            }
        }
        Ok(Self { additions: known })
    }

    /// The family of the crawler that sends this user agent; `None` for everyone else.
    ///
    /// All of it is read, so that a name is found wherever it stands, and each byte a few times at most, so that no user
    /// agent takes long. (Additions that begin with the same two words are tried one by one where a user agent has both.)
    #[must_use]
    pub fn family(&self, user_agent: &[u8]) -> Option<&str> {
        let mut listed = None;
        let mut next = read_word(user_agent, 0);
        while let Some(word) = next {
            next = read_word(user_agent, word.end);
            let (before, text) = user_agent.split_at(word.start);
            if !may_start(before) {
                continue;
            }
            // Of the names that start here, those of two words and more are the longer ones.
            let keys = [key(&word, next.as_ref()), key(&word, None)];
            let added = keys.iter().find_map(|key| self.added(*key, text));
            if added.is_some() {
                return added;
            }
            listed = listed.or_else(|| self::listed(keys, text));
            if listed.is_some() && self.additions.is_empty() {
                break;
            }
        }
        listed
    }

    /// The family of the longest addition that has this key and that `text` begins with.
    fn added(&self, key: u32, text: &[u8]) -> Option<&str> {
        let until = self.additions.partition_point(|addition| addition.key <= key);
        let same = self.additions[..until].iter().rev().take_while(|addition| addition.key == key);
        let begins = |name: &str| common(name.as_bytes(), text) == name.len() && may_end(&text[name.len()..]);
        same.filter(|addition| begins(&addition.name)).map(|addition| addition.family.as_str()).next()
    }
}

/// Whether a name may start behind this: as a product or a comment does. In the midst of a word, an address or a path
/// (`http://www.googlebot.com/bot.html`) it is not the sender's, nor in `like Googlebot`.
fn may_start(before: &[u8]) -> bool {
    match before {
        [.., a, b, c, d, b' '] if [*a, *b, *c, *d].eq_ignore_ascii_case(b"like") => false,
        [.., byte] => {
            byte.is_ascii_whitespace()
                || matches!(byte, b'(' | b';' | b',' | b'"' | b'\'' | b'[' | b'{' | b'<' | b'|' | b'+')
        }
        [] => true,
    }
}

/// Whether a name may end here: not in the midst of a word, a host's name or an address.
fn may_end(rest: &[u8]) -> bool {
    match rest {
        [b'.', byte, ..] => !byte.is_ascii_alphabetic(),
        [byte, ..] => !is_word(*byte) && *byte != b'@',
        [] => true,
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// How much of `text` is the beginning of `name`, in any case. (Nothing that delimits names in a line is part of one.)
fn common(name: &[u8], text: &[u8]) -> usize {
    let same = |ours: u8, theirs: u8| ours == theirs.to_ascii_lowercase() && !ours.is_ascii_control();
    let common = name.iter().zip(text).take_while(|(ours, theirs)| same(**ours, **theirs)).count();
    steps(common + 1);
    common
}

/// A word of a text.
struct Word {
    start: usize,
    end: usize,
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

fn read_word(text: &[u8], at: usize) -> Option<Word> {
    let word = next_word(text, at);
    steps(word.as_ref().map_or(text.len(), |word| word.end) - at);
    word
}

const PRIME: u32 = 0x0100_0193;

/// By what to look for names that begin with these two words, or have but one: half of it is the first word's.
///
/// A name ends where a word does, so where it stands in a text its words are the text's. By two of them almost every name
/// is the only one. One would be too little: many begin with `google`.
const fn key(first: &Word, second: Option<&Word>) -> u32 {
    match second {
        Some(second) => first.hash ^ second.hash >> 16,
        None => first.hash,
    }
}

/// The key of a name.
const fn key_of(name: &[u8]) -> u32 {
    match next_word(name, 0) {
        Some(first) => key(&first, next_word(name, first.end).as_ref()),
        None => 0,
    }
}

/// The family of the longest name in the list that has one of these keys and that `text` begins with. The keys' first word
/// is the same.
fn listed(keys: [u32; 2], text: &[u8]) -> Option<&'static str> {
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
    lines: [u16; NAMES],
    /// What else the keys of the same lines say: few names need to be read that are not in the text.
    tags: [u8; NAMES],
}

/// About one for each name.
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 10;

/// Behind the notes.
const FIRST_LINE: usize = {
    let mut at = 0;
    while LIST.as_bytes()[at] == b'#' {
        at = next_line(at);
    }
    at
};

/// How many names the list has.
const NAMES: usize = {
    let (mut at, mut names) = (FIRST_LINE, 0);
    while at < LIST.len() {
        at = next_line(at);
        names += 1;
    }
    names
};

/// Made by the compiler: a worker has nothing to do when it starts.
static INDEX: Index = Index::new();

impl Index {
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    const fn new() -> Self {
        assert!(LIST.len() <= u16::MAX as usize, "the list has grown too long");
        let mut index = Self { buckets: [0; BUCKETS + 1], lines: [0; NAMES], tags: [0; NAMES] };
        let mut at = FIRST_LINE;
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
        at = FIRST_LINE;
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
    tests::STEPS.with(|steps| steps.set(steps.get() + count));
}

/// Why additions to the list are refused. Its `Display` says what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrawlerError {
    text: String,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Family,
    Name,
    TwoFamilies,
}

impl fmt::Display for CrawlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = quoted(&self.text);
        match self.reason {
            Reason::Family => write!(f, "`{text}` is no family: expected a word"),
            Reason::Name => {
                let (least, most) = (NAME.start(), NAME.end());
                write!(
                    f,
                    "`{text}` is no name: expected {least} to {most} ASCII characters from a letter or digit to one"
                )
            }
            Reason::TwoFamilies => write!(f, "`{text}` is a name of two families"),
        }
    }
}

impl std::error::Error for CrawlerError {}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::client::{Client, ClientRules};
    use crate::request::{Headers, NoProperties, Request};

    thread_local! {
        pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    fn family(user_agent: &str) -> Option<String> {
        Crawlers::default().family(user_agent.as_bytes()).map(str::to_owned)
    }

    fn crawlers(additions: &[(&str, &[&str])]) -> Result<Crawlers, CrawlerError> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Crawlers::new(additions.iter().map(|(family, names)| (family.to_string(), owned(names))).collect())
    }

    #[test]
    fn one_crawler_is_one_family() {
        for (user_agent, expected) in [
            ("Googlebot/2.1 (+http://www.google.com/bot.html)", "googlebot"),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "googlebot"),
            ("Googlebot-Image/1.0", "googlebot"),
            ("GOOGLEBOT", "googlebot"),
            ("AdsBot-Google-Mobile-Apps", "adsbot-google"),
            ("msnbot-media/1.1 (+http://search.msn.com/msnbot.htm)", "bingbot"),
            ("Mozilla/5.0 (compatible; YandexImages/3.0; +http://yandex.com/bots)", "yandexbot"),
            ("Mozilla/5.0+(compatible;+PiplBot;+http://www.pipl.com/bot/)", "piplbot"),
            ("Mozilla/5.0 (compatible; Linguee Bot; bot@linguee.com)", "linguee bot"),
            ("facebookexternalhit/1.1 Facebot Twitterbot/1.0", "facebookexternalhit"),
            ("TelegramBot (like TwitterBot)", "telegrambot"),
            ("(KHTML, like Gecko); compatible; GPTBot/1.3; +https://openai.com/gptbot", "gptbot"),
        ] {
            assert_eq!(family(user_agent).as_deref(), Some(expected), "{user_agent}");
        }
    }

    #[test]
    fn everyone_else_is_none() {
        for user_agent in [
            " ",
            "Mozilla/5.0 (Linux; Android 13; CUBOT_NOTE_S) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone) Mobile/15E148 [FBAN/FBIOS;FBAV/400.0;FBDV/iPhone14,2] MetaIAB Facebook",
            "Mozilla/5.0 (Windows NT 10.0) Firefox/128.0 http://www.googlebot.com/bingbot/gptbot.html",
            "https://googlebot/ x.googlebot x-googlebot x_googlebot x/googlebot",
            "googlebot@example.com, googlebot.com, googlebots, googlebot9, googlebot\u{e9}, \u{e9}googlebot",
            "FreshRSS/1.11.2 (Linux; https://freshrss.org) like Googlebot",
            "google bot",
            "curl/8.11.0",
        ] {
            assert_eq!(family(user_agent), None, "{user_agent}");
        }
        assert_eq!(Crawlers::default().family(b"\xff\xfe\0\xffgooglebot"), None);
        assert_eq!(Crawlers::default().family(&vec![b'g'; 1 << 20]), None);
    }

    #[test]
    fn additions_win_over_the_list() {
        let additions: &[(&str, &[&str])] =
            &[("Google", &["Googlebot", "AdsBot-Google"]), ("bingbot", &["our bing"]), ("acme", &["Acme/1"])];
        let crawlers = crawlers(additions).expect("crawlers");
        for (user_agent, expected) in [
            ("Googlebot-Image/1.0", Some("google")),
            ("GPTBot/1.0 (Googlebot/2.1)", Some("google")),
            ("Our Bing/2", Some("bingbot")),
            ("bingbot/2.0", Some("bingbot")),
            ("(acme/1.7)", Some("acme")),
            ("acme/17", None),
            ("ClaudeBot/1.0", Some("claudebot")),
        ] {
            assert_eq!(crawlers.family(user_agent.as_bytes()), expected, "{user_agent}");
        }
        assert_eq!(Crawlers::new(Vec::new()), Ok(Crawlers::default()));
    }

    #[test]
    fn a_name_that_could_never_be_found_is_refused() {
        let long = "x".repeat(65);
        for name in ["", "ab", "-bot", "bot/", "b\tot", "b\u{f6}t", "a\nb", &long] {
            let error = crawlers(&[("family", &[name])]).expect_err(name);
            assert!(error.to_string().contains("expected 3 to 64"), "{error}");
        }
        assert!(crawlers(&[("", &["bot"])]).is_err() && crawlers(&[("a\tb", &["bot"])]).is_err());
        let error = crawlers(&[("one", &["Bot"]), ("two", &["bot"])]).expect_err("two families");
        assert_eq!(error.to_string(), "`bot` is a name of two families");
        assert!(crawlers(&[("one", &["Bot", "bot"]), ("ONE", &["bot"])]).is_ok());
    }

    #[test]
    fn a_name_is_found_however_far_behind() {
        let long = format!("{}Googlebot", "x, ".repeat(20_000));
        assert_eq!(family(&long).as_deref(), Some("googlebot"));
        assert_eq!(family(&format!("{long}s")), None);
    }

    /// How many bytes are read to tell it.
    fn cost<T>(tell: impl FnOnce() -> T) -> usize {
        let before = STEPS.get();
        tell();
        STEPS.get() - before
    }

    /// All that up to three letters, digits and spaces make.
    fn short_words() -> impl Iterator<Item = String> {
        let byte = |number: usize| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz "[number % 37]);
        (0..37 * 37 * 37)
            .map(move |number| [number / 37 / 37, number / 37, number].map(byte).iter().collect())
    }

    #[test]
    fn no_user_agent_takes_long() {
        const MOST: usize = 8;
        let additions: &[(&str, &[&str])] =
            &[("acme", &["acme bot", "acme bot/2", "acme preview", "google-xyz"])];
        let crawlers = crawlers(additions).expect("crawlers");
        let check = |piece: &str, length: usize| {
            let text = piece.repeat(length.div_ceil(piece.len()));
            let cost = cost(|| crawlers.family(text.as_bytes()));
            assert!(cost <= MOST * text.len(), "{cost} for {} bytes of `{piece}`", text.len());
        };
        // Behind a name, the rest would not be read: these are none.
        let names = || LIST.lines().map(|line| line.split('\t').next().unwrap_or(line)).chain(["acme bot/2"]);
        let cut = names().map(|name| name[..name.len() - 1].to_owned());
        let other = names().map(|name| name.replace(|c: char| !c.is_ascii_alphanumeric(), " ") + "x");
        for piece in cut.chain(other).chain(short_words()) {
            check(&format!("{piece} "), 60);
        }
        for piece in [
            ",",
            " ",
            "g",
            "g ",
            "g,h,",
            "google",
            "google ",
            "google-",
            "like ",
            "sogou web spide ",
            "acme bot-",
        ] {
            check(piece, 57_000);
        }
    }

    #[test]
    fn a_request_is_looked_at_once() {
        let headers = Headers::encode(&[("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)")]);
        let request = Request::new(Headers::new(&headers), &NoProperties);
        let rules = ClientRules::default();
        let client = Client::identify(&rules, &request);
        assert_ne!(cost(|| client.crawler()), 0);
        assert_eq!(cost(|| client.crawler()) + cost(|| client.anonymous().crawler()), 0);
        assert_eq!(client.anonymous().crawler(), Some("googlebot"));
    }
}
