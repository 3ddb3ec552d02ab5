//! The table of crawlers, and how it is looked up, against a model that tries every name everywhere.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tollgate::client::Crawlers;

const TABLE: &str = include_str!("../src/client/crawlers.txt");

/// Each name of the table with its family.
fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('\t').unwrap_or((line, line)))
}

#[test]
fn the_table_can_be_looked_up() {
    assert!(TABLE.lines().is_sorted() && TABLE.ends_with('\n') && TABLE.lines().all(|line| !line.is_empty()));
    let names: BTreeMap<_, _> = table().collect();
    assert_eq!(names.len(), table().count(), "a name stands there once");
    assert!(TABLE.len() < 20_000, "it is part of the wasm file");
    let crawlers = Crawlers::default();
    for (name, family) in table() {
        assert!(Crawlers::new(vec![(family.into(), vec![name.into()])]).is_ok(), "{name}");
        assert_eq!(names.get(family), Some(&family), "{family} is one of its names");
        let user_agent =
            format!("Mozilla/5.0 (compatible; {}/1.0; +http://example.com)", name.to_uppercase());
        for user_agent in [user_agent.as_str(), name] {
            assert_eq!(crawlers.family(user_agent.as_bytes()), Some(family), "{user_agent}");
        }
    }
}

/// What `Crawlers::family` answers, without halving and shortening.
fn model(user_agent: &str) -> Option<&'static str> {
    let text = user_agent.to_ascii_lowercase();
    let word = |character: char| character.is_ascii_alphanumeric() || !character.is_ascii();
    text.char_indices().find_map(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let starts = before.is_empty() || before.ends_with(|byte| " \t\n(;,\"'[{<|+".contains(byte));
        let begins = |name: &str| {
            rest.strip_prefix(name).is_some_and(|after| {
                let mut after = after.chars();
                match after.next() {
                    Some('.') => !after.next().is_some_and(|next| next.is_ascii_alphabetic()),
                    Some(next) => !word(next) && next != '@',
                    None => true,
                }
            })
        };
        let longest = table().filter(|(name, _)| begins(name)).max_by_key(|(name, _)| name.len());
        longest.filter(|_| starts && !before.ends_with("like ")).map(|(_, family)| family)
    })
}

/// Names, pieces of names, and what stands between them.
fn user_agent() -> impl Strategy<Value = String> {
    let names: Vec<&str> = table().map(|(name, _)| name).collect();
    let name = proptest::sample::select(names);
    let cut = (name.clone(), 0..40usize).prop_map(|(name, length)| name.chars().take(length).collect());
    let between =
        proptest::sample::select(vec![" ", "/", "-", ".", ".c", "; ", "(", "@", "like ", "1", "\u{e9}", "+"]);
    let piece = prop_oneof![name.prop_map(str::to_owned), cut, between.prop_map(str::to_owned)];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_longest_name_at_the_first_place(user_agent in user_agent()) {
        let crawlers = Crawlers::default();
        prop_assert_eq!(crawlers.family(user_agent.as_bytes()), model(&user_agent));
    }
}
