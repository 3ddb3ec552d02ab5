//! Judges one kind of request so many times, natively, as the proxy has it judged: what `scripts/bench micro` counts the instructions of.
//!
//! `poll poll|anonymous|denied list|block COUNT`: a worker's poll that is allowed, a page that is asked for without a credential, a poll that is
//! denied, under the default policy; with the headers as a list of slices and counters in memory, as the module has them, or with one block and cells of bytes, as
//! the filter does. 64 clients take turns on a clock of their own, so
//! slowly that they use a third of their quota; the one that is denied never stops. A request that is not judged as it should be ends the
//! program with an error.

use std::borrow::Cow;
use std::error::Error;
use std::hint::black_box;

use tollgate::access_log::Entry;
use tollgate::client::{Client, Funnel};
use tollgate::config::Config;
use tollgate::gate::{Gate, Pending};
use tollgate::request::{Headers, Properties, Request};
use tollgate::response::{Origin, Response};
use tollgate::store::{Counters, MemoryCells, MemoryTable, Secret, Table};
use tollgate::time::Time;

/// The default policy, in a table that is a quarter full of these clients, as bearers and as addresses.
const POLICY: &str = r#"{ "store": { "capacity": 512 } }"#;
const CLIENTS: u64 = 64;
const ANSWER: Response = Response { status: 200, grpc: None, origin: Origin::Application };

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, form, count] = arguments.as_slice() else {
        return Err("expected `poll poll|anonymous|denied list|block COUNT`".into());
    };
    // How many microseconds pass from one request to the next.
    let (clients, step) = match kind.as_str() {
        "poll" => (CLIENTS, 6_000_000 / CLIENTS),
        "anonymous" => (CLIENTS, 3_000_000 / CLIENTS),
        "denied" => (1, 1),
        _ => return Err(format!("expected `poll`, `anonymous` or `denied`, not `{kind}`").into()),
    };
    let is_list = match form.as_str() {
        "list" => true,
        "block" => false,
        _ => return Err(format!("expected `list` or `block`, not `{form}`").into()),
    };
    let sent: Vec<Sent> = (0..clients).map(|number| Sent::new(number, kind != "anonymous")).collect();
    let pairs: Vec<_> = sent.iter().map(Sent::pairs).collect();
    let blocks: Vec<_> = pairs.iter().map(|pairs| Headers::encode(pairs)).collect();
    let config = Config::parse(POLICY.as_bytes())?;
    let (count, capacity, is_denied) = (count.parse()?, config.capacity, kind == "denied");
    let headers = |number: usize| {
        let number = number % sent.len();
        let headers = if is_list { Headers::of_pairs(&pairs[number]) } else { Headers::new(&blocks[number]) };
        (headers, &sent[number])
    };
    if is_list {
        run(Proxy::new(config, MemoryTable::new(capacity)), count, step, is_denied, headers)
    } else {
        run(Proxy::new(config, Table::new(MemoryCells::default(), capacity)), count, step, is_denied, headers)
    }
}

/// Judges so many requests. Of those that are to be denied the first ones use the quota up.
fn run<'a, T: Counters>(
    mut proxy: Proxy<T>,
    count: usize,
    step: u64,
    is_denied: bool,
    request: impl Fn(usize) -> (Headers<'a>, &'a Sent),
) -> Result<(), Box<dyn Error>> {
    const QUOTA: usize = 30;
    let mut now = 1_000_000_000;
    for number in 0..count {
        now += step;
        let (headers, sent) = request(number);
        let is_allowed = proxy.judge(black_box(headers), sent, Time::from_micros(now));
        if is_allowed == (is_denied && number >= QUOTA) {
            return Err(
                format!("request {number} was {}", if is_allowed { "allowed" } else { "denied" }).into()
            );
        }
    }
    Ok(())
}

/// What one worker of a proxy does with a request, but for the calls to the proxy.
struct Proxy<T> {
    gate: Gate<T>,
    funnel: Funnel,
}

impl<T: Counters> Proxy<T> {
    fn new(config: Config, counters: T) -> Self {
        Self { gate: Gate::new(config, Secret::new([7; 16]), counters), funnel: Funnel::default() }
    }

    /// Whether the request may go on; if so, it is answered.
    fn judge(&mut self, headers: Headers, sent: &Sent, now: Time) -> bool {
        let gate = &self.gate;
        let config = gate.config();
        let Ok(request) = Request::read(config.request_from, headers, sent) else { return false };
        let client = Client::identify(&config.policy.client, &request);
        let passage = gate.admit(&client, Pending::default(), now);
        let (decision, pending) = (passage.decision, passage.pending);
        // The metrics of each scope.
        decision.scopes().for_each(|scope| {
            black_box(scope);
        });
        if config.access_log.takes(decision.ruling(), &decision) {
            black_box(Entry::of(&config.policy, decision.ruling(), &decision).fields());
        }
        if let Some(reply) = gate.reply(&decision) {
            black_box((reply, request.is_grpc()));
            return false;
        }
        if let Some(address) = client.known_address() {
            black_box(self.funnel.notices(address, &request));
        }
        if gate.awaits(&pending) && gate.matters(&pending, ANSWER.status) {
            let settlement = gate.settlement(pending, ANSWER);
            return settlement.is_empty() || gate.settle(settlement, now).is_ok();
        }
        true
    }
}

/// A request: that of `bench/requests.py`, as Envoy has it.
struct Sent {
    is_poll: bool,
    address: String,
    peer: String,
    token: String,
}

impl Sent {
    fn new(number: u64, is_poll: bool) -> Self {
        let address = format!("10.1.2.{number}");
        let (peer, token) =
            (format!("{address}:4711"), format!("Token 9944b09199c62bcf9418ad846dd0e4bbdfc6{number:04}"));
        Self { is_poll, address, peer, token }
    }

    fn pairs(&self) -> Vec<(&[u8], &[u8])> {
        let pairs: &[(&str, &str)] = if self.is_poll { &POLL } else { &PAGE };
        let own = [("x-forwarded-for", self.address.as_str()), ("x-envoy-external-address", &self.address)];
        let token = self.is_poll.then_some(("authorization", self.token.as_str()));
        let all = pairs.iter().copied().chain(own).chain(token);
        all.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }
}

impl Properties for Sent {
    fn source_address(&self) -> Cow<'_, [u8]> {
        self.peer.as_bytes().into()
    }

    fn jwt_claim(&self, _path: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

const POLL: [(&str, &str); 14] = [
    (":authority", "api.example.org"),
    (
        ":path",
        "/api/v2/jobs/?limit=1&pipeline__slug__in=random,constant,moth_binary&ids_only=1&processing_service_name=worker-07",
    ),
    (":method", "GET"),
    (":scheme", "https"),
    ("user-agent", "python-requests/2.34.2"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-port", "443"),
    ("x-amzn-trace-id", "Root=1-68a5c2f1-5f2b0d0c7a3e4b1d2c6f8e90"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("cache-control", "no-cache"),
    ("x-request-id", "0b5cf1f7-3cbd-4b0f-9d2a-b7b9ec5b5f57"),
];

const PAGE: [(&str, &str); 16] = [
    (":authority", "api.example.org"),
    (
        ":path",
        "/api/v2/captures/?deployment=91&limit=20&offset=40&ordering=-timestamp&with_detections=true&project_id=18",
    ),
    (":method", "GET"),
    (":scheme", "https"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://example.org/projects/18/captures"),
    ("origin", "https://example.org"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-port", "443"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-site"),
    ("x-request-id", "0b5cf1f7-3cbd-4b0f-9d2a-b7b9ec5b5f57"),
];
