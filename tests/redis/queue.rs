//! Group commit, against a Redis that is played.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use tollgate::redis::{BATCH, Breaker, Commands, Exchange, Failure, Login, Queue, SCRIPT_SHA1, WAITING};
use tollgate::store::{Events, Fingerprint, Plan, Proof, Settlement};
use tollgate::time::Time;

use super::{certain, charge, client, commands, limit};

const TIMEOUT: Duration = Duration::from_millis(50);

fn queue() -> Queue<u32> {
    Queue::new(commands(), TIMEOUT, Breaker::new(7))
}

fn plan(name: u64) -> Plan {
    certain(vec![charge(name, 1, limit("5/min"))])
}

const fn at(millis: u64) -> Time {
    Time::from_micros(1_000_000 + millis * 1_000)
}

/// What an exchange asks for, in order: for each call of the script, whether it charges.
fn calls(exchange: &Exchange) -> Vec<bool> {
    let text = String::from_utf8_lossy(&exchange.commands).into_owned();
    text.split(SCRIPT_SHA1).skip(1).map(|call| call.contains("charge\r\n")).collect()
}

const CHARGED: &str = "*8\r\n:1764\r\n:0\r\n:0\r\n:0\r\n:1\r\n:4\r\n:9\r\n:1764\r\n";
const SETTLED: &str = "*4\r\n:1764\r\n:1\r\n:0\r\n:0\r\n";
const END: &str = "+OK\r\n";

/// A good answer.
fn answer(exchange: &Exchange) -> Vec<u8> {
    let answers = calls(exchange).into_iter().map(|charges| if charges { CHARGED } else { SETTLED });
    (answers.collect::<String>() + END).into_bytes()
}

/// What has come of whom.
fn decided(queue: &mut Queue<u32>) -> Vec<(u32, Option<Failure>)> {
    std::iter::from_fn(|| queue.next_decided())
        .map(|decided| (decided.waiter, decided.outcome.err()))
        .collect()
}

#[test]
fn what_arrives_during_an_exchange_goes_with_the_next() {
    let mut queue = queue();
    assert!(queue.arrive(1, 1, plan(1), at(0)).unwrap(), "somebody has to send it");
    assert!(!queue.arrive(2, 2, plan(2), at(0)).unwrap(), "once");
    let first = queue.dispatch(at(1)).unwrap();
    assert_eq!(calls(&first), [true, true]);
    assert_eq!(first.timeout, Duration::from_millis(49), "what is left for the first");
    assert!(!queue.arrive(3, 3, plan(3), at(2)).unwrap());
    assert_eq!(queue.dispatch(at(2)), None, "one at a time");
    let report = queue.answered(&answer(&first), at(3));
    assert_eq!((report.requests, report.has_failed), (2, false));
    assert_eq!(decided(&mut queue), [(1, None), (2, None)]);
    let second = queue.dispatch(at(3)).unwrap();
    assert_eq!(calls(&second), [true]);
    queue.answered(&answer(&second), at(4));
    assert_eq!(decided(&mut queue), [(3, None)]);
    assert_eq!(queue.dispatch(at(4)), None);
    assert!(!queue.must_come_back());
}

#[test]
fn batches_and_the_queue_are_bounded() {
    let mut queue = queue();
    for ticket in 0..u32::try_from(WAITING).unwrap() {
        queue.arrive(ticket, ticket, plan(0), at(0)).unwrap();
    }
    assert_eq!(queue.arrive(9_999, 9_999, plan(0), at(0)).unwrap_err().2, Failure::QueueFull);
    for _ in 0..WAITING / BATCH {
        let exchange = queue.dispatch(at(0)).unwrap();
        assert_eq!(calls(&exchange).len(), BATCH);
        queue.answered(&answer(&exchange), at(0));
    }
    assert_eq!(queue.dispatch(at(0)), None);
    assert_eq!(decided(&mut queue).len(), WAITING);
    // So are settlements.
    let settlement = || Settlement { proof: Some(proof(9)), ..Settlement::default() };
    for number in 0..WAITING {
        assert_eq!(queue.settle(settlement()), Ok(number == 0), "{number}");
    }
    assert_eq!(queue.settle(settlement()), Err(Failure::QueueFull));
    for _ in 0..WAITING / BATCH {
        let exchange = queue.dispatch(at(0)).unwrap();
        assert_eq!(calls(&exchange), [false; BATCH]);
        queue.answered(&answer(&exchange), at(0));
    }
    assert_eq!(queue.dispatch(at(0)), None);
}

