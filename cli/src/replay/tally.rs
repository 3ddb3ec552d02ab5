//! What is counted while a log is replayed.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use tollgate::client::Client;
use tollgate::decision::{Decision, Judgement};
use tollgate::limit::Verdict;
use tollgate::policy::Policy;
use tollgate::store::Fingerprint;

use super::names::name;
use super::request::Entry;

/// What became of all requests.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) unattributed: u64,
    pub(crate) denied: u64,
    /// Requests that were let through, and that shadow scopes would have denied.
    pub(crate) shadowed: u64,
    /// Requests without an address.
    pub(crate) nameless: u64,
    /// Requests that the log shows as denied: by a 429.
    pub(crate) logged_denied: u64,
    /// Of those, requests that the gate denies, too.
    pub(crate) denied_both: u64,
    /// Whether any request had a query.
    pub(crate) has_query: bool,
    pub(crate) first: Option<u64>,
    pub(crate) last: u64,
    pub(crate) scopes: Vec<ScopeTally>,
    /// Where a client's counts stand in `counts`. Most clients fall under several scopes, and are looked up once for all.
    places: HashMap<Fingerprint, usize, ByFingerprint>,
    /// How many requests each client has made, for each scope.
    counts: Vec<u32>,
    /// The only address so far.
    only_address: Option<Box<[u8]>>,
    has_several_addresses: bool,
}

/// What one scope did.
#[derive(Default)]
pub(crate) struct ScopeTally {
    /// Requests that it allowed, and was charged for.
    pub(crate) allowed: u64,
    /// Requests that it denied, or would have denied if it were no shadow.
    pub(crate) denied: u64,
    /// Clients that fell under it.
    pub(crate) clients: u64,
    denied_clients: HashMap<Fingerprint, Offender, ByFingerprint>,
}

/// A client that a scope has denied.
#[derive(Clone, Debug)]
pub(crate) struct Offender {
    pub(crate) name: String,
    pub(crate) denied: u64,
    /// When it was denied first, and last.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Until when it was told to wait, at the latest.
    until: u64,
    /// For how long it was locked out, all in all, in microseconds.
    pub(crate) locked_out: u64,
    /// The number of the request that was denied last: several rates may deny one.
    request: u64,
}

