//! What the lines of each format say; and that whatever stands in a line, it is read or skipped.

use proptest::prelude::*;

use super::known::{Format, names};
use super::time::shown;
use super::{Credential, Line, Skip};

/// `START+MICROS ADDRESS METHOD TARGET HOST STATUS CREDENTIAL AGENT`.
fn told(line: &Line) -> String {
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let optional = |value: &Option<super::field::Text>| value.as_deref().map_or_else(|| "?".to_owned(), text);
    let start = shown(line.start);
    let credential = match &line.credential {
        Credential::Untold => "untold".into(),
        Credential::Absent => "absent".into(),
        Credential::StandIn(name) => text(name),
    };
    let address = if line.address.is_empty() { optional(&line.forwarded_for) } else { text(&line.address) };
    let (hour, micros) = (start.split(' ').nth(1).unwrap_or_default(), line.end - line.start);
    let (method, target, host) = (text(&line.method), text(&line.target), optional(&line.host));
    format!(
        "{hour}.{:06}+{micros} {address} {method} {target} {host} {} {credential} {}",
        line.start % 1_000_000,
        line.status,
        optional(&line.agent)
    )
}

fn read(log: &str) -> (&'static str, Vec<String>) {
    let lines: Vec<&[u8]> = log.lines().map(str::as_bytes).collect();
    let format = Format::of(&lines, None).expect(log);
    let told = lines.iter().map(|line| match format.read(line) {
        Ok(line) => told(&line),
        Err(skip) => skip.name().into(),
    });
    (format.name(), told.collect())
}

macro_rules! log {
    ($name:literal) => {
        include_str!(concat!("../../tests/logs/", $name, ".log"))
    };
}

