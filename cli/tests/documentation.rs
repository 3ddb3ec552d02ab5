//! What docs/command.md shows is what the command prints.

mod console;

use std::path::Path;
use std::process::Command;

use console::{Console, answer};

/// The fenced blocks of a page: the text right before each, the word behind the fence, and what is in it.
fn blocks(page: &str) -> Vec<(&str, &str, &str)> {
    let mut parts = page.split("```");
    let mut before = parts.next().unwrap_or_default();
    let mut blocks = Vec::new();
    while let (Some(block), Some(behind)) = (parts.next(), parts.next()) {
        let (kind, content) = block.split_once('\n').unwrap_or((block, ""));
        blocks.push((before.trim_end().lines().last().unwrap_or_default(), kind, content));
        before = behind;
    }
    blocks
}

/// The file that a line such as "This is `cases.yaml`:" is about.
fn named(line: &str) -> Option<&str> {
    line.strip_suffix("`:").and_then(|line| line.rsplit('`').next())
}

#[test]
fn each_example_of_the_page_is_real() {
    let page = include_str!("../../docs/command.md").replace("\r\n", "\n");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documentation");
    std::fs::create_dir_all(&directory).expect("a directory");
    let mut count = 0;
    for (before, kind, content) in blocks(&page) {
        if let ("json" | "yaml", Some(name)) = (kind, named(before)) {
            std::fs::write(directory.join(name), content).expect("a file");
        }
        if kind != "console" {
            continue;
        }
        let (line, expected) = content.split_once('\n').expect("a command and its output");
        let arguments = line.strip_prefix("$ tollgate ").expect("a command").split(' ');
        let answers = answers(line);
        let console = Console::answering(answers.iter().map(|body| answer(200, body)).collect());
        let ran = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(arguments)
            .env("TOLLGATE_CONSOLE", &console.url)
            .env_remove("TOLLGATE_CONSOLE_TOKEN")
            .current_dir(&directory)
            .output();
        let found = String::from_utf8(ran.expect("the command").stdout).expect("UTF-8");
        assert_eq!(found.trim_end(), expected.trim_end(), "{line}");
        assert_eq!(console.asked().len(), answers.len(), "{line}");
        count += 1;
    }
    assert_eq!(count, 11, "examples");
}

/// The policy of docs/command.md stands for the reader's own.
#[test]
fn a_policy_in_a_file_of_its_own_goes_into_envoys() {
    let page = include_str!("../../docs/configuration.md").replace("\r\n", "\n");
    let policy = include_str!("../../docs/command.md").replace("\r\n", "\n");
    let (_, _, policy) = blocks(&policy).into_iter().find(|(_, kind, _)| *kind == "json").expect("a policy");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-file");
    std::fs::create_dir_all(directory.join("envoy")).expect("a directory");
    std::fs::write(directory.join("policy.json"), policy).expect("a file");
    std::fs::write(directory.join("envoy/inline.yaml"), include_str!("../../envoy/inline.yaml"))
        .expect("a file");
    let command = Path::new(env!("CARGO_BIN_EXE_tollgate")).parent().expect("its directory");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([command.to_owned()].into_iter().chain(std::env::split_paths(&paths)))
        .expect("paths without a colon");
    let scripts: Vec<&str> =
        blocks(&page).into_iter().filter(|(_, kind, _)| *kind == "sh").map(|block| block.2).collect();
    assert_eq!(scripts.len(), 2);
    let ran = Command::new("sh")
        .args(["-euc", &scripts.concat()])
        .env("PATH", paths)
        .current_dir(&directory)
        .output()
        .expect("a shell");
    let found = String::from_utf8(ran.stdout).expect("UTF-8");
    assert!(ran.status.success(), "{found}{}", String::from_utf8_lossy(&ran.stderr));
    for expected in ["\npolicy.json: no traps\n", "login\n", "\nenvoy.yaml: no traps\n"] {
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

/// What the console answers where the page asks it.
fn answers(line: &str) -> Vec<&'static str> {
    const FOUND: &str = r#"{ "time": "2026-11-28T03:00:00Z", "clients": [ { "client": "5d41402abc4b2a76b9719d911017c592", "is": "address",
        "proved_for": null, "blocked_for": null, "counters": [ { "policy": "tollgate", "scope": "anon", "rate": "60/min", "limit": 60,
        "used": 60, "remaining": 0, "wait": 12.3, "reset": 12.3 } ] } ] }"#;
    const LISTED: &str = r#"{ "time": "2026-11-28T03:00:00Z", "looked_at": 2, "complete": true, "clients": [
        { "client": "5d41402abc4b2a76b9719d911017c592", "policy": "tollgate", "scope": "anon", "rate": "60/min", "limit": 60,
          "used": 60, "remaining": 0, "wait": 12.3, "reset": 12.3 },
        { "client": "9e107d9d372bb6826bd81d3542a419d6", "policy": "tollgate", "scope": "user", "rate": "300/min", "limit": 300,
          "used": 12, "remaining": 288, "wait": 0.0, "reset": 31.2 } ] }"#;
    const PARDONED: &str = r#"{ "client": "5d41402abc4b2a76b9719d911017c592", "pardoned": true }"#;
    const BLOCKED: &str = r#"{ "client": "9e107d9d372bb6826bd81d3542a419d6", "blocked_for": 3600.0 }"#;
    match line.split_whitespace().nth(3) {
        _ if !line.starts_with("$ tollgate clients") => vec![],
        None => vec![LISTED],
        Some("find") => vec![FOUND],
        Some("pardon") => vec![FOUND, PARDONED],
        _ => vec![BLOCKED],
    }
}
