//! Whatever Redis does, everybody is decided about once and in time.

use std::collections::HashMap;

use proptest::prelude::*;
use tollgate::redis::{Asked, BATCH};

use super::played::{CHARGED, Played, TIMEOUT, at, plan, proves};

#[derive(Clone, Debug)]
enum Event {
    Arrive,
    Settle,
    Gone(prop::sample::Index),
    AnswerWell(usize),
    Say(Vec<u8>),
    Break,
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let said = prop_oneof![
        Just(b"-NOSCRIPT x\r\n".repeat(3)),
        Just(CHARGED.repeat(2).into_bytes()),
        Just(b"-OOM x\r\n".to_vec()),
        Just(b"-READONLY x\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop_oneof![
        8 => Just(Event::Arrive),
        2 => Just(Event::Settle),
        1 => any::<prop::sample::Index>().prop_map(Event::Gone),
        4 => (0..10_usize).prop_map(Event::AnswerWell),
        1 => said.prop_map(Event::Say),
        1 => Just(Event::Break),
        3 => (1..40_u64).prop_map(Event::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn everybody_is_decided_about_once_and_in_time(events in prop::collection::vec(event(), 1..300)) {
        let mut played = Played::new();
        let (mut now, mut next) = (0, 0_u32);
        let mut waiting = HashMap::<u32, u64>::new();
        let longest = u64::try_from(TIMEOUT.as_millis()).unwrap();
        for event in events.into_iter().chain([Event::Pass(longest)]) {
            match event {
                Event::Arrive => {
                    if matches!(played.store.ask(next, next, plan(next.into()), at(now)), Asked::Waits) {
                        waiting.insert(next, now);
                    }
                    next += 1;
                }
                Event::Settle => played.store.settle(proves(next.into())),
                Event::Gone(index) if !waiting.is_empty() => {
                    let mut tickets: Vec<u32> = waiting.keys().copied().collect();
                    tickets.sort_unstable();
                    let ticket = *index.get(&tickets);
                    waiting.remove(&ticket);
                    played.store.gone(ticket);
                }
                // Some of what was sent.
                Event::AnswerWell(count) => {
                    let rest = played.sent.split_off(count.min(played.sent.len()));
                    let good = played.good();
                    played.sent = rest;
                    played.store.received(good.as_bytes(), at(now));
                }
                Event::Say(bytes) => played.store.received(&bytes, at(now)),
                Event::Break if played.opened > 0 => played.breaks(at(now)),
                Event::Break | Event::Gone(_) => {}
                // The worker looks at the clock every five milliseconds.
                Event::Pass(millis) => {
                    for _ in 0..millis {
                        now += 1;
                        if now % 5 == 0 {
                            played.ticks(at(now));
                        }
                    }
                }
            }
            played.go_on(at(now));
            prop_assert!(played.batches.iter().all(|batch| *batch <= BATCH));
            for (ticket, _) in played.decided() {
                prop_assert!(waiting.remove(&ticket).is_some(), "nobody waits for {ticket}, or not any more");
            }
            for (ticket, since) in &waiting {
                prop_assert!(now - since < longest + 5, "{ticket} waits for {} ms", now - since);
                prop_assert!(played.store.is_busy(), "nobody looks at the clock for {ticket}");
            }
        }
    }
}