#[test]
fn what_real_servers_write() {
    let hi = r#"say "hi" \ there"#;
    let curl = "curl/7.88.1";
    let check = |log: &str, name: &str, expected: &[&str]| {
        let (found, lines) = read(log);
        assert_eq!((found, lines.iter().map(String::as_str).collect::<Vec<_>>()), (name, expected.to_vec()));
    };
    check(
        log!("nginx-combined"),
        "combined",
        &[
            &format!("03:28:56.000000+0 127.0.0.1 GET /?q=1 ? 200 untold {hi}"),
            &format!("03:28:57.000000+0 127.0.0.1 GET /slow ? 200 untold {curl}"),
            &format!("03:28:57.000000+0 127.0.0.1 POST /api/login ? 401 bob {curl}"),
            &format!("03:28:57.000000+0 127.0.0.2 GET /missing/%22x%22 ? 404 untold {curl}"),
            "no_request",
            "03:28:57.000000+0 127.0.0.1 GET /a b\"c ? 400 untold ?",
        ],
    );
    let (name, lines) = read(log!("nginx-main"));
    assert_eq!((name, lines.len()), ("nginx-main", 6));
    check(
        log!("nginx-tollgate"),
        "json",
        &[
            &format!("03:28:56.808000+6000 127.0.0.1 GET /?q=1 127.0.0.1 200 alice {hi}"),
            &format!("03:28:56.823000+253000 127.0.0.1 GET /slow 127.0.0.1 200 alice {curl}"),
            &format!("03:28:57.089000+4000 127.0.0.1 POST /api/login 127.0.0.1 401 alice {curl}"),
            &format!("03:28:57.103000+3000 127.0.0.2 GET /missing/%22x%22 127.0.0.1 404 alice {curl}"),
            "no_request",
            "no_request",
        ],
    );
    check(
        log!("apache-vhost"),
        "vhost_combined",
        &[
            &format!("03:30:35.000000+0 127.0.0.1 GET /?q=1 api.example.com:80 404 untold {hi}"),
            &format!("03:30:35.000000+0 127.0.0.1 POST /api/login api.example.com:80 404 untold {curl}"),
            &format!("03:30:35.000000+0 127.0.0.2 GET /missing/%22x%22 api.example.com:80 404 untold {curl}"),
            "no_request",
        ],
    );
    let (name, lines) = read(log!("apache-common"));
    assert_eq!((name, &*lines[1]), ("common", "03:30:35.000000+0 127.0.0.1 POST /api/login ? 404 untold ?"));
    let (name, lines) = read(log!("gunicorn"));
    assert_eq!((name, lines.len()), ("combined", 3));
    check(
        log!("caddy"),
        "caddy",
        &[
            &format!("03:28:57.339831+1063 127.0.0.1 GET /?q=1 127.0.0.1:18082 200 untold {hi}"),
            &format!("03:28:57.348267+293318 127.0.0.1 GET /slow 127.0.0.1:18082 200 untold {curl}"),
            &format!("03:28:57.651608+41998 127.0.0.1 POST /api/login 127.0.0.1:18082 401 untold {curl}"),
            &format!("03:28:57.708576+833 127.0.0.2 GET /missing/%22x%22 127.0.0.1:18082 501 untold {curl}"),
        ],
    );
    check(
        log!("traefik-common"),
        "traefik",
        &[
            "03:28:57.000000+1000 127.0.0.1 GET /?q=1 ? 200 untold ?",
            "03:28:57.000000+293000 127.0.0.1 GET /slow ? 200 untold ?",
            "03:28:58.000000+41000 127.0.0.1 POST /api/login ? 401 untold ?",
            "03:28:58.000000+0 127.0.0.2 GET /missing/%22x%22 ? 501 untold ?",
        ],
    );
    check(
        log!("traefik-json"),
        "traefik-json",
        &[
            "03:28:58.528026+2028 127.0.0.1 GET /?q=1 127.0.0.1 200 untold ?",
            "03:28:58.539747+297824 127.0.0.1 GET /slow 127.0.0.1 200 untold ?",
            "03:28:58.846206+47333 127.0.0.1 POST /api/login 127.0.0.1 401 untold ?",
            "03:28:58.903830+671 127.0.0.2 GET /missing/%22x%22 127.0.0.1 501 untold ?",
        ],
    );
    check(
        log!("envoy"),
        "envoy",
        &[
            &format!("03:28:59.136000+1000 192.0.2.2 GET /?q=1 127.0.0.1:18085 200 untold {hi}"),
            &format!("03:28:59.148000+292000 192.0.2.2 GET /slow 127.0.0.1:18085 200 untold {curl}"),
            &format!("03:28:59.451000+41000 192.0.2.2 POST /api/login 127.0.0.1:18085 401 untold {curl}"),
            &format!(
                "03:28:59.502000+0 203.0.113.9,127.0.0.2 GET /missing/%22x%22 127.0.0.1:18085 501 untold {curl}"
            ),
            "no_request",
            "no_request",
        ],
    );
    let (name, lines) = read(log!("istio"));
    let second = "03:29:00.905000+291000 127.0.0.1:54128 GET /slow 127.0.0.1:18088 200 untold curl/7.88.1";
    assert_eq!((name, &*lines[1], &*lines[5]), ("istio", second, "no_request"));
    let (name, lines) = read(log!("envoy-gateway"));
    let second = "03:29:00.316000+293000 127.0.0.1:59614 GET /slow 127.0.0.1:18087 200 untold curl/7.88.1";
    assert_eq!((name, &*lines[1], &*lines[5]), ("envoy-json", second, "no_request"));
    let (name, lines) = read(log!("envoy-ours"));
    let second = "03:28:59.732000+293000 127.0.0.1 GET /slow 127.0.0.1:18086 200 untold ?";
    assert_eq!((name, &*lines[1], &*lines[5]), ("envoy-json", second, "no_request"));
}

