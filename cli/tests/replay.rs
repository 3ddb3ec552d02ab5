//! `tollgate replay` from the command line to its output and exit code.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const POLICY: &str = r#"{ "scopes": {
    "login": { "rate": "2/min", "key": "address", "match": { "path": "/login" }, "count": { "status": [401] } },
    "quiet": { "rate": "3/min", "key": "address", "mode": "shadow" },
    "address": { "rate": "5/min", "key": "address" } } }"#;

/// A directory of one test's own.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).expect("a directory");
    std::fs::write(path.join("policy.json"), POLICY).expect("a file");
    path
}

fn tollgate(directory: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("replay").args(arguments).current_dir(directory);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("the command");
    // It may refuse before it has read all.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("an end")
}

/// What it says as JSON, if it ends with this code.
fn json(directory: &Path, arguments: &[&str], input: &[u8], code: i32) -> Value {
    let output = tollgate(directory, &[arguments, &["--format", "json"]].concat(), input);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(error, "");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What it says when it refuses.
fn refusal(directory: &Path, arguments: &[&str], input: &[u8]) -> String {
    let output = tollgate(directory, arguments, input);
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]));
    String::from_utf8(output.stderr).expect("text")
}

/// A line of nginx' own format, so many seconds after midnight.
fn line(second: u32, address: &str, request: &str, status: u16) -> String {
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let time = format!("28/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000");
    format!("{address} - - [{time}] \"{request} HTTP/1.1\" {status} 0 \"-\" \"-\"\n")
}

fn get(second: u32, address: &str, path: &str, status: u16) -> String {
    line(second, address, &format!("GET {path}"), status)
}

#[test]
fn each_scope_is_told_with_its_clients() {
    let directory = directory("scopes");
    let mut log: String = (0..8).map(|second| get(second, "192.0.2.1", "/", 200)).collect();
    log += &get(9, "192.0.2.2", "/", 200);
    let report = json(&directory, &["policy.json", "-"], log.as_bytes(), 0);
    assert_eq!(report["requests"], 9);
    assert_eq!(
        (&report["denied"], &report["shadowed"], &report["skipped"]),
        (&3.into(), &2.into(), &0.into())
    );
    let scope = |name: &str| {
        let scope = &report["scopes"][name];
        ["allowed", "denied", "clients", "clients_denied"].map(|field| scope[field].as_u64().expect(field))
    };
    assert_eq!((scope("address"), scope("quiet"), scope("login")), ([6, 3, 2, 1], [4, 5, 2, 1], [0; 4]));
    let client = &report["clients"][1];
    assert_eq!(client["client"], "192.0.2.1");
    assert_eq!(
        (&client["scope"], &client["requests"], &client["denied"]),
        (&"address".into(), &8.into(), &3.into())
    );
    assert_eq!(client["first_denied"], "2026-11-28T00:00:05Z");
    // From the first denial until the first unit comes back.
    assert_eq!(client["locked_out_seconds"], 55);

    let text = tollgate(&directory, &["policy.json", "-"], log.as_bytes());
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.starts_with(
        "9 requests in 9 s, 2026-11-28 00:00:00 to 2026-11-28 00:00:09 UTC\n3 denied (33.3 %); 2 more"
    ));
    assert!(text.contains("address  5/min  enforce        6       3        2               1\n"), "{text}");
}

#[test]
fn what_does_not_count_is_given_back_when_it_is_answered() {
    let directory = directory("count");
    let logins = |status| (0..4).map(|second| get(second, "192.0.2.1", "/login", status)).collect::<String>();
    assert_eq!(json(&directory, &["policy.json", "-"], logins(200).as_bytes(), 0)["denied"], 0);
    assert_eq!(json(&directory, &["policy.json", "-"], logins(401).as_bytes(), 0)["denied"], 2);
    // While their answers are under way, they count: the first two last ten seconds.
    let slow = |ms: u64| {
        let line = |start: u64| {
            format!(
                "{{\"time\":\"2026-11-28T00:00:0{start}.000Z\",\"client\":\"192.0.2.1\",\"method\":\"POST\",\"path\":\"/login\",\
                 \"status\":200,\"duration_ms\":{}}}\n",
                if start < 2 { ms } else { 1 }
            )
        };
        // As they are written: when they end.
        if ms > 1_000 { [line(2), line(0), line(1)].concat() } else { [line(0), line(1), line(2)].concat() }
    };
    assert_eq!(json(&directory, &["policy.json", "-"], slow(1).as_bytes(), 0)["denied"], 0);
    assert_eq!(json(&directory, &["policy.json", "-"], slow(10_000).as_bytes(), 0)["denied"], 1);
}

