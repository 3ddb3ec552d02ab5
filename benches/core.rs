//! The pure parts, natively: `scripts/bench micro`. In the proxy they run as wasm, which takes somewhat longer, and calls
//! to the proxy come on top: `scripts/bench cpu` has the sum.

use std::borrow::Cow;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tollgate::client::{Client, Crawlers};
use tollgate::config::{Config, DEFAULT};
use tollgate::gate::{Gate, Pending};
use tollgate::limit::{Bucket, Limit, Rate, Window};
use tollgate::request::{Headers, Properties, Request};
use tollgate::scope::Counted;
use tollgate::store::{
    Capacity, Charge, CounterId, Counters, Fingerprint, Fingerprinter, MemoryCells, MemoryTable, Secret,
    Stays, Table,
};
use tollgate::time::Time;

const SECOND: u64 = 1_000_000;
const SECRET: Secret = Secret::new([7; 16]);

struct Peer(Vec<u8>);

impl Properties for Peer {
    fn source_address(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }

    fn jwt_claim(&self, _name: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

fn peer(number: u32) -> Peer {
    let [a, b, c, d] = number.to_be_bytes();
    Peer(format!("{a}.{b}.{c}.{d}:4711").into_bytes())
}

/// 18 headers, as they come from the proxy.
fn block(target: &str, authorization: Option<&str>) -> Vec<u8> {
    block_of("python-requests/2.34.2", target, authorization)
}

fn block_of(user_agent: &str, target: &str, authorization: Option<&str>) -> Vec<u8> {
    let mut pairs = vec![
        (":authority", "api.example.org"),
        (":path", target),
        (":method", "GET"),
        (":scheme", "https"),
        ("user-agent", user_agent),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("x-forwarded-for", "10.1.2.3,127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "443"),
        ("x-amzn-trace-id", "Root=1-68a5c2f1-5f2b0d0c7a3e4b1d2c6f8e90"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("cache-control", "no-cache"),
        ("x-envoy-external-address", "10.1.2.3"),
        ("x-request-id", "0b5cf1f7-3cbd-4b0f-9d2a-b7b9ec5b5f57"),
        ("referer", "https://example.org/projects/18"),
    ];
    pairs.extend(authorization.map(|value| ("authorization", value)));
    Headers::encode(&pairs)
}

const POLL: &str =
    "/api/v2/jobs/?limit=1&pipeline__slug__in=random,constant&ids_only=1&processing_service_name=w7";
const PAGE: &str = "/api/v2/captures/?deployment=91&limit=20&offset=40&ordering=-timestamp";
const TOKEN: &str = "Token 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

/// The default policy, but any credential counts: what a proved one costs.
fn config(rates: &str) -> Config {
    let mut document: serde_json::Value =
        serde_json::from_str(&DEFAULT.replace("/min", rates)).expect("the default policy");
    let credential = &mut document["client"]["credential"];
    *credential = serde_json::json!({ "from": credential["from"], "trust": "any" });
    Config::parse(document.to_string().as_bytes()).expect("the default policy")
}

fn plan(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan");
    let policy = config("/min").policy;
    let many: Vec<String> = (0..1_000).map(|number| format!("parameter{number}=value{number}")).collect();
    let long = format!("/api/v2/jobs/?{}", many.join("&"));
    for (name, target, authorization) in [
        ("an anonymous GET", PAGE, None),
        ("a worker's poll", POLL, Some(TOKEN)),
        ("1,000 parameters", long.as_str(), Some(TOKEN)),
    ] {
        let (block, peer) = (block(target, authorization), peer(1));
        group.bench_function(name, |b| {
            b.iter(|| {
                let request = Request::new(Headers::new(black_box(&block)), &peer);
                let client = Client::identify(&policy.client, &request);
                policy.plan(&client, &SECRET, Counted::default())
            });
        });
    }
}

const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 ";
/// The proxy takes 60 KiB of headers, unless it is told otherwise.
const LONGEST: usize = 57_000;

/// `text` again and again, up to so many bytes.
fn repeated(text: &str, length: usize) -> String {
    text.chars().cycle().take(length).collect()
}

/// What strangers may send to make it costly to say that they are no crawlers.
fn crawler(c: &mut Criterion) {
    let mut group = c.benchmark_group("crawler");
    let crawlers = Crawlers::default();
    for (name, user_agent) in [
        ("a browser", CHROME.to_owned()),
        ("1 KB of words", repeated(CHROME, 1_000)),
        ("57 KB of words", repeated(CHROME, LONGEST)),
        ("57 KB of commas", repeated(",", LONGEST)),
        ("57 KB in one word", repeated("google", LONGEST)),
        ("57 KB of letters", repeated("a b c d e f g h ", LONGEST)),
        // No word meets more names that are not it.
        ("57 KB of one letter", repeated("g ", LONGEST)),
        ("57 KB of beginnings of names", repeated("google-site-verificatio ", LONGEST)),
    ] {
        assert_eq!(crawlers.family(user_agent.as_bytes()), None, "{name}");
        group.bench_function(name, |b| b.iter(|| crawlers.family(black_box(user_agent.as_bytes()))));
    }
    let scopes = ["a", "b", "c", "d"].map(|name| {
        format!(r#""{name}": {{ "rate": "30/min", "key": "bot", "match": {{ "client": "bot" }} }}"#)
    });
    let config = format!(r#"{{ "scopes": {{ {} }} }}"#, scopes.join(", "));
    let policy = Config::parse(config.as_bytes()).expect("a policy").policy;
    let (block, peer) = (block_of(&repeated("a b c d e f g h ", 1_000), PAGE, None), peer(1));
    group.bench_function("1 KB of letters, plan of four scopes", |b| {
        b.iter(|| {
            let request = Request::new(Headers::new(black_box(&block)), &peer);
            let client = Client::identify(&policy.client, &request);
            policy.plan(&client, &SECRET, Counted::default())
        });
    });
}

/// A policy that asks about everything.
const CURIOUS: &str = r#"{
    "exempt": [{ "path": ["/static/**", "/favicon.ico"] }, { "query": { "probe": true } }],
    "scopes": {
        "user": { "rate": "300/min", "key": ["credential", "address"] },
        "login": { "rate": "5/min", "key": "address", "match": { "method": "POST", "path": ["/login", "/api/**/login"] } },
        "search": { "rate": "5/min", "key": "address", "match": { "query": { "q": { "present": true }, "page": { "not": "1" } } } },
        "export": { "rate": "5/min", "key": "address", "match": { "path": "/**/*.{csv,pdf}" } },
        "all": { "rate": "5/min", "key": "address", "match": { "any": [
            { "query": { "all": true } }, { "query": { "limit": "0" } }, { "cookie": { "beta": "1" } }, { "cookie": { "plan": "free" } }
        ] } }
    }
}"#;

/// What strangers may send to make it costly to judge it; and an ordinary request to compare it with.
fn hostile(c: &mut Criterion) {
    let mut group = c.benchmark_group("hostile");
    let policies = [
        ("default", config("/min").policy),
        ("curious", Config::parse(CURIOUS.as_bytes()).expect("a policy").policy),
    ];
    let path = |text: &str| repeated(text, LONGEST);
    let query = |text: &str| format!("/api/v2/jobs/?{}", repeated(text, LONGEST));
    for (name, target, cookie) in [
        ("an ordinary request", PAGE.to_owned(), "theme=dark".to_owned()),
        ("slashes and letters", path("/a"), String::new()),
        ("dot segments", path("/a/.."), String::new()),
        ("encoded slashes", path("/a%2f"), String::new()),
        ("slashes encoded twice", path("/a%252f"), String::new()),
        ("1 KB with 8 readings", repeated("/a;b%2fc%5cd", 1_000), String::new()),
        ("1 KB of dot segments", repeated("/..%2fa/%00", 1_000), String::new()),
        ("suffixes", path(".pdf"), String::new()),
        ("&", query("&"), String::new()),
        ("parameters", query("a&"), String::new()),
        ("parameters asked about", query("q=1&"), String::new()),
        (
            "1,000 long parameters",
            query("%69ds_onl%00yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy&"),
            String::new(),
        ),
        (
            "1,000 values in several readings",
            query("limit=+%ff%00yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy&"),
            String::new(),
        ),
        (";", query("a;"), String::new()),
        ("an encoded value", query("ids_only=%20"), String::new()),
        ("cookies", PAGE.to_owned(), repeated("a=b;", LONGEST)),
    ] {
        let headers = [
            (":method", "GET"),
            (":path", &*target),
            (":authority", "a.test"),
            ("cookie", &*cookie),
            ("user-agent", CHROME),
        ];
        let (block, peer) = (Headers::encode(&headers), peer(1));
        for (policy_name, policy) in &policies {
            group.bench_function(format!("{name}, {policy_name}"), |b| {
                b.iter(|| {
                    let request = Request::new(Headers::new(black_box(&block)), &peer);
                    let client = Client::identify(&policy.client, &request);
                    (policy.exempts(&client), policy.plan(&client, &SECRET, Counted::default()))
                });
            });
        }
    }
}

fn window(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    for quota in [30_u32, 60, 300, 10_000] {
        let rate: Rate = format!("{quota}/min").parse().expect("a rate");
        // Half used, evenly.
        let (mut half, gap) = (Window::default(), 60 * SECOND / u64::from(quota));
        (0..u64::from(quota) / 2).for_each(|unit| {
            half.take(rate, Time::from_micros(unit * gap), 1);
        });
        let now = Time::from_micros(31 * SECOND);
        group.bench_function(format!("check {quota}"), |b| b.iter(|| half.check(rate, black_box(now), 1)));
        group.bench_function(format!("take {quota}"), |b| {
            b.iter_batched_ref(
                || half.clone(),
                |window| window.take(rate, black_box(now), 1),
                BatchSize::SmallInput,
            );
        });
    }
}

fn bucket(c: &mut Criterion) {
    let rate: Rate = "300/min".parse().expect("a rate");
    let now = Time::from_micros(SECOND);
    c.bench_function("bucket/check and take", |b| {
        b.iter_batched_ref(
            Bucket::default,
            |bucket| (bucket.check(rate, 20, black_box(now), 1), bucket.take(rate, 20, now, 1)),
            BatchSize::SmallInput,
        );
    });
}

/// A whole request, from its headers to the decision.
fn admit(gate: &Gate<impl Counters>, block: &[u8], peer: &Peer, now: Time) -> bool {
    let request = Request::new(Headers::new(block), peer);
    let client = Client::identify(&gate.config().policy.client, &request);
    gate.admit(&client, Pending::default(), now).decision.is_allowed()
}

fn tables(c: &mut Criterion) {
    table(c, "table", |capacity| Table::new(MemoryCells::default(), capacity));
    table(c, "table in memory", MemoryTable::new);
}

fn table<T: Counters>(c: &mut Criterion, name: &str, counters: impl Fn(Capacity) -> T) {
    let mut group = c.benchmark_group(name);
    let (page, poll) = (block(PAGE, None), block(POLL, Some(TOKEN)));
    let gate = |rates: &str, capacity: &str| {
        let mut config = config(rates);
        let store = format!(r#"{{ "store": {{ "capacity": {capacity} }} }}"#);
        config.capacity = Config::parse(store.as_bytes()).expect("a capacity").capacity;
        let counters = counters(config.capacity);
        Gate::new(config, SECRET, counters)
    };
    // Each call a second after the last: 60 marks, and room for another as one expires.
    let known = gate("/min", "1024");
    let mut now = 0;
    group.bench_function("a known client", |b| {
        b.iter(|| {
            now += SECOND;
            admit(&known, black_box(&page), &peer(1), Time::from_micros(now))
        });
    });
    let denied = gate("/h", "1024");
    let at = Time::from_micros(SECOND);
    while admit(&denied, &poll, &peer(1), at) {}
    group.bench_function("a denied poll", |b| b.iter(|| admit(&denied, black_box(&poll), &peer(1), at)));
    // Nobody's record expires, so each newcomer drives one out.
    let full = gate("/h", "1024");
    let mut number = 0;
    let mut come = || {
        number += 1;
        admit(&full, black_box(&page), &peer(number), at)
    };
    for _ in 0..16 * 1024 {
        come();
    }
    group.bench_function("a new client, table full", |b| b.iter(&mut come));
}

/// What one charge costs each of several threads: of clients of their own, and of one that is everybody's.
fn threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("table in memory, threads");
    let limit = Limit::sliding_window("1000/s".parse().expect("a rate"));
    let charge = |name: u64| {
        let mut fingerprinter = Fingerprinter::new(&SECRET);
        fingerprinter.piece(0, &name.to_le_bytes());
        let client = if name == 0 { Fingerprint::EVERYBODY } else { fingerprinter.finish() };
        let stays = Stays::Always;
        Charge { client, counter: CounterId(1), limit, cost: 1, scope: 0, enforced: true, stays }
    };
    for threads in [1, 2] {
        for (name, own) in [("clients of its own", true), ("everybody", false)] {
            group.bench_function(format!("{threads}, {name}"), |b| {
                b.iter_custom(|turns| {
                    let table = MemoryTable::new(Capacity::default());
                    let start = Instant::now();
                    thread::scope(|scope| {
                        for thread in 0..threads {
                            let (table, charge) = (&table, &charge);
                            scope.spawn(move || {
                                let charges: Vec<_> = (1..=64)
                                    .map(|name| charge(if own { 100 * thread + name } else { 0 }))
                                    .collect();
                                for turn in 0..turns {
                                    let which = usize::try_from(turn % 64).unwrap_or(0);
                                    // A thousand a second, and no more than there is room for.
                                    let now = Time::from_micros(SECOND + turn * 1_000);
                                    drop(black_box(table.charge(&charges[which..=which], None, now)));
                                }
                            });
                        }
                    });
                    start.elapsed()
                });
            });
        }
    }
}

fn configuration(c: &mut Criterion) {
    c.bench_function("configuration/parse the default", |b| {
        b.iter(|| Config::parse(black_box(DEFAULT.as_bytes())));
    });
}

criterion_group!(benches, plan, crawler, hostile, window, bucket, tables, threads, configuration);
criterion_main!(benches);
