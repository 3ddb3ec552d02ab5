//! Numbers, and what is made by them.

use serde_json::{Map, Value, json};

/// Numbers that are the same for the same seed (`SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count.max(1) as u64).unwrap_or(0)
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }

    /// One of these as a text.
    pub(super) fn text(&mut self, texts: &[&str]) -> Value {
        self.pick(texts).into()
    }
}

/// Of the texts, those behind `|` are wrong, and rarely taken.
pub(super) fn some(random: &mut Random, right: &[&str], wrong: &[&str]) -> Value {
    if !wrong.is_empty() && random.one_in(40) { random.text(wrong) } else { random.text(right) }
}

pub(super) fn one_or_more(random: &mut Random, mut make: impl FnMut(&mut Random) -> Value) -> Value {
    match random.below(12) {
        0..6 => make(random),
        6..9 => json!([make(random)]),
        9..11 => json!([make(random), make(random)]),
        _ if random.one_in(4) => json!([]),
        _ => json!([make(random), make(random), make(random)]),
    }
}

pub(super) type Make = fn(&mut Random) -> Value;

/// An object with some of these fields, each with this chance in ten.
pub(super) fn object(random: &mut Random, fields: &[(&str, usize, Make)]) -> Value {
    let mut object = Map::new();
    for (name, chance, make) in fields {
        if random.below(10) < *chance {
            object.insert((*name).to_owned(), make(random));
        }
    }
    Value::Object(object)
}

pub(super) fn number(random: &mut Random, right: &[u64], wrong: &[u64]) -> Value {
    match random.below(60) {
        0 => wrong[random.below(wrong.len())].into(),
        1 if random.one_in(2) => json!(1.5),
        1 => json!(1e300),
        2 => json!(f64::from(u32::try_from(right[random.below(right.len())]).unwrap_or(1))),
        3 if random.one_in(3) => json!(-1),
        _ => right[random.below(right.len())].into(),
    }
}
