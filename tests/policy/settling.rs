//! Charges that stay only if the response has a certain status.

use super::{answer, get, one_scope, world};
use tollgate::response::{Origin, Response};

#[test]
fn five_failed_logins() {
    let world = world(&one_scope(r#""key": "address", "count": { "status": [401, 403] }"#));
    for number in 0..100 {
        assert!(world.exchange(&get("/login"), 200), "success {number} does not count");
    }
    for number in 0..5 {
        assert!(world.exchange(&get("/login"), [401, 403][number % 2]), "failure {number} is allowed");
    }
    assert!(!world.exchange(&get("/login"), 200), "but not a sixth attempt");
}

#[test]
fn what_is_in_flight_counts() {
    let world = world(&one_scope(r#""key": "address", "count": { "status": 401 }"#));
    let in_flight: Vec<_> = (0..5).map(|_| world.send(&get("/login"))).collect();
    assert!(world.send(&get("/login")).denial.is_some(), "else many guesses at once would pass");
    for outcome in in_flight {
        world.answer(outcome, 200);
    }
    assert!(world.exchange(&get("/login"), 200));
}

#[test]
fn without_an_answer_of_the_application_the_charge_stays() {
    let world = world(&one_scope(r#""key": "address", "count": { "status": [401] }"#));
    for _ in 0..3 {
        world.abandon(world.send(&get("/login")));
    }
    for status in [503, 504] {
        let outcome = world.send(&get("/login"));
        world.settle(outcome, Response { origin: Origin::Lost, ..answer(status) });
    }
    assert!(!world.exchange(&get("/login"), 200));
}

#[test]
fn what_the_proxy_answers_itself_is_judged_by_its_status() {
    for (count, status, admitted) in [("2xx", 503, 100), ("5xx", 503, 5), ("401", 200, 100), ("401", 401, 5)]
    {
        let count = if count == "401" { count.to_owned() } else { format!(r#""{count}""#) };
        let world = world(&one_scope(&format!(r#""key": "address", "count": {{ "status": [{count}] }}"#)));
        let passes = || {
            let outcome = world.send(&get("/login"));
            let allowed = outcome.decision.is_allowed();
            world.settle(outcome, Response { origin: Origin::Proxy, ..answer(status) });
            allowed
        };
        assert_eq!((0..100).take_while(|_| passes()).count(), admitted, "{count} {status}");
    }
}

#[test]
fn classes_of_statuses() {
    for (count, stays) in [
        (r#"{ "status": ["5xx"] }"#, vec![500, 599]),
        (r#"{ "status": ["4xx", 302] }"#, vec![302, 400, 499]),
        (r#""all""#, vec![200, 302, 400, 499, 500, 599]),
    ] {
        for status in [200, 302, 400, 499, 500, 599] {
            let world = world(&one_scope(&format!(r#""key": "address", "count": {count}"#)));
            let outcome = world.send(&get("/"));
            assert_eq!(world.awaits(&outcome), !count.contains("all"), "{count}");
            let stays = stays.contains(&status);
            assert_eq!(world.gate.matters(&outcome.pending, status), !stays, "{count} {status}");
            world.answer(outcome, status);
            let used = 5 - (0..9).take_while(|_| world.send(&get("/")).decision.is_allowed()).count();
            assert_eq!(used == 1, stays, "{count} {status}");
        }
    }
}

#[test]
fn what_a_redirected_request_was_charged_before_goes_by_the_last_answer() {
    for (status, left) in [(200, [5, 9]), (401, [4, 8])] {
        let world = world(
            r#"{ "scopes": { "login": { "rate": "5/h", "key": "address", "match": { "path": "/login" }, "count": { "status": [401] } },
                             "next": { "rate": "9/h", "key": "global", "match": { "path": "/next" }, "count": { "status": [401] } } } }"#,
        );
        let outcome = world.redirect(world.send(&get("/login")), &get("/next"));
        let outcome = world.redirect(outcome, &get("/login"));
        assert!(world.awaits(&outcome));
        world.answer(outcome, status);
        let room = |target| (0..99).take_while(|_| world.exchange(&get(target), 401)).count();
        assert_eq!([room("/login"), room("/next")], left, "{status}");
    }
}

#[test]
fn other_scopes_keep_their_charges() {
    let world = world(
        r#"{ "scopes": { "login": { "rate": "2/h", "key": "address", "count": { "status": [401] } },
                         "all": { "rate": "9/h", "key": "address" } } }"#,
    );
    for _ in 0..7 {
        assert!(world.exchange(&get("/"), 200));
    }
    assert_eq!(world.admitted(&get("/")), 2);
}

#[test]
fn an_accepted_login_settles_both() {
    // The credential is new, and successes do not count.
    let world = world(
        r#"{ "scopes": { "anon": { "rate": "2/h", "key": "address", "match": { "client": "anonymous" } },
                         "ok": { "rate": "2/h", "key": ["credential", "address"], "count": { "status": ["4xx"] } } } }"#,
    );
    for _ in 0..9 {
        assert!(world.exchange(&get("/").token("t"), 200));
    }
    assert!(world.exchange(&get("/").token("t"), 404));
    assert!(world.exchange(&get("/").token("t"), 404));
    assert!(!world.exchange(&get("/").token("t"), 200));
    assert_eq!(world.admitted(&get("/")), 2, "the address has paid for none of it");
}

#[test]
fn a_poll_that_is_sent_on_to_the_slash_is_one_under_the_default_policy() {
    let world = world("");
    let poll = |path: &str| get(&format!("{path}?ids_only=1&incomplete_only=1")).token("t");
    let polls = || {
        // Django's APPEND_SLASH.
        world.exchange(&poll("/api/v2/jobs"), 301) && world.exchange(&poll("/api/v2/jobs/"), 200)
    };
    assert_eq!((0..60).take_while(|_| polls()).count(), 30);
}
