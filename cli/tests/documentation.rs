//! What docs/command.md shows is what the command prints.

use std::path::Path;
use std::process::Command;

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
        let ran =
            Command::new(env!("CARGO_BIN_EXE_tollgate")).args(arguments).current_dir(&directory).output();
        let found = String::from_utf8(ran.expect("the command").stdout).expect("UTF-8");
        assert_eq!(found.trim_end(), expected.trim_end(), "{line}");
        count += 1;
    }
    assert_eq!(count, 7, "examples");
}
