//! What is asked, and what is told of the answers.

use std::path::Path;

use serde_json::{Value, json};

use crate::console::Console;
use crate::run::{
    ID, OTHER, answer_of, asked, body, clients_of, clients_with, counter, found, listed, row, with,
};

#[test]
fn the_fullest_stand_first_with_what_comes_next() {
    let rows = [row(ID, "anon", 60, 12.3), row(OTHER, "worker", 3, 0.0)];
    for arguments in [&[][..], &["list"]] {
        let (ran, asked) = with(&[listed(&rows, true)], arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(asked[0].line, "GET /v1/clients HTTP/1.1");
        assert!(!asked[0].headers.iter().any(|header| header.starts_with("authorization")), "{asked:?}");
        let lines: Vec<Vec<&str>> = ran
            .out
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(lines[0], ["client", "scope", "rate", "used", "next request", "more units"]);
        assert_eq!(lines[1], [ID, "anon", "60/min", "60 of 60", "in 13 s", "in 32 s"]);
        assert_eq!(lines[2], [OTHER, "worker", "60/min", "3 of 60", "now", "in 32 s"]);
        assert!(
            ran.out.contains("2 counters, the fullest first, of 812 clients.")
                && !ran.out.contains("Not all"),
            "{}",
            ran.out
        );
    }
}

#[test]
fn a_list_can_be_cut_down() {
    let arguments = ["--scope", "anon", "list", "--policy", "a b&c", "--limit", "5"];
    let policy = json!({ "name": "a b&c", "since": "", "workers": 1, "requests": { "allowed": 0, "denied": 0, "blocked": 0,
        "exempt": 0, "malformed": 0 }, "scopes": [ { "name": "anon", "enforced": true, "words": "", "allowed": 0, "denied": 0, "shadowed": 0 } ] });
    let status = json!({ "policies": [policy], "redis": null, "blocked": [],
        "table": { "capacity": null, "clients": 0, "evicted": 0, "corrupt": 0, "contended": 0, "failed": 0 } });
    let (ran, asked) = with(&[listed(&[], false), status.clone()], &arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(asked[0].line, "GET /v1/clients?scope=anon&policy=a%20b%26c&limit=5 HTTP/1.1");
    assert!(
        ran.out.contains("Of 812 clients with counters none has such ones.")
            && ran.out.contains("Not all of them"),
        "{}",
        ran.out
    );
    for (arguments, expected) in [
        (["--scope", "anno"], "no scope `anno` is in force: there is anon"),
        (["--policy", "tollgate"], "no policy `tollgate` is in force: there is a b&c"),
    ] {
        let (ran, _) = with(&[listed(&[], true), status.clone()], &arguments);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(expected), "{ran:?}");
    }
    let (ran, asked) = with(&[], &["--scope", "anon", "find", ID]);
    assert!(ran.code == 2 && ran.err.contains("belong to `list`") && asked.is_empty(), "{ran:?}");
    assert_eq!(with(&[], &["--limit", "1001"]).0.code, 2);
}

#[test]
fn several_policies_are_told_apart() {
    let mut second = row(OTHER, "anon", 1, 0.0);
    second["policy"] = "api".into();
    let (ran, _) = with(&[listed(&[row(ID, "anon", 1, 0.0), second], true)], &[]);
    assert!(
        ran.out.contains("policy") && ran.out.contains("  api ") && ran.out.contains("  tollgate "),
        "{}",
        ran.out
    );
}

#[test]
fn json_is_passed_on() {
    let mut api = listed(&[row(ID, "anon", 60, 12.3)], true);
    api["new"] = json!({ "what": "\u{9b}2J\u{202e}\u{7f} ä" });
    let (ran, _) = with(std::slice::from_ref(&api), &["--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).expect("JSON"), api);
    assert!(ran.out.contains(r"\u009b2J\u202e\u007f ä"), "{}", ran.out);
    let api = found(&[(ID, "client")], &[counter("anon", 1, 0.0)]);
    let (ran, _) = with(std::slice::from_ref(&api), &["find", ID, "--format", "json"]);
    assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.out).expect("JSON")), (0, api));
}

