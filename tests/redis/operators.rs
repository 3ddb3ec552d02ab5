//! What operators see of a client in a real Redis, and do to it there.

use std::time::Duration;

use tollgate::limit::Verdict;
use tollgate::redis::{Acts, Brought, Question, Refused};
use tollgate::store::{Charge, MOST_BLOCKED, Proof, Settlement};
use tollgate::time::Time;

use super::console::{
    MINUTE, NOW, acts, asks, block, does, looks, number, pardon, surveys, two_limits, unblock, watched,
};
use super::server::{Connection, encode};
use super::{Script, bucket, certain, charge, client, commands, limit, micros, with_every_server};

const DAYS: Duration = Duration::from_hours(24);

#[test]
fn what_is_seen_is_what_the_next_unit_is_told() {
    with_every_server(|program| {
        let mut script = Script::on_a_set_clock(program, "look");
        let at = |seconds: u64| Time::from_micros((1_764_000_000 + seconds) * 1_000_000);
        // Of one counter two quotas; one that nobody is counted by; and limits that only share the hash of their name with a counter.
        let limits = [
            limit("5/min"),
            limit("7/min"),
            bucket("2/s", 6),
            limit("9/h"),
            limit("5/h"),
            bucket("5/min", 9),
            limit("2/s"),
        ];
        let counters = [1, 1, 2, 3, 1, 1, 2];
        let all = counters.into_iter().zip(limits).map(|(counter, limit)| watched(counter, limit));
        let all: Vec<_> = all.collect();
        let look = || Question::Look { client: client(1), watched: all.clone() };
        for second in 0..80 {
            let now = at(second);
            let Ok(Brought::Seen { seen, blocked_for: None, is_corrupt: false }) = script.ask(look(), now)
            else {
                panic!("it is seen");
            };
            assert_eq!(
                script.ask(look(), now),
                Ok(Brought::Seen { seen: seen.clone(), blocked_for: None, is_corrupt: false })
            );
            let places: Vec<usize> = seen.standings.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, if second == 0 { vec![] } else { vec![0, 1, 2] }, "{second}");
            for (place, limit) in limits.into_iter().enumerate().take(3) {
                let plan = certain(vec![charge(1, counters[place], limit)]);
                let answer = script.charge(&plan, now).unwrap();
                if let Some((_, verdict)) = seen.standings.iter().find(|(seen, _)| *seen == place) {
                    assert_eq!(answer.outcome.verdicts, [*verdict], "{second}: {limit:?}");
                }
                // The two that share a counter are asked about apart; what stays taken is one unit of the window, three of the bucket.
                if place != 1 {
                    script.settle(&answer.undo(), now).unwrap();
                }
            }
            let plan = certain(vec![Charge { cost: 3, ..charge(1, 2, limits[2]) }]);
            script.charge(&plan, now).unwrap();
        }
    });
}

#[test]
fn a_look_writes_nothing() {
    with_every_server(|program| {
        let mut script = Script::on_its_own_clock(program, "writes");
        let mut console = script.server.connect();
        let (plan, limits) = two_limits();
        script.charge(&plan, NOW).unwrap();
        // Whether anything is written is what Redis counts as changes since it was last saved.
        let changes = |console: &mut Connection| {
            let info = console.command(&[b"INFO", b"persistence"]);
            let line = info.lines().find(|line| line.starts_with("rdb_changes_since_last_save:"));
            line.expect("it says so").to_owned()
        };
        let before = changes(&mut console);
        let (seen, ..) = looks(&mut console, client(1), &limits);
        assert_eq!(seen.standings.len(), 2);
        looks(&mut console, client(2), &limits);
        assert_eq!(surveys(&mut console, &limits, |_| ()).all.len(), 1);
        assert_eq!(acts(&mut console), Acts::default());
        assert_eq!(changes(&mut console), before);
        script.charge(&plan, NOW).unwrap();
        assert_ne!(changes(&mut console), before, "that it would be seen");
    });
}

#[test]
fn a_pardoned_client_begins_anew() {
    with_every_server(|program| {
        let mut script = Script::on_its_own_clock(program, "pardon");
        let mut console = script.server.connect();
        let (plan, limits) = two_limits();
        assert!(!does(&mut console, pardon(1)), "there is nothing to forget");
        let proof = Proof { client: client(1), lasts: Duration::from_hours(1) };
        script.settle(&Settlement { proof: Some(proof), ..Settlement::default() }, NOW).unwrap();
        while script.charge(&plan, NOW).unwrap().outcome.verdicts.iter().all(Verdict::is_admitted) {}
        let (seen, blocked_for, _) = looks(&mut console, client(1), &limits);
        assert!(
            seen.standings.iter().all(|(_, verdict)| !verdict.is_admitted()) && seen.standings.len() == 2
        );
        assert!(seen.proved_for.is_some_and(|left| left > Duration::from_hours(1)) && blocked_for.is_none());
        assert!(does(&mut console, pardon(1)));
        let (seen, ..) = looks(&mut console, client(1), &limits);
        assert_eq!((seen.standings, seen.proved_for), (vec![], None));
        let first = script.charge(&plan, NOW).unwrap();
        let is_first = |verdict: &Verdict| matches!(verdict, Verdict::Admitted { remaining: 4, .. });
        assert!(first.outcome.verdicts.iter().all(is_first));
        assert_eq!(acts(&mut console), Acts { number: 2, blocked: vec![] });
    });
}

