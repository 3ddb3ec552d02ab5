//! Whatever is presented as a credential: none, or one without white space around it, or a few of which nobody knows which counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::client::{Client, ClientRules, Source};
use tollgate::request::{Headers, NoProperties, Request};

fuzz_target!(|values: Vec<(bool, &[u8])>| {
    let headers: Vec<(&[u8], &[u8])> = values
        .iter()
        .map(|(cookie, value)| (if *cookie { &b"cookie"[..] } else { b"authorization" }, *value))
        .collect();
    let block = Headers::encode(&headers);
    assert_eq!(found(Headers::new(&block)), found(Headers::of_pairs(&headers)));
});

/// What is found in a header, and in a cookie.
fn found(headers: Headers) -> [Option<Vec<u8>>; 2] {
    let request = Request::new(headers, &NoProperties);
    let header =
        Source::Header { name: "authorization".into(), schemes: vec!["Token".into(), "Bearer".into()] };
    [header, Source::Cookie("s".into())].map(|source| {
        let is_header = matches!(source, Source::Header { .. });
        let rules = ClientRules { credential_from: vec![source], ..ClientRules::default() };
        let client = Client::identify(&rules, &request);
        if let Some(credential) = client.credential() {
            assert!(!credential.is_empty());
            assert!(!is_header || !credential.iter().any(u8::is_ascii_whitespace));
            assert!(client.could_be().is_empty());
        }
        assert!(client.could_be().len() <= 4);
        client.credential().map(<[u8]>::to_vec)
    })
}