#[test]
fn a_client_is_found_by_whatever_is_known_of_it() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("credential.txt");
    std::fs::write(&file, "s3cret-of-file\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    let answer = || found(&[(ID, "address")], &[counter("anon", 60, 12.3)]);
    let upper = ID.to_ascii_uppercase();
    for (arguments, expected) in [
        (&["find", "--address", "203.0.113.7"][..], json!({ "address": "203.0.113.7" })),
        (&["find", "--address", "[2001:DB8::7]"], json!({ "address": "2001:db8::7" })),
        (&["find", "--credential-file", file], json!({ "credential": "s3cret-of-file" })),
        (&["find", &upper], json!({ "client": ID })),
    ] {
        let (ran, asked) = with(&[answer()], arguments);
        assert_eq!((ran.code, asked[0].line.as_str()), (0, "POST /v1/clients/find HTTP/1.1"), "{ran:?}");
        assert_eq!(body(&asked[0]), expected);
        assert!(!ran.out.contains("s3cret"), "{}", ran.out);
        for expected in [ID, "60 of 60", "in 13 s", "that of the address"] {
            assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
        }
    }
    let console = Console::answering(vec![answer_of(&answer())]);
    let ran = clients_with(&["find", "--credential-stdin", "--console", &console.url], "s3cret\r\n", &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(body(&asked(&console)[0]), json!({ "credential": "s3cret" }));
}

#[test]
fn what_is_known_is_said_in_words() {
    let mut api = found(&[(ID, "credential")], &[counter("user", 60, 59.0)]);
    api["clients"][0]["proved_for"] = 86_000.0.into();
    api["clients"][0]["blocked_for"] = 839.5.into();
    let (ran, _) = with(&[api], &["find", ID]);
    for expected in ["blocked   for another 14 min", "proved    for another 23 h 53 min 20 s", "in 59 s"] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    let (ran, _) = with(&[found(&[(ID, "credential")], &[])], &["find", ID]);
    assert!(
        ran.code == 1 && ran.out.contains("has not accepted the credential") && ran.out.contains("none"),
        "{ran:?}"
    );
    let (ran, _) = with(&[found(&[], &[])], &["find", ID]);
    assert!(ran.code == 1 && ran.out.contains("No policy in force counts such a client"), "{ran:?}");
}

#[test]
fn what_is_not_known_is_said() {
    let problem = "Redis does not answer \u{1b}[2J";
    let expected = "Some of it is not known: Redis does not answer \\u{1b}[2J";
    // Where nothing is known at all, that is not the same as if there were nothing.
    for (rows, code) in [(&[row(ID, "anon", 1, 0.0)][..], 0), (&[], 2)] {
        let mut api = listed(rows, true);
        api["problem"] = problem.into();
        let (ran, _) = with(&[api], &[]);
        assert!(ran.code == code && ran.out.contains(expected), "{ran:?}");
    }
    for (counters, code) in [(&[counter("anon", 1, 0.0)][..], 0), (&[], 2)] {
        let mut api = found(&[(ID, "client")], counters);
        api["problem"] = problem.into();
        let (ran, _) = with(&[api], &["find", ID]);
        assert!(ran.code == code && ran.out.contains(expected), "{ran:?}");
    }
}

#[test]
fn acts_say_what_came_of_them() {
    for (arguments, path, said, answer, code, words) in [
        (&["pardon", ID][..], "pardon", json!({}), json!({ "client": ID, "pardoned": true }), 0, "pardoned"),
        (
            &["pardon", ID],
            "pardon",
            json!({}),
            json!({ "client": ID, "pardoned": false }),
            1,
            "nothing to forget",
        ),
        (
            &["block", ID],
            "block",
            json!({ "for": "900s" }),
            json!({ "client": ID, "blocked_for": 900.0 }),
            0,
            "blocked for 15 min",
        ),
        (
            &["block", ID, "--for", "1h30min", "--by", "Ada"],
            "block",
            json!({ "for": "5400s", "by": "Ada" }),
            json!({ "client": ID, "blocked_for": 5400.0 }),
            0,
            "blocked for 1 h 30 min",
        ),
        (
            &["unblock", ID],
            "unblock",
            json!({}),
            json!({ "client": ID, "unblocked": true }),
            0,
            "no longer blocked",
        ),
        (
            &["unblock", ID],
            "unblock",
            json!({}),
            json!({ "client": ID, "unblocked": false }),
            1,
            "was not blocked",
        ),
    ] {
        let (ran, asked) = with(std::slice::from_ref(&answer), arguments);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.contains(ID) && ran.out.contains(words), "{words}: {}", ran.out);
        assert_eq!(asked[0].line, format!("POST /v1/clients/{ID}/{path} HTTP/1.1"));
        assert_eq!(body(&asked[0]), said);
        let mut arguments = arguments.to_vec();
        arguments.extend(["--format", "json"]);
        let (ran, _) = with(std::slice::from_ref(&answer), &arguments);
        assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.out).expect("JSON")), (code, answer));
    }
}