impl Tally {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self { scopes: policy.scopes.iter().map(|_| ScopeTally::default()).collect(), ..Self::default() }
    }

    /// One request was judged.
    pub(crate) fn count(
        &mut self,
        time: u64,
        entry: &Entry,
        decision: &Decision,
        client: &Client,
        policy: &Policy,
    ) {
        self.requests += 1;
        self.unattributed += u64::from(!entry.is_attributed);
        self.has_query |= entry.has_query;
        self.first.get_or_insert(time);
        self.last = time;
        self.count_address(entry.address());
        let is_denied = !decision.is_allowed();
        self.denied += u64::from(is_denied);
        self.logged_denied += u64::from(entry.status == 429);
        self.denied_both += u64::from(is_denied && entry.status == 429);
        let mut is_shadowed = false;
        for (scope, judgement) in decision.scopes() {
            let Some(tally) = self.scopes.get_mut(scope) else { continue };
            match judgement {
                Judgement::Allowed => tally.allowed += u64::from(!is_denied),
                Judgement::Denied => tally.denied += 1,
                Judgement::Shadowed => {
                    tally.denied += 1;
                    is_shadowed = !is_denied;
                }
            }
        }
        self.shadowed += u64::from(is_shadowed);
        self.count_clients(time, entry, decision, client, policy);
    }

    fn count_clients(
        &mut self,
        time: u64,
        entry: &Entry,
        decision: &Decision,
        client: &Client,
        policy: &Policy,
    ) {
        let mut found: Option<(Fingerprint, usize)> = None;
        let mut counted = None;
        for judged in &decision.limits {
            let whom = judged.client;
            let place = match found {
                Some((known, place)) if known == whom => place,
                _ => self.place(whom),
            };
            found = Some((whom, place));
            let Some(tally) = self.scopes.get_mut(judged.scope) else { continue };
            // A scope with several rates counts a client once; its limits stand together.
            let is_counted = counted == Some((judged.scope, whom));
            if let Some(count) = self.counts.get_mut(place + judged.scope).filter(|_| !is_counted) {
                tally.clients += u64::from(*count == 0);
                *count = count.saturating_add(1);
            }
            if let Verdict::Denied { wait } = judged.verdict {
                let offender = tally.denied_clients.entry(whom).or_insert_with(|| {
                    let key = policy.scopes.get(judged.scope).map(|scope| &scope.key);
                    Offender::new(key.map(|key| name(key, whom, client, entry)).unwrap_or_default(), time)
                });
                offender.deny(self.requests, time, wait);
            }
            counted = Some((judged.scope, whom));
        }
    }

    /// Where this client's counts stand.
    fn place(&mut self, client: Fingerprint) -> usize {
        let (counts, scopes) = (&mut self.counts, self.scopes.len());
        *self.places.entry(client).or_insert_with(|| {
            counts.resize(counts.len() + scopes, 0);
            counts.len() - scopes
        })
    }

    fn count_address(&mut self, address: &[u8]) {
        self.nameless += u64::from(address.is_empty());
        if !self.has_several_addresses {
            let only = self.only_address.get_or_insert_with(|| address.into());
            self.has_several_addresses = **only != *address;
        }
    }

    /// The one address that all requests have come from, if there are many requests.
    pub(crate) fn only_address(&self) -> Option<&[u8]> {
        let only = self.only_address.as_deref().filter(|address| !address.is_empty());
        only.filter(|_| !self.has_several_addresses && self.requests >= 100)
    }

    /// How many clients were denied by any scope. Whoever is counted by address in one and by credential in another is two.
    pub(crate) fn clients_denied(&self) -> u64 {
        let clients = self.scopes.iter().flat_map(|scope| scope.denied_clients.keys());
        clients.collect::<HashSet<_, ByFingerprint>>().len() as u64
    }

    /// The clients that were denied most, with their scopes' places and how many requests each has made there.
    pub(crate) fn offenders(&self, most: usize) -> Vec<(usize, &Offender, u64)> {
        let mut all = Vec::new();
        for (scope, tally) in self.scopes.iter().enumerate() {
            for (client, offender) in &tally.denied_clients {
                let count = self.places.get(client).and_then(|place| self.counts.get(place + scope));
                all.push((scope, offender, u64::from(count.copied().unwrap_or_default())));
            }
        }
        all.sort_by(|(one_scope, one, _), (other_scope, other, _)| {
            let by_scope = one_scope.cmp(other_scope);
            other.denied.cmp(&one.denied).then(by_scope).then_with(|| one.name.cmp(&other.name))
        });
        all.truncate(most);
        all
    }
}

impl ScopeTally {
    pub(crate) fn clients_denied(&self) -> u64 {
        self.denied_clients.len() as u64
    }
}

impl Offender {
    fn new(name: String, time: u64) -> Self {
        Self { name, denied: 0, first: time, last: time, until: time, locked_out: 0, request: 0 }
    }

    /// A request of it, by its number from 1, is denied, and told to wait so long.
    fn deny(&mut self, request: u64, time: u64, wait: Duration) {
        self.denied += u64::from(self.request != request);
        self.request = request;
        let until = time.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
        self.last = time;
        self.locked_out += until.saturating_sub(self.until.max(time));
        self.until = self.until.max(until);
    }
}

/// A fingerprint is a hash already.
#[derive(Clone, Copy, Default)]
pub(crate) struct OwnHash(u64);

pub(crate) type ByFingerprint = BuildHasherDefault<OwnHash>;

impl Hasher for OwnHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(5) ^ u64::from_le_bytes(word);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}
