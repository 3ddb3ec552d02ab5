//! What operators have done in Redis: when a worker asks, and what it hears.

use std::time::Duration;

use super::command::ACTS;
use super::failure::{Failure, Refusal};
use super::resp::Reply;
use super::told::Acts;
use crate::store::Fingerprint;
use crate::time::Time;

/// How often a worker asks at most, and only along with something else.
const EACH: Duration = Duration::from_secs(1);

/// What a worker knows of what operators have done.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    asked: Option<Time>,
    /// How often anything was done.
    number: Option<u64>,
}

impl Hearsay {
    /// Whether it is time to ask.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.asked.is_none_or(|asked| now.since(asked) >= EACH)
    }

    /// The same; and if so, it is taken to be asked now.
    pub(super) fn asks(&mut self, now: Time) -> bool {
        let is_due = self.is_due(now);
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }

    /// So often was anything done. Returns whether that is another number than before.
    pub(super) fn is_news(&mut self, number: u64) -> bool {
        self.number.replace(number).is_some_and(|before| before != number)
    }
}

/// The time there, by the reply to `TIME`.
pub(super) fn read_time(reply: &Reply) -> Result<Time, Refusal> {
    let list = list(reply)?;
    let [Reply::Bytes(Some(seconds)), Reply::Bytes(Some(micros))] = list else { return Err(nonsense()) };
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
    let micros = number(seconds)
        .zip(number(micros))
        .and_then(|(seconds, micros)| seconds.checked_mul(1_000_000)?.checked_add(micros));
    micros.map(Time::from_micros).ok_or_else(nonsense)
}

/// What was done, by the reply that names the members of the set and their scores, at this time there. What is no client is passed by.
pub(super) fn read_acts(reply: &Reply, now: Time) -> Result<Acts, Refusal> {
    let (members, rest) = list(reply)?.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(nonsense());
    }
    let mut acts = Acts::default();
    for member in members {
        let [Reply::Bytes(Some(member)), Reply::Bytes(Some(score))] = member else { return Err(nonsense()) };
        let Some(score) = whole(score) else { continue };
        if *member == ACTS.as_bytes() {
            acts.number = score;
        } else if let Some(client) = client(member) {
            acts.blocked.push((client, Time::from_micros(score).since(now)));
        }
    }
    acts.blocked.retain(|(_, left)| !left.is_zero());
    Ok(acts)
}

/// The client with these 32 digits.
pub(super) fn client(digits: &[u8]) -> Option<Fingerprint> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn list<'r, 'a>(reply: &'r Reply<'a>) -> Result<&'r [Reply<'a>], Refusal> {
    match reply {
        Reply::Error(message) => Err(Refusal::of_error(message)),
        Reply::List(Some(list)) => Ok(list),
        _ => Err(nonsense()),
    }
}

/// A score as a whole number. Some servers write large ones as `1.764e+15`.
fn whole(score: &[u8]) -> Option<u64> {
    const BOUND: u64 = 1 << 53;
    let text = std::str::from_utf8(score).ok()?;
    let whole = || {
        let score: f64 = text.parse().ok()?;
        format!("{score:.0}").parse().ok()
    };
    text.parse().ok().or_else(whole).filter(|score| *score < BOUND)
}

fn nonsense() -> Refusal {
    let text = "what it says of operators' acts is not understood".to_owned();
    Refusal { failure: Failure::Reply, text }
}

#[cfg(test)]
mod tests {
    use super::super::resp::read_reply;
    use super::*;

    const NOW: Time = Time::from_micros(1_764_000_000_000_000);

    fn heard(mut reply: &[u8]) -> Result<Acts, Refusal> {
        read_acts(&read_reply(&mut reply).expect("a reply"), NOW)
    }

    fn members(members: &[(&str, &str)]) -> Vec<u8> {
        let texts = members.iter().flat_map(|(member, score)| [member, score]);
        let texts: Vec<_> = texts.map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
        format!("*{}\r\n{}", texts.len(), texts.concat()).into_bytes()
    }

    #[test]
    fn who_is_blocked_and_how_often_anything_was_done() {
        let (one, other) = ("1".repeat(32), "e".repeat(32));
        let acts = heard(&members(&[
            ("acts", "7"),
            (&one, "1764000000000000"),
            (&other, "1764000000000001"),
            (&one, "1.764000001e+15"),
            ("somebody", "1764000000900000"),
            (&other, "inf"),
            (&other, "-1"),
            (&other, "9007199254740992"),
        ]));
        let left = Duration::from_micros;
        let blocked = vec![
            (client(other.as_bytes()).unwrap(), left(1)),
            (client(one.as_bytes()).unwrap(), left(1_000_000)),
        ];
        assert_eq!(acts, Ok(Acts { number: 7, blocked }));
        assert_eq!(heard(b"*0\r\n"), Ok(Acts::default()), "nothing was ever done");
    }

    #[test]
    fn what_is_something_else_is_told() {
        for reply in [
            "*1\r\n$1\r\n7\r\n",
            "*2\r\n:1\r\n:2\r\n",
            "*-1\r\n",
            "$4\r\nacts\r\n",
            ":7\r\n",
            "*2\r\n$-1\r\n$1\r\n7\r\n",
        ] {
            assert_eq!(heard(reply.as_bytes()), Err(nonsense()), "{reply}");
        }
        let refusal = heard(b"-WRONGTYPE Operation against a key\r\n").unwrap_err();
        assert_eq!(refusal.text, "WRONGTYPE Operation against a key");
    }

    #[test]
    fn the_time() {
        let time = |mut reply: &[u8]| read_time(&read_reply(&mut reply).expect("a reply"));
        assert_eq!(
            time(b"*2\r\n$10\r\n1764000000\r\n$2\r\n17\r\n"),
            Ok(NOW.after(Duration::from_micros(17)))
        );
        for reply in [
            "*1\r\n$1\r\n7\r\n",
            "*2\r\n$1\r\n7\r\n$1\r\nx\r\n",
            "*2\r\n$20\r\n18446744073709551615\r\n$1\r\n7\r\n",
            "+OK\r\n",
        ] {
            assert_eq!(time(reply.as_bytes()), Err(nonsense()), "{reply}");
        }
    }

    #[test]
    fn it_is_asked_once_a_second_and_the_first_number_is_no_news() {
        let at = |millis: u64| Time::from_micros(5_000_000 + 1_000 * millis);
        let mut hearsay = Hearsay::default();
        assert!(hearsay.asks(at(0)) && !hearsay.asks(at(999)) && hearsay.asks(at(1_000)));
        assert!(!hearsay.asks(at(1_999)));
        assert!(
            !hearsay.is_due(at(1_999)) && hearsay.is_due(at(2_000)) && hearsay.is_due(at(2_000)),
            "only asked whether"
        );
        assert!(!hearsay.is_news(7) && !hearsay.is_news(7) && hearsay.is_news(8) && !hearsay.is_news(8));
        assert!(hearsay.is_news(0), "the key is gone");
    }
}
