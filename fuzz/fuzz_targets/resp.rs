//! Whatever Redis answers, everybody who waits is decided about, once, and nothing is read twice.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tollgate::limit::Limit;
use tollgate::redis::{Breaker, Commands, Login, Queue, RespError, read_reply};
use tollgate::store::{Charge, CounterId, Fingerprinter, Plan, Proof, Proves, Secret, Settlement, Stays};
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
    let login = logs_in.then(|| Login { username: None, password: "p".into() });
    let timeout = Duration::from_secs(1);
    let mut queue = Queue::new(Commands::new("p:".into(), login), timeout, Breaker::new(1));
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
        queue.arrive(ticket, ticket, plan, now).expect("there is room");
    }
    queue.settle(Settlement { proof: Some(proof), ..Settlement::default() }).expect("there is room");
    queue.dispatch(now).expect("there is something to send");
    queue.answered(answer, now);
    if queue.dispatch(now).is_some() {
        queue.answered(other, now);
    }
    if queue.dispatch(now).is_some() {
        queue.answered(b"", now);
    }
    let mut decided: Vec<u32> =
        std::iter::from_fn(|| queue.next_decided()).map(|decided| decided.ticket).collect();
    decided.sort_unstable();
    assert_eq!(decided, [0, 1]);
});
