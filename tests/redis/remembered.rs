//! What one worker remembers, so that it need not ask.

use std::time::Duration;

use tollgate::limit::Verdict;
use tollgate::redis::{Asked, Step, Store};
use tollgate::store::{Acceptance, Charge, Plan, Proof, Proves, Settlement};
use tollgate::time::Time;

use super::played::{ACTS, MEMORY, settings};
use super::{certain, charge, client, limit};

const fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1_000)
}

fn store() -> Store<()> {
    Store::new(&settings(), 1)
}

fn of_scope(scope: usize, name: u64) -> Charge {
    Charge { scope, ..charge(name, 1, limit("5/min")) }
}

/// Has what was asked answered with these bytes, behind what Redis is asked about itself.
fn answered(store: &mut Store<()>, replies: &str, now: Time) {
    while let Some(step) = store.next_step(now) {
        match step {
            Step::Open => store.opened(now),
            Step::Send { commands, .. } => {
                let commands = String::from_utf8_lossy(&commands);
                let memory = if commands.contains("INFO") { MEMORY } else { "" };
                let acts = if commands.contains("ZRANGE") { ACTS } else { "" };
                store.received([memory, acts, replies].concat().as_bytes(), now);
            }
            Step::Close => panic!("{replies}"),
        }
    }
}

/// Has the plan answered with these numbers for its charges, at 100 s.
fn charged(store: &mut Store<()>, plan: Plan, head: &str, verdicts: &[&str]) {
    let now = at(100_000);
    assert!(matches!(store.ask(1, (), plan, now), Asked::Waits));
    let numbers = format!("{head} {}", verdicts.join(" "));
    let numbers: Vec<String> = numbers.split_whitespace().map(|number| format!(":{number}\r\n")).collect();
    answered(store, &format!("*{}\r\n{}", numbers.len(), numbers.concat()), now);
    assert!(store.next_decided().is_some_and(|decided| decided.outcome.is_ok()));
}

const DENIED: &str = "0 30000000 0 0";
const ADMITTED: &str = "1 4 60000000 9";
const UNPROVED: &str = "100000000 0 0 0";
const PROVED: &str = "100000000 1 3600000000 0";

/// How long the request is known to have to wait, so many milliseconds after 100 s.
fn known(store: &mut Store<()>, plan: Plan, later: u64) -> Option<Duration> {
    let asked = store.ask(2, (), plan, at(100_000 + later));
    store.gone(2);
    match asked {
        Asked::Known((), plan, proved_for, outcome) => {
            assert_eq!(outcome.verdicts.len(), plan.charges(proved_for.is_some()).len(), "one for each");
            outcome.verdicts.iter().find_map(|verdict| match verdict {
                Verdict::Denied { wait } => Some(*wait),
                Verdict::Admitted { .. } => None,
            })
        }
        _ => None,
    }
}

fn proof() -> Proof {
    Proof { client: client(1), lasts: Duration::from_hours(1) }
}

/// A request with a credential of which nothing is known: as its bearer's it is charged for 1, else for 2, too.
fn depends() -> Plan {
    let unproved = vec![of_scope(0, 2), of_scope(0, 1)];
    Plan::Depends { proof: proof(), proved: vec![of_scope(0, 1)], unproved, proves: Proves::Nothing }
}

#[test]
fn a_denial_is_remembered_for_a_second() {
    let mut store = store();
    let plan = || certain(vec![of_scope(0, 1), of_scope(2, 7)]);
    charged(&mut store, plan(), UNPROVED, &[DENIED, ADMITTED]);
    assert_eq!(known(&mut store, plan(), 0), Some(Duration::from_secs(30)));
    assert_eq!(known(&mut store, plan(), 999), Some(Duration::from_millis(29_001)));
    assert_eq!(known(&mut store, plan(), 1_000), None, "somebody may have been pardoned");
    assert_eq!(known(&mut store, certain(vec![of_scope(2, 7)]), 0), None, "that one was admitted");
    // What only shadows denies nobody.
    let shadow = || certain(vec![Charge { enforced: false, ..of_scope(0, 5) }]);
    charged(&mut store, shadow(), UNPROVED, &[DENIED]);
    assert_eq!(known(&mut store, shadow(), 0), None);
}

