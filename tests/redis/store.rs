//! What one worker remembers, so that it need not ask.

use std::time::Duration;

use tollgate::config::Config;
use tollgate::limit::Verdict;
use tollgate::redis::{Asked, Failure, Lasting, Settings, Store};
use tollgate::store::{Acceptance, Charge, Plan, Proof, Proves, Settlement};
use tollgate::time::Time;

use super::{certain, charge, client, limit};

const fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

fn settings() -> Settings {
    let document =
        r#"{ "store": { "redis": { "cluster": "c", "secret": "0123456789abcdef0123456789abcdef" } } }"#;
    Config::parse(document.as_bytes()).expect(document).redis.expect("it is there")
}

fn store(nothing_moves: bool) -> Store<()> {
    // Of scope 1 a charge may be given back when the response comes.
    Store::new(&settings(), Lasting { scopes: vec![true, false, true], nothing_moves }, 1)
}

fn of_scope(scope: usize, name: u64) -> Charge {
    Charge { scope, ..charge(name, 1, limit("5/min")) }
}

/// Has the plan answered with these numbers for its charges, at 100 s.
fn answered(store: &mut Store<()>, plan: Plan, head: &str, verdicts: &[&str]) {
    assert!(matches!(store.ask(1, (), plan, at(100)), Asked::Waits { wake: true }));
    store.dispatch(at(100)).expect("it is sent");
    let numbers = format!("{head} {}", verdicts.join(" "));
    let numbers: Vec<String> = numbers.split_whitespace().map(|number| format!(":{number}\r\n")).collect();
    let report =
        store.answered(format!("*{}\r\n{}+OK\r\n", numbers.len(), numbers.concat()).as_bytes(), at(100));
    assert!(!report.has_failed);
    assert!(store.next_decided(at(100)).is_some_and(|decided| decided.outcome.is_ok()));
}

const DENIED: &str = "0 30000000 0 0";
const ADMITTED: &str = "1 4 60000000 9";

/// How long the request is known to have to wait, at 110 s.
fn known(store: &mut Store<()>, plan: Plan) -> Option<Duration> {
    match store.ask(2, (), plan, at(110)) {
        Asked::Known((), _, _, charged) => charged.verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Denied { wait } => Some(*wait),
            Verdict::Admitted { .. } => None,
        }),
        _ => None,
    }
}

#[test]
fn a_denial_is_remembered_for_as_long_as_it_lasts() {
    let mut store = store(true);
    let plan = || certain(vec![of_scope(0, 1), of_scope(2, 7)]);
    answered(&mut store, plan(), "100000000 0 0 0", &[DENIED, ADMITTED]);
    assert_eq!(known(&mut store, plan()), Some(Duration::from_secs(20)));
    assert_eq!(known(&mut store, certain(vec![of_scope(2, 7)])), None, "that one was admitted");
    assert!(matches!(store.ask(3, (), plan(), at(130)), Asked::Waits { .. }), "its time is over");
}

#[test]
fn one_that_may_end_early_is_not() {
    let plan = |scope| certain(vec![of_scope(scope, 1)]);
    for (nothing_moves, scope) in [(true, 1), (false, 0), (false, 1)] {
        let mut store = store(nothing_moves);
        answered(&mut store, plan(scope), "100000000 0 0 0", &[DENIED]);
        assert_eq!(known(&mut store, plan(scope)), None, "{nothing_moves} {scope}");
    }
    // What only shadows denies nobody.
    let mut store = store(true);
    let shadow = || certain(vec![Charge { enforced: false, ..of_scope(0, 1) }]);
    answered(&mut store, shadow(), "100000000 0 0 0", &[DENIED]);
    assert!(matches!(store.ask(2, (), shadow(), at(110)), Asked::Waits { .. }));
}

#[test]
fn a_client_with_a_credential_is_charged_as_itself_alone() {
    let mut store = store(false);
    let proof = Proof { client: client(1), lasts: Duration::from_hours(1) };
    let plan = || Plan::Certain {
        charges: vec![of_scope(0, 1), of_scope(2, 9)],
        known: Some((proof, proof.lasts)),
        proves: Proves::Nothing,
    };
    answered(&mut store, plan(), "100000000 1 3600000000 0", &[DENIED, DENIED]);
    assert_eq!(known(&mut store, plan()), Some(Duration::from_secs(20)));
    let of_all = Plan::Certain {
        charges: vec![of_scope(2, 9)],
        known: Some((proof, proof.lasts)),
        proves: Proves::Nothing,
    };
    assert_eq!(
        known(&mut store, of_all),
        None,
        "anonymous clients may be given back what they were charged there"
    );
}

#[test]
fn a_denial_of_a_credential_that_is_not_proved_may_end_early() {
    let mut store = store(false);
    let proof = Proof { client: client(1), lasts: Duration::from_hours(1) };
    let unproved = vec![of_scope(0, 1), of_scope(0, 2)];
    let depends = Plan::Depends { proof, proved: vec![of_scope(0, 1)], unproved, proves: Proves::Nothing };
    answered(&mut store, depends, "100000000 0 0 0", &[DENIED, DENIED]);
    let as_itself = Plan::Certain {
        charges: vec![of_scope(0, 1)],
        known: Some((proof, proof.lasts)),
        proves: Proves::Nothing,
    };
    assert_eq!(known(&mut store, as_itself), None, "others of it may be in flight, and refused");
}

