//! What clients are charged in the end, in a few lines: a log for each counter, walked through for each question.
//!
//! Random policies judge requests of a few addresses and credentials. Their answers, of every kind, come in any order, or
//! never. So a trace has what is hard: a credential that is not known yet, in flight many times over; two credentials in one request; scopes
//! that only shadow; exemptions; windows that are longer than a proof lasts; charges that depend on the answer; more new credentials than
//! an address may bring.

mod traces;

use std::borrow::Cow;
use std::collections::HashMap;

use proptest::prelude::*;
use tollgate::client::Client;
use tollgate::gate::{Gate, Passage, Pending};
use tollgate::request::{Headers, Properties, Request};
use tollgate::response::{Asked, Origin, Response};
use tollgate::store::{Counters, Settlement};
use tollgate::time::Time;

pub(crate) use traces::{Event, Policy, events, policies};
use traces::{Key, MINUTE, Scope};

/// A gate that is tested.
pub(crate) trait Subject {
    type Counters: Counters;
    fn gate(&self) -> &Gate<Self::Counters>;
    fn admit(&mut self, client: &Client, now: Time) -> Passage;
    fn settle(&mut self, settlement: Settlement, now: Time);
}

impl Policy {
    /// The counters that a request falls under: of which scope, and whose.
    fn charges(&self, address: u8, token: Option<u8>, path: &str) -> Vec<(usize, Whose)> {
        if path == "/free" && self.exempts == Some(token.is_some()) {
            return Vec::new();
        }
        let whose = |scope: &Scope| match (scope.key, token) {
            (Key::Address, _) | (Key::Either, None) => Some(Whose::Address(address)),
            (Key::Credential | Key::Either, Some(token)) => Some(Whose::Credential(token)),
            (Key::Credential, None) => None,
            (Key::Everybody, _) => Some(Whose::Everybody),
        };
        let applies = |scope: &Scope| {
            !(scope.only_anonymous && token.is_some() || scope.only_login && path != "/login")
        };
        let scopes = self.scopes.iter().enumerate().filter(|(_, scope)| applies(scope));
        scopes.filter_map(|(index, scope)| Some((index, whose(scope)?))).collect()
    }

    fn window(&self, counter: (usize, Whose)) -> u64 {
        if counter.0 == NEW { self.new_per_address.1 } else { self.scopes[counter.0].window }
    }

    /// A proof counts as long as the policy says, and as any counter of its client can matter. (A first one five minutes at the most.)
    fn lasts(&self) -> u64 {
        let of_credentials = |scope: &&Scope| matches!(scope.key, Key::Credential | Key::Either);
        let windows = self.scopes.iter().filter(of_credentials).map(|scope| scope.window);
        windows.max().unwrap_or(0).max(self.trust_for)
    }

    /// A request that is free for its bearer and for anybody proves nothing.
    fn is_free_for_all(&self, address: u8, token: Option<u8>, path: &str) -> bool {
        self.charges(address, token, path).is_empty() && self.charges(address, None, path).is_empty()
    }

    fn minds_credentials(&self) -> bool {
        let minds =
            |scope: &Scope| scope.only_anonymous || matches!(scope.key, Key::Credential | Key::Either);
        self.exempts.is_some() || self.scopes.iter().any(minds)
    }
}

/// Instead of a scope: what counts new credentials.
const NEW: usize = usize::MAX;

const FIRST_LASTS: u64 = 5 * MINUTE;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Address(u8),
    Credential(u8),
    Everybody,
}

/// What a request was charged, and why.
struct Charged {
    counter: (usize, Whose),
    at: u64,
    as_bearer: bool,
    as_anybody: bool,
    request: usize,
}

/// A request that has not been answered.
struct InFlight {
    number: usize,
    token: Option<u8>,
    /// How long its proof will be noted for, if it is due.
    lasts: Option<u64>,
    proves: bool,
    asked: Asked,
    pending: Pending,
}

