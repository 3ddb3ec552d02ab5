//! What operators see in a real Redis, and do there.

use std::collections::BTreeMap;
use std::time::Duration;

use tollgate::limit::{Limit, Verdict};
use tollgate::redis::{Acts, Brought, Cursor, Errand, Question, Refused, Settings, Surveyed};
use tollgate::store::{CounterId, Fingerprint, Proof, Seen, Settlement, Watched};
use tollgate::time::Time;

use super::server::Connection;
use super::{PREFIX, Script, bucket, certain, charge, client, limit, with_every_server};

const NOW: Time = Time::from_micros(0);

pub(crate) fn settings() -> Settings {
    Settings { prefix: PREFIX.to_owned(), ..super::played::settings() }
}

fn watched(counter: u32, limit: Limit) -> Watched {
    Watched { counter: CounterId(counter), limit }
}

/// One errand, on this connection.
pub(crate) fn asks(connection: &mut Connection, question: Question) -> Result<Brought, Refused> {
    let mut errand = Errand::new(&settings(), question);
    connection.send(&errand.commands());
    loop {
        if let Some(brought) = errand.hear(&connection.receive()) {
            return brought;
        }
    }
}

fn looks(
    connection: &mut Connection,
    client: Fingerprint,
    watched: &[Watched],
) -> (Seen, Option<Duration>, bool) {
    match asks(connection, Question::Look { client, watched: watched.to_vec() }) {
        Ok(Brought::Seen { seen, blocked_for, is_corrupt }) => (seen, blocked_for, is_corrupt),
        other => panic!("{other:?}"),
    }
}

/// All clients, as the last step that tells of one sees it; how many steps there were, and how many values that nobody wrote.
fn surveys(connection: &mut Connection, watched: &[Watched]) -> (BTreeMap<Fingerprint, Seen>, usize, u32) {
    let (mut all, mut steps, mut broken, mut cursor) = (BTreeMap::new(), 0, 0, Some(Cursor::default()));
    while let Some(from) = cursor {
        let question = Question::Survey { cursor: from, watched: watched.to_vec() };
        let Ok(Brought::Surveyed(Surveyed { next, found, corrupt })) = asks(connection, question) else {
            panic!("a step")
        };
        let count = found.len();
        let step: BTreeMap<_, _> = found.into_iter().map(|seen| (seen.client, seen)).collect();
        assert_eq!(step.len(), count, "a step tells of nobody twice");
        all.extend(step);
        (cursor, steps, broken) = (next, steps + 1, broken + corrupt);
    }
    (all, steps, broken)
}

fn does(connection: &mut Connection, question: Question) -> bool {
    match asks(connection, question) {
        Ok(Brought::Done { changed }) => changed,
        other => panic!("{other:?}"),
    }
}

fn acts(connection: &mut Connection) -> Acts {
    match asks(connection, Question::Acts) {
        Ok(Brought::Acts(acts)) => acts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pardoned_client_begins_anew() {
    with_every_server(|program| {
        let mut script = Script::on_its_own_clock(program, "pardon");
        let mut console = script.server.connect();
        let plan = certain(vec![charge(1, 1, limit("5/h")), charge(1, 2, bucket("5/h", 5))]);
        let limits = [watched(1, limit("5/h")), watched(2, bucket("5/h", 5))];
        let pardon = || Question::Pardon { client: client(1) };
        assert!(!does(&mut console, pardon()), "there is nothing to forget");
        let proof = Proof { client: client(1), lasts: Duration::from_hours(1) };
        script.settle(&Settlement { proof: Some(proof), ..Settlement::default() }, NOW).unwrap();
        while script.charge(&plan, NOW).unwrap().outcome.verdicts.iter().all(Verdict::is_admitted) {}
        let (seen, blocked_for, _) = looks(&mut console, client(1), &limits);
        assert_eq!((seen.standings.len(), blocked_for), (2, None));
        assert!(seen.proved_for.is_some_and(|left| left > Duration::from_hours(1)));
        assert!(does(&mut console, pardon()));
        let (seen, ..) = looks(&mut console, client(1), &limits);
        assert_eq!((seen.standings, seen.proved_for), (vec![], None));
        let first = script.charge(&plan, NOW).unwrap();
        assert!(
            first
                .outcome
                .verdicts
                .iter()
                .all(|verdict| matches!(verdict, Verdict::Admitted { remaining: 4, .. }))
        );
        assert_eq!(acts(&mut console), Acts { number: 2, blocked: vec![] });
        let _ = surveys(&mut console, &limits);
    });
}
