//! Whatever Redis answers, everybody who waits is decided about, once, and nothing is read twice; and an errand has one answer at most.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tollgate::limit::Limit;
use tollgate::redis::{
    Asked, Cursor, Errand, Failure, Login, OnFailure, Question, RespError, Settings, Step, Store, read_reply,
};
use tollgate::store::{
    Charge, CounterId, Fingerprinter, Plan, Proof, Proves, Secret, Settlement, Stays, Watched,
};
use tollgate::time::Time;

fuzz_target!(|input: (bool, &[u8], &[u8])| {
    let (logs_in, answer, other) = input;
    let mut rest = answer;
    loop {
        let before = rest.len();
        match read_reply(&mut rest) {
            Ok(_) => assert!(rest.len() + 3 <= before, "the shortest reply has three bytes"),
            Err(RespError::CutShort | RespError::Malformed) => break,
        }
    }
    let timeout = Duration::from_secs(1);
    let settings = Settings {
        cluster: Some("redis".into()),
        url: None,
        ca: None,
        prefix: "p:".into(),
        timeout,
        on_failure: OnFailure::Deny,
        login: logs_in.then(|| Login { username: None, password: "p".into() }),
        secret: Secret::new([0; 16]),
    };
    let mut store = Store::new(&settings, 1);
    let client = Fingerprinter::new(&Secret::new([0; 16])).finish();
    let limit = Limit::sliding_window("5/min".parse().expect("a rate"));
    let (counter, stays) = (CounterId(1), Stays::Always);
    let charge = Charge { client, counter, limit, cost: 1, scope: 0, enforced: true, stays };
    let proof = Proof { client, lasts: timeout };
    let plans = [
        Plan::Certain { charges: vec![charge], known: None, proves: Proves::Nothing },
        Plan::Depends { proof, proved: vec![charge; 3], unproved: vec![], proves: Proves::Nothing },
    ];
    let now = Time::default();
    for (ticket, plan) in (0..).zip(plans) {
        assert!(matches!(store.ask(ticket, ticket, plan, now), Asked::Waits));
    }
    store.settle(Settlement { proof: Some(proof), ..Settlement::default() });
    // The answers come to whatever was sent last, and then the connections break.
    let mut answers = [answer, other].into_iter();
    let mut steps = 0;
    while let Some(step) = store.next_step(now) {
        steps += 1;
        assert!(steps < 100, "it comes to an end");
        match step {
            Step::Open => store.opened(now),
            Step::Send { .. } => match answers.next() {
                Some(bytes) => store.received(bytes, now),
                None => store.closed(Failure::Connection, now),
            },
            Step::Close => {}
        }
    }
    store.tick(now.after(timeout));
    let mut decided: Vec<u32> =
        std::iter::from_fn(|| store.next_decided()).map(|decided| decided.ticket).collect();
    decided.sort_unstable();
    assert_eq!(decided, [0, 1]);
    let watched = vec![Watched { counter, limit }];
    for question in [
        Question::Look { client, watched: watched.clone() },
        Question::Survey { cursor: Cursor::default(), watched },
        Question::Block { client, lasts: timeout },
        Question::Acts,
    ] {
        let mut errand = Errand::new(&settings, question);
        let answers = [answer, other, answer].into_iter().filter_map(|bytes| errand.hear(bytes)).count();
        assert!(answers <= 1);
    }
});
