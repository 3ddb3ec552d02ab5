//! Shared data as different hosts have it, and what the filter finds out about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;

use tollgate::limit::Verdict;
use tollgate::store::{
    Absence, Capacity, Counters, Fingerprinter, Secret, SharedCells, SharedData, Table, TableName, Topic,
    Unavailable,
};

use super::{admitted, charge, limit, room, seconds};

/// A host's shared data, the same for all workers that hold a clone.
#[derive(Clone, Debug)]
pub(super) struct Host {
    rule: Rule,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    by_name: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    writes: u32,
}

/// What a host makes of the version that comes with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Versions come from one counter. 0 overwrites; a missing entry is inserted whatever the version.
    Envoy,
    /// Versions count an entry's writes. That of a missing entry is 0.
    Nginx,
    /// As in nginx, but 0 overwrites: there is no way to insert only what is missing.
    Careless,
    /// Whatever the version.
    Always,
}

impl Host {
    fn new(rule: Rule) -> Self {
        Self { rule, entries: Arc::default() }
    }

    pub(super) fn envoy() -> Self {
        Self::new(Rule::Envoy)
    }

    pub(super) fn nginx() -> Self {
        Self::new(Rule::Nginx)
    }

    /// A full zone makes room without a word.
    fn evict(&self, part_of_name: &str) {
        let holds = |name: &[u8]| String::from_utf8_lossy(name).contains(part_of_name);
        self.entries.lock().unwrap().by_name.retain(|name, _| !holds(name));
    }
}

impl SharedData for Host {
    fn get(&self, name: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
        Ok(self.entries.lock().unwrap().by_name.get(name).cloned())
    }

    fn set(&self, name: &[u8], bytes: &[u8], version: u32) -> Result<bool, Unavailable> {
        let mut entries = self.entries.lock().unwrap();
        let current = entries.by_name.get(name).map(|(_, version)| *version);
        let fits = match self.rule {
            Rule::Envoy => current.is_none() || version == 0 || current == Some(version),
            Rule::Nginx => version == current.unwrap_or(0),
            Rule::Careless => version == 0 || current == Some(version),
            Rule::Always => true,
        };
        if fits {
            entries.writes += 1;
            let next = if self.rule == Rule::Envoy { entries.writes } else { current.unwrap_or(0) + 1 };
            entries.by_name.insert(name.to_vec(), (bytes.to_vec(), next));
        }
        Ok(fits)
    }
}

/// A worker's view of this host.
pub(super) fn opened(host: Host) -> SharedCells<Host> {
    SharedCells::open(host).expect("a host that can do it")
}

#[test]
fn the_rule_is_found_out_once_and_known_to_all_workers() {
    for (host, absence) in [(Host::envoy(), Absence::Never), (Host::nginx(), Absence::Zero)] {
        assert_eq!(opened(host.clone()).absence(), absence);
        let entries = || host.entries.lock().unwrap().by_name.clone();
        let before = entries();
        assert_eq!(before.len(), 1, "on an entry of its own");
        for _ in 0..3 {
            assert_eq!(opened(host.clone()).absence(), absence);
        }
        assert_eq!(entries(), before, "which is then left alone");
    }
}

#[test]
fn workers_that_start_at_once_find_the_same() {
    for (new, absence) in [(Host::envoy as fn() -> Host, Absence::Never), (Host::nginx, Absence::Zero)] {
        for round in 0..200 {
            let host = new();
            let capacity = Capacity::new(64).expect("a capacity");
            let found = thread::scope(|scope| {
                let worker = |number: u8| {
                    let host = host.clone();
                    scope.spawn(move || {
                        let cells = opened(host);
                        assert_eq!(cells.absence(), absence);
                        cells.agree_on_capacity(capacity).expect("one capacity");
                        let told = cells.is_first_to_tell(&[7; 16]);
                        let secret = cells.agree_on_secret(|| Ok([number; 16])).expect("a secret");
                        (Fingerprinter::new(&secret).finish(), told)
                    })
                };
                let workers: Vec<_> = (0..8).map(worker).collect();
                workers.into_iter().map(|worker| worker.join().expect("no panic")).collect::<Vec<_>>()
            });
            assert!(found.iter().all(|(fingerprint, _)| *fingerprint == found[0].0), "round {round}");
            assert_eq!(found.iter().filter(|(_, told)| *told).count(), 1, "round {round}");
        }
    }
}

#[test]
fn of_each_topic_one_worker_tells() {
    for host in [Host::envoy(), Host::nginx()] {
        let topics: Vec<Topic> = (0..20).map(|number| [number; 16]).collect();
        let told = thread::scope(|scope| {
            let worker = || {
                let cells = opened(host.clone());
                topics.iter().filter(|topic| cells.is_first_to_tell(topic)).count()
            };
            let workers: Vec<_> = (0..8).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).sum::<usize>()
        });
        assert_eq!(told, topics.len());
    }
}

