//! Crawlers, by the names they give themselves.
//!
//! `crawlers.txt` is made by `scripts/update-crawlers` of the data that the package `crawler-user-agents` publishes: what
//! searches, previews, archives, studies or learns from sites that did not ask for it. HTTP libraries (curl,
//! python-requests, Go-http-client) are not in it, since an honest worker uses them; nor are monitors and webhooks, whom
//! somebody asked to call, nor headless browsers, nor whatever a person's device might say.
//!
//! Whoever wants to be taken for a browser will be: a name helps to treat those fairly who say who they are.

use std::cmp::Ordering;
use std::fmt;

use memchr::{memchr, memrchr};

use crate::text::quoted;

/// A table is text, so that it is neither built nor copied: lines in the order of bytes, each with a name in lower
/// case and, behind a tab, the family if that is another word. Notes begin with `#`, which comes before any name.
const LIST: &str = include_str!("crawlers.txt");

/// A name is no longer, nor shorter.
const NAME: std::ops::RangeInclusive<usize> = 3..=64;

/// The user agents of browsers, and of crawlers, are shorter. What stands behind this is not read.
const LONGEST_USER_AGENT: usize = 1024;

/// Crawlers, and the families that they are counted by.
///
/// A family is what the published list has as one crawler, whatever its version, and whatever its name goes on with:
/// `Googlebot/2.1` and `Googlebot-Image/1.0` are `googlebot`, `AdsBot-Google-Mobile` is `adsbot-google`, and `msnbot` is
/// `bingbot`. Where a user agent has several names, the first counts.
///
/// The default is the list alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crawlers {
    additions: String,
}

impl Crawlers {
    /// The list with `additions`: families, each with names, in any case. They win over the list. A family of the list
    /// may be given more names.
    ///
    /// # Errors
    /// If a name is none that could be found, or is two families'.
    pub fn new(additions: Vec<(String, Vec<String>)>) -> Result<Self, CrawlerError> {
        let mut lines: Vec<(String, String)> = Vec::new();
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
                let line = (name.to_ascii_lowercase(), family.to_ascii_lowercase());
                // Not sorted at the end, since a few lines are not worth a sort's code.
                match lines.binary_search_by(|(name, _)| name.cmp(&line.0)) {
                    Ok(at) if lines[at] != line => {
                        return Err(CrawlerError { text: name, reason: Reason::TwoFamilies });
                    }
                    Ok(_) => {}
                    Err(at) => lines.insert(at, line),
                }
            }
        }
        Ok(Self { additions: lines.iter().flat_map(|(name, family)| [name, "\t", family, "\n"]).collect() })
    }

    /// The family of the crawler that sends this user agent; `None` for everyone else.
    #[must_use]
    pub fn family(&self, user_agent: &[u8]) -> Option<&str> {
        let user_agent = &user_agent[..user_agent.len().min(LONGEST_USER_AGENT)];
        let first = |table| starts(user_agent).find_map(|start| lookup(table, &user_agent[start..]));
        first(&self.additions).or_else(|| first(LIST))
    }
}

/// Where a name may start: as a product or a comment does. In the midst of a word, an address or a path
/// (`http://www.googlebot.com/bot.html`) it is not the sender's, nor in `like Googlebot`.
fn starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let may_start = |at: usize| match &text[..at] {
        [.., a, b, c, d, b' '] if [*a, *b, *c, *d].eq_ignore_ascii_case(b"like") => false,
        [.., byte] => byte.is_ascii_whitespace() || b"(;,\"'[{<|+".contains(byte),
        [] => true,
    };
    (0..text.len()).filter(move |&at| is_word(text[at]) && may_start(at))
}

/// Whether a name may end here: not in the midst of a word, a host's name or an address.
fn may_end(rest: &[u8]) -> bool {
    match rest {
        [b'.', byte, ..] => !byte.is_ascii_alphabetic(),
        [byte, ..] => !is_word(*byte) && *byte != b'@',
        [] => true,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// The family of the longest name that `text` begins with.
fn lookup<'t>(table: &'t str, text: &[u8]) -> Option<&'t str> {
    let mut known = &text[..text.len().min(*NAME.end())];
    // Of all names, the last one that is not above the text begins most like it: what they do not share, no name that
    // the text begins with has either. Each turn shortens the text, almost always to nothing at once.
    while known.len() >= *NAME.start() {
        let line = last_not_above(table, known)?;
        let (name, family) = line.split_once('\t').unwrap_or((line, line));
        let common =
            name.bytes().zip(known).take_while(|(ours, theirs)| *ours == theirs.to_ascii_lowercase());
        let common = common.count();
        if common == name.len() && may_end(&text[common..]) {
            return Some(family);
        }
        known = &known[..common.min(name.len().saturating_sub(1))];
    }
    None
}

/// The last line whose name is not above `text`, by halving.
fn last_not_above<'t>(table: &'t str, text: &[u8]) -> Option<&'t str> {
    let bytes = table.as_bytes();
    let (mut from, mut to, mut found) = (0, bytes.len(), None);
    while from < to {
        let middle = usize::midpoint(from, to);
        let start = memrchr(b'\n', &bytes[from..middle]).map_or(from, |newline| from + newline + 1);
        let end = memchr(b'\n', &bytes[start..to]).map_or(to, |newline| start + newline);
        let name = bytes[start..end].iter().copied().take_while(|byte| *byte != b'\t');
        if name.cmp(text.iter().map(u8::to_ascii_lowercase)) == Ordering::Greater {
            to = start;
        } else {
            found = Some(&table[start..end]);
            from = end + 1;
        }
    }
    found
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
    use super::*;

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
}
