//! The script against the core: the same requests at the same times have the same outcomes.

use std::time::Duration;

use tollgate::limit::Verdict;
use tollgate::redis::{Brought, Question};
use tollgate::store::{
    Capacity, Charge, CounterId, Counters, Events, MemoryCells, Outcome, Plan, Proof, Proves, Receipt,
    Settlement, Table, Watched,
};
use tollgate::time::Time;

use super::{Script, bucket, charge, client, limit, programs};

/// Which of a plan's limits are looked for, and what is seen of a client by them.
fn look(plan: &Plan, name: u64) -> Question {
    let charges = [true, false].into_iter().flat_map(|proved| plan.charges(proved));
    let watched = charges.map(|charge| Watched { counter: charge.counter, limit: charge.limit }).collect();
    Question::Look { client: client(name), watched }
}

/// What operators see is what they would see of the core's own table, too.
fn seen_alike(script: &mut Script, core: &Core, look: Question, now: Time) {
    let Question::Look { client, watched } = &look else { panic!("it is a look") };
    let mut expected = core.0.look(*client, watched, now).expect("memory");
    for (_, verdict) in &mut expected.standings {
        *verdict = bounded(*verdict);
    }
    let expected = Brought::Seen { seen: expected, blocked_for: None, is_corrupt: false };
    assert_eq!(script.ask(look, now), Ok(expected));
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("an index")
    }

    fn is_one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// Client 0 is an address, 1 and 2 are credentials, 9 is everybody. Scope 3 is a shadow with two limits.
fn charges(random: &mut Random, name: u64, variant: usize) -> Vec<Charge> {
    let variants = [
        [
            limit("4/s"),
            limit("300/min"),
            bucket("7/min", 9),
            limit("2/s"),
            limit("3/2s"),
            bucket("100/s", 1_000),
        ],
        [
            limit("64/3s"),
            limit("65/50s"),
            bucket("1/31d", 3),
            limit("9/2s"),
            limit("0/s"),
            bucket("999/7s", 5),
        ],
        [
            limit("5/3s"),
            limit("1000/90s"),
            bucket("4294967295/s", u32::MAX),
            limit("100/s"),
            limit("66/2s"),
            bucket("3000/13s", u32::MAX),
        ],
    ];
    let limits = variants[variant];
    let mut charges = Vec::new();
    for scope in 0..5_u32 {
        if random.is_one_in(2) {
            continue;
        }
        let of = if scope == 4 { 9 } else { name };
        let mut one = |counter: u32, index: usize| {
            let limit = limits[index];
            let most = u64::from(limit.most_at_once().clamp(1, 1 << 31));
            let cost = match random.below(8) {
                0 => random.below(most) + 1,
                1 => most.saturating_add(random.below(2)),
                _ => random.below(3.min(most)) + 1,
            };
            let cost = u32::try_from(cost).expect("a cost");
            charges.push(Charge {
                cost,
                scope: scope as usize,
                enforced: scope != 3,
                counter: CounterId::of(&counter.to_string(), limit),
                ..charge(of, counter, limit)
            });
        };
        match scope {
            3 => {
                one(3, 3);
                one(4, 4);
            }
            4 => one(5, 5),
            scope => one(scope, scope as usize),
        }
    }
    charges
}

/// The core, asked as the gate asks it.
struct Core(Table<MemoryCells>);

impl Core {
    fn charge(&self, plan: &Plan, now: Time) -> (Option<Duration>, Outcome) {
        let mut events = Events::default();
        let load = |proof: Proof| self.0.load(proof.client, &mut events).expect("memory");
        let loaded = plan.proof().map(load);
        let proved_for = loaded.as_ref().and_then(|loaded| Table::<MemoryCells>::proved_for(loaded, now));
        (proved_for, self.0.charge(plan.charges(proved_for.is_some()), loaded, now).expect("memory"))
    }
}

