//! The console's core: which policies are in force, who is closest to a limit, and what is said of it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use tollgate::client::Address;
use tollgate::config::Config;
use tollgate::console::{Book, InForce, Listed, Posted, Ranking, Registry, Sign, Whom, view};
use tollgate::decision::{Judgement, Ruling};
use tollgate::limit::Verdict;
use tollgate::store::{Fingerprint, Secret, SharedCells, SharedData, Unavailable};
use tollgate::time::Time;

/// Bytes and their version, by name.
type Entries = HashMap<Vec<u8>, (Vec<u8>, u32)>;

/// A proxy's shared data, as Envoy has it.
#[derive(Default)]
struct Data(RefCell<Entries>);

impl SharedData for Data {
    fn get(&self, name: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
        Ok(self.0.borrow().get(name).cloned())
    }

    fn set(&self, name: &[u8], bytes: &[u8], version: u32) -> Result<bool, Unavailable> {
        let mut entries = self.0.borrow_mut();
        let next = 1
            + u32::try_from(entries.len()).expect("few")
            + entries.values().map(|(_, version)| *version).max().unwrap_or(0);
        match entries.get_mut(name) {
            Some((_, current)) if *current != version && version != 0 => Ok(false),
            _ => {
                entries.insert(name.to_vec(), (bytes.to_vec(), next));
                Ok(true)
            }
        }
    }
}

const fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

fn posted(name: &str) -> Posted {
    let mut topic = [0; 16];
    topic[..name.len()].copy_from_slice(name.as_bytes());
    Posted { topic, name: name.as_bytes().to_vec(), document: format!("{{{name}}}").into_bytes(), since: 7 }
}

fn sign(name: &str, worker: u64) -> Sign {
    Sign { topic: posted(name).topic, worker }
}

/// What is in force: names, and how many workers have each.
fn in_force(cells: &SharedCells<Data>, seconds: u64) -> Vec<(String, u32)> {
    let found = Registry(cells).in_force(at(seconds)).expect("shared data");
    found
        .into_iter()
        .map(|(posted, workers)| (String::from_utf8(posted.name).expect("text"), workers))
        .collect()
}

#[test]
fn what_workers_have_is_in_force_as_long_as_one_gives_a_sign() {
    let cells = SharedCells::open(Data::default()).expect("a host");
    let registry = Registry(&cells);
    assert_eq!(in_force(&cells, 0), []);
    for worker in 1..=3 {
        registry.post(&posted("one"), sign("one", worker), at(0)).expect("shared data");
    }
    registry.post(&posted("two"), sign("two", 9), at(1)).expect("shared data");
    assert_eq!(in_force(&cells, 1), [("one".to_owned(), 3), ("two".to_owned(), 1)]);
    let (first, _) = registry.in_force(at(1)).expect("shared data").swap_remove(0);
    assert_eq!(first, posted("one"));
    registry.take_away(sign("one", 2)).expect("shared data");
    assert_eq!(in_force(&cells, 1)[0], ("one".to_owned(), 2));
    // One trap later nobody has taken anything away.
    for seconds in [6, 12, 18, 24] {
        registry.give_sign(sign("two", 9), at(seconds)).expect("shared data");
    }
    assert_eq!(in_force(&cells, 24), [("two".to_owned(), 1)]);
    registry.post(&posted("three"), sign("three", 4), at(25)).expect("shared data");
    registry.post(&posted("one"), sign("one", 5), at(26)).expect("shared data");
    assert_eq!(
        in_force(&cells, 26).into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["two", "three", "one"]
    );
}

#[test]
fn what_comes_back_is_in_force_anew() {
    let cells = SharedCells::open(Data::default()).expect("a host");
    let registry = Registry(&cells);
    let since = || {
        registry
            .in_force(at(9))
            .expect("shared data")
            .into_iter()
            .map(|(posted, _)| posted.since)
            .collect::<Vec<_>>()
    };
    registry.post(&posted("one"), sign("one", 1), at(0)).expect("shared data");
    registry.take_away(sign("one", 1)).expect("shared data");
    for worker in [2, 3] {
        registry
            .post(&Posted { since: 8 + worker, ..posted("one") }, sign("one", worker), at(8))
            .expect("shared data");
    }
    assert_eq!(since(), [10], "since the first one had it again");
}

