use super::*;

proptest::proptest! {
    #[test]
    fn the_only_reading_is_the_first_and_the_last(target in "[ab/?#&=]{0,8}") {
        let sent = target.as_bytes();
        let readings: Vec<_> = Target::readings(sent).collect();
        match Target::only_reading(sent) {
            Some(only) => assert!(readings == [only]),
            None => assert!(readings.len() > 1),
        }
    }
}

fn with<T>(pairs: &[(&str, &str)], look: impl FnOnce(&Request) -> T) -> T {
    look(&Request::new(Headers::new(&Headers::encode(pairs)), &NoProperties))
}

fn texts<'a, T: AsRef<[u8]>>(values: impl Iterator<Item = T> + 'a) -> Vec<String> {
    values.map(|value| String::from_utf8_lossy(value.as_ref()).into_owned()).collect()
}

fn paths(request: &Request) -> Vec<String> {
    texts(request.paths().expect("few readings"))
}

#[test]
fn the_target_is_path_and_query() {
    for (target, path, value) in [
        ("/a?b=1", "/a", vec!["1"]),
        ("/a/?b=1&c=2&b=x+y%2Bz&B=3", "/a", vec!["1", "x y+z"]),
        ("/a?%62=1&b&b=", "/a", vec!["1", "", ""]),
        ("/a?b=1=2?3", "/a", vec!["1=2?3"]),
        ("/a%3Fb=1", "/a?b=1", vec![]),
        ("?b=1", "", vec!["1"]),
        ("", "", vec![]),
        ("*", "*", vec![]),
    ] {
        with(&[(":path", target)], |request| {
            assert_eq!(paths(request), [path], "{target}");
            assert_eq!(texts(request.query(b"b")), value, "{target}");
        });
    }
    with(&[(":path", "/a%2Fb")], |request| assert_eq!(paths(request), ["/a%2Fb", "/a/b"]));
}

#[test]
fn what_stands_behind_a_hash_is_read_with_and_without() {
    let values = |request: &Request| -> Vec<Vec<String>> {
        let parameters = request.parameters().expect("not too many");
        let values = |list: &mut dyn Iterator<Item = (Option<Values>, bool)>| {
            list.flat_map(|(values, _)| texts(values.expect("not too much").iter())).collect()
        };
        parameters.named(b"b").map(|mut list| values(&mut list)).collect()
    };
    for (target, path, expected) in [
        ("/a#?b=1", vec!["/a", "/a#"], vec![vec![], vec!["1"]]),
        ("/a?b=1#&b=2", vec!["/a"], vec![vec!["1"], vec!["1#", "2"]]),
        ("/a#", vec!["/a", "/a#"], vec![vec![]]),
    ] {
        with(&[(":path", target)], |request| {
            assert_eq!(paths(request), path, "{target}");
            assert_eq!(values(request), expected, "{target}");
            assert_eq!(texts(request.query(b"b")), expected[0], "{target}");
        });
    }
}

#[test]
fn a_charset_makes_parameters_uncertain() {
    let known = |target: &str, types: &[&str]| {
        let headers: Vec<_> =
            types.iter().map(|value| ("content-type", *value)).chain([(":path", target)]).collect();
        with(&headers, |request| request.parameters().is_some())
    };
    assert!(known("/?a=1", &["text/plain; charset=utf-8", "text/plain"]));
    assert!(!known("/?a=1", &["text/plain; charset=utf-7"]));
    assert!(!known("/?a=1", &["text/plain", "text/plain; charset=utf-7"]));
    assert!(!known("/#?a=1", &["text/plain; charset=utf-7"]));
    assert!(known("/", &["text/plain; charset=utf-7"]), "there are none");
}

#[test]
fn a_method_can_be_overridden() {
    for (headers, expected) in [
        (vec![], vec![]),
        (vec![("x-http-method-override", " put "), ("x-method-override", "PATCH")], vec!["put", "PATCH"]),
        (vec![("x-http-method", "DELETE"), (":path", "/?_method=put&_Method=x")], vec!["DELETE", "put", "x"]),
    ] {
        with(&headers, |request| {
            let overrides = request.method_overrides().expect("not too many");
            let overrides: Vec<String> =
                overrides.flatten().flat_map(|values| texts(values.iter())).collect();
            assert_eq!(overrides, expected);
        });
    }
}