#[test]
fn whoever_has_less_than_half_of_its_time_left_does_not_go() {
    for (millis, goes) in [(25, true), (26, false)] {
        let mut queue = queue();
        queue.arrive(1, 1, plan(1), at(0)).unwrap();
        let exchange = queue.dispatch(at(millis));
        assert_eq!(exchange.map(|exchange| exchange.timeout), goes.then_some(TIMEOUT / 2));
        let late = (1, Some(Failure::Timeout));
        assert_eq!(decided(&mut queue), if goes { vec![] } else { vec![late] });
    }
}

#[test]
fn an_exchange_begins_with_the_login_whatever_is_in_it() {
    let login = Login { username: Some("me".into()), password: "a\r\nb".into() };
    let commands = Commands::new("p:".into(), Some(login));
    let shown = format!("{commands:?}");
    assert_eq!(shown, r#"Commands { prefix: "p:", login: Some(Login { username: Some("me"), .. }) }"#);
    let mut queue = Queue::new(commands, TIMEOUT, Breaker::new(7));
    queue.arrive(1, 1, plan(1), at(0)).unwrap();
    let exchange = queue.dispatch(at(0)).unwrap();
    let text = String::from_utf8_lossy(&exchange.commands);
    assert!(text.starts_with("*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$4\r\na\r\nb\r\n*"), "{text}");
    assert!(text.ends_with("*1\r\n$4\r\nQUIT\r\n"));
    queue.answered(format!("+OK\r\n{CHARGED}{END}").as_bytes(), at(1));
    assert_eq!(decided(&mut queue), [(1, None)]);
}

#[test]
fn what_is_given_back_goes_before_what_may_need_it() {
    let mut queue = queue();
    queue.arrive(1, 1, plan(1), at(0)).unwrap();
    queue.settle(Settlement { proof: Some(proof(9)), ..Settlement::default() }).unwrap();
    assert_eq!(calls(&queue.dispatch(at(0)).unwrap()), [false, true]);
}

#[test]
fn a_forgotten_script_is_sent_along_once() {
    let mut queue = queue();
    queue.arrive(1, 1, plan(1), at(0)).unwrap();
    queue.settle(Settlement { proof: Some(proof(9)), ..Settlement::default() }).unwrap();
    let exchange = queue.dispatch(at(0)).unwrap();
    let missing = b"-NOSCRIPT No matching script.\r\n-NOSCRIPT No matching script.\r\n+OK\r\n";
    let report = queue.answered(missing, at(1));
    assert!(!report.has_failed && report.unsettled == 0);
    assert_eq!(decided(&mut queue), []);
    assert!(queue.must_come_back());
    let again = queue.dispatch(at(1)).unwrap();
    assert!(again.commands.starts_with(b"*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n"));
    assert_eq!(calls(&again), calls(&exchange));
    let report = queue.answered(format!("$40\r\n{SCRIPT_SHA1}\r\n{SETTLED}{CHARGED}{END}").as_bytes(), at(2));
    assert!(!report.has_failed);
    assert_eq!(decided(&mut queue), [(1, None)]);
    // Forgotten for good: the second time it is a failure.
    queue.arrive(2, 2, plan(1), at(3)).unwrap();
    queue.dispatch(at(3)).unwrap();
    queue.answered(b"-NOSCRIPT No matching script.\r\n", at(3));
    queue.dispatch(at(3)).unwrap();
    queue.answered(b"-OOM\r\n-NOSCRIPT No matching script.\r\n", at(3));
    assert_eq!(decided(&mut queue), [(2, Some(Failure::NoScript))]);
}

fn proof(name: u64) -> Proof {
    Proof { client: client(name), lasts: Duration::from_hours(1) }
}

#[test]
fn each_answer_is_its_requests() {
    let mut queue = queue();
    for ticket in 1..=4 {
        queue.arrive(ticket, ticket, plan(1), at(0)).unwrap();
    }
    queue.dispatch(at(0)).unwrap();
    let report = queue.answered(format!("{CHARGED}-OOM no\r\n+what\r\n{CHARGED}").as_bytes(), at(1));
    assert!(report.has_failed && report.gave_up.is_none());
    assert_eq!(
        decided(&mut queue),
        [(1, None), (2, Some(Failure::Memory)), (3, Some(Failure::Reply)), (4, None)],
        "the last `OK` is not needed"
    );
}

#[test]
fn what_an_exchange_carried_and_what_of_it_was_lost_is_reported() {
    let settlement = || Settlement { proof: Some(proof(9)), ..Settlement::default() };
    let corrupt = "*4\r\n:1764\r\n:1\r\n:0\r\n:2\r\n";
    for (answer, unsettled, events) in [
        (Some(format!("{SETTLED}{corrupt}{CHARGED}{CHARGED}{CHARGED}{END}")), 0, 2),
        (Some(format!("-OOM no\r\n{corrupt}{CHARGED}{CHARGED}{CHARGED}{END}")), 1, 2),
        (Some(format!("-OOM no\r\n-OOM no\r\n{CHARGED}{CHARGED}{CHARGED}{END}")), 2, 0),
        (Some(String::new()), 2, 0),
        (None, 2, 0),
    ] {
        let mut queue = queue();
        for ticket in 1..=3 {
            queue.arrive(ticket, ticket, plan(1), at(0)).unwrap();
        }
        queue.settle(settlement()).unwrap();
        queue.settle(settlement()).unwrap();
        queue.dispatch(at(0)).unwrap();
        let report = match &answer {
            Some(answer) => queue.answered(answer.as_bytes(), at(1)),
            None => queue.failed(Failure::Connection, at(1)),
        };
        assert_eq!((report.requests, report.unsettled), (3, unsettled), "{answer:?}");
        assert_eq!(report.events, Events { corrupt: events, ..Events::default() }, "{answer:?}");
        assert_eq!(report.has_failed, unsettled > 0, "{answer:?}");
    }
}

#[test]
fn an_answer_that_ends_too_early_ends_with_its_reason() {
    for (answer, failure) in [
        ("", Failure::Reply),
        ("*8\r\n:1764\r\n", Failure::Reply),
        ("-ERR max number of clients reached\r\n", Failure::Other),
        ("-LOADING\r\n", Failure::Loading),
        ("HTTP/1.1 200 OK\r\n", Failure::Reply),
    ] {
        let mut queue = queue();
        queue.arrive(1, 1, plan(1), at(0)).unwrap();
        queue.arrive(2, 2, plan(1), at(0)).unwrap();
        queue.dispatch(at(0)).unwrap();
        queue.answered(answer.as_bytes(), at(1));
        assert_eq!(decided(&mut queue), [(1, Some(failure)), (2, Some(failure))], "{answer}");
    }
}

#[test]
fn a_connection_that_breaks_when_its_time_is_over_was_broken_off() {
    for (millis, failure) in [(49, Failure::Connection), (50, Failure::Timeout)] {
        let mut queue = queue();
        queue.arrive(1, 1, plan(1), at(0)).unwrap();
        queue.dispatch(at(0)).unwrap();
        queue.failed(Failure::Connection, at(millis));
        assert_eq!(decided(&mut queue), [(1, Some(failure))]);
    }
}

#[test]
fn after_three_failures_nobody_waits() {
    let mut queue = queue();
    for failures in 1..=3 {
        queue.arrive(failures, failures, plan(1), at(0)).unwrap();
        queue.dispatch(at(0)).unwrap();
        queue.arrive(10 * failures, 10 * failures, plan(1), at(0)).unwrap();
        queue.settle(Settlement { proof: Some(proof(9)), ..Settlement::default() }).unwrap();
        let report = queue.failed(Failure::Connection, at(0));
        assert_eq!(report.gave_up, (failures == 3).then_some(Failure::Connection));
        let decided = decided(&mut queue);
        if failures < 3 {
            assert_eq!(decided.last(), Some(&(failures, Some(Failure::Connection))));
        } else {
            assert!(decided.contains(&(30, Some(Failure::BreakerOpen))), "{decided:?}");
            assert_eq!(report.unsettled, 2, "one on its way, one that waited");
        }
    }
    assert_eq!(queue.arrive(4, 4, plan(1), at(1)).unwrap_err().2, Failure::BreakerOpen);
    assert_eq!(queue.settle(Settlement::default()).unwrap_err(), Failure::BreakerOpen);
    // One tries, and all is well.
    queue.arrive(5, 5, plan(1), at(200)).unwrap();
    assert_eq!(queue.arrive(6, 6, plan(1), at(200)).unwrap_err().2, Failure::BreakerOpen);
    let exchange = queue.dispatch(at(200)).unwrap();
    assert!(queue.answered(&answer(&exchange), at(201)).has_recovered);
    queue.arrive(7, 7, plan(1), at(201)).unwrap();
}

#[test]
fn redis_is_given_up_only_if_all_that_it_was_asked_fails() {
    let oom = "-OOM no\r\n";
    for (settled, charged, gives_up) in
        [(oom, oom, true), (SETTLED, oom, false), (oom, CHARGED, false), (SETTLED, CHARGED, false)]
    {
        let mut queue = queue();
        for turn in 1..=3 {
            queue.arrive(turn, turn, plan(1), at(0)).unwrap();
            queue.settle(Settlement { proof: Some(proof(9)), ..Settlement::default() }).unwrap();
            queue.dispatch(at(0)).unwrap();
            let report = queue.answered(format!("{settled}{charged}{END}").as_bytes(), at(0));
            let gave_up = (gives_up && turn == 3).then_some(Failure::Memory);
            assert_eq!(report.gave_up, gave_up, "{settled}{charged}");
        }
    }
}

#[test]
fn one_that_was_to_try_may_go_away() {
    let mut queue = queue();
    for failures in 1..=3 {
        queue.arrive(failures, failures, plan(1), at(0)).unwrap();
        queue.dispatch(at(0)).unwrap();
        queue.failed(Failure::Timeout, at(0));
    }
    queue.arrive(5, 5, plan(1), at(200)).unwrap();
    queue.gone(5);
    queue.arrive(6, 6, plan(1), at(200)).unwrap();
}

#[test]
fn whoever_goes_away_is_given_back() {
    let mut queue = queue();
    for ticket in 1..=4 {
        queue.arrive(ticket, ticket, plan(u64::from(ticket)), at(0)).unwrap();
    }
    queue.gone(1);
    let exchange = queue.dispatch(at(0)).unwrap();
    assert_eq!(calls(&exchange), [true, true, true], "one is not even asked for");
    queue.gone(2);
    queue.answered(&answer(&exchange), at(1));
    assert!(queue.gone(3), "somebody has to give back what it was charged");
    assert!(!queue.gone(4), "once");
    assert_eq!(decided(&mut queue), []);
    let undo = queue.dispatch(at(1)).unwrap();
    assert_eq!(calls(&undo), [false, false, false]);
    queue.answered(&answer(&undo), at(2));
    assert_eq!(queue.dispatch(at(2)), None);
}

#[test]
fn it_is_woken_again_if_that_was_in_vain() {
    let mut queue = queue();
    assert!(queue.arrive(1, 1, plan(1), at(0)).unwrap());
    queue.sleep_on();
    assert_eq!(queue.withdraw(1).map(|(waiter, _)| waiter), Some(1));
    assert!(queue.withdraw(1).is_none());
    assert!(queue.settle(Settlement { proof: Some(proof(9)), ..Settlement::default() }).unwrap());
    queue.sleep_on();
    assert!(queue.arrive(2, 2, plan(1), at(0)).unwrap());
}

#[test]
fn a_noted_proof_is_reported() {
    let mut queue = queue();
    queue.settle(Settlement { proof: Some(proof(9)), ..Settlement::default() }).unwrap();
    queue.dispatch(at(0)).unwrap();
    let report = queue.answered(b"*4\r\n:1\r\n:1\r\n:3600000000\r\n:0\r\n", at(0));
    let expected: Vec<(Fingerprint, Duration)> = vec![(client(9), Duration::from_hours(1))];
    assert_eq!(report.proofs, expected);
}

#[derive(Clone, Debug)]
enum Step {
    Arrive,
    Gone(prop::sample::Index),
    Dispatch,
    Answer(Vec<u8>),
    AnswerWell,
    Fail,
    TakeDecided,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        Just(b"-NOSCRIPT x\r\n".repeat(3)),
        Just(CHARGED.repeat(2).into_bytes()),
        Just(b"-OOM x\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop_oneof![
        8 => Just(Step::Arrive),
        1 => any::<prop::sample::Index>().prop_map(Step::Gone),
        4 => Just(Step::Dispatch),
        1 => answer.prop_map(Step::Answer),
        4 => Just(Step::AnswerWell),
        1 => Just(Step::Fail),
        3 => Just(Step::TakeDecided),
        2 => (0..30_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn everybody_is_decided_about_once_and_in_time(steps in prop::collection::vec(step(), 1..300)) {
        let mut queue = queue();
        let mut now = 0;
        let (mut next, mut waiting, mut in_flight) = (0_u32, Vec::<(u32, u64)>::new(), None::<(Exchange, u64)>);
        // Whether somebody was told to dispatch and has not yet.
        let mut woken = false;
        let mut seen = HashSet::new();
        for step in steps.into_iter().chain([Step::Fail, Step::Dispatch, Step::AnswerWell, Step::TakeDecided]) {
            match step {
                Step::Arrive => {
                    if let Ok(wake) = queue.arrive(next, next, plan(next.into()), at(now)) {
                        waiting.push((next, now));
                        woken |= wake;
                    }
                    next += 1;
                }
                Step::Gone(index) if !waiting.is_empty() => {
                    let (ticket, _) = waiting.swap_remove(index.index(waiting.len()));
                    woken |= queue.gone(ticket);
                }
                Step::Dispatch if woken => {
                    woken = false;
                    if let Some(exchange) = queue.dispatch(at(now)) {
                        prop_assert!(in_flight.is_none() && calls(&exchange).len() <= 2 * BATCH);
                        prop_assert!(exchange.timeout <= TIMEOUT && exchange.timeout >= TIMEOUT / 2);
                        in_flight = Some((exchange, now));
                    }
                }
                Step::Answer(bytes) if in_flight.take().is_some() => {
                    queue.answered(&bytes, at(now));
                }
                Step::AnswerWell => if let Some((exchange, _)) = in_flight.take() {
                    queue.answered(&answer(&exchange), at(now));
                },
                Step::Fail if in_flight.take().is_some() => {
                    queue.failed(Failure::Connection, at(now));
                }
                Step::TakeDecided => {
                    while let Some(decided) = queue.next_decided() {
                        prop_assert!(seen.insert(decided.ticket), "twice: {}", decided.ticket);
                        let known = waiting.iter().position(|(ticket, _)| *ticket == decided.ticket);
                        prop_assert!(known.is_some(), "nobody waits for {}", decided.ticket);
                        waiting.swap_remove(known.unwrap());
                    }
                }
                // The proxy ends an exchange when its time is over, and dispatches and goes on at once.
                Step::Pass(millis) => {
                    for _ in 0..millis {
                        now += 1;
                        if in_flight.as_ref().is_some_and(|(exchange, since)| {
                            at(now).since(at(*since)) >= exchange.timeout
                        }) {
                            in_flight = None;
                            queue.failed(Failure::Timeout, at(now));
                        }
                        if (woken || in_flight.is_none()) && in_flight.is_none() {
                            woken = false;
                            in_flight = queue.dispatch(at(now)).map(|exchange| (exchange, now));
                        }
                        while let Some(decided) = queue.next_decided() {
                            prop_assert!(seen.insert(decided.ticket));
                            waiting.retain(|(ticket, _)| *ticket != decided.ticket);
                        }
                    }
                    let longest = u64::try_from(TIMEOUT.as_millis()).unwrap();
                    for (ticket, since) in &waiting {
                        prop_assert!(millis == 0 || now - since <= longest, "{ticket} waits for {} ms", now - since);
                    }
                }
                _ => {}
            }
            // Whoever has something to do comes back for it.
            woken |= in_flight.is_none() && queue.must_come_back();
        }
    }
}
