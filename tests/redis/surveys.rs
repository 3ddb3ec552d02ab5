//! What operators see of all clients in a real Redis, and of what is none.

use std::time::Duration;

use tollgate::limit::Verdict;
use tollgate::redis::{Acts, Brought, Commands, Cursor, Question, Reply, Settings, Surveyed};
use tollgate::store::{Charge, Fingerprint, Proof, Settlement};
use tollgate::time::Time;

use super::console::{
    MINUTE, NOW, acts, asks, block, does, looks, pardon, surveys, surveys_with, two_limits, unblock, watched,
};
use super::{Script, certain, charge, client, commands, limit, rescripted, settings, with_every_server};

#[test]
fn a_survey_finds_everybody() {
    with_every_server(|program| {
        // In a prefix that would be a pattern, too.
        let prefix = "{t}[a-z]*?\\:";
        let settings = Settings { prefix: prefix.to_owned(), ..settings() };
        let commands = Commands::new(prefix.to_owned(), None);
        let script = Script::on_its_own_clock(program, "survey");
        let mut console = script.server.connect();
        let mut out = Vec::new();
        for name in 0..1_000 {
            let units = 1 + u32::try_from(name % 3).unwrap();
            let charge = Charge { cost: units, ..charge(name, 7, limit("60/h")) };
            commands.charge(&certain(vec![charge]), &mut out);
        }
        console.all_of(&out, 1_000, |replies| {
            assert!(!replies.iter().any(|reply| matches!(reply, Reply::Error(_))));
        });
        // What is not a client's, or not one of ours.
        for key in ["{t}[a-z]*?\\:v2:acts-not", "{t}b:v2:", "{t}[a-z]*?\\:v1:", "{t}[a-z]*?\\:v2:"] {
            console.command(&[b"SET", [key, &"X".repeat(32)].concat().as_bytes(), b"x"]);
        }
        let other = Commands::new("{t}bxx\\:".to_owned(), None).key(client(5_000));
        console.command(&[b"SET", other.as_bytes(), b"x"]);
        console.errand_with(&settings, block(9_999, MINUTE), |commands| commands).unwrap();
        let mut more = 0;
        let survey = surveys_with(
            &settings,
            &mut console,
            &[watched(7, limit("60/h")), watched(8, limit("60/h"))],
            |console| {
                // The table of keys grows meanwhile, so that some may be told of twice.
                more += 1;
                for number in 0..400 {
                    console.command(&[b"SET", format!("other:{more}:{number}").as_bytes(), b"x"]);
                }
            },
        );
        let expected: Vec<Fingerprint> = {
            let mut all: Vec<_> = (0..1_000).map(client).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(survey.all.keys().copied().collect::<Vec<_>>(), expected);
        assert!(survey.steps >= 3 && survey.corrupt == 0);
        for name in 0..1_000 {
            let seen = &survey.all[&client(name)];
            let [(0, Verdict::Admitted { remaining, reset })] = seen.standings[..] else {
                panic!("{seen:?}")
            };
            assert_eq!(u64::from(remaining), 60 - 1 - (1 + name % 3), "one unit more than it has taken");
            assert!(reset <= Duration::from_hours(1) && seen.proved_for.is_none());
        }
    });
}

#[test]
fn what_redis_tells_of_twice_in_a_step_is_found_once() {
    with_every_server(|program| {
        let mut script = Script::on_its_own_clock(program, "twice");
        script.charge(&certain(vec![charge(1, 1, limit("5/h"))]), NOW).unwrap();
        // Redis may do so while its table of keys shrinks.
        let twice = |script: &str| {
            let scan = "'COUNT', PAGE)";
            assert_eq!(script.matches(scan).count(), 1);
            script
                .replace(scan, "'COUNT', PAGE) for i = 1, #page[2] do page[2][#page[2] + 1] = page[2][i] end")
        };
        let question = Question::Survey { cursor: Cursor::default(), watched: vec![] };
        let brought = script.connection.errand(question, |commands| rescripted(&commands, twice));
        let Ok(Brought::Surveyed(Surveyed { found, .. })) = brought else { panic!("{brought:?}") };
        assert_eq!(found.iter().map(|seen| seen.client).collect::<Vec<_>>(), [client(1)]);
    });
}

#[test]
fn a_client_of_whom_nothing_matters_any_more_is_not_found() {
    with_every_server(|program| {
        let mut script = Script::on_a_set_clock(program, "over");
        let at = |seconds: u64| Time::from_micros((1_764_000_000 + seconds) * 1_000_000);
        script.charge(&certain(vec![charge(1, 1, limit("5/min"))]), at(0)).unwrap();
        script.charge(&certain(vec![charge(2, 2, limit("5/h"))]), at(0)).unwrap();
        let proof = Proof { client: client(3), lasts: Duration::from_hours(1) };
        script.settle(&Settlement { proof: Some(proof), ..Settlement::default() }, at(0)).unwrap();
        let mut found = |seconds| {
            let question =
                Question::Survey { cursor: Cursor::default(), watched: vec![watched(1, limit("5/min"))] };
            let Ok(Brought::Surveyed(Surveyed { next: None, mut found, .. })) =
                script.ask(question, at(seconds))
            else {
                panic!("one step");
            };
            found.sort_unstable_by_key(|seen| seen.client);
            found
                .into_iter()
                .map(|seen| (seen.client, seen.proved_for.is_some(), seen.standings.len()))
                .collect::<Vec<_>>()
        };
        let sorted = |mut all: Vec<(Fingerprint, bool, usize)>| {
            all.sort_unstable();
            all
        };
        let (counted, elsewhere, proved) =
            ((client(1), false, 1), (client(2), false, 0), (client(3), true, 0));
        assert_eq!(found(59), sorted(vec![counted, elsewhere, proved]));
        assert_eq!(found(60), sorted(vec![elsewhere, proved]));
        assert_eq!(found(3_600), [proved]);
        assert_eq!(found(4_050), []);
    });
}

#[test]
fn what_nobody_wrote_is_told_and_passed_by() {
    with_every_server(|program| {
        let mut script = Script::on_its_own_clock(program, "strange");
        let mut console = script.server.connect();
        let (plan, limits) = two_limits();
        script.charge(&plan, NOW).unwrap();
        let [text, list] = [2, 3].map(|name| commands().key(client(name)));
        console.command(&[b"SET", text.as_bytes(), b"hello"]);
        console.command(&[b"RPUSH", list.as_bytes(), b"hello"]);
        let survey = surveys(&mut console, &limits, |_| ());
        assert_eq!((survey.all.into_keys().collect::<Vec<_>>(), survey.corrupt), (vec![client(1)], 2));
        for name in [2, 3] {
            let (seen, blocked_for, is_corrupt) = looks(&mut console, client(name), &limits);
            assert_eq!((seen.standings, seen.proved_for, blocked_for), (vec![], None, None));
            assert!(is_corrupt && does(&mut console, pardon(name)));
            assert!(!looks(&mut console, client(name), &limits).2, "it is gone");
        }
        // Where the acts should be: it gives way as soon as anything is done.
        let key = commands().acts_key();
        console.command(&[b"SET", key.as_bytes(), b"hello"]);
        assert_eq!(looks(&mut console, client(1), &limits).0.standings.len(), 2);
        let refused = asks(&mut console, Question::Acts).unwrap_err().to_string();
        assert!(refused.contains("WRONGTYPE"), "{refused}");
        assert!(does(&mut console, block(1, MINUTE)));
        assert_eq!(acts(&mut console).blocked.len(), 1);
        // Members that are nobody's.
        console.command(&[b"ZADD", key.as_bytes(), b"inf", b"somebody", b"-5", b"x", b"9e15", b"y"]);
        assert_eq!(acts(&mut console).blocked.len(), 1);
        assert!(does(&mut console, unblock(1)));
        assert_eq!(acts(&mut console), Acts { number: 2, blocked: vec![] });
    });
}
