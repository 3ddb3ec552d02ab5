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
    assert!(TABLE.is_ascii());
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

/// What `Crawlers::family` answers if these are all names there are, each with its family.
fn model<'t>(names: &[(&str, &'t str)], user_agent: &str) -> Option<&'t str> {
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
        let longest = names.iter().filter(|(name, _)| begins(name)).max_by_key(|(name, _)| name.len());
        longest.filter(|_| starts && !before.ends_with("like ")).map(|(_, family)| *family)
    })
}

/// Names, beginnings and ends of names, and what stands between them.
fn pieces(most: usize) -> impl Strategy<Value = String> {
    let names: Vec<&str> = table().map(|(name, _)| name).collect();
    let name = proptest::sample::select(names);
    let cut = (name.clone(), 0..40usize).prop_map(|(name, length)| name.chars().take(length).collect());
    let end = (name.clone(), 0..40usize).prop_map(|(name, length)| name.chars().skip(length).collect());
    let between = proptest::sample::select(vec![
        " ", "/", "-", ".", ".c", "; ", "(", "@", "like ", "1", "\u{e9}", "+", "\t", " LIKE ", ",,",
    ]);
    let upper = name.clone().prop_map(str::to_uppercase);
    let piece = prop_oneof![name.prop_map(str::to_owned), upper, cut, end, between.prop_map(str::to_owned)];
    proptest::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

/// Names that can be added, of which some share words with each other and with the list's.
fn additions() -> impl Strategy<Value = Vec<String>> {
    let valid = |name: &String| Crawlers::new(vec![("family".into(), vec![name.clone()])]).is_ok();
    proptest::collection::vec(pieces(4).prop_map(|name| name.to_ascii_lowercase()), 0..6).prop_map(
        move |mut names| {
            names.retain(valid);
            names.sort();
            names.dedup();
            names
        },
    )
}

proptest! {
    #[test]
    fn the_longest_name_at_the_first_place(user_agent in pieces(16)) {
        let names: Vec<_> = table().collect();
        let crawlers = Crawlers::default();
        prop_assert_eq!(crawlers.family(user_agent.as_bytes()), model(&names, &user_agent));
    }

    #[test]
    fn additions_come_first(names in additions(), parts in proptest::collection::vec((pieces(4), 0..6usize), 0..4)) {
        // Each part ends in one of the additions, so that these are found often.
        let part = |(text, number): &(String, usize)| text.clone() + names.get(*number).map_or("", |name| name);
        let user_agent: String = parts.iter().map(part).collect();
        let families: Vec<String> = (0..names.len()).map(|number| format!("added {number}")).collect();
        let additions = families.iter().zip(&names).map(|(family, name)| (family.clone(), vec![name.clone()]));
        let crawlers = Crawlers::new(additions.collect()).expect("each is valid");
        let added: Vec<_> = names.iter().map(String::as_str).zip(families.iter().map(String::as_str)).collect();
        let listed: Vec<_> = table().collect();
        let expected = model(&added, &user_agent).or_else(|| model(&listed, &user_agent));
        prop_assert_eq!(crawlers.family(user_agent.as_bytes()), expected);
    }
}
