//! Whatever is presented as a credential: none, or one without white space around it, or a few of which nobody knows which counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::client::{Client, ClientRules, Source};
use tollgate::request::{Headers, NoProperties, Request};

fuzz_target!(|values: Vec<(bool, &[u8])>| {
    let headers: Vec<(&str, &[u8])> = values
        .iter()
        .map(|(cookie, value)| (if *cookie { "cookie" } else { "authorization" }, *value))
        .collect();
    let block = Headers::encode(&headers);
    let request = Request::new(Headers::new(&block), &NoProperties);
    let header =
        Source::Header { name: "authorization".into(), schemes: vec!["Token".into(), "Bearer".into()] };
    for source in [header, Source::Cookie("s".into())] {
        let is_header = matches!(source, Source::Header { .. });
        let rules = ClientRules { credential_from: vec![source], ..ClientRules::default() };
        let client = Client::identify(&rules, &request);
        if let Some(credential) = client.credential() {
            assert!(!credential.is_empty());
            assert!(!is_header || !credential.iter().any(u8::is_ascii_whitespace));
            assert!(client.could_be().is_empty());
        }
        assert!(client.could_be().len() <= 4);
    }
});