#[test]
fn who_acts_is_the_user() {
    let console = Console::answering(vec![answer_of(&json!({ "client": ID, "pardoned": true })); 2]);
    for (user, said) in [("ada", json!({ "by": "ada" })), ("a\u{1b}b", json!({}))] {
        let ran = clients_with(&["pardon", ID, "--console", &console.url], "", &[("USER", user)]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(body(&asked(&console)[0]), said);
    }
    let ran = clients_of(&console, &["pardon", ID, "--by", "a\u{7}b"]);
    assert!(ran.code == 2 && ran.err.contains("visible characters") && asked(&console).is_empty(), "{ran:?}");
}

#[test]
fn who_is_named_otherwise_is_looked_for_first() {
    let both = found(&[(ID, "address"), (OTHER, "address")], &[]);
    let pardoned = |client: &str, pardoned: bool| json!({ "client": client, "pardoned": pardoned });
    let answers = [both, pardoned(ID, false), pardoned(OTHER, true)];
    let (ran, asked) = with(&answers, &["pardon", "--address", "203.0.113.7"]);
    assert_eq!(ran.code, 0, "one of them was pardoned: {ran:?}");
    assert!(ran.out.lines().count() == 2 && ran.out.contains(ID) && ran.out.contains(OTHER), "{}", ran.out);
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let expected = [ID, OTHER].map(|client| format!("POST /v1/clients/{client}/pardon HTTP/1.1"));
    assert_eq!(lines, ["POST /v1/clients/find HTTP/1.1", &expected[0], &expected[1]]);
    let (ran, asked) = with(&[found(&[], &[])], &["block", "--address", "203.0.113.7"]);
    assert!(ran.code == 1 && ran.out.contains("No policy") && asked.len() == 1, "{ran:?}");
    // Where it goes is not up to an answer.
    let (ran, asked) =
        with(&[found(&[("../policies?a=", "address")], &[])], &["block", "--address", "203.0.113.7"]);
    assert!(ran.code == 2 && asked.len() == 1, "{ran:?}");
}

#[test]
fn what_is_in_force_is_said_in_words() {
    let api = json!({
        "time": "2026-11-28T06:30:39Z",
        "policies": [ { "name": "tollgate", "since": "2026-11-28T06:00:00Z", "workers": 2, "store": "redis",
            "requests": { "allowed": 1_234_567, "denied": 3, "blocked": 0, "exempt": 5, "malformed": 0 },
            "scopes": [
                { "name": "anon", "enforced": true, "rates": ["60/min"], "words": "At most 60 requests in any minute for each address.",
                  "allowed": 10, "denied": 2, "shadowed": 0 },
                { "name": "new", "enforced": false, "rates": ["6/min"], "words": "At most 6.", "allowed": 9, "denied": 0, "shadowed": 4 } ] } ],
        "table": { "capacity": 65536, "clients": 12, "evicted": 7, "corrupt": 0, "contended": 0, "failed": 0 },
        "redis": { "workers_without": 1, "evicts": true, "failures": { "timeout": 3 } },
        "blocked": [ { "client": ID, "blocked_for": 840.0 } ]
    });
    let (ran, asked) = with(std::slice::from_ref(&api), &["status"]);
    assert_eq!((ran.code, asked[0].line.as_str()), (0, "GET /v1/policies HTTP/1.1"), "{ran:?}");
    for expected in [
        "tollgate: in force since 2026-11-28T06:00:00Z, in 2 workers, counters in Redis",
        "1,234,567 allowed, 3 denied, 0 blocked, 5 exempt and 0 malformed",
        "anon: 10 allowed, 2 denied",
        "At most 60 requests in any minute for each address.",
        "new (shadow): 9 allowed, 4 would have been denied",
        "table     12 clients of 65,536, 7 evicted\n",
        "Redis     1 worker without it; it evicts keys, and with them counters; failures: 3 timeout\n",
        &format!("blocked   {ID} for another 14 min\n"),
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    let (ran, _) = with(std::slice::from_ref(&api), &["status", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).expect("JSON"), api);
    let bare = json!({
        "policies": [ { "name": "tollgate", "since": "2026-11-28T06:00:00Z", "workers": 1, "problem": "SECRET is not set",
            "requests": { "allowed": 0, "denied": 0, "blocked": 0, "exempt": 0, "malformed": 0 } } ],
        "table": { "capacity": null, "clients": 0, "evicted": 0, "corrupt": 0, "contended": 0, "failed": 0 },
        "redis": null, "blocked": []
    });
    let (ran, _) = with(&[bare], &["status"]);
    for expected in
        ["in 1 worker\n", "problem SECRET is not set", "table     0 clients\n", "blocked   nobody\n"]
    {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
}