fn plan(random: &mut Random, variant: usize) -> Plan {
    let proof = Proof { client: client(1 + random.below(2)), lasts: Duration::from_secs(20) };
    let name = if proof.client == client(1) { 1 } else { 2 };
    let proves = Proves::Nothing;
    match random.below(3) {
        0 => Plan::Certain { charges: charges(random, 0, variant), known: None, proves },
        1 => {
            let known = Some((proof, proof.lasts));
            Plan::Certain { charges: charges(random, name, variant), known, proves }
        }
        _ => {
            let (mine, mut either) = (charges(random, name, variant), charges(random, 0, variant));
            either.extend(mine.iter().filter(|charge| charge.client != client(9)));
            either.sort_by_key(|charge| charge.client);
            Plan::Depends { proof, proved: mine, unproved: either, proves }
        }
    }
}

/// What is settled, from what was taken here and there.
fn settlements(random: &mut Random, plan: &Plan, ours: Receipt, theirs: Receipt) -> [Settlement; 2] {
    let proof = plan.proof().filter(|_| random.is_one_in(2));
    let goes = random.index(6);
    [ours, theirs].map(|receipt| Settlement::new(proof, receipt, |taken| taken.scope <= goes))
}

/// In the script no span is longer than 142 years.
fn bounded(verdict: Verdict) -> Verdict {
    let longest = Duration::from_micros(1 << 52);
    match verdict {
        Verdict::Denied { wait } => Verdict::Denied { wait: wait.min(longest) },
        Verdict::Admitted { remaining, reset } => Verdict::Admitted { remaining, reset: reset.min(longest) },
    }
}

/// Charges under several policies, settled in any order, while the clock is set back now and then.
fn trace(script: &mut Script, seed: u64, steps: usize) {
    script.connection.command(&[b"FLUSHDB"]);
    let mut random = Random(seed);
    let core = Core(Table::new(MemoryCells::default(), Capacity::default()));
    let mut now = 1_764_000_000_000_000 + random.below(1 << 40);
    let mut variant = random.index(3);
    let mut waiting: Vec<(Plan, Receipt, Receipt)> = Vec::new();
    for step in 0..steps {
        now += match random.below(6) {
            0 => 0,
            1 => random.below(100_000_000),
            2 => 1_000_000,
            _ => random.below(400_000),
        };
        if random.is_one_in(60) {
            now -= random.one_of(&[1, 999_999, 30_000_000, 100_000_000_000]);
        }
        if random.is_one_in(4) {
            variant = random.index(3);
        }
        let time = Time::from_micros(now);
        if random.is_one_in(3) && !waiting.is_empty() {
            let (plan, ours, theirs) = waiting.swap_remove(random.index(waiting.len()));
            let [ours, theirs] = settlements(&mut random, &plan, ours, theirs);
            core.0.settle(ours, time).expect("memory");
            script.settle(&theirs, time).expect("Redis settles");
        }
        let plan = plan(&mut random, variant);
        if random.is_one_in(3) {
            let look = look(&plan, random.one_of(&[0, 1, 2, 9]));
            seen_alike(script, &core, look, time);
        }
        let answer = script.charge(&plan, time).expect("Redis answers");
        let (proved_for, outcome) = core.charge(&plan, time);
        let context = || format!("seed {seed}, step {step}: {plan:#?}");
        assert_eq!(answer.now, time);
        // A plan that is certain depends on no proof, and the script says all the same what it knows.
        assert_eq!(answer.proved_for, proved_for, "{}", context());
        let bounded: Vec<Verdict> = outcome.verdicts.iter().map(|verdict| bounded(*verdict)).collect();
        assert_eq!(answer.outcome.verdicts, bounded, "{}", context());
        assert_eq!(
            format!("{:?}", answer.outcome.receipt),
            format!("{:?}", outcome.receipt),
            "{}",
            context()
        );
        assert_eq!(answer.outcome.events, Events::default());
        waiting.push((plan, outcome.receipt, answer.outcome.receipt));
    }
}

#[test]
fn random_traces_have_the_same_outcomes() {
    // Most of them with the machine's own server: it is the script that is to be tried, not the servers.
    let mut seeds = 90;
    for program in programs() {
        println!("with {}", program.name());
        let mut script = Script::on_a_set_clock(&program, "agreement");
        for seed in 0..seeds {
            trace(&mut script, seed, 300);
        }
        seeds = 12;
    }
}