#[test]
fn a_second_target_is_another_reading() {
    let has = |request: &Request, name: &[u8], value: &[u8]| {
        let parameters = request.parameters().expect("not too many");
        parameters.named(name).any(|mut list| {
            list.any(|(values, _)| values.is_some_and(|values| values.iter().any(|found| found == value)))
        })
    };
    with(&[(":path", "/a%3Fb?b=1"), (":path", "/a?b?b=1"), (":method", "GET")], |request| {
        assert!(paths(request).contains(&"/a?b".into()) && paths(request).contains(&"/a".into()));
        assert_eq!(texts(request.query(b"b")), ["1"]);
    });
    with(&[(":path", "/a?b=1"), (":path", "/x?b=1&c=2")], |request| {
        assert_eq!(paths(request), ["/a", "/x"]);
        assert!(has(request, b"c", b"2") && has(request, b"b", b"1"));
    });
    with(&[(":path", "/a"), (":method", "GET"), (":path", "/x")], |request| {
        assert_eq!(paths(request), ["/a"], "it does not follow");
    });
    with(&[(":path", "/a??b=1")], |request| {
        assert!(has(request, b"b", b"1") && has(request, b"?b", b"1"));
    });
}

#[test]
fn the_host_has_no_port() {
    for (authority, host) in [
        ("example.com", "example.com"),
        ("example.com:8080", "example.com"),
        ("example.com.:80", "example.com"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("example.com:", "example.com"),
        ("example.com:x", "example.com:x"),
        ("", ""),
    ] {
        with(&[(":authority", authority)], |request| assert_eq!(texts(request.hosts()), [host]));
    }
}

#[test]
fn the_host_is_what_the_client_asked_for() {
    let nginx = [(":authority", "server.internal"), ("host", "example.com:80")];
    with(&nginx, |request| {
        assert_eq!(texts(request.hosts()), ["example.com"]);
        assert_eq!(texts(request.header(":authority")), ["example.com:80"]);
    });
    with(&[(":authority", "a.test")], |request| {
        assert_eq!(texts(request.header(":authority")), ["a.test"]);
    });
    with(&[("a", "b")], |request| assert_eq!(texts(request.header(":authority")), [""; 0]));
}

#[test]
fn a_forwarded_request_is_the_original_one() {
    let block = Headers::encode(&[
        (":method", "GET"),
        (":path", "/ask?b=9"),
        (":authority", "gate.internal"),
        ("x-forwarded-method", "PUT"),
        ("x-forwarded-uri", "/a%2e/../c?b=1#?b=2"),
        ("x-forwarded-host", "a.test:80"),
    ]);
    let read = |from| Request::read(from, Headers::new(&block), &NoProperties);
    let request = read(RequestFrom::Forwarded).expect("all is told");
    assert_eq!(request.method(), b"PUT");
    assert_eq!(paths(&request), ["/c", "/a./../c"]);
    assert_eq!(texts(request.query(b"b")), ["1"]);
    assert_eq!(texts(request.hosts()), ["a.test"]);
    assert_eq!(texts(request.header(":authority")), ["a.test:80"]);
    for from in [RequestFrom::Direct, RequestFrom::ExtAuthz] {
        let request = read(from).expect("nothing to be told");
        assert_eq!((request.method(), texts(request.hosts())), (&b"GET"[..], vec!["gate.internal".into()]));
        assert_eq!(texts(request.query(b"b")), ["9"]);
    }
}

#[test]
fn cookies_are_found_in_all_cookie_headers() {
    let pairs = [("cookie", "a=1; sessionid=x; b"), ("cookie", "sessionid = \"%79\" ;SESSIONID=z")];
    with(&pairs, |request| {
        assert_eq!(texts(request.cookie(b"sessionid")), ["x", "y"]);
        assert_eq!(texts(request.cookie(b"b")), [""]);
        assert_eq!(texts(request.cookie(b"none")), [""; 0]);
    });
    with(&[("cookie", &"a=1;".repeat(17))], |request| {
        let clear: Vec<_> = request.cookies(b"a").map(|place| place.is_clear).collect();
        assert_eq!(clear, [vec![true; 16], vec![false]].concat());
    });
}

#[test]
fn grpc_is_known_by_its_content_type() {
    for (kind, grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc; charset=x", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        with(&[("content-type", kind)], |request| assert_eq!(request.is_grpc(), grpc, "{kind}"));
    }
}