#[test]
fn what_may_be_told_again_is_told_once_more() {
    for host in [Host::envoy(), Host::nginx()] {
        let [one, other] = [(); 2].map(|()| opened(host.clone()));
        let (topic, another) = ([1; 16], [2; 16]);
        other.may_tell_again(&topic);
        assert!(one.is_first_to_tell(&topic) && one.is_first_to_tell(&another));
        other.may_tell_again(&topic);
        assert!(other.is_first_to_tell(&topic) && !one.is_first_to_tell(&topic));
        assert!(!other.is_first_to_tell(&another));
    }
}

#[test]
fn what_was_told_takes_no_more_and_more_room() {
    let host = Host::envoy();
    let cells = opened(host.clone());
    let topics: Vec<Topic> = (0..200).map(|number| [number; 16]).collect();
    assert!(topics.iter().all(|topic| cells.is_first_to_tell(topic)));
    let longest = host.entries.lock().unwrap().by_name.values().map(|(value, _)| value.len()).max();
    assert_eq!(longest, Some(64 * 16));
    // The newest are remembered.
    assert!(topics[136..].iter().all(|topic| !cells.is_first_to_tell(topic)));
}

#[test]
fn the_secret_is_the_first_ones_random_number() {
    for host in [Host::envoy(), Host::nginx()] {
        let fingerprint = |secret: &Secret| Fingerprinter::new(secret).finish();
        for number in [3, 4] {
            let agreed = opened(host.clone()).agree_on_secret(|| Ok([number; 16])).expect("a secret");
            assert_eq!(fingerprint(&agreed), fingerprint(&Secret::new([3; 16])), "{number}");
            assert_ne!(fingerprint(&agreed), fingerprint(&Secret::new([4; 16])), "{number}");
        }
    }
}

#[test]
fn another_capacity_is_refused() {
    for host in [Host::envoy(), Host::nginx()] {
        let capacity = |clients| Capacity::new(clients).expect("a capacity");
        assert_eq!(opened(host.clone()).agree_on_capacity(capacity(64)), Ok(()));
        assert_eq!(opened(host.clone()).agree_on_capacity(capacity(64)), Ok(()));
        let refused = opened(host).agree_on_capacity(capacity(128)).expect_err("another one");
        assert!(
            refused.starts_with("store.capacity: `128`: the counters in use are laid out for 64 clients")
        );
    }
}

#[test]
fn a_host_that_cannot_insert_is_refused() {
    for rule in [Rule::Careless, Rule::Always] {
        let refused = SharedCells::open(Host::new(rule)).expect_err("no insert");
        assert!(refused.starts_with("the proxy's shared data has no way to insert"), "{rule:?}: {refused}");
    }
}

#[test]
fn a_host_without_shared_data_is_refused() {
    #[derive(Debug)]
    struct Gone;
    impl SharedData for Gone {
        fn get(&self, _: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
            Err(Unavailable)
        }
        fn set(&self, _: &[u8], _: &[u8], _: u32) -> Result<bool, Unavailable> {
            Err(Unavailable)
        }
    }
    let expected = "the proxy offers no shared data or no random numbers";
    assert_eq!(SharedCells::open(Gone).expect_err("nothing there"), expected);
    let no_random = opened(Host::envoy()).agree_on_secret(|| Err(Unavailable));
    assert_eq!(no_random.map(|_: Secret| ()), Err(expected.to_owned()));
}

/// Two workers read a cell that is not there, and both write it.
#[test]
fn the_first_write_of_a_cell_is_a_race_like_any_other() {
    for host in [Host::envoy(), Host::nginx()] {
        let capacity = Capacity::new(64).expect("a capacity");
        let [one, other] = [(); 2].map(|()| Table::new(opened(host.clone()), capacity));
        let limited = charge(1, 0, limit("2/h"));
        let mut events = tollgate::store::Events::default();
        let read_before = one.load(limited.client, &mut events).expect("shared data");
        assert!(admitted(&other, &[limited], seconds(0)));
        let outcome = one.charge(&[limited], Some(read_before), seconds(0)).expect("shared data");
        assert_eq!(outcome.events.lost_races, 1);
        assert!(matches!(outcome.verdicts[0], Verdict::Admitted { remaining: 0, .. }));
        drop(outcome.receipt);
        assert_eq!(room(&other, limited, seconds(0)), 0);
    }
}

#[test]
fn what_nginx_has_evicted_starts_anew() {
    let host = Host::nginx();
    let capacity = Capacity::new(64).expect("a capacity");
    let table = Table::new(opened(host.clone()), capacity);
    let limited = charge(1, 0, limit("2/h"));
    assert_eq!(room(&table, limited, seconds(0)), 2);
    host.evict("tollgate.v2.");
    assert_eq!(room(&table, limited, seconds(0)), 2);
    assert_eq!(opened(host).absence(), Absence::Zero);
}

