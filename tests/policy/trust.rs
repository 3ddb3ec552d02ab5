//! What a request costs whose credential is known, or not, or one of several.

use super::{Outcome, Sent, World, get, world};

pub(super) const POLICY: &str = r#"{
    "response": { "ratelimit_headers": "x-ratelimit" },
    "client": { "credential": { "trust_for": "10min" } },
    "scopes": {
        "anon": { "rate": "6/h", "match": { "client": "anonymous" }, "key": "address" },
        "user": { "rate": "9/h", "key": ["credential", "address"], "match": { "client": "authenticated" } },
        "all":  { "rate": "100/h", "key": "global" }
    }
}"#;

fn remaining(outcome: &Outcome) -> &str {
    &outcome.quota_headers[1].1
}

/// What an anonymous client at the usual address has left, found by using it up.
pub(super) fn left(world: &World) -> usize {
    world.admitted(&get("/"))
}

/// Whether a request with the credential was charged as its bearer's, and not as anonymous.
pub(super) fn is_bearers(outcome: &Outcome) -> bool {
    outcome.decision.is_allowed() && outcome.decision.limits.iter().all(|judged| judged.scope != 0)
}

/// Whether the credential counts at the usual address.
pub(super) fn is_proved(world: &World) -> bool {
    is_bearers(&world.send(&get("/").token("t")))
}

#[test]
fn an_honest_first_request_costs_its_address_nothing_and_its_client_one() {
    let world = world(POLICY);
    let first = world.send(&get("/").token("t"));
    assert_eq!(remaining(&first), "5", "as an anonymous client");
    assert_eq!(remaining(&world.answer(first, 200)), "8", "as itself, now that this is known");
    let second = world.send(&get("/").token("t"));
    assert_eq!(remaining(&second), "7", "two of nine");
    assert!(world.awaits(&second), "a first proof is short, and is renewed");
    world.answer(second, 200);
    assert!(!world.awaits(&world.send(&get("/").token("t"))), "nothing is left to wait for");
    assert_eq!(left(&world), 6);
}

#[test]
fn one_that_is_refused_costs_its_address_one_and_its_client_nothing() {
    let world = world(POLICY);
    assert_eq!(remaining(&world.answer(world.send(&get("/").token("t")), 401)), "5");
    world.abandon(world.send(&get("/").token("t")));
    assert_eq!(remaining(&world.answer(world.send(&get("/").token("t")), 200)), "8", "the first of nine");
    assert_eq!(left(&world), 4);
}

#[test]
fn a_scope_that_is_the_same_either_way_is_charged_once() {
    let policy = r#"{ "response": { "ratelimit_headers": "x-ratelimit" }, "scopes": { "all": { "rate": "10/h", "key": "global" } } }"#;
    let world = world(policy);
    assert!(world.exchange(&get("/").token("t"), 200));
    assert_eq!(remaining(&world.send(&get("/").token("t"))), "8");
}

#[test]
fn a_made_up_credential_buys_nothing() {
    let world = world(POLICY);
    let sprayed = (0..1_000).filter(|number| world.exchange(&get("/").token(&format!("x{number}")), 401));
    assert_eq!(sprayed.count(), 6, "the anonymous quota of the address");
    assert!(world.exchange(&get("/").token("t").from("192.0.2.2:1"), 200), "others do not notice");
    assert!(world.exchange(&get("/").token("t"), 200), "not even at the same address, once they are proved");
    assert!(!world.exchange(&get("/").token("u"), 200), "but a new one there has to wait");
}