struct Model<'p> {
    policy: &'p Policy,
    charged: Vec<Charged>,
    proved_until: HashMap<u8, u64>,
    now: u64,
}

impl Model<'_> {
    fn used(&self, counter: (usize, Whose)) -> usize {
        let window = self.policy.window(counter);
        let is_live = |charged: &&Charged| charged.counter == counter && charged.at + window > self.now;
        self.charged.iter().filter(is_live).count()
    }

    fn is_proved(&self, token: u8) -> bool {
        self.left(token) > 0
    }

    /// For how long a proof counts yet, in eighths of a second.
    fn left(&self, token: u8) -> u64 {
        self.proved_until.get(&token).map_or(0, |until| until.saturating_sub(8 * self.now))
    }

    /// Whether the request is let through; it is charged then.
    fn admits(&mut self, number: usize, address: u8, tokens: &[u8], path: &str) -> bool {
        let mut charges: Vec<((usize, Whose), bool, bool)> = Vec::new();
        let anybodys = self.policy.charges(address, None, path);
        let (as_bearer, as_anybody) = match tokens {
            [] => (anybodys.clone(), anybodys),
            [token] => {
                let as_bearer = self.policy.charges(address, Some(*token), path);
                let is_open = self.policy.minds_credentials() && !self.is_proved(*token);
                (as_bearer.clone(), if is_open { anybodys } else { as_bearer })
            }
            // Whoever it is of: all of it stays.
            several => {
                let all = several.iter().flat_map(|token| self.policy.charges(address, Some(*token), path));
                let all: Vec<_> = if self.policy.minds_credentials() { anybodys } else { Vec::new() }
                    .into_iter()
                    .chain(all)
                    .collect();
                (all.clone(), all)
            }
        };
        for counter in as_bearer.iter().chain(&as_anybody) {
            if !charges.iter().any(|(known, ..)| known == counter) {
                charges.push((*counter, as_bearer.contains(counter), as_anybody.contains(counter)));
            }
        }
        let is_over = |counter: (usize, Whose)| self.used(counter) >= self.policy.scopes[counter.0].quota;
        let denies = |counter: (usize, Whose)| self.policy.scopes[counter.0].is_enforced && is_over(counter);
        if charges.iter().any(|(counter, ..)| denies(*counter)) {
            return false;
        }
        let fits: Vec<_> = charges.into_iter().filter(|(counter, ..)| !is_over(*counter)).collect();
        for (counter, as_bearer, as_anybody) in fits {
            self.charged.push(Charged { counter, at: self.now, as_bearer, as_anybody, request: number });
        }
        true
    }

    /// Whether the address may bring one more credential; it is counted then.
    fn admits_new(&mut self, number: usize, address: u8) -> bool {
        let counter = (NEW, Whose::Address(address));
        let admits = self.used(counter) < self.policy.new_per_address.0;
        if admits {
            let charged =
                Charged { counter, at: self.now, as_bearer: false, as_anybody: false, request: number };
            self.charged.push(charged);
        }
        admits
    }

    /// The request is answered, or never will be.
    fn settle(&mut self, request: &InFlight, response: Option<Response>) {
        let counts = |scope: &Scope, response: Response| {
            let is_failure = [401, 403].contains(&response.status) || response.grpc == Some(16);
            !scope.counts_failures || response.origin == Origin::Lost || is_failure
        };
        let is_success = response.is_some_and(|response| is_success(response, request));
        let accepted =
            request.token.filter(|_| request.proves && is_success && self.policy.minds_credentials());
        let is_new = accepted.is_some_and(|token| !self.is_proved(token));
        let policy = self.policy;
        self.charged.retain(|charged| {
            let belongs = match (is_success, accepted) {
                (true, Some(_)) => charged.as_bearer,
                // Anybody may have been answered so.
                (true, None) => true,
                (false, _) => charged.as_anybody,
            };
            let stays = match response {
                _ if charged.counter.0 == NEW => is_new,
                Some(response) => counts(&policy.scopes[charged.counter.0], response) && belongs,
                None => charged.as_anybody,
            };
            charged.request != request.number || stays
        });
        if let (Some(token), Some(lasts)) = (accepted, request.lasts) {
            // Noted for an eighth longer than it has to count.
            let until = self.proved_until.entry(token).or_default();
            *until = (8 * self.now + 9 * lasts).max(*until);
        }
    }
}

