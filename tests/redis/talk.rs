//! What is said to Redis, and when.

use std::time::Duration;

use tollgate::redis::{Asked, BATCH, Commands, Failure, GAP, Login, SCRIPT_SHA1, WAITING};
use tollgate::store::Events;

use super::played::{ACTS, CHARGED, Command, MEMORY, Played, SETTLED, at, plan, proof, proves, settings};
use Command::{Acts, Charge, Memory, Script, Settle};

#[test]
fn the_first_goes_at_once_and_what_arrives_meanwhile_goes_together() {
    let mut played = Played::new();
    assert!(!played.store.is_busy());
    played.arrives(1, at(0));
    assert_eq!((played.opened, &played.sent[..]), (1, &[Memory, Acts, Charge][..]));
    for ticket in 2..=4 {
        played.arrives(ticket, at(1));
    }
    assert_eq!(played.batches, [1], "they wait for the answer");
    assert!(played.store.is_busy());
    played.answers(at(2));
    assert_eq!(played.batches, [1, 3]);
    assert_eq!(played.decided(), [(1, None)]);
    assert!(played.store.is_busy(), "there is more to come");
    played.answers(at(3));
    assert_eq!(played.decided(), [(2, None), (3, None), (4, None)]);
    assert!(!played.store.is_busy());
    assert_eq!((played.opened, played.closed), (1, 0), "one connection for all");
}

#[test]
fn one_that_takes_longer_than_the_gap_is_sent_more_meanwhile() {
    let mut played = Played::new().warmed_up();
    played.arrives(1, at(10));
    played.arrives(2, at(11));
    let gap = u64::try_from(GAP.as_millis()).unwrap();
    played.ticks(at(10 + gap - 1));
    assert_eq!(played.batches, [1]);
    played.ticks(at(10 + gap));
    assert_eq!(played.batches, [1, 1]);
    played.arrives(3, at(10 + 2 * gap));
    assert_eq!(played.batches, [1, 1, 1], "whoever comes so late need not wait for a tick");
    // The replies come in the same order, one by one or together.
    played.store.received(CHARGED.as_bytes(), at(30));
    assert_eq!(played.decided(), [(1, None)]);
    played.store.received(CHARGED.repeat(2).as_bytes(), at(31));
    assert_eq!(played.decided(), [(2, None), (3, None)]);
}

#[test]
fn a_reply_may_come_in_pieces() {
    let mut played = Played::new().warmed_up();
    played.arrives(1, at(10));
    played.settles(proves(9), at(10));
    played.ticks(at(20));
    let replies = played.good();
    assert_eq!(played.sent, [Charge, Settle]);
    for byte in replies.bytes() {
        assert!(played.store.is_busy());
        played.store.received(&[byte], at(21));
    }
    assert_eq!(played.decided(), [(1, None)]);
    assert!(!played.store.is_busy());
}

#[test]
fn batches_and_what_waits_are_bounded() {
    let mut played = Played::new().warmed_up();
    played.arrives(0, at(10));
    for ticket in 1..=u32::try_from(WAITING).unwrap() {
        played.arrives(ticket, at(10));
    }
    let asked = played.store.ask(9_999, 9_999, plan(0), at(10));
    assert!(matches!(asked, Asked::Refused(9_999, _, Failure::QueueFull)));
    while !played.sent.is_empty() {
        played.answers(at(10));
    }
    assert_eq!(played.batches, [vec![1], vec![BATCH; WAITING / BATCH]].concat());
    assert_eq!(played.decided().len(), WAITING + 1);
    // So are settlements.
    played.arrives(1, at(20));
    for _ in 0..=WAITING {
        played.settles(proves(9), at(20));
    }
    assert_eq!(played.store.take_report().unsettled, 1);
    played.answers(at(20));
    assert_eq!(played.sent, [Settle; BATCH]);
    for left in (0..WAITING / BATCH).rev() {
        played.answers(at(20));
        assert_eq!(played.sent.len(), if left > 0 { BATCH } else { 0 });
    }
    assert!(!played.store.is_busy());
}

