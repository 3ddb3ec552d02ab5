//! What an ordinary request allocates from its headers to its decision. It shows what no other test does: that something
//! which most requests do not need is made for each of them.
#![allow(unsafe_code, reason = "an allocator hands out pointers")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::cell::Cell;

use tollgate::client::Client;
use tollgate::config::{Config, DEFAULT};
use tollgate::gate::{Gate, Pending};
use tollgate::request::{Headers, Properties, Request};
use tollgate::response::{Origin, Response};
use tollgate::scope::{Counted, Reading};
use tollgate::store::{Capacity, Counters, MemoryCells, MemoryTable, Secret, Table};
use tollgate::time::Time;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Allocations of this thread: tests run side by side.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller says.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// How often `act` allocates, and what it returns.
fn counted<T>(act: impl FnOnce() -> T) -> (usize, T) {
    let before = COUNT.get();
    let returned = act();
    (COUNT.get() - before, returned)
}

/// Has an address, without allocating.
struct Peer;

impl Properties for Peer {
    fn source_address(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(b"192.0.2.1:4711")
    }

    fn jwt_claim(&self, _name: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

const SECRET: Secret = Secret::new([7; 16]);
const SECOND: u64 = 1_000_000;
const POLL: &str =
    "/api/v2/jobs/?limit=1&pipeline__slug__in=a,b,c&ids_only=1&processing_service_name=worker-07";
const PAGE: &str = "/api/v2/captures/?deployment=91&limit=20&ordering=-timestamp";
const TOKEN: &str = "Token 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
const JWT: &str =
    "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn block(target: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let ordinary = [
        (":authority", "api.example.org"),
        (":path", target),
        (":method", "GET"),
        ("user-agent", "python-requests/2.34.2"),
        ("accept", "application/json"),
        ("content-type", "application/json; charset=utf-8"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    Headers::encode(&[&ordinary, more].concat())
}

#[test]
fn to_read_an_ordinary_request_takes_next_to_nothing() {
    let document = r#"{
        "client": { "credential": { "from": [{ "header": "authorization", "schemes": ["Token", "Bearer"] }, { "cookie": "sessionid" }] } },
        "scopes": {
            "path": { "rate": "1/s", "key": "global", "match": { "method": "GET", "path": ["/login", "/api/**/jobs"] } },
            "host": { "rate": "1/s", "key": "global", "match": { "host": "*.example.org", "header": { "accept": { "prefix": "application/" } } } },
            "query": { "rate": "1/s", "key": "global", "match": { "query": { "ids_only": { "not": ["0"] }, "limit": "1" }, "not": { "query": { "none": { "present": true } } } } }
        }
    }"#;
    let policy = Config::parse(document.as_bytes()).expect("a policy").policy;
    for (name, more, of_client, of_all_scopes) in [
        ("anonymous", None, 0, 1),
        ("a token", Some(("authorization", TOKEN)), 0, 1),
        ("a JSON Web Token", Some(("authorization", JWT)), 0, 1),
        ("a session", Some(("cookie", "theme=dark; sessionid=k3v8dn0qs6zj1xw4")), 0, 1),
    ] {
        let block = block(POLL, more.as_slice());
        let (count, request) = counted(|| Request::new(Headers::new(&block), &Peer));
        assert_eq!(count, 0, "{name}: the request");
        let (count, client) = counted(|| Client::identify(&policy.client, &request));
        assert_eq!((count, client.credential().is_some()), (of_client, more.is_some()), "{name}: the client");
        // The list of parameters, once.
        let matches = |reading| policy.scopes.iter().all(|scope| scope.matcher.matches(&client, reading));
        let (count, does) = counted(|| matches(Reading::Possible) && matches(Reading::Certain));
        assert!(does, "{name}");
        assert_eq!(count, of_all_scopes, "{name}: the scopes");
    }
}

#[test]
fn an_ordinary_plan_is_one_list() {
    let policy = Config::parse(DEFAULT.as_bytes()).expect("the default policy").policy;
    for (name, target, more, most) in [
        // The charges, who is counted, and the address.
        ("anonymous", PAGE, None, 3),
        // And the parameters.
        ("a poll", POLL, Some(("authorization", TOKEN)), 4),
    ] {
        let block = block(target, more.as_slice());
        let request = Request::new(Headers::new(&block), &Peer);
        let client = Client::identify(&policy.client, &request);
        let (count, _) = counted(|| policy.plan(&client, &SECRET, Counted::default()));
        assert!(count <= most, "{name}: {count} allocations");
    }
}

/// How often a poll that is allowed allocates, and one that is denied: from the headers to the decision, with a record of the credential
/// and one of the address.
fn of_polls<T: Counters>(counters: impl FnOnce(Capacity) -> T) -> (usize, usize) {
    let config = Config::parse(DEFAULT.as_bytes()).expect("the default policy");
    let counters = counters(config.capacity);
    let gate = Gate::new(config, SECRET, counters);
    let block = block(POLL, &[("authorization", TOKEN)]);
    let poll = |at: u64| {
        let request = Request::new(Headers::new(&block), &Peer);
        let client = Client::identify(&gate.config().policy.client, &request);
        gate.admit(&client, Pending::default(), Time::from_micros(at))
    };
    // Its credential becomes known, and is noted for as long as it will be.
    for at in 1..=3 {
        let response = Response { status: 200, grpc: None, origin: Origin::Application };
        let settlement = gate.settlement(poll(at * SECOND).pending, response);
        gate.settle(settlement, Time::from_micros(at * SECOND)).expect("memory is there");
    }
    let (allowed, passage) = counted(|| poll(4 * SECOND));
    assert!(passage.decision.is_allowed());
    let denied =
        (0..30).map(|_| counted(|| poll(5 * SECOND))).find(|(_, passage)| !passage.decision.is_allowed());
    (allowed, denied.expect("30 polls a minute").0)
}

#[test]
fn an_ordinary_poll_allocates_no_more_than_it_did() {
    for (name, (allowed, denied), most) in [
        ("in cells", of_polls(|capacity| Table::new(MemoryCells::default(), capacity)), (20, 15)),
        // What a table in memory allocates are the verdicts and the receipt.
        ("in memory", of_polls(MemoryTable::new), (7, 6)),
    ] {
        assert!(allowed <= most.0, "{name}: {allowed} allocations of a poll that is allowed");
        assert!(denied <= most.1, "{name}: {denied} allocations of a poll that is denied");
    }
}
