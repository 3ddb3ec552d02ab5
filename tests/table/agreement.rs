//! Both tables decide alike, whatever is done, when cells are full, too.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::limit::Limit;
use tollgate::store::{Charge, CounterId, Counters, Fingerprint, Proof, Receipt, Settlement, Stays, Watched};
use tollgate::time::Time;

use super::both::Both;
use super::{bucket, charge, client, limit, table};

/// What is done.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes, or the clock is set back.
    Passes(i64),
    /// A request of these clients, under one of the policies.
    Charge {
        clients: Vec<u64>,
        policy: usize,
        cost: u32,
        stays: bool,
    },
    /// One that waits is settled: what is given back, and whether it proves a client.
    Settle {
        which: prop::sample::Index,
        goes: usize,
        proves: Option<u64>,
    },
    Pardon(u64),
    Look(u64),
}

/// More clients than there is room for.
const CLIENTS: u64 = 120;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let clients = prop_oneof![
        6 => prop::collection::vec(0..CLIENTS, 1..2),
        3 => prop::collection::vec(0..CLIENTS, 2..5),
    ];
    let charge = (clients, 0..3_usize, 0..5_u32, any::<bool>())
        .prop_map(|(clients, policy, cost, stays)| Step::Charge { clients, policy, cost, stays });
    let settle = (any::<prop::sample::Index>(), 0..4_usize, prop::option::of(0..CLIENTS))
        .prop_map(|(which, goes, proves)| Step::Settle { which, goes, proves });
    let passes = prop_oneof![
        5 => 0..400_000_i64,
        2 => 900_000..4_000_000_i64,
        1 => -1_200_000..0_i64,
        1 => prop::sample::select(vec![-900_000_000_i64, 900_000_000]),
    ];
    let step = prop_oneof![
        20 => charge,
        6 => settle,
        5 => passes.prop_map(Step::Passes),
        1 => (0..CLIENTS).prop_map(Step::Pardon),
        1 => (0..CLIENTS).prop_map(Step::Look),
    ];
    prop::collection::vec(step, 1..400)
}

/// The limits of the scopes of a policy, of which the last one is a shadow. Policies share counters.
fn limits(policy: usize) -> [Vec<Limit>; 3] {
    match policy {
        0 => [vec![limit("5/s"), limit("9/3s")], vec![limit("70/2s")], vec![limit("3/s"), bucket("1/s", 2)]],
        1 => [vec![limit("100/3s"), bucket("2/s", 4)], vec![limit("60/2s")], vec![limit("2/3s")]],
        _ => [vec![bucket("9/s", 80)], vec![limit("7/h")], vec![limit("4/s")]],
    }
}

fn watched() -> Vec<Watched> {
    let of = |(scope, limits): (usize, Vec<Limit>)| {
        limits
            .into_iter()
            .map(move |limit| Watched { counter: CounterId::of(&scope.to_string(), limit), limit })
    };
    (0..3).flat_map(|policy| limits(policy).into_iter().enumerate()).flat_map(of).collect()
}

fn charges(clients: &[u64], policy: usize, cost: u32, stays: bool) -> Vec<Charge> {
    let mut charges = Vec::new();
    let mut seen = Vec::new();
    for name in clients {
        if seen.contains(name) {
            continue;
        }
        seen.push(*name);
        for (scope, limits) in limits(policy).into_iter().enumerate() {
            charges.extend(limits.into_iter().map(|limit| Charge {
                client: if *name == 0 { Fingerprint::EVERYBODY } else { client(*name) },
                counter: CounterId::of(&scope.to_string(), limit),
                cost,
                scope,
                enforced: scope < 2,
                stays: if stays { Stays::IfNew } else { Stays::Always },
                ..charge(*name, 0, limit)
            }));
        }
    }
    charges
}

fn walk(both: &Both, steps: Vec<Step>) {
    let mut now = Time::from_micros(5_000_000_000);
    let mut waiting: Vec<Receipt> = Vec::new();
    for step in steps {
        match step {
            Step::Passes(micros) => now = Time::from_micros(now.micros().saturating_add_signed(micros)),
            Step::Charge { clients, policy, cost, stays } => {
                let charges = charges(&clients, policy, cost, stays);
                waiting.push(both.charge(&charges, None, now).expect("memory").receipt);
            }
            Step::Settle { which, goes, proves } => {
                let taken = if waiting.is_empty() {
                    Receipt::default()
                } else {
                    waiting.swap_remove(which.index(waiting.len()))
                };
                let proof = proves.map(|name| Proof { client: client(name), lasts: Duration::from_secs(2) });
                let settlement = Settlement::new(proof, taken, |taken| taken.scope < goes);
                both.settle(settlement, now).expect("memory");
            }
            Step::Pardon(name) => drop(both.pardon(client(name), now)),
            Step::Look(name) => {
                drop(both.look(client(name), &watched(), now));
                let loaded =
                    both.load(client(name), &mut tollgate::store::Events::default()).expect("memory");
                let _ = Both::proved_for(&loaded, now);
            }
        }
    }
    for cell in 0..=both.last_cell() {
        both.survey(cell, &watched(), now).expect("memory");
    }
    for receipt in waiting {
        drop(receipt);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn both_tables_decide_alike(steps in steps()) {
        walk(&table(64), steps);
    }
}