#[test]
fn a_worker_says_nothing_new_within_five_seconds() {
    let cells = SharedCells::open(Data::default()).expect("a host");
    let registry = Registry(&cells);
    registry.post(&posted("one"), sign("one", 1), at(0)).expect("shared data");
    let before = cells.entry(b"tollgate.v2.signs").expect("shared data");
    registry.give_sign(sign("one", 1), at(4)).expect("shared data");
    assert_eq!(cells.entry(b"tollgate.v2.signs"), Ok(before.clone()));
    registry.give_sign(sign("one", 1), at(5)).expect("shared data");
    assert_ne!(cells.entry(b"tollgate.v2.signs"), Ok(before));
}

#[test]
fn what_is_cut_short_is_read_as_far_as_it_goes() {
    let cells = SharedCells::open(Data::default()).expect("a host");
    let registry = Registry(&cells);
    registry.post(&posted("one"), sign("one", 1), at(0)).expect("shared data");
    registry.post(&posted("two"), sign("two", 1), at(0)).expect("shared data");
    let whole = cells.entry(b"tollgate.v2.policies").expect("shared data");
    for length in 0..whole.len() {
        cells.change(b"tollgate.v2.policies", |_| Some(whole[..length].to_vec())).expect("shared data");
        let found = in_force(&cells, 1);
        assert!(found.len() < 2 && found.iter().all(|(name, _)| name == "one"), "{length}");
    }
}

const SECRET: Secret = Secret::new([3; 16]);

fn policy(name: &str, document: &str, secret: Secret) -> InForce {
    let config = Config::parse(document.as_bytes()).map_err(|error| error.to_string());
    InForce { name: name.to_owned(), since: 1_795_847_439, workers: 2, config, secret }
}

fn book() -> Book {
    let one = r#"{ "scopes": { "anon": { "rate": ["10/min", "100/h"], "key": "address" }, "all": { "rate": "5/s", "key": "global" } } }"#;
    let other = r#"{ "client": { "address": { "ipv4_prefix": 24 } }, "scopes": { "net": { "rate": "3/min", "key": "address", "mode": "shadow" } } }"#;
    Book::new(vec![
        policy("one", one, SECRET),
        policy("other", other, SECRET),
        policy("broken", "{ \"x\": 1 }", SECRET),
    ])
}

fn client(name: u64) -> Fingerprint {
    format!("{name:032x}").parse().expect("a fingerprint")
}

const fn denied(client: Fingerprint, known: usize, seconds: u64) -> Listed {
    Listed { client, known, verdict: Verdict::Denied { wait: Duration::from_secs(seconds) } }
}

const fn admitted(client: Fingerprint, known: usize, remaining: u32) -> Listed {
    Listed { client, known, verdict: Verdict::Admitted { remaining, reset: Duration::from_secs(30) } }
}

#[test]
fn the_book_knows_every_limit_and_whose_it_is() {
    let book = book();
    let limits: Vec<_> = (0..book.known().len())
        .map(|known| book.scope(known).expect("a scope"))
        .map(|(policy, scope, limit)| format!("{}.{} {}", policy.name, scope.name, limit.rate))
        .collect();
    assert_eq!(limits, ["one.anon 10/min", "one.anon 100/h", "one.all 5/s", "other.net 3/min"]);
    assert!(book.scope(4).is_none());
    assert_eq!(book.watched().len(), 4);
    assert!(book.redises().is_empty() && !book.is_in_redis(0));
}

#[test]
fn an_address_is_a_client_of_each_policy_that_sees_it_differently() {
    let book = book();
    let clients = |text: &str| book.clients(&Whom::Address(Address::parse(text.as_bytes())));
    let [own, network] = clients("192.0.2.7")[..] else { panic!("two clients") };
    assert_ne!(own, network);
    assert_eq!(clients("192.0.2.8")[1], network);
    assert_eq!(clients("192.0.2.0").len(), 1, "the network's own address");
    assert_eq!(clients("2001:db8::1").len(), 1);
    assert_eq!(book.clients(&Whom::Credential("abc".to_owned())).len(), 1);
    assert_eq!(book.clients(&Whom::Client(client(5))), [client(5)]);
}