#[test]
fn several_files_are_one_log() {
    let directory = directory("several");
    let half =
        |odd: u32| (0..8).filter(|n| n % 2 == odd).map(|n| get(n, "192.0.2.1", "/", 200)).collect::<String>();
    std::fs::write(directory.join("even.log"), half(0)).expect("a file");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(half(1).as_bytes()).expect("memory");
    std::fs::write(directory.join("odd.log.gz"), packed.finish().expect("memory")).expect("a file");
    std::fs::write(directory.join("odd.zst"), zstd::encode_all(half(1).as_bytes(), 3).expect("memory"))
        .expect("a file");
    for odd in ["odd.log.gz", "odd.zst"] {
        let report = json(&directory, &["policy.json", odd, "even.log", "--decisions", "each"], b"", 0);
        assert_eq!((&report["requests"], &report["denied"]), (&8.into(), &3.into()), "{odd}");
        let each = std::fs::read_to_string(directory.join("each")).expect("a file");
        let each: Vec<Value> = each.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let files: Vec<_> = each.iter().map(|row| row["file"].as_str().expect("a name")).collect();
        assert_eq!(files, ["even.log", odd].repeat(4));
        let first = serde_json::json!({ "file": "even.log", "line": 1, "time": "2026-11-28T00:00:00Z", "decision": "allowed",
                                        "scopes": { "quiet": "allowed", "address": "allowed" } });
        assert_eq!(each[0], first);
        assert_eq!((&each[5]["decision"], &each[5]["retry_after"]), (&"denied".into(), &55.into()));
    }
}

#[test]
fn other_rates_may_be_tried() {
    let directory = directory("rates");
    let log: String = (0..8).map(|second| get(second, "192.0.2.1", "/", 200)).collect();
    let arguments = ["policy.json", "-", "--rate", "address=7/min", "--rate", "quiet=9/min"];
    let report = json(&directory, &arguments, log.as_bytes(), 0);
    assert_eq!((&report["denied"], &report["shadowed"]), (&1.into(), &0.into()));
    assert_eq!(report["scopes"]["address"]["rate"], serde_json::json!(["7/min"]));
    let refused = refusal(&directory, &["policy.json", "-", "--rate", "adress=7/min"], b"");
    assert!(refused.contains("no scope `adress` in force; it has: login, quiet, address"), "{refused}");
}

#[test]
fn who_is_told_apart_is_attributed() {
    let directory = directory("credentials");
    let document = r#"{ "scopes": { "anon": { "rate": "2/h", "key": "address", "match": { "client": "anonymous" } },
                                    "user": { "rate": "3/h", "key": "credential" } } }"#;
    std::fs::write(directory.join("policy.json"), document).expect("a file");
    let line = |second: u32, user: &str| {
        format!(
            "{{\"time\":\"2026-11-28T00:00:{second:02}Z\",\"client\":\"192.0.2.1\",\"method\":\"GET\",\"path\":\"/\",\"status\":200,\
             \"user\":{user}}}\n"
        )
    };
    let alice: String = (0..4).map(|second| line(second, "\"alice\"")).collect();
    let log = alice + &line(5, "\"bob\"") + &line(6, "null");
    let report = json(&directory, &["policy.json", "-", "--credential-field", "user"], log.as_bytes(), 0);
    assert_eq!((&report["unattributed"], &report["denied"]), (&0.into(), &1.into()));
    // As in the metrics: for the first time, and by the second success for longer.
    assert_eq!(
        (&report["credentials_proved"], &report["clients"][0]["client"]),
        (&3.into(), &"alice".into())
    );
    assert_eq!(report["scopes"]["user"]["clients"], 2);
    // Without that field all are anonymous, and that is said.
    let report = json(&directory, &["policy.json", "-"], log.as_bytes(), 0);
    assert_eq!((&report["unattributed"], &report["denied"]), (&6.into(), &4.into()));
    assert!(
        report["notes"][0].as_str().expect("a note").starts_with("Unattributed are 100 % of the requests")
    );
    // The log may have the header itself: it is not shown.
    let format = "$msec $remote_addr \"$request\" $status \"$http_authorization\"";
    let log = "1795835098.0 192.0.2.1 \"GET / HTTP/1.1\" 200 \"Token sesame\"\n".repeat(4);
    let output = tollgate(&directory, &["policy.json", "-", "--log-format", format], log.as_bytes());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.contains("0 unattributed") && text.contains("\ncredential ") && !text.contains("sesame"),
        "{text}"
    );
}

#[test]
fn caddy_says_who_has_no_credential() {
    let directory = directory("caddy");
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logs/caddy.log");
    let report = json(&directory, &["default", log], b"", 0);
    // One of the four had an Authorization, which Caddy strikes out.
    assert_eq!((&report["requests"], &report["unattributed"]), (&4.into(), &1.into()));
}

#[test]
fn what_the_log_does_not_tell_is_told() {
    let directory = directory("untold");
    let log: String = (0..200).map(|second| get(second, "10.0.0.1", "/", 429)).collect();
    let report = json(&directory, &["default", "-"], log.as_bytes(), 0);
    let notes = report["notes"].as_array().expect("notes").iter().map(|note| note.as_str().expect("text"));
    let notes: Vec<&str> = notes.collect();
    for (note, start) in notes.iter().zip([
        "Unattributed are",
        "The scope `worker` looks at the query, which the log does not tell",
        "All requests come from 10.0.0.1: is that a proxy",
        "The log itself shows 200 requests with the status 429; this policy denies",
    ]) {
        assert!(note.starts_with(start), "{notes:?}");
    }
    assert_eq!(notes.len(), 4);
}

