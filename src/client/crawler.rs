//! Crawlers, by the names they give themselves.
//!
//! Whoever wants to be taken for a browser will be: a name helps to treat those fairly who say who they are.

use std::fmt;

use super::crawler_list::{common, family_of, is_word, key, key_of, may_end, read_word};
use crate::text::quoted;

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
            listed = listed.or_else(|| family_of(keys, text));
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
    use crate::client::crawler_list::{LIST, STEPS};
    use crate::client::{Address, Client, ClientRules};
    use crate::request::{Headers, NoProperties, Request};

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
        let additions: &[(&str, &[&str])] = &[
            ("Google", &["Googlebot", "AdsBot-Google"]),
            ("bingbot", &["our bing"]),
            ("acme", &["Acme/1", "acme bot/2"]),
        ];
        let crawlers = crawlers(additions).expect("crawlers");
        for (user_agent, expected) in [
            ("Googlebot-Image/1.0", Some("google")),
            ("GPTBot/1.0 (Googlebot/2.1)", Some("google")),
            ("Our Bing/2", Some("bingbot")),
            ("bingbot/2.0", Some("bingbot")),
            ("(acme/1.7)", Some("acme")),
            ("acme/17", None),
            ("acme bot/2.0", Some("acme")),
            ("acme bot/27", None),
            ("acme-bot/2", None),
            ("acme bot", None),
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
        // As is where it comes from, if anybody asks.
        assert_eq!(client.known_address(), None);
        assert_eq!(client.address(), Address::Unknown);
        assert_eq!(client.known_address(), Some(Address::Unknown));
    }
}
