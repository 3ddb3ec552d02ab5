//! `--report` from the command line to its page.

use std::path::Path;
use std::process::{Command, Output};

fn tollgate(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("the command")
}

#[test]
fn a_page_is_written_beside_what_is_printed() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&directory).expect("a directory");
    let policy = r#"{ "scopes": { "address": { "rate": "5/min", "key": "address" } } }"#;
    std::fs::write(directory.join("policy.json"), policy).expect("a file");
    let line = |second: usize| {
        format!("192.0.2.1 - - [28/Nov/2026:00:00:{second:02} +0000] \"GET / HTTP/1.1\" 200 0 \"-\" \"-\"\n")
    };
    let hostile = "GET /</script><img src=x onerror=alert(1)>\n";
    let log: String = (0..8).map(line).chain([hostile.to_owned()]).collect();
    std::fs::write(directory.join("access.log"), log).expect("a file");
    for arguments in [&["replay", "policy.json", "access.log"][..], &["suggest", "access.log"]] {
        let plain = tollgate(&directory, arguments);
        let with_page = tollgate(&directory, &[arguments, &["--report", "page.html"]].concat());
        assert_eq!((with_page.status.code(), &with_page.stdout), (Some(0), &plain.stdout));
        let page = std::fs::read_to_string(directory.join("page.html")).expect("a page");
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
        assert!(!page.contains("<img") && page.matches("</script>").count() == 1);
        if arguments[0] == "replay" {
            assert!(page.contains("&lt;/script&gt;&lt;img src=x"), "the line of another format, as text");
            assert!(page.contains("<strong class=\"count\">1</strong> of 1 clients would be caught"));
        }
        let refused = tollgate(&directory, &[arguments, &["--report", "nowhere/page.html"]].concat());
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(error.starts_with("tollgate: --report: nowhere/page.html cannot be written"), "{error}");
    }
}
