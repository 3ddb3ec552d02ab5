//! Who is counted.

use super::{gate, get, one_scope};

#[test]
fn one_client_however_it_is_spelt() {
    let gate = gate(&one_scope(r#""key": ["credential", "address"]"#));
    let plain = get("/").token("abc");
    for other in [
        get("/").with("authorization", "token   abc "),
        get("/").with("authorization", "BEARER abc"),
        get("/").token("abc").token("abc"),
        get("/").with("cookie", "sessionid=abc"),
        get("/").token("abc").with("cookie", "sessionid=other").from("198.51.100.1:1"),
    ] {
        assert!(gate.same_client(&plain, &other), "{:?}", other.headers);
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
        assert!(gate.same_client(&anonymous, &other), "{} {:?}", other.address, other.headers);
    }
}

#[test]
fn different_clients_never_meet() {
    let gate = gate(&one_scope(
        r#""key": [{ "all": [{ "query": "a" }, { "query": "b" }] }, { "header": "h" }, { "query": "h" }, { "cookie": "h" }, "credential", "address"]"#,
    ));
    let clients = [
        get("/?a=x&b=yz"),
        get("/?a=xy&b=z"),
        get("/?a=yz&b=x"),
        get("/").with("h", "1"),
        get("/").with("h", "2"),
        get("/?h=1"),
        get("/").with("cookie", "h=1"),
        get("/").token("1"),
        get("/").token("\u{c0}\u{0}\u{2}\u{1}"),
        get("/"),
        get("/").from("192.0.2.2:1"),
        get("/").from("[2001:db8::1]:1"),
        get("/").from("[2001:db8:0:1::1]:1"),
        get("/").from("/run/client.sock"),
    ];
    for (index, one) in clients.iter().enumerate() {
        for other in &clients[..index] {
            assert!(!gate.same_client(one, other), "{:?} {:?}", one.headers, other.headers);
        }
    }
}

#[test]
fn the_last_of_repeated_values_counts_and_an_empty_one_is_none() {
    let gate = gate(&one_scope(r#""key": { "query": "k" }"#));
    assert!(gate.same_client(&get("/?k=a&k=b"), &get("/?x=1&k=%62")));
    for target in ["/", "/?k", "/?k=", "/?k=a&k="] {
        assert!(gate.plan(&get(target)).is_empty(), "{target}");
    }
}

#[test]
fn the_first_part_that_is_present_counts() {
    let gate =
        gate(&one_scope(r#""key": [{ "all": ["credential", { "header": "h" }] }, { "header": "h" }]"#));
    assert!(!gate.same_client(&get("/").with("h", "1"), &get("/").with("h", "1").token("t")));
    assert!(gate.plan(&get("/").token("t")).is_empty(), "in none of them");
}

#[test]
fn clients_without_an_address_are_one() {
    let gate = gate(&one_scope(r#""key": "address""#));
    assert!(gate.same_client(&get("/").from(""), &get("/").from("/run/envoy.sock")));
}

#[test]
fn everybody_shares_a_global_counter() {
    let gate = gate(&one_scope(r#""key": "global""#));
    assert!(gate.same_client(&get("/").token("a"), &get("/b").from("198.51.100.7:1")));
}
