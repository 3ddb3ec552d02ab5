//! `tollgate suggest` and `tollgate import` from the command line to their output and exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tollgate::config::Config;

fn tollgate(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let pipes = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("the command");
    // It may refuse before it has read all.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("an end")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// One request, so many seconds after midnight.
fn line(second: u64, client: &str, user: Option<&str>, request: &str, status: u16, agent: &str) -> Value {
    let (method, path) = request.split_once(' ').expect("two words");
    let time = format!("2026-11-28T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60);
    json!({ "time": time, "client": client, "method": method, "path": path, "status": status, "duration_ms": 0,
            "credential": user, "user_agent": agent })
}

/// Two hours: forty users, one of whom is ten times as fast; a poller; who has no credential and is refused; guesses; a crawler.
fn log() -> String {
    let mut lines = Vec::new();
    for second in 0..7_200 {
        let user = format!("user-{}", second % 40);
        let address = format!("192.0.2.{}", second % 40);
        lines.push(line(second, &address, Some(&user), &format!("GET /api/jobs/{second}"), 200, "curl"));
        if second % 4 == 0 {
            lines.push(line(
                second,
                "198.51.100.1",
                Some("fast"),
                &format!("GET /api/jobs/{second}"),
                200,
                "curl",
            ));
        }
        if second % 5 == 0 {
            lines.push(line(second, "198.51.100.2", Some("poller"), "GET /api/poll?a=b", 200, "curl"));
        }
        if second % 60 == 0 {
            lines.push(line(second, "198.51.100.3", None, "GET /api/jobs/7", 401, "curl"));
            lines.push(line(
                second,
                "198.51.100.3",
                None,
                "POST /login",
                if second % 120 == 0 { 401 } else { 200 },
                "curl",
            ));
            lines.push(line(
                second,
                "198.51.100.4",
                None,
                "GET /",
                200,
                "Mozilla/5.0 (compatible; Googlebot/2.1)",
            ));
        }
    }
    lines.iter().map(|line| line.to_string() + "\n").collect()
}

#[test]
fn a_policy_to_begin_with_is_all_in_shadow() {
    let output = tollgate(&["suggest", "-"], &log());
    let (policy, comments) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{comments}");
    let config = Config::parse(policy.as_bytes()).expect("a policy");
    assert!(config.policy.scopes.iter().all(|scope| !scope.enforced), "{policy}");
    let policy: Value = serde_json::from_str(&policy).expect("JSON");
    assert_eq!(policy["$schema"], "policy.schema.json");
    assert_eq!(policy["client"]["credential"]["proof"], json!({ "path": ["/api/jobs/*"] }));
    let scopes = policy["scopes"].as_object().expect("scopes");
    let names: Vec<_> = scopes.keys().map(String::as_str).collect();
    for name in ["address", "anon", "user", "failed_login", "api_jobs", "bots"] {
        assert!(names.contains(&name), "{names:?}");
        assert!(comments.contains(&format!("\n{name}: ")), "{comments}");
    }
    assert_eq!(scopes["failed_login"]["count"], json!({ "status": [401, 403] }));
    for comment in [
        "It would have met fast.",
        "1 client polls /api/poll at regular intervals, mostly every 5.0 s",
        "each crawler: googlebot",
        "Every scope is in shadow",
    ] {
        assert!(comments.contains(comment), "{comment}: {comments}");
    }

    let report = tollgate(&["suggest", "-", "--format", "json"], &log());
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!((&report["unattributed"], &report["policy"]), (&0.into(), &policy));
    let scopes = report["scopes"].as_array().expect("scopes");
    let jobs = scopes.iter().find(|scope| scope["name"] == "api_jobs").expect("a scope");
    assert_eq!(
        (&jobs["clients"], &jobs["confidence"], &jobs["hit"]),
        (&42.into(), &"fair".into(), &json!(["fast"]))
    );
    assert_eq!(jobs["min"]["p90"], 2);
}

#[test]
fn what_is_suggested_can_be_replayed() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suggested");
    std::fs::create_dir_all(&directory).expect("a directory");
    let policy = directory.join("policy.json");
    std::fs::write(&policy, tollgate(&["suggest", "-"], &log()).stdout).expect("a file");
    let policy = policy.to_str().expect("a name");
    let report = tollgate(&["replay", policy, "-", "--format", "json"], &log());
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!(report["denied"], 0);
}

#[test]
fn an_empty_log_suggests_nothing() {
    let output = tollgate(&["suggest", "-"], "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(output.stderr), "tollgate: the log has no requests: nothing to suggest\n");
}

#[test]
fn what_is_imported_is_a_policy_and_what_differs_is_told() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("imported");
    std::fs::create_dir_all(&directory).expect("a directory");
    let settings =
        "REST_FRAMEWORK = {'DEFAULT_THROTTLE_CLASSES': ['rest_framework.throttling.AnonRateThrottle'],
                    'DEFAULT_THROTTLE_RATES': {'anon': '9/min'}}";
    let conf = "limit_req_zone $binary_remote_addr zone=a:1m rate=9r/m; server { limit_req zone=a; }";
    for (from, file, contents, name) in
        [("drf", "settings.py", settings, "anon"), ("nginx", "nginx.conf", conf, "a")]
    {
        let path = directory.join(file);
        std::fs::write(&path, contents).expect("a file");
        let path = path.to_str().expect("a name");
        let output = tollgate(&["import", from, path], "");
        let notes = text(output.stderr);
        assert!(notes.starts_with("- ") && output.status.success(), "{notes}");
        let config = Config::parse(&output.stdout).expect("a policy");
        assert_eq!(config.policy.scopes[0].name, name);
        let both = tollgate(&["import", from, path, "--format", "json"], "");
        let both: Value = serde_json::from_slice(&both.stdout).expect("JSON");
        assert_eq!(both["policy"]["scopes"][name]["rate"], "9/min");
        assert!(both["notes"].as_array().is_some_and(|notes| !notes.is_empty()));
        let refused = tollgate(&["import", from, "/dev/null"], "");
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(refused.stderr).starts_with("tollgate: /dev/null: "));
    }
}