#[test]
fn the_closest_come_first_and_no_more_is_kept_than_is_shown() {
    let book = book();
    let mut ranking = Ranking::default();
    ranking.add(&book, [admitted(client(1), 0, 4), admitted(client(1), 1, 94)]);
    ranking.add(&book, [denied(client(2), 0, 9), admitted(client(2), 1, 89)]);
    ranking.add(&book, [denied(client(3), 0, 30)]);
    ranking.add(&book, [denied(client(4), 3, 1)]);
    ranking.add(&book, [denied(client(3), 0, 30)]);
    let first = |count, wanted: &dyn Fn(usize) -> bool| {
        ranking.first(count, wanted).iter().map(|listed| (listed.client, listed.known)).collect::<Vec<_>>()
    };
    let all =
        [(client(3), 0), (client(2), 0), (client(4), 3), (client(1), 0), (client(2), 1), (client(1), 1)];
    assert_eq!(first(100, &|_| true), all);
    assert_eq!(first(2, &|_| true), all[..2]);
    assert_eq!(first(100, &|known| known == 1), all[4..]);
    assert_eq!(ranking.looked_at(), 5);
    for number in 0..10_000 {
        ranking.add(&book, [admitted(client(1_000 + number), 0, u32::try_from(number % 9).expect("few"))]);
    }
    assert_eq!(
        ranking.first(usize::MAX, |known| known == 0)[..2],
        [denied(client(3), 0, 30), denied(client(2), 0, 9)]
    );
    assert!(ranking.first(usize::MAX, |_| true).len() < 2_100);
}

struct Counts;

impl view::Counts for Counts {
    fn requests(&self, ruling: Ruling) -> u64 {
        ruling as u64
    }

    fn scope(&self, scope: usize, judgement: Judgement) -> u64 {
        10 * scope as u64 + judgement as u64
    }
}

#[test]
fn what_is_in_force_is_told_in_words_and_numbers() {
    let table = view::TableState { clients: 9, evicted: 1, ..view::TableState::default() };
    let redis =
        view::RedisState { workers_without: 2, evicts: true, failures: vec![("timeout", 3), ("auth", 0)] };
    let blocked = [(client(1), Duration::from_millis(1_500))];
    let told =
        view::policies(&book(), &[&Counts, &Counts, &Counts], table, Some(&redis), &blocked, 1_795_847_440);
    assert_eq!(told["time"], "2026-11-28T06:30:40Z");
    assert_eq!(told["policies"][0]["since"], "2026-11-28T06:30:39Z");
    assert_eq!(told["policies"][0]["requests"]["malformed"], 4);
    assert_eq!(told["policies"][0]["scopes"][1]["shadowed"], 12);
    assert_eq!(told["policies"][0]["scopes"][0]["rates"][1], "100/h");
    assert_eq!(told["policies"][1]["scopes"][0]["enforced"], false);
    assert!(
        told["policies"][1]["scopes"][0]["words"].as_str().is_some_and(|words| words.contains("3 requests"))
    );
    assert!(told["policies"][2]["problem"].as_str().is_some_and(|problem| problem.contains("unknown field")));
    assert_eq!(told["redis"]["failures"], serde_json::json!({ "timeout": 3 }));
    assert_eq!(told["blocked"][0]["blocked_for"], 1.5);
    assert_eq!(told["table"]["clients"], 9);
}

#[test]
fn clients_are_told_by_scope_and_policy_with_what_they_have_used() {
    let book = book();
    let mut ranking = Ranking::default();
    ranking.add(&book, [admitted(client(1), 0, 4), denied(client(1), 3, 2)]);
    let rows = |scope, policy| {
        let told = view::clients(&book, &ranking, (scope, policy), 100, true, None, 0);
        told["clients"].as_array().expect("a list").clone()
    };
    assert_eq!(
        (rows(None, None).len(), rows(Some("anon"), None).len(), rows(None, Some("other")).len()),
        (2, 1, 1)
    );
    assert_eq!(rows(Some("anon"), Some("other")).len(), 0);
    let row = &rows(Some("anon"), None)[0];
    assert_eq!(
        (&row["used"], &row["remaining"], &row["wait"], &row["reset"]),
        (&5.into(), &5.into(), &0.0.into(), &30.0.into())
    );
    let row = &rows(Some("net"), None)[0];
    assert_eq!(
        (&row["used"], &row["remaining"], &row["wait"], &row["limit"]),
        (&3.into(), &0.into(), &2.0.into(), &3.into())
    );
}
