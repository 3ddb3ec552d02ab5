//! What becomes of whom when Redis fails.

use tollgate::redis::{Asked, Failure, MAX_ANSWER, OnFailure};

use super::played::{CHARGED, Command, Played, SETTLED, at, plan, proves, settings};
use Command::{Charge, Memory, Settle};

#[test]
fn whoever_waits_is_decided_about_when_its_time_is_over() {
    // On its way, and waiting for its turn: both wait no longer than a tenth of a second, and no less.
    let mut played = Played::new().warmed_up();
    played.arrives(1, at(10));
    played.arrives(2, at(12));
    played.ticks(at(109));
    assert_eq!(played.decided(), []);
    assert_eq!(played.batches, [1, 1], "it is sent for as long as an answer can come in time");
    played.ticks(at(110));
    assert_eq!(played.decided(), [(1, Some(Failure::Timeout))]);
    played.ticks(at(111));
    assert_eq!(played.decided(), []);
    // The second answer comes in time, behind one that nobody waits for any more.
    played.answers(at(111));
    assert_eq!(played.decided(), [(2, None)]);
    assert!(!played.store.is_busy());
}

#[test]
fn whoever_was_not_sent_is_not_sent_when_its_time_is_over() {
    let mut played = Played::new().warmed_up();
    played.arrives(1, at(10));
    played.arrives(2, at(11));
    played.store.tick(at(111));
    assert_eq!(played.decided(), [(2, Some(Failure::Timeout)), (1, Some(Failure::Timeout))]);
    played.go_on(at(111));
    assert_eq!(played.batches, [1]);
}

#[test]
fn what_is_charged_late_stays_unless_it_was_denied() {
    for (on_failure, given_back) in [(OnFailure::Local, 0), (OnFailure::Allow, 0), (OnFailure::Deny, 1)] {
        let mut settings = settings();
        settings.on_failure = on_failure;
        let mut played = Played::with(&settings).warmed_up();
        played.arrives(1, at(10));
        played.ticks(at(110));
        played.answers(at(120));
        assert_eq!(played.sent, vec![Settle; given_back], "{on_failure:?}");
        assert_eq!(played.decided(), [(1, Some(Failure::Timeout))], "once");
    }
}

#[test]
fn a_redis_that_is_always_late_is_not_asked_any_more() {
    let mut played = Played::new().warmed_up();
    for turn in 0..3 {
        let start = 1_000 * (turn + 1);
        played.arrives(1, at(start));
        played.ticks(at(start + 100));
        assert!(played.store.is_asked() == (turn < 2));
        if turn < 2 {
            played.answers(at(start + 101));
        }
    }
    assert_eq!(played.store.take_report().gave_up, Some(Failure::Timeout));
    assert_eq!(played.closed, 1, "nothing that still comes is of use");
}

#[test]
fn one_that_is_silent_is_given_up_though_nobody_waits() {
    let mut played = Played::new().warmed_up();
    played.settles(proves(9), at(10));
    played.ticks(at(209));
    assert!(played.store.is_asked(), "twice the timeout");
    for millis in [210, 215, 220] {
        assert!(played.store.is_asked());
        played.ticks(at(millis));
    }
    assert!(!played.store.is_asked());
    let report = played.store.take_report();
    assert_eq!((report.gave_up, report.unsettled), (Some(Failure::Timeout), 1));
    assert_eq!(played.closed, 1);
}

#[test]
fn a_connection_that_worked_and_breaks_is_tried_once_more() {
    let mut played = Played::new().warmed_up();
    for ticket in 1..=3 {
        played.arrives(ticket, at(10));
    }
    played.settles(proves(9), at(10));
    played.ticks(at(15));
    assert_eq!(played.sent, [Charge, Settle, Charge, Charge]);
    played.breaks(at(16));
    assert_eq!(played.opened, 2);
    assert_eq!(
        played.sent,
        [Memory, Charge, Charge, Charge],
        "what may have been given back is not given back again"
    );
    assert_eq!(played.store.take_report().unsettled, 1);
    // The new one has not worked yet.
    played.breaks(at(17));
    let connection = Some(Failure::Connection);
    assert_eq!(played.decided(), [(1, connection), (2, connection), (3, connection)]);
    // Nor is anybody tried a third time.
    let mut played = Played::new().warmed_up();
    played.arrives(1, at(10));
    played.breaks(at(11));
    played.store.received(super::played::MEMORY.as_bytes(), at(12));
    played.breaks(at(12));
    assert_eq!(played.decided(), [(1, connection)]);
}