#[test]
fn a_slow_one_is_not_sent_more_than_it_can_remember() {
    let mut played = Played::new().warmed_up();
    let mut ticket = 0;
    for turn in 0..20 {
        for _ in 0..BATCH {
            ticket += 1;
            if !matches!(
                played.store.ask(ticket, ticket, plan(ticket.into()), at(10 + turn * 5)),
                Asked::Waits
            ) {
                break;
            }
        }
        played.ticks(at(10 + turn * 5));
    }
    assert_eq!(played.sent.len(), 1_024, "the rest waits");
}

#[test]
fn a_connection_begins_with_the_login_and_only_it_does() {
    let mut settings = settings();
    settings.login = Some(Login { username: Some("me".into()), password: "a\r\nb".into() });
    let shown = format!("{:?}", Commands::new("p:".into(), settings.login.clone()));
    assert_eq!(shown, r#"Commands { prefix: "p:", login: Some(Login { username: Some("me"), .. }) }"#);
    let mut played = Played::with(&settings);
    played.arrives(1, at(0));
    assert!(played.last.starts_with("*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$4\r\na\r\nb\r\n*"), "{}", played.last);
    played.answers(at(0));
    played.arrives(2, at(1));
    assert_eq!(played.sent, [Charge]);
    played.answers(at(1));
    assert_eq!(played.decided(), [(1, None), (2, None)]);
    settings.login = Some(Login { username: None, password: "x".into() });
    let mut played = Played::with(&settings);
    played.arrives(1, at(0));
    assert!(played.last.starts_with("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n*"), "{}", played.last);
}

#[test]
fn it_is_asked_once_a_minute_whether_it_forgets() {
    let mut played = Played::new();
    played.arrives(1, at(0));
    assert_eq!(played.sent, [Memory, Acts, Charge]);
    let evicts = "$45\r\nmaxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n\r\n";
    played.says(&format!("{evicts}{ACTS}{CHARGED}"), at(0));
    assert_eq!(played.store.take_report().evicts, Some(true));
    played.arrives(2, at(59_999));
    assert_eq!(played.sent, [Acts, Charge]);
    played.answers(at(59_999));
    played.arrives(3, at(60_000));
    assert_eq!(played.sent, [Memory, Charge]);
    played.says(&format!("{MEMORY}{CHARGED}"), at(60_000));
    assert_eq!(played.store.take_report().evicts, Some(false));
    // Whoever may not ask that is asked about requests all the same.
    let mut played = Played::new();
    played.arrives(1, at(0));
    let forbidden = "-NOPERM this user has no permissions to run the 'info' command\r\n";
    played.says(&format!("{forbidden}{ACTS}{CHARGED}"), at(0));
    assert_eq!(played.decided(), [(1, None)]);
    let report = played.store.take_report();
    assert_eq!((report.evicts, report.refusals.len()), (None, 0));
}

#[test]
fn what_is_given_back_goes_before_what_may_need_it() {
    let mut played = Played::new().warmed_up();
    played.arrives(1, at(10));
    played.arrives(2, at(10));
    played.settles(proves(9), at(10));
    played.answers(at(11));
    assert_eq!(played.sent, [Settle, Charge]);
}

#[test]
fn a_forgotten_script_is_sent_along_once() {
    let missing = "-NOSCRIPT No matching script.\r\n";
    let mut played = Played::new().warmed_up();
    played.arrives(1, at(10));
    for ticket in 2..=3 {
        played.arrives(ticket, at(10));
    }
    played.settles(proves(9), at(10));
    played.ticks(at(15));
    played.arrives(4, at(16));
    assert_eq!(played.sent, [Charge, Settle, Charge, Charge]);
    // Two batches are on their way; a third waits.
    played.says(missing, at(17));
    assert_eq!(played.decided(), []);
    played.says(&missing.repeat(3), at(17));
    assert_eq!(played.sent, [Script, Settle, Charge, Charge, Charge, Charge]);
    let order: Vec<usize> =
        (1..=4).map(|name| played.last.find(&key(name)).expect("each is asked for again")).collect();
    assert!(order.is_sorted(), "in the order in which they came: {order:?}");
    played.answers(at(18));
    assert_eq!(played.decided(), [(1, None), (2, None), (3, None), (4, None)]);
    let report = played.store.take_report();
    assert_eq!((report.unsettled, report.refusals.len()), (0, 0));
    // Forgotten for good: the second time it is a failure.
    played.arrives(5, at(20));
    played.says(missing, at(20));
    played.says(&format!("-OOM no\r\n{missing}"), at(20));
    assert_eq!(played.decided(), [(5, Some(Failure::NoScript))]);
    played.arrives(6, at(21));
    assert_eq!(played.sent, [Script, Charge], "it is still missing");
}

fn key(name: u64) -> String {
    Commands::new("tollgate:".into(), None).key(super::client(name))
}

#[test]
fn each_answer_is_its_requests() {
    let mut played = Played::new().warmed_up();
    played.arrives(0, at(10));
    for ticket in 1..=4 {
        played.arrives(ticket, at(10));
    }
    played.answers(at(10));
    played.says(&format!("{CHARGED}-OOM no\r\n+what\r\n{CHARGED}"), at(11));
    assert_eq!(
        played.decided()[1..],
        [(1, None), (2, Some(Failure::Memory)), (3, Some(Failure::Reply)), (4, None)]
    );
    assert!(played.store.take_report().gave_up.is_none());
}

#[test]
fn what_happened_in_redis_is_reported() {
    let corrupt = "*4\r\n:1764\r\n:1\r\n:0\r\n:2\r\n";
    for (replies, unsettled, events) in [
        (format!("{SETTLED}{corrupt}"), 0, 2),
        (format!("-OOM no\r\n{corrupt}"), 1, 2),
        ("-OOM no\r\n-OOM no\r\n".to_owned(), 2, 0),
    ] {
        let mut played = Played::new().warmed_up();
        played.arrives(1, at(10));
        played.settles(proves(9), at(10));
        played.settles(proves(9), at(10));
        played.answers(at(10));
        played.says(&replies, at(11));
        let report = played.store.take_report();
        assert_eq!(report.unsettled, unsettled, "{replies}");
        assert_eq!(report.events, Events { corrupt: events, ..Events::default() }, "{replies}");
    }
}

#[test]
fn whoever_goes_away_is_given_back() {
    let mut played = Played::new().warmed_up();
    played.arrives(0, at(10));
    for ticket in 1..=4 {
        played.arrives(ticket, at(10));
    }
    played.store.gone(1);
    played.answers(at(11));
    assert_eq!(played.sent, [Charge; 3], "one is not even asked for");
    played.store.gone(2);
    let good = played.good();
    played.sent.clear();
    played.store.received(good.as_bytes(), at(12));
    played.store.gone(3);
    played.store.gone(4);
    played.store.gone(4);
    played.go_on(at(12));
    assert_eq!(played.decided(), [(0, None)]);
    assert_eq!(played.sent, [Settle; 3], "each once");
    played.answers(at(13));
    assert!(!played.store.is_busy());
}

#[test]
fn a_noted_proof_is_known() {
    let mut played = Played::new().warmed_up();
    played.settles(proves(9), at(10));
    played.says("*4\r\n:1\r\n:1\r\n:3600000000\r\n:0\r\n", at(10));
    let known = tollgate::store::Acceptance::Known(proof(9), Duration::from_hours(1));
    assert_eq!(played.store.acceptance(Some(proof(9)), at(10)), known);
    assert_eq!(SCRIPT_SHA1.len(), 40);
}