#[test]
fn who_is_blocked_is_so_until_it_is_over_by_the_clock_of_redis() {
    with_every_server(|program| {
        let script = Script::on_its_own_clock(program, "blocks");
        let mut console = script.server.connect();
        let time = |console: &mut Connection| {
            console.last_of(&encode(&[b"TIME"]), 1, |reply| micros(&reply)).expect("a time")
        };
        assert!(!does(&mut console, unblock(1)));
        let begun = time(&mut console);
        assert!(does(&mut console, block(1, Duration::from_millis(300))));
        assert!(does(&mut console, block(2, 5 * MINUTE)));
        let Acts { number, blocked } = acts(&mut console);
        assert_eq!((number, blocked.len()), (3, 2));
        assert!(blocked[0].0 == client(1) && blocked[0].1 <= Duration::from_millis(300));
        assert!(blocked[1].0 == client(2) && blocked[1].1 > 4 * MINUTE && blocked[1].1 <= 5 * MINUTE);
        loop {
            let (blocked, now) = (acts(&mut console).blocked.len(), time(&mut console));
            if blocked == 1 {
                assert!(now >= begun + 300_000, "not before it is over");
                break;
            }
            assert!(now < begun + 60_000_000, "it ends at last");
        }
        assert_eq!(looks(&mut console, client(1), &[]).1, None);
        assert!(!does(&mut console, unblock(1)), "it is over");
        // The last word counts, and a pardon does not unblock.
        does(&mut console, block(2, MINUTE));
        does(&mut console, pardon(2));
        let left = looks(&mut console, client(2), &[]).1.expect("it is blocked");
        assert!(left <= MINUTE && left > MINUTE / 2, "{left:?}");
        assert!(does(&mut console, unblock(2)) && !does(&mut console, unblock(2)));
        assert_eq!(acts(&mut console), Acts { number: 8, blocked: vec![] });
    });
}

#[test]
fn what_is_known_of_acts_expires() {
    with_every_server(|program| {
        let script = Script::on_its_own_clock(program, "acts");
        let mut console = script.server.connect();
        let key = commands().acts_key();
        assert_eq!(key, "{tollgate}:v2:acts");
        let days = |console: &mut Connection| {
            let left = number(console, &[b"PTTL", key.as_bytes()]);
            // Not a millisecond early, and a minute is long enough for a test.
            (u64::try_from(left).expect("it expires") + 60_000) / 86_400_000
        };
        for (question, expected) in [
            (pardon(1), 31),
            (block(1, 5 * MINUTE), 31),
            (block(2, 40 * DAYS), 40),
            (pardon(1), 40),
            (block(1, Duration::MAX), 26_062),
            (unblock(1), 40),
            (unblock(2), 31),
        ] {
            does(&mut console, question.clone());
            assert_eq!(days(&mut console), expected, "{question:?}");
        }
        // It is there for as long as the block.
        let until = number(&mut console, &[b"PTTL", key.as_bytes()]);
        assert!(until <= 31 * 86_400_000 + 1);
        assert_eq!(number(&mut console, &[b"ZCARD", key.as_bytes()]), 1, "nothing is left of what is over");
    });
}

#[test]
fn so_many_can_be_blocked_and_no_more() {
    with_every_server(|program| {
        let script = Script::on_its_own_clock(program, "most");
        let mut console = script.server.connect();
        let until =
            number(&mut console, &[b"EVAL", b"return redis.call('TIME')[1] + 3600", b"0"]) * 1_000_000;
        let until = until.to_string().into_bytes();
        let digits: Vec<Vec<u8>> =
            (1..MOST_BLOCKED as u64).map(|name| client(name).to_string().into_bytes()).collect();
        let key = commands().acts_key();
        let over = client(0).to_string().into_bytes();
        let mut words = vec![&b"ZADD"[..], key.as_bytes(), b"7", b"acts", b"8", &over];
        words.extend(digits.iter().flat_map(|digits| [&until[..], digits]));
        console.command(&words);
        assert!(does(&mut console, block(10_000, MINUTE)), "one is over, so there is room for one");
        let refused = asks(&mut console, block(10_001, MINUTE));
        assert_eq!(refused, Err(Refused::TooManyBlocked));
        let words = refused.unwrap_err().to_string();
        assert!(words.contains("1000 clients are blocked") && words.contains("unblock one"), "{words}");
        let all = acts(&mut console);
        assert_eq!((all.number, all.blocked.len()), (8, MOST_BLOCKED));
        assert!(does(&mut console, block(5, MINUTE)), "it is blocked already");
        assert!(does(&mut console, unblock(6)) && does(&mut console, block(10_001, MINUTE)));
        assert_eq!(acts(&mut console).blocked.len(), MOST_BLOCKED);
    });
}
