use proptest::strategy::Strategy;

use super::*;

const NGINX: [(&str, &str); 3] =
    [("host", "a.test"), ("x-original-uri", "/a?b=1"), ("x-original-method", "PUT")];
const CADDY: [(&str, &str); 4] = [
    (":authority", "gate.internal"),
    ("x-forwarded-uri", "/a?b=1"),
    ("x-forwarded-method", "PUT"),
    ("x-forwarded-host", "a.test"),
];

fn told(pairs: &[(&str, &str)]) -> Result<[String; 3], Unclear> {
    let block = Headers::encode(pairs);
    let line = read(&Headers::new(&block))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok([text(line.method), text(line.target), text(line.authority.unwrap_or_default())])
}

/// These headers, with one more, in place of one of its name.
fn with<'a>(pairs: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let others = pairs.iter().copied().filter(|(known, _)| *known != name);
    others.chain([(name, value)]).collect()
}

#[test]
fn both_kinds_of_headers_are_understood() {
    let expected = ["PUT", "/a?b=1", "a.test"].map(str::to_owned);
    assert_eq!(told(&NGINX), Ok(expected.clone()));
    assert_eq!(told(&CADDY), Ok(expected));
    let both = [NGINX.as_slice(), &CADDY[3..]].concat();
    assert_eq!(
        told(&with(&both, "x-forwarded-host", "b.test")).map(|line| line[2].clone()),
        Ok("a.test".into())
    );
}

#[test]
fn what_is_missing_is_said() {
    let said = |unclear: Unclear| unclear.to_string();
    assert!(said(Unclear::Untold).contains("X-Original-URI and X-Original-Method are missing"));
    for (unclear, expected) in [
        (Unclear::Missing("X-Original-URI"), "X-Original-URI is missing; the asking proxy must set it"),
        (Unclear::NoTarget("X-Original-URI"), "X-Original-URI starts neither with `/` nor with `?`"),
        (Unclear::NoMethod("X-Original-Method"), "X-Original-Method is not a method"),
        (
            Unclear::NotOfIngress,
            "X-Original-URL is read only where X-Sent-From says nginx-ingress-controller; any other proxy must set X-Original-URI",
        ),
        (
            Unclear::NoUrl,
            "X-Original-URL is not as ingress-nginx writes it: http:// or https://, a host with no other characters than a host \
             has, and a path that starts with `/`",
        ),
    ] {
        assert_eq!(said(unclear), format!("the original request is not known: {expected}"));
    }
}

#[test]
fn every_header_that_is_believed_must_be_there() {
    assert_eq!(told(&[("host", "a.test"), ("x-forwarded-host", "a.test")]), Err(Unclear::Untold));
    for missing in ["X-Original-URI", "X-Original-Method"] {
        let rest = NGINX.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case(missing));
        assert_eq!(told(&rest.collect::<Vec<_>>()), Err(Unclear::Missing(missing)));
    }
    for missing in ["X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"] {
        let rest = CADDY.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case(missing));
        assert_eq!(told(&rest.collect::<Vec<_>>()), Err(Unclear::Missing(missing)));
    }
}

