//! What is refused, and what is no answer.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::console::{Console, answer};
use crate::run::{ID, answer_of, asked, clients_of, clients_with, listed, row};

#[test]
fn secrets_are_no_arguments() {
    for (arguments, instead) in [
        (&["find", "--credential", "s3cret"][..], "--credential-file"),
        (&["find", "--credential=s3cret"], "--credential-stdin"),
        (&["--token", "s3cret"], "TOLLGATE_CONSOLE_TOKEN"),
        (&["list", "--token=s3cret"], "TOLLGATE_CONSOLE_TOKEN"),
        (&["find", "s3cret"], "--credential-stdin"),
        (&["--console", "http://u:s3cret@127.0.0.1"], "TOLLGATE_CONSOLE_TOKEN"),
    ] {
        let ran = clients_with(arguments, "", &[]);
        assert!(
            ran.code == 2 && ran.err.contains(instead) && !ran.err.contains("s3cret"),
            "{arguments:?}: {ran:?}"
        );
    }
    let ran = clients_with(&["find", "203.0.113.7"], "", &[]);
    assert!(ran.code == 2 && ran.err.contains("write --address 203.0.113.7"), "{ran:?}");
    for (arguments, input) in [
        (&["find", "--credential-file", "there/is/no/such"][..], ""),
        (&["find", "--credential-stdin"], ""),
        (&["find", "--credential-stdin"], "two\nlines"),
        (&["find", "--address", "203.0.113.0/24"], ""),
        (&["find"], ""),
        (&["find", ID, "--address", "::1"], ""),
        (&["block", ID, "--for", "32d"], ""),
        (&["block", ID, "--for", "500ms"], ""),
    ] {
        let ran = clients_with(arguments, input, &[]);
        assert!(
            ran.code == 2 && ran.out.is_empty() && !ran.err.contains("cannot be reached"),
            "{arguments:?}: {ran:?}"
        );
    }
}

#[test]
fn the_token_goes_to_its_console_alone() {
    let console = Console::answering(vec![answer_of(&listed(&[], true))]);
    let variables = [
        ("TOLLGATE_CONSOLE_TOKEN", "s3cret"),
        ("TOLLGATE_CONSOLE", &console.url),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
    ];
    let ran = clients_with(&[], "", &variables);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(asked(&console)[0].headers.contains(&"authorization: Bearer s3cret".to_owned()));
    let elsewhere = Console::answering(vec![answer_of(&listed(&[], true))]);
    let redirect = format!(
        "HTTP/1.1 307 Elsewhere\r\nlocation: {}/v1/clients\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url
    );
    let console = Console::answering(vec![redirect.into_bytes()]);
    let ran = clients_with(&["--console", &console.url], "", &[("TOLLGATE_CONSOLE_TOKEN", "s3cret")]);
    assert!(ran.code == 2 && ran.err.contains("status 307") && asked(&elsewhere).is_empty(), "{ran:?}");
    let ran = clients_with(&["--console", &console.url], "", &[("TOLLGATE_CONSOLE_TOKEN", "s3cret s3cret")]);
    assert!(
        ran.code == 2 && ran.err.contains("TOLLGATE_CONSOLE_TOKEN") && !ran.err.contains("s3cret"),
        "{ran:?}"
    );
}

#[test]
fn refusals_say_what_to_do() {
    let error = |text: &str| json!({ "error": text }).to_string();
    for (status, body, token, expected) in [
        (401, error("no token"), None, "put one that it knows into $TOLLGATE_CONSOLE_TOKEN"),
        (
            401,
            error("a wrong token"),
            Some("abc"),
            "does not know the token that is in $TOLLGATE_CONSOLE_TOKEN",
        ),
        (403, error("the host is not localhost"), None, "refuses: the host is not localhost (status 403)"),
        (404, error("there is no scope `x`"), None, "there is no scope `x` (status 404)"),
        (404, "<html>not found</html>".to_owned(), None, "not as Tollgate's console does"),
        (500, String::new(), None, "not as Tollgate's console does"),
        (502, error("Redis did not answer"), None, "Its Redis does not answer"),
        (503, error("no policy is in force"), None, "no policy is in force (status 503)"),
        (400, error("\u{1b}[2J\u{9b}1m\u{7}bell\nline"), None, "\\u{1b}[2J\\u{9b}1m\\u{7}bell\\nline"),
    ] {
        let console = Console::answering(vec![answer(status, &body)]);
        let mut variables = vec![("TOLLGATE_CONSOLE", console.url.as_str())];
        variables.extend(token.map(|token| ("TOLLGATE_CONSOLE_TOKEN", token)));
        let ran = clients_with(&["--format", "json"], "", &variables);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(expected), "{expected}: {ran:?}");
        assert!(ran.err.contains(&console.url), "{ran:?}");
    }
}

#[test]
fn what_is_no_answer_is_none() {
    let whole = listed(&[row(ID, "anon", 60, 12.3)], true).to_string();
    let longer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{whole}", whole.len() + 1);
    for (bytes, expected) in [
        (answer(200, &whole[..whole.len() - 1]), "what no console of this version does"),
        (answer(200, "<html>\u{1b}[2J</html>"), "what no console of this version does"),
        (answer(200, r#"{ "clients": "\u001b[2J" }"#), "what no console of this version does"),
        (answer(200, "[]"), "what no console of this version does"),
        (longer.into_bytes(), "gives no whole answer"),
        (Vec::new(), "gives no whole answer"),
        (b"HTTP/1.1 200".to_vec(), "gives no whole answer"),
        (b"\x15\x03\x01\x00\x02\x02\x28\r\n\r\n".to_vec(), "gives no whole answer"),
    ] {
        let console = Console::answering(vec![bytes.clone(), bytes]);
        let ran = clients_of(&console, &[]);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(expected), "{expected}: {ran:?}");
        assert!(!ran.err.contains("Whether it was done"), "{ran:?}");
        // Once the question has got there, nobody knows.
        let ran = clients_of(&console, &["pardon", ID]);
        assert!(ran.code == 2 && ran.err.contains("Whether it was done is not known"), "{ran:?}");
    }
}

#[test]
fn nobody_there() {
    // A port that is taken, and on which nobody listens: the other end of a connection.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let end = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let url = format!("http://{}", end.local_addr().expect("an address"));
    for (url, scheme) in [(url.clone(), "http"), (url.replace("http:", "https:"), "https")] {
        let ran = clients_with(&["pardon", ID, "--console", &url], "", &[]);
        assert_eq!(ran.code, 2, "{ran:?}");
        for expected in [
            &format!("{url} cannot be reached"),
            "Is Envoy running?",
            "the console's listener",
            "--console URL",
        ] {
            assert!(ran.err.contains(expected), "{scheme}, {expected}: {ran:?}");
        }
        assert!(!ran.err.contains("Whether it was done"), "{ran:?}");
    }
}

#[test]
fn no_tls_there() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("it is there");
        // Until it has hung up.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let ran = clients_with(&["--console", &url], "", &[]);
    assert!(ran.code == 2 && ran.err.contains("does it speak TLS"), "{ran:?}");
    server.join().expect("no panic");
}