#[test]
fn an_idle_connection_may_be_closed() {
    let mut played = Played::new().warmed_up();
    for _ in 0..5 {
        played.breaks(at(10));
        assert!(played.store.is_asked() && !played.store.is_busy());
        played.arrives(1, at(10));
        played.answers(at(11));
        assert_eq!(played.decided(), [(1, None)]);
    }
}

#[test]
fn a_connection_that_cannot_be_opened_is_a_failure_of_all_that_wait() {
    let mut played = Played::new();
    for (turn, failure) in
        [Failure::NoCluster, Failure::Connection, Failure::NoCluster].into_iter().enumerate()
    {
        for ticket in 1..=2 {
            assert!(matches!(played.store.ask(ticket, ticket, plan(1), at(0)), Asked::Waits));
        }
        assert_eq!(played.store.next_step(at(0)), Some(tollgate::redis::Step::Open));
        played.store.closed(failure, at(0));
        assert_eq!(played.decided(), [(1, Some(failure)), (2, Some(failure))]);
        let gave_up = (turn == 2).then_some(failure);
        assert_eq!(played.store.take_report().gave_up, gave_up);
    }
    assert_eq!(played.store.next_step(at(0)), None);
}

#[test]
fn a_connection_that_ends_has_the_reason_that_redis_gave() {
    for (said, failure) in [
        ("", Failure::Connection),
        ("*8\r\n:1764\r\n", Failure::Connection),
        ("-ERR max number of clients reached\r\n", Failure::TooManyClients),
        ("-DENIED Redis is running in protected mode\r\n", Failure::Auth),
        ("-LOADING\r\n", Failure::Loading),
    ] {
        let mut played = Played::new();
        played.arrives(1, at(0));
        played.store.received(said.as_bytes(), at(1));
        while played.store.next_step(at(1)).is_some_and(|step| step == tollgate::redis::Step::Close) {}
        played.store.closed(Failure::Connection, at(1));
        assert_eq!(played.decided(), [(1, Some(failure))], "{said}");
        let told: Vec<_> =
            played.store.take_report().refusals.into_iter().map(|refusal| refusal.failure).collect();
        assert_eq!(told.first(), Some(&failure).filter(|_| said.starts_with('-')), "{said}");
    }
}

#[test]
fn what_is_no_reply_ends_the_connection() {
    let long = format!("${}\r\n{}", 2 * MAX_ANSWER, "x".repeat(MAX_ANSWER));
    for said in ["HTTP/1.1 200 OK\r\n", "OK\r\n", "$-2\r\n", long.as_str()] {
        let mut played = Played::new();
        played.arrives(1, at(0));
        played.arrives(2, at(0));
        played.store.received(said.as_bytes(), at(1));
        let decided = played.decided();
        assert_eq!(decided, [(1, Some(Failure::Reply))], "{}", &said[..said.len().min(20)]);
        played.go_on(at(1));
        assert_eq!((played.closed, played.opened), (1, 2), "and another begins, for those that wait");
        assert_eq!(played.sent, [Memory, Charge]);
    }
    // As much as may be is waited for.
    let mut played = Played::new();
    played.arrives(1, at(0));
    played.store.received(&long.as_bytes()[..MAX_ANSWER], at(1));
    assert_eq!(played.decided(), []);
    // Nobody asked.
    let mut played = Played::new().warmed_up();
    played.says(CHARGED, at(10));
    assert_eq!(played.closed, 1);
}

#[test]
fn another_node_may_be_the_right_one() {
    for (error, leaves) in [
        ("-READONLY You can't write against a read only replica.\r\n", true),
        ("-MOVED 3999 127.0.0.1:6381\r\n", true),
        ("-LOADING Redis is loading the dataset in memory\r\n", true),
        ("-NOAUTH Authentication required.\r\n", true),
        ("-OOM command not allowed\r\n", false),
        ("-ERR unknown command 'EVALSHA'\r\n", false),
    ] {
        let mut played = Played::new().warmed_up();
        played.arrives(1, at(10));
        played.says(error, at(11));
        assert_eq!(played.closed, usize::from(leaves), "{error}");
        played.arrives(2, at(12));
        assert_eq!(played.sent.contains(&Memory), leaves, "{error}");
    }
}