/// What `envoy/authz.yaml` writes where ingress-nginx asks: `url` says what about, and `host` is the service's own. What it cannot ask
/// about is answered with 400.
#[test]
fn what_our_service_writes_where_ingress_nginx_asks() {
    let (name, lines) = read(log!("ingress-nginx"));
    assert_eq!(name, "envoy-json");
    assert_eq!(
        lines,
        [
            "17:52:20.454000+0 127.1.0.2 GET /api/a gate.test 200 untold ?",
            "17:52:20.458000+0 127.1.0.2 GET / gate.test 200 untold ?",
            "17:52:20.466000+0 127.1.0.2 GET /api/e gate.test 403 untold ?",
            "17:52:20.468000+0 127.1.0.2 GET / other.test 403 untold ?",
        ]
    );
    let of_url = |url: &str| {
        let line =
            format!(r#"{{"time":"2026-11-28T17:50:50.556Z","method":"GET","url":"{url}","status":400}}"#);
        let format = Format::parse("envoy-json", None).expect("a format");
        format.read(line.as_bytes()).map_or_else(|skip| skip.name().to_owned(), |line| told(&line))
    };
    assert_eq!(of_url("http://a.test"), "no_request");
    assert_eq!(of_url("http://a.test#/b"), "no_request");
    assert_eq!(of_url("https:///b"), "17:50:50.556000+0 ? GET /b ? 400 untold ?");
}

/// What this project's `nginx/auth_request.conf` has nginx write. Its paths have no query; `%3F` is none.
#[test]
fn what_our_own_nginx_writes() {
    let (name, lines) = read(log!("nginx-ours"));
    assert_eq!(name, "json");
    assert_eq!(
        lines,
        [
            "07:59:28.082000+7000 127.1.0.2 GET /1 gate.test 200 untold ?",
            "07:59:28.089000+1000 127.1.0.2 GET /2 gate.test 200 untold ?",
            "07:59:28.091000+0 127.1.0.2 GET /3 gate.test 429 untold ?",
            "07:59:28.094000+0 127.0.0.1 GET /a%3Fb=c gate.test 429 untold ?",
            "no_request",
        ]
    );
}

/// As their documentation has it.
#[test]
fn what_clouds_write() {
    assert_eq!(
        read(log!("alb")),
        (
            "alb",
            vec![
                "03:28:56.935000+251641 192.0.2.1:2817 GET /?q=1 www.example.com:80 200 untold curl/7.88.1".into(),
                "03:28:57.364000+822641 [2001:db8::1]:2818 POST /api/login www.example.com 401 untold say \"hi\"".into(),
                "no_request".into(),
            ]
        )
    );
    assert_eq!(
        read(log!("cloudflare")),
        (
            "cloudflare",
            vec![
                "03:28:57.000000+0 192.0.2.1 GET /?q=1 api.example.com 200 untold curl/7.88.1".into(),
                "03:28:58.101000+0 2001:db8::1 POST /api/login api.example.com 401 untold say \"hi\"".into(),
            ]
        )
    );
}

#[test]
fn a_format_string_says_what_a_line_is() {
    for (format, credential, line, expected) in [
        (
            "$msec $remote_addr $request_method $uri$is_args$args $status $request_time $sent_http_x_user",
            Some("sent_http_x_user"),
            "1795836536.814 192.0.2.1 GET /a?b=c 200 0.25 alice",
            "03:28:56.564000+250000 192.0.2.1 GET /a?b=c ? 200 alice ?",
        ),
        (
            "log_format x '$remote_addr [$time_local] '\n    '\"$request\" $status \"$http_user_agent\"';",
            None,
            r#"192.0.2.1 [28/Nov/2026:03:28:56 +0000] "GET / HTTP/2.0" 304 "a \x22b\x22""#,
            "03:28:56.000000+0 192.0.2.1 GET / ? 304 untold a \"b\"",
        ),
        (
            r#"LogFormat "%a %t \"%r\" %>s %D \"%{X-User}o\"" name"#,
            Some("X-User"),
            r#"192.0.2.1 [28/Nov/2026:03:28:56 +0000] "GET /x y HTTP/1.1" 200 1500 "-""#,
            "03:28:56.000000+1500 192.0.2.1 GET /x y ? 200 absent ?",
        ),
        (
            r#"%a [%{%Y-%m-%d %H:%M:%S}t] %m "%U%q" %!200,304<s %{ms}T"#,
            None,
            r#"192.0.2.1 [2026-11-28 03:28:56] PUT "/a?b" 200 12"#,
            "adjacent",
        ),
        (
            r#"%a %{begin:msec}t %m "%U" "%q" %s"#,
            None,
            r#"192.0.2.1 1795836536814 PUT "/a" "?b" 200"#,
            "03:28:56.814000+0 192.0.2.1 PUT /a?b ? 200 untold ?",
        ),
        (
            "%START_TIME(%s.%3f)% %DOWNSTREAM_REMOTE_ADDRESS% %REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %RESPONSE_CODE% %RESP(X-USER-ID):16%\\n",
            Some("X-USER-ID"),
            "1795836536.814 192.0.2.1:4711 GET /a\\x22 0 alice",
            "03:28:56.814000+0 192.0.2.1:4711 GET /a\\x22 ? 0 alice ?",
        ),
    ] {
        match Format::parse(format, credential) {
            Ok(known) => assert_eq!(told(&known.read(line.as_bytes()).expect(line)), expected, "{format}"),
            Err(refusal) => assert_eq!((expected, refusal.contains("`%q`")), ("adjacent", true), "{refusal}"),
        }
    }
}

#[test]
fn what_is_refused_says_why() {
    for (format, reason) in [
        ("$remote_addr \"$request\"", "no time"),
        ("$msec $remote_addr", "no request"),
        ("$msec $request_uri", "no method"),
        ("combinde", "no fields"),
        ("$msec$request", "`$request`"),
        ("uvicorn", "no time"),
        ("%h %é", "no directive"),
        ("%START_TIME(%s) %RESPONSE_CODE%", "no `%` at its end"),
    ] {
        let refusal = Format::parse(format, None).expect_err(format);
        assert!(refusal.contains(reason), "{format}: {refusal}");
    }
    let refusal = Format::parse("$msec $request", Some("user")).expect_err("no such field");
    assert!(refusal.contains("no field `user`"), "{refusal}");
    for (log, reason) in [
        (log!("uvicorn"), "uvicorn's access log, which tells no time"),
        ("hello\nworld", "the first line is: hello"),
        ("\u{1b}[31m", r"\u{1b}[31m"),
    ] {
        let lines: Vec<&[u8]> = log.lines().map(str::as_bytes).collect();
        let refusal = Format::of(&lines, None).expect_err(log);
        assert!(refusal.to_lowercase().contains(reason), "{refusal}");
    }
}

#[test]
fn json_may_name_its_own_field_for_users() {
    let line = br#"{"time":"2026-11-28T03:28:56Z","client":"192.0.2.1","method":"GET","path":"/","status":200,"user":null}"#;
    let format = Format::of(&[line], Some("user")).expect("a format");
    assert_eq!(format.read(line).expect("a line").credential, Credential::Absent);
    let format = Format::of(&[line], None).expect("a format");
    assert_eq!(format.read(line).expect("a line").credential, Credential::Untold);
}

/// All formats that are known.
fn formats() -> Vec<Format> {
    names().map(|(name, _)| Format::parse(name, None).expect(name)).collect()
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_skipped(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in formats() {
            let _ = format.read(&line);
        }
    }

    /// A line that was changed somewhere, as a broken disk or a hostile client would.
    #[test]
    fn a_line_that_was_changed_is_read_or_skipped(
        which in 0_usize..16, cut in any::<prop::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let logs = [
            log!("nginx-combined"), log!("nginx-main"), log!("nginx-tollgate"), log!("apache-vhost"), log!("apache-common"),
            log!("gunicorn"), log!("caddy"), log!("traefik-common"), log!("traefik-json"), log!("envoy"), log!("istio"),
            log!("envoy-gateway"), log!("envoy-ours"), log!("alb"), log!("cloudflare"),
            log!("ingress-nginx"),
        ];
        let mut line = logs[which].lines().next().unwrap_or_default().as_bytes().to_vec();
        let cut = cut.index(line.len());
        line.splice(cut..line.len().min(cut + bytes.len() / 2), bytes);
        for format in formats() {
            let _ = format.read(&line);
        }
    }

    #[test]
    fn any_format_string_is_taken_or_refused(text in "[$%{}a-zA-Z_()\" \\\\é-]{0,60}") {
        if let Ok(format) = Format::parse(&text, Some("x")) {
            let _ = format.read(text.as_bytes());
        }
    }

    /// What a client sends comes out as it was sent, if the server escapes as nginx does.
    #[test]
    fn what_nginx_writes_reads_back(
        target in proptest::collection::vec(any::<u8>().prop_filter("no line has it", |byte| *byte != b' '), 1..40),
        agent in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let escaped = |text: &[u8]| -> String {
            text.iter().map(|byte| match byte {
                b'"' | b'\\' | 0..0x20 | 0x7f.. => format!("\\x{byte:02X}"),
                byte => char::from(*byte).to_string(),
            }).collect()
        };
        let line = format!(
            "192.0.2.1 - - [28/Nov/2026:03:28:56 +0000] \"GET {} HTTP/1.1\" 200 3 \"-\" \"{}\"", escaped(&target), escaped(&agent)
        );
        let format = Format::parse("combined", None).expect("a format");
        let line = format.read(line.as_bytes()).expect("a line");
        prop_assume!(!target.iter().take(8).any(|byte| *byte == b':'));
        prop_assert_eq!(&*line.target, &*target);
        prop_assert!(agent == b"-" && line.agent.is_none() || line.agent.as_deref() == Some(&*agent));
    }
}

#[test]
fn each_reason_to_skip_has_its_place() {
    for (place, skip) in Skip::ALL.into_iter().enumerate() {
        assert_eq!(skip as usize, place);
    }
}
