//! Who is counted.

use tollgate::client::Client;
use tollgate::config::Config;
use tollgate::gate::Gate;
use tollgate::request::{Headers, Request};
use tollgate::scope::Counted;
use tollgate::store::{Acceptance, MemoryCells, Secret, Table};

use super::{get, one_scope, one_scope_and, world};

const ANYWHERE: &str = r#""client": { "credential": { "from": [
    { "header": "authorization", "schemes": ["Token", "Bearer"] }, { "header": "x-api-key" }, { "cookie": "sessionid" }] } }"#;

#[test]
fn one_client_however_it_is_spelt() {
    let world = world(&one_scope_and(r#""key": ["credential", "address"]"#, ANYWHERE));
    let plain = get("/").token("abc");
    for other in [
        get("/").with("authorization", "token   abc "),
        get("/").with("authorization", "BEARER abc"),
        get("/").token("abc").token("abc"),
        get("/").with("x-api-key", "abc"),
        get("/").with("cookie", "sessionid=abc"),
        get("/").token("abc").with("cookie", "sessionid=abc").from("198.51.100.1:1"),
    ] {
        assert!(world.same_client(&plain, &other), "{:?}", other.headers);
    }
    let anonymous = get("/").from("[2001:db8::1]:443");
    for other in [
        get("/").from("[2001:db8:0:0:ffff::9]:80"),
        get("/").from("2001:0DB8::1"),
        get("/").from("[2001:db8::1]:443").with("authorization", "Token"),
        get("/").from("[2001:db8::1]:443").with("authorization", "Basic abc"),
        get("/").from("[2001:db8::1]:443").token("a").token("b"),
        get("/").from("[2001:db8::1]:443").with("x-forwarded-for", "203.0.113.9"),
    ] {
        assert!(world.same_client(&anonymous, &other), "{} {:?}", other.address, other.headers);
    }
}

#[test]
fn different_clients_never_meet() {
    let world = world(&one_scope(
        r#""key": [{ "jwt_claim": "sub" }, { "all": [{ "query": "a" }, { "query": "b" }] }, { "header": "h" }, { "query": "h" }, { "cookie": "h" }, "credential", "address"]"#,
    ));
    let clients = [
        get("/").claim("sub", "x"),
        get("/").claim("sub", "1"),
        get("/?a=x&b=yz"),
        get("/?a=xy&b=z"),
        get("/?a=yz&b=x"),
        get("/").with("h", "1"),
        get("/").with("h", "2"),
        get("/?h=1"),
        get("/").with("cookie", "h=1"),
        get("/").token("1"),
        get("/").token("wAACAQ"),
        get("/"),
        get("/").from("192.0.2.2:1"),
        get("/").from("[2001:db8::1]:1"),
        get("/").from("[2001:db8:0:1::1]:1"),
        get("/").from("/run/client.sock"),
    ];
    for (index, one) in clients.iter().enumerate() {
        for other in &clients[..index] {
            assert!(!world.same_client(one, other), "{:?} {:?}", one.headers, other.headers);
        }
    }
}

#[test]
fn the_last_value_that_is_not_empty_counts() {
    let world = world(&one_scope(r#""key": { "query": "k" }"#));
    for target in ["/?k=a&k=b", "/?k=b&k=", "/?x=1&k=%62"] {
        assert!(world.same_client(&get("/?k=b"), &get(target)), "{target}");
    }
    for target in ["/", "/?k", "/?k=", "/?k=&k="] {
        assert!(world.plan(&get(target)).is_empty(), "{target}");
    }
}

#[test]
fn the_first_part_that_is_present_counts() {
    let world =
        world(&one_scope(r#""key": [{ "all": ["credential", { "header": "h" }] }, { "header": "h" }]"#));
    assert!(!world.same_client(&get("/").with("h", "1"), &get("/").with("h", "1").token("t")));
    assert!(world.plan(&get("/").token("t")).is_empty(), "in none of them");
}

#[test]
fn clients_without_an_address_are_one() {
    let world = world(&one_scope(r#""key": "address""#));
    assert!(world.same_client(&get("/").from(""), &get("/").from("/run/envoy.sock")));
}

#[test]
fn everybody_shares_a_global_counter() {
    let world = world(&one_scope(r#""key": "global""#));
    assert!(world.same_client(&get("/").token("a"), &get("/b").from("198.51.100.7:1")));
}

#[test]
fn a_verified_claim_is_one_client_whatever_token_it_came_in() {
    let world = world(&one_scope(r#""key": { "jwt_claim": "sub" }"#));
    assert!(
        world.same_client(&get("/").claim("sub", "u").token("a"), &get("/").claim("sub", "u").token("b"))
    );
    assert!(world.plan(&get("/").token("a")).is_empty());
    assert!(world.plan(&get("/").claim("sub", "")).is_empty());
}

#[test]
fn under_another_secret_everybody_but_all_together_is_another_client() {
    for key in [
        r#""address""#,
        r#""credential""#,
        r#"{ "header": "h" }"#,
        r#"{ "all": ["address"] }"#,
        r#""global""#,
    ] {
        let document = one_scope(&format!(r#""key": {key}"#));
        let sent = get("/").token("t").with("h", "1");
        let block = Headers::encode(&sent.headers);
        let request = Request::new(Headers::new(&block), &sent);
        let of = |secret: u8| {
            let secret = Secret::new([secret; 16]);
            let config = Config::parse(document.as_bytes()).expect("a policy");
            let table = Table::new(MemoryCells::default(), config.capacity);
            let gate = Gate::new(config, secret, table);
            let policy = &gate.config().policy;
            let client = Client::identify(&policy.client, &request);
            let planned = policy.plan(&client, &secret, Counted::default())[0].client;
            let acceptance = gate.proof(&client).map_or(Acceptance::NotNeeded, Acceptance::Unknown);
            let charged = gate.plan(&client, acceptance).charges(true)[0].client;
            assert_eq!(charged, planned, "{key}");
            (charged, gate.proof(&client).map(|proof| proof.client))
        };
        let (one, other) = (of(1), of(2));
        assert_eq!(one, of(1), "{key}");
        assert_eq!(one.0 == other.0, key.contains("global"), "{key}");
        assert!(one.1.is_none() || one.1 != other.1, "{key}");
    }
}