/// Another worker is faster each time, between this one's look and its proposal.
#[test]
fn what_the_faster_worker_has_proposed_holds() {
    struct Overtaken(Host);
    impl SharedData for Overtaken {
        fn get(&self, name: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
            self.0.get(name)
        }
        fn set(&self, name: &[u8], bytes: &[u8], version: u32) -> Result<bool, Unavailable> {
            if name.ends_with(b"secret") {
                self.0.set(name, &[9; 16], version)?;
            }
            self.0.set(name, bytes, version)
        }
    }
    for host in [Host::envoy(), Host::nginx()] {
        let cells = SharedCells::open(Overtaken(host)).expect("a host that can do it");
        let agreed = cells.agree_on_secret(|| Ok([1; 16])).expect("a secret");
        let theirs = Fingerprinter::new(&Secret::new([9; 16])).finish();
        assert_eq!(Fingerprinter::new(&agreed).finish(), theirs);
    }
}

fn named(host: &Host, name: &str) -> SharedCells<Host> {
    opened(host.clone()).of_table(TableName::new(name)).expect("a host that can do it")
}

#[test]
fn tables_of_two_names_have_nothing_in_common_and_those_of_one_name_everything() {
    let of_ten = |_: &[u8]| Some(b"ten".to_vec());
    for host in [Host::envoy(), Host::nginx()] {
        let random = std::cell::Cell::new(0);
        let secret = |cells: &SharedCells<Host>| {
            random.set(random.get() + 1);
            let secret = cells.agree_on_secret(|| Ok([random.get(); 16])).expect("a secret");
            Fingerprinter::new(&secret).finish()
        };
        let limited = charge(1, 0, limit("2/h"));
        let topic = Topic::default();
        let mut secrets = Vec::new();
        // Each with a capacity of its own.
        for (name, clients) in [("", 64), ("inner", 128), ("public", 4_096), ("outer", 128)] {
            let capacity = Capacity::new(clients).expect("a capacity");
            let [one, other] =
                [(); 2].map(|()| if name.is_empty() { opened(host.clone()) } else { named(&host, name) });
            assert_eq!(one.agree_on_capacity(capacity), Ok(()), "{name}");
            assert!(other.agree_on_capacity(Capacity::default()).is_err(), "{name}");
            assert_eq!(other.agreed_capacity(), Some(capacity), "{name}");
            secrets.push(secret(&one));
            assert_eq!(secrets.last(), Some(&secret(&other)), "{name}");
            assert_eq!(
                (one.is_first_to_tell(&topic), other.is_first_to_tell(&topic)),
                (true, false),
                "{name}"
            );
            assert_eq!(one.entry(b"tollgate.v2.any"), Ok(Vec::new()), "{name}");
            assert_eq!(one.change(b"tollgate.v2.any", of_ten), Ok(true), "{name}");
            assert_eq!(other.entry(b"tollgate.v2.any"), Ok(b"ten".to_vec()), "{name}");
            let [one, other] = [one, other].map(|cells| Table::new(cells, capacity));
            assert!(admitted(&one, &[limited], seconds(0)), "{name}");
            assert_eq!(room(&other, limited, seconds(0)), 1, "{name}");
        }
        secrets.dedup();
        assert_eq!(secrets.len(), 4);
    }
}

#[test]
fn cells_of_all_tables_have_names_that_differ_in_the_last_four_bytes_alone() {
    let host = Host::envoy();
    let capacity = Capacity::new(4_096).expect("a capacity");
    for cells in [opened(host.clone()), named(&host, "inner"), named(&host, "public")] {
        let table = Table::new(cells, capacity);
        for name in 0..300 {
            assert!(admitted(&table, &[charge(name, 0, limit("2/h"))], seconds(0)));
        }
    }
    let entries = host.entries.lock().unwrap();
    let cells: Vec<_> = entries.by_name.keys().filter(|name| name.len() == 16).collect();
    assert!(cells.len() > 3 * 200 && cells.iter().all(|name| name.starts_with(b"tollgate.v2.")));
}

#[test]
fn workers_that_name_tables_at_once_agree_on_their_numbers() {
    for host in [Host::envoy(), Host::nginx()] {
        let limited = charge(1, 0, limit("8/h"));
        let capacity = Capacity::new(64).expect("a capacity");
        thread::scope(|scope| {
            for worker in 0..8 {
                let host = &host;
                scope.spawn(move || {
                    for table in 0..20 {
                        let name = format!("table-{}", (table + worker * 3) % 20);
                        assert!(admitted(&Table::new(named(host, &name), capacity), &[limited], seconds(0)));
                    }
                });
            }
        });
        for table in 0..20 {
            let table = Table::new(named(&host, &format!("table-{table}")), capacity);
            assert_eq!(room(&table, limited, seconds(0)), 0, "each worker has taken one");
        }
    }
}

#[test]
fn a_proxy_that_has_had_too_many_tables_says_so() {
    let host = Host::envoy();
    for table in 0..511 {
        named(&host, &format!("table-{table}"));
    }
    named(&host, "table-7");
    let refused = opened(host).of_table(TableName::new("one-more")).expect_err("there are no more");
    assert!(
        refused.starts_with("store.name: `one-more`: this proxy has had tables of 511 other names"),
        "{refused}"
    );
}
