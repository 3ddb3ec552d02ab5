//! What the console asks, for tests that go on its errands.

use std::collections::BTreeMap;
use std::time::Duration;

use tollgate::limit::Limit;
use tollgate::redis::{Acts, Brought, Cursor, Question, Refused, Reply, Settings, Surveyed};
use tollgate::store::{CounterId, Fingerprint, Plan, Seen, Watched};
use tollgate::time::Time;

use super::server::{Connection, encode};
use super::{bucket, certain, charge, client, limit, settings};

pub(crate) const NOW: Time = Time::from_micros(0);

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

pub(crate) fn watched(counter: u32, limit: Limit) -> Watched {
    Watched { counter: CounterId(counter), limit }
}

pub(crate) fn asks(console: &mut Connection, question: Question) -> Result<Brought, Refused> {
    console.errand(question, |commands| commands)
}

pub(crate) fn looks(
    console: &mut Connection,
    client: Fingerprint,
    watched: &[Watched],
) -> (Seen, Option<Duration>, bool) {
    match asks(console, Question::Look { client, watched: watched.to_vec() }) {
        Ok(Brought::Seen { seen, blocked_for, is_corrupt }) => (seen, blocked_for, is_corrupt),
        other => panic!("{other:?}"),
    }
}

/// Whether there was anything to do.
pub(crate) fn does(console: &mut Connection, question: Question) -> bool {
    match asks(console, question) {
        Ok(Brought::Done { changed }) => changed,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn block(name: u64, lasts: Duration) -> Question {
    Question::Block { client: client(name), lasts }
}

pub(crate) fn unblock(name: u64) -> Question {
    Question::Unblock { client: client(name) }
}

pub(crate) fn pardon(name: u64) -> Question {
    Question::Pardon { client: client(name) }
}

pub(crate) fn acts(console: &mut Connection) -> Acts {
    match asks(console, Question::Acts) {
        Ok(Brought::Acts(acts)) => acts,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn number(console: &mut Connection, words: &[&[u8]]) -> i64 {
    console.last_of(&encode(words), 1, |reply| match reply {
        Reply::Number(number) => number,
        other => panic!("{other:?}"),
    })
}

pub(crate) fn two_limits() -> (Plan, [Watched; 2]) {
    let plan = certain(vec![charge(1, 1, limit("5/h")), charge(1, 2, bucket("5/h", 5))]);
    (plan, [watched(1, limit("5/h")), watched(2, bucket("5/h", 5))])
}

/// What a survey brings in the end: all clients, as the last step that tells of each sees it.
pub(crate) struct Survey {
    pub(crate) all: BTreeMap<Fingerprint, Seen>,
    pub(crate) steps: usize,
    pub(crate) corrupt: u32,
}

pub(crate) fn surveys(
    console: &mut Connection,
    watched: &[Watched],
    between: impl FnMut(&mut Connection),
) -> Survey {
    surveys_with(&settings(), console, watched, between)
}

pub(crate) fn surveys_with(
    settings: &Settings,
    console: &mut Connection,
    watched: &[Watched],
    mut between: impl FnMut(&mut Connection),
) -> Survey {
    let mut survey = Survey { all: BTreeMap::new(), steps: 0, corrupt: 0 };
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor {
        let question = Question::Survey { cursor: from, watched: watched.to_vec() };
        let brought = console.errand_with(settings, question, |commands| commands);
        let Ok(Brought::Surveyed(Surveyed { next, found, corrupt })) = brought else { panic!("{brought:?}") };
        assert!(found.len() <= 420, "a step is short: {}", found.len());
        let count = found.len();
        let step: BTreeMap<_, _> = found.into_iter().map(|seen| (seen.client, seen)).collect();
        assert_eq!(step.len(), count, "a step tells of nobody twice");
        survey.all.extend(step);
        survey.steps += 1;
        survey.corrupt += corrupt;
        cursor = next;
        between(console);
    }
    survey
}