#[test]
fn what_a_client_may_have_added_is_refused() {
    for added in ["x-forwarded-uri", "x-forwarded-method"] {
        assert_eq!(told(&with(&NGINX, added, "/a?b=1")), Err(Unclear::BothKinds), "{added}");
    }
    for added in ["x-original-uri", "x-original-method"] {
        assert_eq!(told(&with(&CADDY, added, "/a?b=1")), Err(Unclear::BothKinds), "{added}");
    }
    for (pairs, shown) in [
        (NGINX.as_slice(), "X-Original-URI"),
        (&NGINX, "X-Original-Method"),
        (&CADDY, "X-Forwarded-Uri"),
        (&CADDY, "X-Forwarded-Method"),
        (&CADDY, "X-Forwarded-Host"),
    ] {
        let name = shown.to_ascii_lowercase();
        let again = pairs.iter().copied().filter(|(known, _)| *known == name);
        let twice: Vec<_> = pairs.iter().copied().chain(again).collect();
        assert_eq!(told(&twice), Err(Unclear::Repeated(shown)));
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let rootless = told(&with(&NGINX, "x-original-uri", "?b=1"));
    assert_eq!(rootless.map(|line| line[1].clone()), Ok("?b=1".into()));
    for target in ["", "*", "a", "#", "http://a.test/", "\u{1}/", " /", " ?b=1"] {
        let refused = Err(Unclear::NoTarget("X-Original-URI"));
        assert_eq!(told(&with(&NGINX, "x-original-uri", target)), refused, "{target:?}");
    }
    for method in ["", "G T", "\u{e9}", "\u{7f}"] {
        let refused = Err(Unclear::NoMethod("X-Forwarded-Method"));
        assert_eq!(told(&with(&CADDY, "x-forwarded-method", method)), refused, "{method:?}");
    }
}

const INGRESS: [(&str, &str); 5] = [
    (":authority", "tollgate.tollgate.svc.cluster.local:10001"),
    ("host", "tollgate.tollgate.svc.cluster.local"),
    ("x-original-url", "https://a.test/a?b=1"),
    ("x-original-method", "PUT"),
    ("x-sent-from", "nginx-ingress-controller"),
];

/// As ingress-nginx writes a request of this Host and target.
fn of_ingress(host: &[u8], target: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Unclear> {
    let url = [b"http://", host, target].concat();
    let pairs: [(&[u8], &[u8]); 3] = [
        (b"x-original-url", &url),
        (b"x-original-method", b"GET"),
        (b"x-sent-from", b"nginx-ingress-controller"),
    ];
    let block = Headers::encode(&pairs);
    read(&Headers::new(&block))
        .map(|line| (line.authority.unwrap_or_default().to_vec(), line.target.to_vec()))
}

#[test]
fn a_url_is_understood_of_ingress_nginx() {
    assert_eq!(told(&INGRESS), Ok(["PUT", "/a?b=1", "a.test"].map(str::to_owned)));
    for (url, target, host) in [
        ("http://a.test:8080/", "/", "a.test:8080"),
        ("https://[2001:db8::1]:443//a//b?c=/d", "//a//b?c=/d", "[2001:db8::1]:443"),
        ("http://A_b-c.test./a#b?c", "/a#b?c", "A_b-c.test."),
        ("http://a.test/http://b.test/c", "/http://b.test/c", "a.test"),
        ("http://a.test/@b.test/c", "/@b.test/c", "a.test"),
        // HTTP/1.0 needs no host.
        ("http:///a?b=1", "/a?b=1", ""),
        ("http:////a", "//a", ""),
    ] {
        let expected = ["PUT", target, host].map(str::to_owned);
        assert_eq!(told(&with(&INGRESS, "x-original-url", url)), Ok(expected), "{url}");
    }
    let block = Headers::encode(&with(&INGRESS, "x-original-url", "http:///a"));
    assert_eq!(read(&Headers::new(&block)).expect("told").authority, None, "and not that of the question");
}

#[test]
fn a_url_that_may_be_read_in_two_ways_is_refused() {
    for url in [
        // A host that looks like the start of a target.
        "http://a.test?/exempt",
        "http://a.test#/exempt",
        "http://a.test?b=1/exempt?c",
        "http://exempt.test?@a.test/b",
        "http://exempt.test@a.test/b",
        "http://a.test\\/b",
        "http://a.test;?/b",
        "http://a.test:80?/b",
        "http://[::1]?/b",
        "http://a.test /b",
        "http://a.test\t/b",
        "http://\u{e9}.test/b",
        "http://a.test\"<>^`{|}/b",
        // No target. nginx makes the first of `GET http://a.test?b=1`.
        "http://a.test?b=1",
        "http://a.test?b=/exempt",
        "http://a.test",
        "http://",
        // Not as nginx writes it.
        "",
        "/a",
        "//a.test/b",
        "a.test/b",
        "HTTP://a.test/b",
        "ftp://a.test/b",
        "http:/a.test/b",
        "http:a.test/b",
        " http://a.test/b",
        "httpss://a.test/b",
    ] {
        assert_eq!(told(&with(&INGRESS, "x-original-url", url)), Err(Unclear::NoUrl), "{url:?}");
    }
    let refused = Err(Unclear::NoMethod("X-Original-Method"));
    assert_eq!(told(&with(&INGRESS, "x-original-method", "G T")), refused);
}

#[test]
fn of_ingress_nginx_too_every_header_must_be_there_once() {
    let without = |name: &str| {
        let rest: Vec<_> = INGRESS.into_iter().filter(|(known, _)| *known != name).collect();
        told(&rest)
    };
    assert_eq!(without("x-original-url"), Err(Unclear::Missing("X-Original-URI")));
    assert_eq!(without("x-original-method"), Err(Unclear::Missing("X-Original-Method")));
    assert_eq!(without("x-sent-from"), Err(Unclear::NotOfIngress));
    for said in ["", "x", "nginx-ingress-controller ", "Nginx-Ingress-Controller"] {
        assert_eq!(told(&with(&INGRESS, "x-sent-from", said)), Err(Unclear::NotOfIngress), "{said:?}");
    }
    for shown in ["X-Original-URL", "X-Original-Method", "X-Sent-From"] {
        let name = shown.to_ascii_lowercase();
        for again in [INGRESS.iter().find(|(known, _)| *known == name).expect("it is there").1, "x"] {
            let twice = [INGRESS.as_slice(), &[(name.as_str(), again)]].concat();
            assert_eq!(told(&twice), Err(Unclear::Repeated(shown)), "{again}");
        }
    }
}

#[test]
fn what_a_client_may_have_added_to_ingress_nginx_is_refused() {
    let more = |name: &'static str, value| [INGRESS.as_slice(), &[(name, value)]].concat();
    assert_eq!(told(&more("x-original-uri", "/a?b=1")), Err(Unclear::BothOriginals));
    for added in ["x-forwarded-uri", "x-forwarded-method"] {
        assert_eq!(told(&more(added, "/a?b=1")), Err(Unclear::BothKinds), "{added}");
    }
    // It sets no such header, and none is looked at.
    assert!(told(&more("x-forwarded-host", "b.test")).is_ok_and(|line| line[2] == "a.test"));
}

/// A client of those who do not set these headers can send them.
#[test]
fn the_others_are_told_apart_from_ingress_nginx() {
    let url = ("x-original-url", "http://a.test/exempt");
    let ingress = ("x-sent-from", "nginx-ingress-controller");
    for pairs in [NGINX.as_slice(), &CADDY] {
        let expected = told(pairs);
        assert!(expected.is_ok());
        for more in [
            vec![url],
            vec![url, url],
            vec![ingress],
            vec![ingress, ingress],
            vec![url, ("x-sent-from", "x")],
        ] {
            assert_eq!(told(&[pairs, &more].concat()), expected, "{more:?}");
        }
    }
    assert_eq!(told(&[NGINX.as_slice(), &[url, ingress]].concat()), Err(Unclear::BothOriginals));
    assert_eq!(told(&[CADDY.as_slice(), &[url, ingress]].concat()), Err(Unclear::BothKinds));
    assert_eq!(told(&[url]), Err(Unclear::NotOfIngress));
}

/// What nginx takes for a host: no control characters, no space, and no `/`.
fn is_taken(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && byte != b'/'
}

proptest::proptest! {
    #[test]
    fn no_host_moves_the_target(
        host in proptest::collection::vec(proptest::num::u8::ANY.prop_filter("a host's", |byte| is_taken(*byte)), 0..12),
        target in "[/?][a/?#@:.=&%\\\\]{0,12}",
    ) {
        let target = target.as_bytes();
        if let Ok(found) = of_ingress(&host, target) {
            proptest::prop_assert_eq!(found, (host, target.to_vec()));
        }
    }

    #[test]
    fn no_host_of_marks_moves_the_target(host in "[a.?#@:;,%\\[\\]\\\\=&]{0,8}", target in "[/?][a/?#@:]{0,8}") {
        let (host, target) = (host.as_bytes(), target.as_bytes());
        let is_clear = host.iter().all(|byte| is_of_host(*byte)) && target.starts_with(b"/");
        let expected = if is_clear { Ok((host.to_vec(), target.to_vec())) } else { Err(Unclear::NoUrl) };
        proptest::prop_assert_eq!(of_ingress(host, target), expected);
    }

    #[test]
    fn anything_is_read_or_refused(url in proptest::collection::vec(proptest::num::u8::ANY, 0..24)) {
        let _ = split_original_url(&url);
        if let Some((authority, target)) = split_original_url(&[b"https://".as_slice(), &url].concat()) {
            proptest::prop_assert!(target.starts_with(b"/") && !authority.contains(&b'/'));
            proptest::prop_assert_eq!([authority, target].concat(), url);
        }
    }
}
