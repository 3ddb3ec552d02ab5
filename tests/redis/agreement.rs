//! The script against the core: the same requests at the same times have the same outcomes.

use std::time::Duration;

use tollgate::limit::Verdict;
use tollgate::store::{
    Acceptance, Capacity, Charge, Events, MemoryCells, Plan, Proof, Receipt, Settlement, Table,
};
use tollgate::time::Time;

use super::{Script, bucket, charge, client, limit};

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
    // Those of one counter are not so far apart that a mark of one lies beyond the window of another.
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
    fn charge(&self, plan: &Plan, now: Time) -> (bool, tollgate::store::Charged) {
        let mut events = Events::default();
        let proof = plan.proof();
        let opened = proof.map(|proof| self.0.open(proof.client, &mut events).expect("memory"));
        let opened = opened.filter(|opened| opened.is_proved(now));
        let is_proved = opened.is_some();
        let lasts = proof.map(|proof| proof.lasts).unwrap_or_default();
        let opened = opened.map(|opened| opened.prolonged(now.after(lasts)));
        let charges = plan.charges(is_proved).unwrap_or_default();
        (is_proved, self.0.charge(charges, opened, now).expect("memory"))
    }
}

fn plan(random: &mut Random, variant: usize) -> Plan {
    let proof = Proof { client: client(1 + random.below(2)), lasts: Duration::from_secs(20) };
    let name = if proof.client == client(1) { 1 } else { 2 };
    let acceptance = match random.below(3) {
        0 => Acceptance::NotNeeded,
        1 => Acceptance::Known(proof),
        _ => Acceptance::Unknown(proof),
    };
    match acceptance {
        Acceptance::NotNeeded => Plan::Certain { charges: Some(charges(random, 0, variant)), renews: None },
        Acceptance::Known(proof) => {
            Plan::Certain { charges: Some(charges(random, name, variant)), renews: Some(proof) }
        }
        Acceptance::Unknown(proof) => Plan::Open {
            proof,
            proved: Some(charges(random, name, variant)),
            unproved: Some(charges(random, 0, variant)),
            proves: true,
        },
    }
}

/// What is settled, from what was taken here and there.
fn settlements(random: &mut Random, plan: &Plan, ours: Receipt, theirs: Receipt) -> [Settlement; 2] {
    let due = match plan {
        Plan::Open { proved: Some(proved), .. } if random.is_one_in(2) => proved.clone(),
        _ => Vec::new(),
    };
    let proof = plan.proof().filter(|_| random.is_one_in(2));
    let goes = random.index(6);
    [ours, theirs].map(|receipt| {
        let (given_back, stays) = receipt.split(|scope| scope <= goes);
        Settlement { proof, due: due.clone(), given_back, made_up_for: stays.without(&due) }
    })
}

/// In the script no span is longer than 142 years.
fn bounded(verdict: Verdict) -> Verdict {
    let longest = Duration::from_micros(1 << 52);
    match verdict {
        Verdict::Denied { wait } => Verdict::Denied { wait: wait.min(longest) },
        Verdict::Admitted { remaining, reset } => Verdict::Admitted { remaining, reset: reset.min(longest) },
    }
}

/// What else happens in a trace. Not both at once: when a counter that matters no more is forgotten makes a difference
/// then, and the core, which writes whole records, forgets at other times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Besides {
    /// Charges are settled, and the clock is set back now and then.
    Settlements,
    /// New configurations with other limits for the same counters.
    Limits,
}

fn trace(script: &mut Script, seed: u64, steps: usize, besides: Besides) {
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
        if besides == Besides::Settlements && random.is_one_in(60) {
            now -= random.one_of(&[1, 999_999, 30_000_000, 100_000_000_000]);
        }
        if besides == Besides::Limits && random.is_one_in(20) {
            variant = random.index(3);
        }
        let time = Time::from_micros(now);
        if besides == Besides::Settlements && random.is_one_in(3) && !waiting.is_empty() {
            let (plan, ours, theirs) = waiting.swap_remove(random.index(waiting.len()));
            let [ours, theirs] = settlements(&mut random, &plan, ours, theirs);
            core.0.settle(ours, time).expect("memory");
            script.settle(&theirs, time).expect("Redis settles");
        }
        let plan = plan(&mut random, variant);
        let answer = script.charge(&plan, time).expect("Redis answers");
        let (is_proved, charged) = core.charge(&plan, time);
        let context = || format!("seed {seed}, step {step}: {plan:#?}");
        assert_eq!(answer.now, time);
        assert_eq!(answer.is_proved(), is_proved, "{}", context());
        let bounded: Vec<Verdict> = charged.verdicts.iter().map(|verdict| bounded(*verdict)).collect();
        assert_eq!(answer.charged.verdicts, bounded, "{}", context());
        assert_eq!(
            format!("{:?}", answer.charged.receipt),
            format!("{:?}", charged.receipt),
            "{}",
            context()
        );
        assert_eq!(answer.charged.events, Events::default());
        waiting.push((plan, charged.receipt, answer.charged.receipt));
    }
}

#[test]
fn random_traces_have_the_same_outcomes() {
    let mut script = Script::on_a_set_clock("agreement");
    for seed in 0..60 {
        trace(&mut script, seed, 300, Besides::Settlements);
    }
}

#[test]
fn counters_go_on_under_new_limits_in_the_same_way() {
    let mut script = Script::on_a_set_clock("limits");
    for seed in 0..30 {
        trace(&mut script, seed, 300, Besides::Limits);
    }
}
