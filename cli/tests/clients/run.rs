//! Runs the command against a console that answers what a test wants.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::console::{Console, answer};

pub(crate) const ID: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const OTHER: &str = "fedcba9876543210fedcba9876543210";

pub(crate) fn counter(scope: &str, used: u32, wait: f64) -> Value {
    json!({ "policy": "tollgate", "scope": scope, "rate": "60/min", "limit": 60, "used": used, "remaining": 60 - used,
            "wait": wait, "reset": 31.2 })
}

pub(crate) fn row(client: &str, scope: &str, used: u32, wait: f64) -> Value {
    let mut row = counter(scope, used, wait);
    row["client"] = client.into();
    row
}

pub(crate) fn listed(rows: &[Value], is_complete: bool) -> Value {
    json!({ "time": "2026-11-28T06:30:39Z", "looked_at": 812, "complete": is_complete, "clients": rows })
}

pub(crate) fn found(clients: &[(&str, &str)], counters: &[Value]) -> Value {
    let clients = clients.iter().map(|(client, is)| {
        json!({ "client": client, "is": is, "proved_for": null, "blocked_for": null, "counters": counters })
    });
    json!({ "time": "2026-11-28T06:30:39Z", "clients": clients.collect::<Vec<_>>() })
}

/// What the command has asked.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Such as `GET /v1/clients HTTP/1.1`.
    pub(crate) line: String,
    /// Each header in lower case, `name: value`.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

pub(crate) fn asked(console: &Console) -> Vec<Asked> {
    let parsed = |request: String| {
        let (head, body) = request.split_once("\r\n\r\n").expect("a request");
        let mut lines = head.lines().map(str::to_owned);
        let line = lines.next().expect("a line");
        let header = |line: String| {
            let (name, value) = line.split_once(": ").expect("a header");
            format!("{}: {value}", name.to_ascii_lowercase())
        };
        Asked { line, headers: lines.map(header).collect(), body: body.to_owned() }
    };
    console.asked().into_iter().map(parsed).collect()
}

/// What the command has done.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// `tollgate clients` with these arguments, this on stdin, and these variables in an environment without others that it minds.
pub(crate) fn clients_with(arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    for variable in
        ["TOLLGATE_CONSOLE", "TOLLGATE_CONSOLE_TOKEN", "USER", "CLICOLOR_FORCE", "ALL_PROXY", "HTTP_PROXY"]
    {
        command.env_remove(variable);
    }
    let mut child = command
        .arg("clients")
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command");
    // It may end without reading it.
    let _ = child.stdin.take().expect("stdin").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    for text in [&out, &err] {
        let is_plain = |character: char| character == '\n' || !character.is_control();
        assert!(text.chars().all(is_plain), "{arguments:?}: a control character in {text:?}");
    }
    assert!(!err.contains("panicked"), "{arguments:?}: {err}");
    Ran { code: output.status.code().expect("it was not killed"), out, err }
}

/// `tollgate clients` of this console.
pub(crate) fn clients_of(console: &Console, arguments: &[&str]) -> Ran {
    clients_with(arguments, "", &[("TOLLGATE_CONSOLE", &console.url)])
}

/// What it does with these answers of status 200, and what it has asked for them.
pub(crate) fn with(answers: &[Value], arguments: &[&str]) -> (Ran, Vec<Asked>) {
    let console = Console::answering(answers.iter().map(answer_of).collect());
    let ran = clients_of(&console, arguments);
    (ran, asked(&console))
}

pub(crate) fn body(asked: &Asked) -> Value {
    assert!(asked.headers.iter().any(|header| header == "content-type: application/json"), "{asked:?}");
    serde_json::from_str(&asked.body).expect("JSON")
}

/// An answer of status 200.
pub(crate) fn answer_of(body: &Value) -> Vec<u8> {
    answer(200, &body.to_string())
}