#[test]
fn whose_denial_it_is_follows_from_what_redis_knows() {
    let (of_one, of_other) = (|| certain(vec![of_scope(0, 1)]), || certain(vec![of_scope(0, 2)]));
    let wait = Some(Duration::from_secs(30));
    for (head, verdicts, one, other) in [
        (PROVED, vec![DENIED], wait, None),
        (UNPROVED, vec![DENIED, ADMITTED], None, wait),
        (UNPROVED, vec![ADMITTED, DENIED], wait, None),
    ] {
        let mut store = store();
        charged(&mut store, depends(), head, &verdicts);
        assert_eq!(known(&mut store, of_one(), 0), one, "{head} {verdicts:?}");
        assert_eq!(known(&mut store, of_other(), 0), other, "{head} {verdicts:?}");
    }
}

#[test]
fn a_made_up_credential_is_known_for_a_second_to_be_none() {
    let mut store = store();
    charged(&mut store, depends(), UNPROVED, &[DENIED, ADMITTED]);
    assert_eq!(known(&mut store, depends(), 999), Some(Duration::from_millis(29_001)));
    assert_eq!(known(&mut store, depends(), 1_000), None);
    // Another one may be a true one, known to another proxy.
    let other = Plan::Depends {
        proof: Proof { client: client(3), ..proof() },
        proved: vec![of_scope(0, 3)],
        unproved: vec![of_scope(0, 2), of_scope(0, 3)],
        proves: Proves::Nothing,
    };
    assert_eq!(known(&mut store, other, 0), None);
    // Whatever it is worth, it is denied what denies both.
    let either = Plan::Depends {
        proof: Proof { client: client(3), ..proof() },
        proved: vec![of_scope(0, 3), of_scope(1, 2)],
        unproved: vec![of_scope(0, 3), of_scope(1, 2)],
        proves: Proves::Nothing,
    };
    assert_eq!(known(&mut store, either, 0), Some(Duration::from_secs(30)));
}

#[test]
fn what_is_given_back_here_is_known_at_once() {
    let mut store = store();
    let plan = || certain(vec![of_scope(0, 1)]);
    assert!(matches!(store.ask(1, (), plan(), at(100_000)), Asked::Waits));
    answered(&mut store, "*8\r\n:1\r\n:0\r\n:0\r\n:0\r\n:1\r\n:0\r\n:9\r\n:1764\r\n", at(100_000));
    let decided = store.next_decided().expect("it is");
    charged(&mut store, plan(), UNPROVED, &[DENIED]);
    assert!(known(&mut store, plan(), 0).is_some());
    store.settle(Settlement::undo(decided.outcome.expect("it is").outcome.receipt));
    assert_eq!(known(&mut store, plan(), 0), None);
}

#[test]
fn what_is_remembered_is_forgotten_when_it_is_said_so() {
    let mut store = store();
    let plan = || certain(vec![of_scope(0, 2)]);
    charged(&mut store, depends(), PROVED, &[ADMITTED]);
    charged(&mut store, plan(), UNPROVED, &[DENIED]);
    assert!(known(&mut store, plan(), 0).is_some());
    assert!(matches!(store.acceptance(Some(proof()), at(100_000)), Acceptance::Known(..)));
    store.forget();
    assert_eq!(known(&mut store, plan(), 0), None);
    assert_eq!(store.acceptance(Some(proof()), at(100_000)), Acceptance::Unknown(proof()));
}

#[test]
fn a_proof_is_remembered() {
    let mut store = store();
    let proof = Proof { lasts: Duration::from_secs(100), ..proof() };
    let now = at(100_000);
    assert_eq!(store.acceptance(None, now), Acceptance::NotNeeded);
    assert_eq!(store.acceptance(Some(proof), now), Acceptance::Unknown(proof));
    // Only a counter keeps it: nobody knows for how long.
    charged(&mut store, depends(), "100000000 1 0 0", &[ADMITTED]);
    assert_eq!(store.acceptance(Some(proof), now), Acceptance::Unknown(proof));
    charged(&mut store, depends(), "100000000 1 100000000 0", &[ADMITTED]);
    assert_eq!(store.acceptance(Some(proof), at(140_000)), Acceptance::Known(proof, Duration::from_mins(1)));
    assert_eq!(store.acceptance(Some(proof), at(200_000)), Acceptance::Unknown(proof));
    // A success of a request that is charged nothing is noted, too.
    let left = Duration::from_secs(49);
    let free = Plan::Certain { charges: vec![], known: Some((proof, left)), proves: Proves::Nothing };
    let asked = store.ask(3, (), free, at(151_000));
    assert!(matches!(asked, Asked::Known((), _, Some(known), _) if known == left));
    store.settle(Settlement { proof: Some(proof), ..Settlement::default() });
    answered(&mut store, "*4\r\n:1\r\n:1\r\n:100000000\r\n:0\r\n", at(151_000));
    assert_eq!(store.acceptance(Some(proof), at(250_000)), Acceptance::Known(proof, Duration::from_secs(1)));
}