#[test]
fn a_proof_is_remembered() {
    let mut store = store(false);
    let proof = Proof { client: client(1), lasts: Duration::from_secs(100) };
    assert_eq!(store.acceptance(None, at(100)), Acceptance::NotNeeded);
    assert_eq!(store.acceptance(Some(proof), at(100)), Acceptance::Unknown(proof));
    let depends = || Plan::Depends {
        proof,
        proved: vec![of_scope(0, 1)],
        unproved: vec![of_scope(0, 2), of_scope(2, 9)],
        proves: Proves::Nothing,
    };
    // Only a counter keeps it: nobody knows for how long.
    answered(&mut store, depends(), "100000000 1 0 0", &[ADMITTED]);
    assert_eq!(store.acceptance(Some(proof), at(100)), Acceptance::Unknown(proof));
    answered(&mut store, depends(), "100000000 1 100000000 0", &[ADMITTED]);
    assert_eq!(store.acceptance(Some(proof), at(140)), Acceptance::Known(proof, Duration::from_mins(1)));
    assert_eq!(store.acceptance(Some(proof), at(200)), Acceptance::Unknown(proof));
    // A success of a request that is charged nothing is noted, too.
    let left = Duration::from_secs(49);
    let free = Plan::Certain { charges: vec![], known: Some((proof, left)), proves: Proves::Nothing };
    assert!(matches!(store.ask(3, (), free, at(151)), Asked::Known((), _, Some(known), _) if known == left));
    store.settle(Settlement { proof: Some(proof), ..Settlement::default() }).expect("there is room");
    store.dispatch(at(151)).expect("it is sent");
    store.answered(b"*4\r\n:1\r\n:1\r\n:100000000\r\n:0\r\n+OK\r\n", at(151));
    assert_eq!(store.acceptance(Some(proof), at(250)), Acceptance::Known(proof, Duration::from_secs(1)));
}

#[test]
fn whose_denial_it_is_follows_from_what_redis_knows() {
    let proof = Proof { client: client(1), lasts: Duration::from_hours(1) };
    let depends = || Plan::Depends {
        proof,
        proved: vec![of_scope(0, 1)],
        unproved: vec![of_scope(0, 2), of_scope(0, 1)],
        proves: Proves::Nothing,
    };
    let (of_one, of_other) = (|| certain(vec![of_scope(0, 1)]), || certain(vec![of_scope(0, 2)]));
    let wait = Some(Duration::from_secs(20));
    for (head, verdicts, one, other) in [
        ("100000000 1 3600000000 0", vec![DENIED], wait, None),
        ("100000000 0 0 0", vec![DENIED, ADMITTED], None, wait),
        ("100000000 0 0 0", vec![ADMITTED, DENIED], wait, None),
    ] {
        let mut store = store(true);
        answered(&mut store, depends(), head, &verdicts);
        assert_eq!(known(&mut store, of_one()), one, "{head} {verdicts:?}");
        store.withdraw(2);
        assert_eq!(known(&mut store, of_other()), other, "{head} {verdicts:?}");
    }
}

#[test]
fn which_denials_last_follows_from_the_policy() {
    for (trust, nothing_moves) in [("any", true), ("upstream", false)] {
        let document = format!(
            r#"{{ "client": {{ "credential": {{ "trust": "{trust}" }} }}, "scopes": {{
                "all": {{ "rate": "5/h", "key": "address" }},
                "some": {{ "rate": "5/h", "key": "address", "count": {{ "status": [401] }} }} }} }}"#
        );
        let config = Config::parse(document.as_bytes()).expect(&document);
        let lasting = Lasting { scopes: vec![true, false], nothing_moves };
        assert_eq!(Lasting::of(&config.policy), lasting);
    }
}

#[test]
fn it_says_who_has_to_come_back() {
    let mut store = store(true);
    let plan = || certain(vec![of_scope(0, 1)]);
    assert!(matches!(store.ask(1, (), plan(), at(100)), Asked::Waits { wake: true }));
    assert!(!store.must_come_back(), "somebody is about to");
    store.sleep_on();
    assert!(store.must_come_back(), "now nobody is");
    assert!(!store.must_come_back(), "once");
    store.sleep_on();
    assert!(!store.gone(1), "it was not charged");
    assert!(store.dispatch(at(100)).is_none() && !store.must_come_back());
    store.ask(2, (), plan(), at(100));
    store.dispatch(at(100)).expect("it is sent");
    store.answered(b"*8\r\n:1\r\n:0\r\n:0\r\n:0\r\n:1\r\n:4\r\n:9\r\n:1764\r\n+OK\r\n", at(100));
    assert!(store.gone(2), "it has to be given back");
}

#[test]
fn whoever_waits_for_an_exchange_that_fails_is_told() {
    let mut store = store(true);
    let ask = store.ask(1, (), certain(vec![of_scope(0, 1)]), at(100));
    assert!(matches!(ask, Asked::Waits { wake: true }));
    store.dispatch(at(100)).expect("it is sent");
    let report = store.failed(Failure::Connection, at(100));
    assert_eq!((report.requests, report.has_failed), (1, true));
    let decided = store.next_decided(at(100)).expect("what became of it");
    assert_eq!(decided.outcome.err(), Some(Failure::Connection));
    // Whoever does not wait any longer is handed back, once.
    store.ask(2, (), certain(vec![of_scope(0, 1)]), at(100));
    assert!(store.withdraw(2).is_some() && store.withdraw(2).is_none());
}
