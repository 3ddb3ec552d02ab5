//! Where counters are kept: what `store` takes and refuses, and how its errors read.

use std::time::Duration;

use tollgate::config::Config;
use tollgate::redis::{Login, OnFailure, Settings};
use tollgate::store::Secret;

use super::refused;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn an_error_of_the_store_does_so_too() {
    let redis = |fields: &str| {
        format!(r#"{{ "store": {{ "redis": {{ "cluster": "c", "secret": "{SECRET}", {fields} }} }} }}"#)
    };
    for (document, error) in [
        (r#"{ "store": { "name": "" } }"#, "store.name: ``: expected a name of 1 to 64 letters, digits, `-`, `_` and `.`, such as `inner`".to_owned()),
        (r#"{ "store": { "name": "a b" } }"#, "store.name: `a b`: expected a name of 1 to 64 letters, digits, `-`, `_` and `.`, such as `inner`".into()),
        (r#"{ "store": { "name": null } }"#, "store.name: `null`: expected a name of 1 to 64 letters, digits, `-`, `_` and `.`, such as `inner`".into()),
        (r#"{ "store": { "capacity": 63 } }"#, "store.capacity: `63`: expected a whole number from 64 to 16777216".into()),
        (r#"{ "store": { "redis": true } }"#, "store.redis: expected an object, `{ … }`".into()),
        (r#"{ "store": { "redis": {} } }"#, "store.redis: expected a `cluster`, the proxy's cluster that leads to Redis, for the filter; a `url`, such as `redis://redis:6379`, for the module; or both".into()),
        (r#"{ "store": { "redis": { "cluster": "c" } } }"#, "store.redis.secret: is missing: make one by `openssl rand -hex 32`, the same for all that share counters".into()),
        (&redis(r#""host": "h""#), "store.redis.host: unknown field; expected one of `cluster`, `url`, `ca`, `prefix`, `timeout`, `on_failure`, `username`, `password`, `secret`".into()),
        (&redis(r#""prefix": """#), "store.redis.prefix: expected a name, not empty".into()),
        (&redis(r#""prefix": "redis://cache:6379/0""#), "store.redis.prefix: expected what keys' names begin with, such as `tollgate:`, not an address; that belongs into `url`".into()),
        (&redis(r#""url": 7"#), "store.redis.url: expected where Redis is, such as `redis://redis:6379`".into()),
        (&redis(r#""url": "redis://u:p@redis""#), "store.redis.url: has a login in it, which logs would show; write `username` and `password` beside `url`".into()),
        (&redis(r#""url": "redis-cluster://a,b""#), "store.redis.prefix: is missing, and with a cluster all keys must be on one node: expected a hash tag in it, such as `{tollgate}:`".into()),
        (&redis(r#""url": "redis-cluster://a,b", "prefix": "{}:""#), "store.redis.prefix: with a cluster all keys must be on one node: expected a hash tag in it, such as `{tollgate}:`".into()),
        (&redis(r#""url": "rediss://redis", "ca": "ca.pem""#), "store.redis.ca: expected the whole path of a file with certificates in PEM, such as `/etc/tollgate/ca.pem`".into()),
        (&redis(r#""url": "redis://redis", "ca": "/ca.pem""#), "store.redis.ca: belongs to a `url` with TLS, such as `rediss://redis.example:6379`".into()),
        (&redis(r#""ca": "/ca.pem""#), "store.redis.ca: belongs to a `url` with TLS, such as `rediss://redis.example:6379`".into()),
        (&redis(r#""timeout": 50"#), "store.redis.timeout: expected a span from `10ms` to `10s`, such as `250ms`".into()),
        (&redis(r#""timeout": "9ms""#), "store.redis.timeout: expected a span from `10ms` to `10s`, such as `250ms`".into()),
        (&redis(r#""timeout": "11s""#), "store.redis.timeout: expected a span from `10ms` to `10s`, such as `250ms`".into()),
        (&redis(r#""timeout": "18446744073709551615s""#), "store.redis.timeout: expected a span from `10ms` to `10s`, such as `250ms`".into()),
        (&redis(r#""timeout": "50min""#), "store.redis.timeout: expected a span from `10ms` to `10s`, such as `250ms`".into()),
        (&redis(r#""on_failure": "open""#), "store.redis.on_failure: expected `local`, `allow` or `deny`".into()),
        (&redis(r#""username": "u""#), "store.redis.username: needs a `password` beside it".into()),
        (&redis(r#""password": """#), "store.redis.password: expected a string that is not empty, or `{ \"environment_variable\": \"NAME\" }`".into()),
        (&redis(r#""password": 7"#), "store.redis.password: expected a string that is not empty, or `{ \"environment_variable\": \"NAME\" }`".into()),
        (&redis(r#""password": {}"#), "store.redis.password.environment_variable: is missing: name the variable".into()),
        (&redis(r#""password": { "inline_string": "p" }"#), "store.redis.password.inline_string: unknown field; expected one of `environment_variable`".into()),
        (&redis(r#""password": { "environment_variable": 7 }"#), "store.redis.password.environment_variable: expected the name of an environment variable in capital letters, digits and `_`, such as `TOLLGATE_SECRET`".into()),
        (r#"{ "store": { "redis": { "cluster": "c", "secret": "short but secret" } } }"#, "store.redis.secret: has 16 characters; whoever guesses it can tell which clients the keys in Redis stand for: expected 32 or more, at random, such as `openssl rand -hex 32` makes".into()),
    ] {
        assert_eq!(refused(document), error, "{document}");
    }
}

#[test]
fn how_redis_is_reached() {
    let redis = |fields: &str| {
        let document =
            format!(r#"{{ "store": {{ "redis": {{ "cluster": "c", "secret": "{SECRET}"{fields} }} }} }}"#);
        Config::parse(document.as_bytes()).expect(&document).redis.expect("it is there")
    };
    let default = Settings {
        cluster: Some("c".into()),
        url: None,
        ca: None,
        prefix: "tollgate:".into(),
        timeout: Duration::from_millis(250),
        on_failure: OnFailure::Local,
        login: None,
        secret: Secret::of_text(SECRET),
    };
    assert_eq!(redis(""), default);
    let login = Login { username: Some("u\r\n".into()), password: "p".into() };
    let fields =
        r#", "prefix": "{a}", "timeout": "2s", "on_failure": "deny", "username": "u\r\n", "password": "p""#;
    assert_eq!(
        redis(fields),
        Settings {
            prefix: "{a}".into(),
            timeout: Duration::from_secs(2),
            on_failure: OnFailure::Deny,
            login: Some(login),
            ..default
        }
    );
    for (name, on_failure) in
        [("local", OnFailure::Local), ("allow", OnFailure::Allow), ("deny", OnFailure::Deny)]
    {
        assert_eq!(redis(&format!(r#", "on_failure": "{name}""#)).on_failure, on_failure);
    }
    assert!(Config::parse(br#"{ "store": { "redis": null } }"#).expect("none").redis.is_none());
}

#[test]
fn a_policy_says_by_which_way_redis_is_reached() {
    let parse = |fields: &str| {
        let document = format!(r#"{{ "store": {{ "redis": {{ "secret": "{SECRET}", {fields} }} }} }}"#);
        Config::parse(document.as_bytes()).expect(&document)
    };
    let (cluster, url) = (r#""cluster": "c""#, r#""url": "rediss://Redis/2", "ca": "/ca.pem""#);
    let both = parse(&format!("{cluster}, {url}"));
    // Each goes by its own, and what that names is the same with or without the other.
    assert_eq!(both.clone().by_cluster(), Ok(parse(cluster)));
    assert_eq!(both.clone().by_url(), Ok(parse(url)));
    let redis = |config: &Config| config.redis.clone().expect("it is there");
    let keepers = [
        parse(cluster),
        parse(url),
        parse(r#""url": "rediss://redis:6379/2""#),
        parse(r#""url": "rediss://redis/1""#),
    ]
    .map(|config| redis(&config).keeper());
    assert!(keepers[0] != keepers[1] && keepers[1] == keepers[2] && keepers[2] != keepers[3]);
    assert_eq!(
        redis(&both).place(),
        "by way of the cluster c (the filter) or at rediss://redis:6379/2 (the module)"
    );
    let counters = tollgate::words::frame(&parse(url)).into_iter().find(|(about, _)| *about == "counters");
    let words = "in Redis, at rediss://redis:6379/2; and in this Envoy if Redis is away";
    assert_eq!(counters, Some(("counters", words.to_owned())));
    for (config, is_wrong) in [
        (
            parse(url).by_cluster(),
            "store.redis.cluster: is missing: name the proxy's cluster that leads to Redis; a filter in wasm cannot connect to `url`",
        ),
        (
            parse(cluster).by_url(),
            "store.redis.url: is missing: say where Redis is, such as `redis://redis:6379`; the module does not go through `cluster`",
        ),
    ] {
        assert_eq!(config.expect_err("refused").to_string(), is_wrong);
    }
    let none = Config::parse(b"").expect("the default");
    assert_eq!((none.clone().by_cluster(), none.clone().by_url()), (Ok(none.clone()), Ok(none)));
    // All keys on one node.
    let tagged = parse(r#""url": "redis-cluster://a,b:1", "prefix": "{t}:""#);
    assert_eq!(redis(&tagged).place(), "at redis-cluster://a:6379,b:1");
}

/// How Redis is reached by these fields, and an environment with these variables.
fn with_environment(environment: &[(&str, &[u8])], fields: &str) -> Result<Settings, String> {
    let document = format!(r#"{{ "store": {{ "redis": {{ "cluster": "c", {fields} }} }} }}"#);
    let get =
        |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_vec());
    let config = Config::parse_with(document.as_bytes(), &get).map_err(|error| error.to_string())?;
    Ok(config.redis.expect("it is there"))
}

#[test]
fn secrets_from_the_environment_are_what_they_would_be_in_the_document() {
    let environment: [(&str, &[u8]); 3] =
        [("SECRET", SECRET.as_bytes()), ("_P2", " p\n\u{e9}".as_bytes()), ("U", b"u")];
    let from = |secret: &str, username: &str, password: &str| {
        let fields = format!(r#""secret": {secret}, "username": {username}, "password": {password}"#);
        with_environment(&environment, &fields).expect("good")
    };
    let variable = |name| format!(r#"{{ "environment_variable": "{name}" }}"#);
    let literal = from(&format!(r#""{SECRET}""#), r#""u""#, r#"" p\né""#);
    assert_eq!(from(&variable("SECRET"), &variable("U"), &variable("_P2")), literal);
    // Each by itself.
    assert_eq!(from(&format!(r#""{SECRET}""#), r#""u""#, &variable("_P2")), literal);
    assert_eq!(literal.login, Some(Login { username: Some("u".into()), password: " p\n\u{e9}".into() }));
}

#[test]
fn a_variable_that_gives_nothing_is_refused_with_what_to_do() {
    let environment: [(&str, &[u8]); 3] =
        [("EMPTY", b""), ("LATIN", b"caf\xe9"), ("SHORT", b"short but secret")];
    let refused = |name: &str| {
        let fields = format!(r#""secret": {{ "environment_variable": "{name}" }}"#);
        with_environment(&environment, &fields).expect_err(name)
    };
    let path = "store.redis.secret.environment_variable";
    let instead = "set it where Envoy is started, and for the filter list it in `vm_config.environment_variables.host_env_keys`";
    for (name, reason) in [("EMPTY", "is empty"), ("LATIN", "is not UTF-8"), ("MISSING", "is not set")] {
        assert_eq!(refused(name), format!("{path}: `{name}` {reason}: {instead}"));
    }
    let short = refused("SHORT");
    assert!(short.starts_with(&format!("{path}: `SHORT` has 16 characters; whoever guesses it")), "{short}");
    assert!(refused(&"A".repeat(1_000)).len() < 400);
    for name in ["", "lower", "Mixed", "1ST", "A B", "A=B", "A-B", "\u{c4}"] {
        assert_eq!(
            refused(name),
            format!(
                "{path}: expected the name of an environment variable in capital letters, digits and `_`, such as \
                 `TOLLGATE_SECRET`"
            )
        );
    }
}

#[test]
fn without_an_environment_no_variable_is_set() {
    let fields = r#""secret": { "environment_variable": "PATH" }"#;
    let document = format!(r#"{{ "store": {{ "redis": {{ "cluster": "c", {fields} }} }} }}"#);
    assert!(refused(&document).starts_with("store.redis.secret.environment_variable: `PATH` is not set: "));
}

#[test]
fn a_table_has_a_name_or_none() {
    let table = |document: &str| {
        Config::parse(document.as_bytes()).map(|config| config.table.map(|name| name.to_string()))
    };
    assert_eq!(table("{}"), Ok(None));
    assert_eq!(table(r#"{ "store": { "capacity": 64 } }"#), Ok(None));
    assert_eq!(table(r#"{ "store": { "name": "In-ner_1.x" } }"#), Ok(Some("In-ner_1.x".to_owned())));
    let named = Config::parse(br#"{ "store": { "name": "inner" } }"#).expect("good");
    let frame = tollgate::words::frame(&named);
    assert!(
        frame.contains(&(
            "counters",
            "in this Envoy in the table inner, with room for 65536 clients".to_owned()
        ))
    );
}

#[test]
fn a_console_may_name_the_table_that_it_shows() {
    let console = |fields: &str| {
        let document = format!(r#"{{ "console": {{ {fields} }} }}"#);
        let rules = tollgate::config::console(document.as_bytes(), &|_| None).expect("a console");
        rules.map(|rules| rules.table.map(|name| name.to_string())).map_err(|error| error.to_string())
    };
    assert_eq!(console(""), Ok(None));
    assert_eq!(console(r#""store": {}"#), Ok(None));
    assert_eq!(console(r#""store": { "name": "inner" }"#), Ok(Some("inner".to_owned())));
    assert_eq!(
        console(r#""store": { "name": "in ner" }"#),
        Err("console.store.name: `in ner`: expected a name of 1 to 64 letters, digits, `-`, `_` and `.`, such as `inner`".to_owned())
    );
    assert_eq!(
        console(r#""store": { "capacity": 64 }"#),
        Err("console.store.capacity: unknown field; expected one of `name`".to_owned())
    );
}