#[test]
fn after_three_failures_nobody_waits() {
    let mut played = Played::new().warmed_up();
    for turn in 1..=3_u32 {
        played.arrives(turn, at(10));
        played.arrives(10 * turn, at(10));
        played.settles(proves(9), at(10));
        played.says("-OOM no\r\n", at(10));
        let report = played.store.take_report();
        assert_eq!(report.gave_up, (turn == 3).then_some(Failure::Memory));
        let decided = played.decided();
        assert_eq!(decided[0], (turn, Some(Failure::Memory)));
        if turn < 3 {
            played.answers(at(10));
            assert_eq!(played.decided(), [(10 * turn, None)]);
            // One success, and the count begins anew.
            played.arrives(turn, at(10));
            played.says("-OOM no\r\n", at(10));
            played.arrives(turn, at(10));
            played.says("-OOM no\r\n", at(10));
            played.decided();
            if turn == 1 {
                played.arrives(turn, at(10));
                played.answers(at(10));
                played.decided();
            }
        } else {
            assert_eq!(decided[1], (30, Some(Failure::BreakerOpen)));
            assert_eq!(report.unsettled, 1, "one that waited");
        }
    }
    assert!(!played.store.is_asked());
    let refused = played.store.ask(4, 4, plan(1), at(11));
    assert!(matches!(refused, Asked::Refused(4, _, Failure::BreakerOpen)));
    played.settles(proves(9), at(11));
    assert_eq!(played.store.take_report().unsettled, 1);
}

#[test]
fn those_that_come_while_one_tries_wait_for_what_comes_of_it() {
    for recovers in [true, false] {
        let mut played = Played::new().given_up();
        played.ticks(at(50));
        assert_eq!(played.sent, [], "too early");
        played.arrives(1, at(200));
        assert_eq!(played.sent, [Memory, Charge]);
        played.arrives(2, at(210));
        played.ticks(at(220));
        assert_eq!(played.sent, [Memory, Charge], "one tries, however long it takes");
        assert_eq!(played.decided(), []);
        if recovers {
            played.answers(at(230));
            assert!(played.store.take_report().has_recovered);
            played.answers(at(231));
            assert_eq!(played.decided(), [(1, None), (2, None)]);
        } else {
            played.ticks(at(300));
            let decided = played.decided();
            assert_eq!(decided, [(1, Some(Failure::Timeout)), (2, Some(Failure::BreakerOpen))]);
            assert!(played.store.take_report().gave_up.is_none(), "that is known");
        }
    }
}

#[test]
fn without_traffic_it_tries_by_itself() {
    let mut played = Played::new().given_up();
    assert!(played.store.is_busy());
    played.ticks(at(200));
    assert_eq!(played.sent, [Memory, Settle], "a command that writes");
    assert!(played.last.contains(&"0".repeat(32)), "nobody's key");
    played.ticks(at(299));
    assert_eq!(played.closed, 0, "it waits for the answer");
    played.ticks(at(300));
    assert_eq!(played.closed, 1);
    // Twice as long, then it tries again.
    played.ticks(at(300 + 149));
    assert_eq!(played.sent, []);
    played.ticks(at(300 + 251));
    assert_eq!(played.sent, [Memory, Settle]);
    // A Redis that has forgotten the script is told it at once.
    played.says(&format!("{}-NOSCRIPT no\r\n", super::played::MEMORY), at(560));
    assert_eq!(played.sent, [Command::Script, Settle]);
    assert!(!played.store.is_asked());
    played.answers(at(561));
    assert!(played.store.is_asked() && !played.store.is_busy());
    assert!(played.store.take_report().has_recovered);
}

#[test]
fn one_that_forgets_the_script_at_once_has_failed() {
    let mut played = Played::new().given_up();
    played.ticks(at(200));
    played.says(&format!("{}-NOSCRIPT no\r\n", super::played::MEMORY), at(201));
    played.says("+OK\r\n-NOSCRIPT no\r\n", at(202));
    assert!(!played.store.is_asked() && played.sent.is_empty());
}

#[test]
fn one_that_was_to_try_may_go_away() {
    let mut played = Played::new().given_up();
    assert!(matches!(played.store.ask(5, 5, plan(1), at(200)), Asked::Waits));
    played.store.gone(5);
    played.ticks(at(205));
    assert_eq!(played.sent, [Memory, Settle], "somebody else tries");
}

#[test]
fn redis_is_given_up_only_if_all_that_it_was_asked_fails() {
    let oom = "-OOM no\r\n";
    for (settled, charged, gives_up) in
        [(oom, oom, true), (SETTLED, oom, false), (oom, CHARGED, false), (SETTLED, CHARGED, false)]
    {
        let mut played = Played::new().warmed_up();
        for turn in 0..3 {
            played.store.settle(proves(9));
            assert!(matches!(played.store.ask(turn, turn, plan(1), at(20)), Asked::Waits));
            played.go_on(at(20));
            played.says(&format!("{settled}{charged}"), at(20));
        }
        assert_eq!(!played.store.is_asked(), gives_up, "{settled}{charged}");
    }
}