fn is_success(response: Response, request: &InFlight) -> bool {
    let is_good = match response.grpc {
        Some(status) => status == 0,
        None if response.status == 101 => request.asked.is_upgrade,
        None if response.status == 303 => !request.asked.is_safe,
        None => matches!(response.status, 200 | 204 | 304),
    };
    response.origin == Origin::Application && is_good
}

struct Peer(u8);

impl Properties for Peer {
    fn source_address(&self) -> Cow<'_, [u8]> {
        format!("192.0.2.{}:4711", self.0).into_bytes().into()
    }

    fn jwt_claim(&self, _name: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

/// Walks a trace: each request is let through if and only if the model lets it through.
pub(crate) fn walk(
    counters: &mut impl Subject,
    policy: &Policy,
    events: &[Event],
    start: u64,
) -> Result<(), TestCaseError> {
    let mut model = Model { policy, charged: Vec::new(), proved_until: HashMap::new(), now: 0 };
    let mut in_flight: Vec<InFlight> = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let now = Time::from_micros((start + model.now) * 1_000_000);
        match event {
            Event::Passes(seconds) => {
                model.now += seconds;
            }
            Event::Answer { which, response } => {
                if in_flight.is_empty() {
                    continue;
                }
                let mut request = in_flight.swap_remove(which.index(in_flight.len()));
                let pending = std::mem::take(&mut request.pending);
                let settlement = match response {
                    Some(response) if counters.gate().matters(&pending, response.status) => {
                        counters.gate().settlement(pending, *response)
                    }
                    Some(_) => Settlement::default(),
                    None => counters.gate().abandoned(pending),
                };
                counters.settle(settlement, now);
                model.settle(&request, *response);
            }
            Event::Request { address, tokens, path, method, is_upgrade } => {
                let mut headers = vec![(":method", (*method).to_owned()), (":path", (*path).to_owned())];
                headers.extend(is_upgrade.then(|| ("upgrade", "websocket".to_owned())));
                headers.extend(tokens[0].map(|token| ("authorization", format!("Token t{token}"))));
                headers.extend(tokens[1].map(|token| ("cookie", format!("a=b; sid=t{token}"))));
                let block = Headers::encode(&headers);
                let peer = Peer(*address);
                let request = Request::new(Headers::new(&block), &peer);
                let rules = counters.gate().config().policy.client.clone();
                let Passage { decision, pending, error, .. } =
                    counters.admit(&Client::identify(&rules, &request), now);
                prop_assert_eq!(error, None);
                let mut presented: Vec<u8> = tokens.iter().flatten().copied().collect();
                presented.dedup();
                let admits = model.admits(number, *address, &presented, path);
                prop_assert_eq!(
                    decision.is_allowed(),
                    admits,
                    "event {}: {:?} {:?}",
                    number,
                    event,
                    decision
                );
                if !admits {
                    continue;
                }
                let token = if let [token] = presented[..] { Some(token) } else { None };
                let left = token.map_or(0, |token| model.left(token));
                let mut proves = token.is_some() && (!policy.only_login_proves || *path == "/login");
                if left == 0 {
                    proves &= !policy.is_free_for_all(*address, token, path) && policy.minds_credentials();
                    proves = proves && model.admits_new(number, *address);
                }
                let is_due = left < 8 * policy.lasts();
                let first = if left == 0 { FIRST_LASTS } else { u64::MAX };
                let lasts = is_due.then_some(policy.lasts().min(first));
                let asked = Asked { is_safe: *method == "GET", is_upgrade: *is_upgrade };
                in_flight.push(InFlight { number, token, lasts, proves, asked, pending });
            }
        }
    }
    Ok(())
}