#[test]
fn whom_a_proxy_in_front_names_is_the_client() {
    let directory = directory("hops");
    let line = |second| {
        let line = get(second, "10.0.0.1", "/", 200);
        format!("{} \"203.0.113.9, 192.0.2.{second}\"\n", line.trim_end())
    };
    let log: String = [0, 1, 2, 3].map(line).concat();
    for (hops, clients) in [("0", 1), ("1", 4), ("2", 1)] {
        let report = json(&directory, &["policy.json", "-", "--trusted-hops", hops], log.as_bytes(), 0);
        assert_eq!(report["scopes"]["address"]["clients"], clients, "{hops}");
    }
}

#[test]
fn bad_lines_are_skipped_and_counted() {
    let directory = directory("bad");
    let mut log: String = (0..40).map(|minute| get(minute * 60, "192.0.2.1", "/", 200)).collect();
    log += "what is this?\n\n";
    log += &line(2_400, "192.0.2.1", "\\x16\\x03\\x01", 400).replace(" HTTP/1.1", "");
    log += &get(5, "192.0.2.1", "/", 200);
    log += &"x".repeat(10 << 20);
    log += "\n";
    log += &get(2_410, "192.0.2.1", "/", 200);
    let report = json(&directory, &["policy.json", "-"], log.as_bytes(), 0);
    assert_eq!((&report["requests"], &report["skipped"]), (&41.into(), &4.into()));
    let by = serde_json::json!({ "unreadable": 1, "no_time": 0, "no_request": 1, "too_long": 1, "out_of_order": 1 });
    assert_eq!(report["skipped_by"], by);
    let text = tollgate(&directory, &["policy.json", "-"], log.as_bytes());
    let text = String::from_utf8(text.stdout).expect("text");
    let skipped = "4 lines skipped: 1 not of this format, 1 no HTTP request, 1 longer than 1 MiB, 1 more than 30 s behind later lines";
    assert!(text.contains(skipped), "{text}");
    assert!(
        text.contains(
            "standard input: line 41 is the first that is not of the format `combined`: what is this?"
        ),
        "{text}"
    );
}

#[test]
fn a_log_that_breaks_off_is_used_as_far_as_it_goes() {
    let directory = directory("cut");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for second in 0..50_000 {
        packed
            .write_all(get(second % 80_000, "192.0.2.1", &format!("/{}", second * 7_919), 200).as_bytes())
            .expect("memory");
    }
    let packed = packed.finish().expect("memory");
    std::fs::write(directory.join("cut.gz"), &packed[..packed.len() / 2]).expect("a file");
    let report = json(&directory, &["policy.json", "cut.gz"], b"", 1);
    let requests = report["requests"].as_u64().expect("a number");
    assert!((1_000..50_000).contains(&requests), "{requests}");
    assert!(report["files"][0]["broken"].is_string());
    std::fs::write(directory.join("rubbish.gz"), b"\x1f\x8b and no more").expect("a file");
    let report = json(&directory, &["policy.json", "rubbish.gz"], b"", 1);
    assert_eq!(report["requests"], 0);
}

#[test]
fn what_is_refused_says_why() {
    let directory = directory("refused");
    let log = get(0, "192.0.2.1", "/", 200);
    std::fs::write(
        directory.join("bad.json"),
        r#"{ "scopes": { "x": { "rate": "1/fortnight", "key": "address" } } }"#,
    )
    .expect("a file");
    let uvicorn = include_str!("logs/uvicorn.log");
    for (arguments, input, reason) in [
        (
            &["bad.json", "-"][..],
            &*log,
            "the policy bad.json is refused: scopes.x.rate: `1/fortnight`: window must be",
        ),
        (&["none.json", "-"], &log, "the policy none.json cannot be read: No such file"),
        (&["policy.json", "none.log"], "", "none.log: No such file"),
        (&["policy.json", "-"], uvicorn, "standard input: this is uvicorn's access log, which tells no time"),
        (&["policy.json", "-"], "hello\n", "standard input: the format is not known"),
        (
            &["policy.json", "-", "--log-format", "$remote_addr \"$request\""],
            &log,
            "--log-format: the log format has no time",
        ),
        (&["policy.json", "."], "", ".: Is a directory"),
    ] {
        let refused = refusal(&directory, arguments, input.as_bytes());
        assert!(refused.contains(reason) && refused.lines().count() == 1, "{arguments:?}: {refused}");
    }
    assert_eq!(json(&directory, &["policy.json", "-"], b"", 0)["requests"], 0);
}

#[test]
fn whoever_reads_no_more_is_no_error() {
    let directory = directory("pipe");
    let log: String =
        (0..2_000).map(|second| get(second, &format!("192.0.2.{}", second % 250), "/", 200)).collect();
    std::fs::write(directory.join("access.log"), log).expect("a file");
    for arguments in
        [&["replay", "policy.json", "access.log", "--format", "json"][..], &["suggest", "access.log"]]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let pipes =
            command.args(arguments).current_dir(&directory).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the command");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("an end");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && error.is_empty(), "{error}");
    }
}
