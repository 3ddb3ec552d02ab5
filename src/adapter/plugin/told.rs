//! What the log was told of Redis: the same is not told again for a while.

use std::time::Duration;

use crate::redis::Failure;
use crate::time::Time;

/// How often the log is told the same.
const EACH: Duration = Duration::from_mins(1);

/// So many reasons of one kind are told within [`EACH`]: some name a port or a slot, and are another one each time.
const MOST: usize = 4;

/// What was told within [`EACH`], and what is older but was not looked at since.
#[derive(Default)]
pub(super) struct Told(Vec<(Failure, String, Time)>);

impl Told {
    /// Whether this reason is to be told now; then it is told.
    pub(super) fn is_news(&mut self, failure: Failure, reason: &str, now: Time) -> bool {
        self.0.retain(|(_, _, at)| now.since(*at) < EACH);
        let mut of_kind = self.0.iter().filter(|(known, ..)| *known == failure);
        if of_kind.clone().count() >= MOST || of_kind.any(|(_, known, _)| known == reason) {
            return false;
        }
        self.0.push((failure, reason.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn the_same_is_told_once_a_minute() {
        let mut told = Told::default();
        let news = [0, 1, 59, 60, 61].map(|second| told.is_news(Failure::Auth, "NOAUTH", at(second)));
        assert_eq!(news, [true, false, false, true, false]);
    }

    #[test]
    fn another_reason_of_one_kind_is_told_at_once() {
        let mut told = Told::default();
        assert!(told.is_news(Failure::Auth, "NOAUTH", at(0)));
        assert!(told.is_news(Failure::Auth, "WRONGPASS", at(1)));
        assert!(told.is_news(Failure::Loading, "LOADING", at(1)));
    }

    #[test]
    fn two_reasons_by_turns_are_told_once_a_minute_each() {
        let mut told = Told::default();
        let mut said = 0;
        for second in 0..120 {
            let reason = if second % 2 == 0 { "refused" } else { "reset" };
            said += u32::from(told.is_news(Failure::Connection, reason, at(second)));
        }
        assert_eq!(said, 4);
    }

    #[test]
    fn reasons_without_number_are_not_told_without_number() {
        let mut told = Told::default();
        let news = |slot: &u64| told.is_news(Failure::Cluster, &format!("MOVED {slot}"), at(slot / 100));
        assert_eq!((0..6_000).filter(news).count(), MOST);
        assert!(told.is_news(Failure::Auth, "NOAUTH", at(59)), "and those of other kinds are told");
        assert!(told.is_news(Failure::Cluster, "MOVED 7000", at(60)), "and of this one after a minute");
    }
}