#[test]
fn nor_does_it_wherever_a_scope_asks_for_one() {
    for fields in [
        r#""key": [{ "all": ["credential", { "header": "x-app" }] }, "address"]"#,
        r#""key": "address", "match": { "client": "anonymous" }"#,
        r#""key": "address", "match": { "any": [{ "path": "/other" }, { "client": "anonymous" }] }"#,
        r#""key": "address", "match": { "not": { "client": "authenticated" } }"#,
    ] {
        let world = world(&format!(r#"{{ "scopes": {{ "only": {{ "rate": "6/h", {fields} }} }} }}"#));
        let sprayed = (0..20).filter(|number| {
            world.exchange(&get("/").token(&format!("x{number}")).with("x-app", "one"), 401)
        });
        assert_eq!(sprayed.count(), 6, "the quota of the address: {fields}");
    }
}

#[test]
fn many_new_clients_behind_one_address() {
    let world = world(&POLICY.replace("100/h", "1000/h"));
    for number in 0..100 {
        assert!(world.exchange(&get("/").token(&format!("honest{number}")), 200), "{number}");
    }
    assert_eq!(left(&world), 6, "they have cost it nothing");
}

#[test]
fn an_address_brings_so_many_new_credentials_in_a_window_and_no_more() {
    let policy = POLICY.replace(r#""trust_for": "10min""#, r#""new_per_address": "3/min""#);
    let mut world = world(&policy);
    let sprayed = |world: &World, name: &str| {
        (0..100).filter(|number| world.exchange(&get("/").token(&format!("{name}{number}")), 200)).count()
    };
    assert_eq!(sprayed(&world, "a"), 3 + 6, "three become known, six are anonymous");
    assert!(world.exchange(&get("/").token("a1"), 200), "who is known does not notice");
    assert!(world.exchange(&get("/").token("b").from("192.0.2.2:1"), 200), "nor does another address");
    assert!(!is_bearers(&world.send(&get("/").token("c"))));
    world.pass(60);
    assert!(!world.exchange(&get("/").token("d"), 200), "anonymous clients have to wait there");
    world.pass(3_540);
    assert_eq!(sprayed(&world, "e"), 3 + 6);
}

#[test]
fn who_is_held_back_is_counted_for_all_that_it_could_be() {
    let policy = POLICY.replace(r#""trust_for": "10min""#, r#""new_per_address": "1/h""#);
    let world = world(&policy);
    assert!(world.exchange(&get("/").token("first"), 200));
    for number in 0..4 {
        assert!(world.exchange(&get("/").token("t"), 200), "{number}");
    }
    world.exchange(&get("/").token("t"), 401);
    assert_eq!(left(&world), 1, "as anonymous");
    assert_eq!(
        world.admitted(&get("/").token("t").from("192.0.2.2:1")),
        9 - 4,
        "and as its bearer's, if it was accepted"
    );
}

#[test]
fn who_is_held_back_and_nobody_else_is_counted_as_such() {
    let policy =
        POLICY.replace(r#""trust_for": "10min""#, r#""new_per_address": "1/h", "proof": { "path": "/api" }"#);
    let world = world(&policy);
    assert!(world.exchange(&get("/api").token("first"), 200));
    for (sent, held_back) in [
        (get("/api").token("second"), 1),
        (get("/other").token("second"), 0),
        (get("/api").token("first"), 0),
        (get("/api"), 0),
    ] {
        assert_eq!(world.held_back(&sent), held_back, "{:?}", sent.headers);
    }
}

#[test]
fn parallel_requests_with_one_new_credential_are_one_new_credential() {
    let world = world(&POLICY.replace(r#""trust_for": "10min""#, r#""new_per_address": "4/h""#));
    let at_once: Vec<_> = (0..4).map(|_| world.send(&get("/").token("t"))).collect();
    for outcome in at_once {
        world.answer(outcome, 200);
    }
    assert!(is_proved(&world));
    for other in ["u", "v", "w"] {
        world.exchange(&get("/").token(other), 200);
        assert!(is_bearers(&world.send(&get("/").token(other))), "{other}");
    }
    world.exchange(&get("/").token("x"), 200);
    assert!(!is_bearers(&world.send(&get("/").token("x"))), "the fifth");
}

#[test]
fn a_refused_credential_is_no_new_one() {
    let world = world(&POLICY.replace(r#""trust_for": "10min""#, r#""new_per_address": "1/h""#));
    world.exchange(&get("/").token("made-up"), 401);
    world.abandon(world.send(&get("/").token("made-up")));
    world.exchange(&get("/").token("t"), 200);
    assert!(is_proved(&world));
}

#[test]
fn of_several_credentials_none_is_proved_and_each_is_charged() {
    let policy = POLICY.replace(
        r#""trust_for": "10min""#,
        r#""from": [{ "header": "authorization", "schemes": ["Token"] }, { "cookie": "sid" }]"#,
    );
    let world = world(&policy);
    assert!(world.exchange(&get("/").token("t").from("192.0.2.9:1"), 200));
    let both = |number: usize| get("/").token("t").with("cookie", &format!("sid=made-up{number}"));
    assert_eq!((0..100).filter(|number| world.exchange(&both(*number), 200)).count(), 6, "as anonymous");
    assert!(!is_bearers(&world.send(&get("/").with("cookie", "sid=made-up1").from("192.0.2.8:1"))));
    assert_eq!(
        world.admitted(&get("/").token("t").from("192.0.2.7:1")),
        9 - 1 - 6,
        "as the bearer's of what is known"
    );
    // Two that are both known.
    let (one, other) = (get("/").token("u"), get("/").with("cookie", "sid=v"));
    assert!(
        world.exchange(&one.clone().from("192.0.2.6:1"), 200)
            && world.exchange(&other.clone().from("192.0.2.6:1"), 200)
    );
    let both = get("/").token("u").with("cookie", "sid=v").from("192.0.2.5:1");
    assert!(world.exchange(&both, 200) && world.exchange(&both, 401));
    assert_eq!(world.admitted(&one.from("192.0.2.4:1")), 9 - 3);
    assert_eq!(world.admitted(&other.from("192.0.2.4:1")), 9 - 3);
}

#[test]
fn where_any_credential_counts_each_of_several_is_charged() {
    let policy = POLICY
        .replace(r#""trust_for": "10min""#, r#""trust": "any", "from": [{ "header": "authorization", "schemes": ["Token"] }, { "cookie": "sid" }]"#);
    let world = world(&policy);
    let both = |number: usize| get("/").token("t").with("cookie", &format!("sid=made-up{number}"));
    assert_eq!((0..100).filter(|number| world.exchange(&both(*number), 200)).count(), 9);
    assert_eq!(left(&world), 6, "nobody was anonymous");
    let unclear =
        |number: usize| get("/").with("cookie", &format!("sid=\"\\12{number}\"")).from("192.0.2.5:1");
    let unread = (0..100).filter(|number| world.exchange(&unclear(*number), 200)).count();
    assert_eq!(unread, 6, "what may be read in several ways is counted as anonymous");
}

#[test]
fn two_requests_of_one_new_client_at_once_are_both_right() {
    let world = world(POLICY);
    let (one, other) = (world.send(&get("/").token("t")), world.send(&get("/").token("t")));
    world.answer(other, 200);
    world.answer(one, 200);
    assert_eq!(remaining(&world.send(&get("/").token("t"))), "6", "three of nine");
    assert_eq!(left(&world), 6);
}

#[test]
fn however_many_come_at_once_no_more_than_the_quota_passes() {
    // Requests from many addresses, in flight at once, before the first is answered.
    let world = world(POLICY);
    let sent: Vec<_> =
        (0..30).map(|number| get("/").token("t").from(&format!("192.0.2.{number}:1"))).collect();
    let in_flight: Vec<_> =
        sent.iter().map(|sent| world.send(sent)).filter(|outcome| outcome.decision.is_allowed()).collect();
    assert_eq!(in_flight.len(), 9);
    for outcome in in_flight {
        world.answer(outcome, 200);
    }
    assert!(world.send(&get("/").token("t")).denial.is_some(), "its nine are used");
    let left_at = |index: usize| world.admitted(&Sent { headers: get("/").headers, ..sent[index].clone() });
    assert_eq!(left_at(0), 6, "what it used of the addresses' is back");
    assert_eq!(left_at(29), 6, "and what was denied was never taken");
}

#[test]
fn a_redirected_request_is_charged_once_whatever_becomes_known_meanwhile() {
    for (is_proved, status, of_address, of_client) in
        [(false, 200, 6, 8), (false, 401, 5, 9), (true, 200, 6, 7), (true, 401, 5, 8)]
    {
        let world = world(POLICY);
        let first = world.send(&get("/").token("t"));
        if is_proved {
            assert!(world.exchange(&get("/").token("t").from("192.0.2.9:1"), 200));
        }
        let second = world.redirect(first, &get("/elsewhere").token("t"));
        assert!(world.awaits(&second));
        world.answer(second, status);
        assert_eq!(left(&world), of_address, "{is_proved} {status}");
        let other = get("/").token("t").from("192.0.2.8:1");
        assert_eq!(world.admitted(&other), of_client, "{is_proved} {status}");
    }
}

#[test]
fn any_credential_counts_where_that_is_wanted() {
    let world = world(&POLICY.replace(r#""trust_for": "10min""#, r#""trust": "any""#));
    let outcome = world.send(&get("/").token("t"));
    assert_eq!(remaining(&outcome), "8");
    assert!(!world.awaits(&outcome));
}

#[test]
fn where_anonymous_clients_are_exempt_those_with_a_credential_are_not() {
    let world = world(
        r#"{ "exempt": [{ "client": "anonymous" }], "scopes": { "user": { "rate": "5/h", "key": "credential" } } }"#,
    );
    assert_eq!(world.admitted(&get("/").token("t")), 5);
    assert_eq!(world.admitted(&get("/")), 1_000);
}

#[test]
fn a_shadow_scope_that_is_over_its_limit_costs_an_address_nothing() {
    let policy = POLICY
        .replace(r#""all":"#, r#""seen": { "rate": "1/h", "key": "global", "mode": "shadow" }, "all":"#);
    let world = world(&policy);
    for number in 0..20 {
        assert!(world.exchange(&get("/").token(&format!("honest{number}")), 200), "{number}");
    }
    assert_eq!(left(&world), 6);
}

#[test]
fn an_exemption_of_authenticated_clients_is_for_those_who_are() {
    let world =
        world(&POLICY.replace(r#""scopes""#, r#""exempt": [{ "client": "authenticated" }], "scopes""#));
    let sprayed = (0..20).filter(|number| world.exchange(&get("/").token(&format!("x{number}")), 401));
    assert_eq!(sprayed.count(), 6);
    assert!(world.exchange(&get("/").token("t").from("192.0.2.2:1"), 200));
    assert!(world.send(&get("/").token("t")).decision.limits.is_empty());
}
