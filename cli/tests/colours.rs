//! Answers have colours for terminals, and for those who want them.

use std::path::Path;
use std::process::{Command, Stdio};

/// A file with this content. Returns its path.
fn file(name: &str, content: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

/// What is printed: the answer, and what stands beside it.
fn printed(arguments: &[&str], variables: &[(&str, &str)]) -> [String; 2] {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    let output = command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null()).output();
    let output = output.expect("the command");
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
}

fn is_coloured(text: &str) -> bool {
    text.contains('\u{1b}')
}

/// Without what colours it.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').expect("a colour").1)
}

#[test]
fn colours_are_for_terminals_or_for_those_who_want_them() {
    let line = r#"192.0.2.1 - - [28/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#;
    let log = file("colours.log", &format!("{line}\n").repeat(100));
    let settings = file("colours.py", "REST_FRAMEWORK = {'DEFAULT_THROTTLE_RATES': {'anon': '9/min'}}");
    for (arguments, colours) in [
        (vec!["check", "default"], [true, false]),
        (vec!["explain", "default", "GET", "/"], [true, false]),
        (vec!["replay", "default", &log], [true, false]),
        // A policy is for a file, and what is said beside it for people.
        (vec!["suggest", &log], [false, true]),
        (vec!["import", "drf", &settings], [false, true]),
        (vec!["replay", "default", &log, "--format", "json"], [false, false]),
    ] {
        let with = |more: &[&str], variables: &[(&str, &str)]| {
            printed(&[arguments.as_slice(), more].concat(), variables)
        };
        // No terminal is there.
        let none = with(&[], &[]);
        assert!(!none.iter().any(|text| is_coloured(text)), "{none:?}");
        let always = with(&["--color", "always"], &[]);
        assert_eq!(always.each_ref().map(|text| is_coloured(text)), colours, "{always:?}");
        assert_eq!(always.map(|text| plain(&text)), none, "{arguments:?}");
        let forced = with(&[], &[("CLICOLOR_FORCE", "1")]);
        assert_eq!(forced.each_ref().map(|text| is_coloured(text)), colours, "{forced:?}");
        assert_eq!(with(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), none, "{arguments:?}");
        assert_eq!(with(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]), none, "{arguments:?}");
    }
}
