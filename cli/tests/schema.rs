//! The schema and the parser accept the same documents, but for what a schema cannot say, which is listed here.

mod documents;

use std::collections::BTreeMap;

use documents::Random;
use serde_json::Value;
use tollgate::config::DEFAULT;

const SCHEMA: &str = include_str!("../../docs/policy.schema.json");

/// What the parser refuses and the schema accepts: a part of the reason, and why a schema cannot say it.
const ONLY_THE_PARSER_KNOWS: &[(&str, &str)] = &[
    ("has the same window as", "a relation of two rates"),
    ("quota must be a whole number", "a number inside a text, up to 2^32"),
    ("window must be from 1 second to 31 days", "a number inside a text, times its unit"),
    ("expected a span from `1s` to `31d`", "a number inside a text, times its unit"),
    ("expected a span from `10ms` to `10s`", "a number inside a text, times its unit"),
    ("is more than the", "a relation of cost, rate and burst"),
    ("a token bucket that nothing flows into", "a number inside a text, beside the algorithm"),
    ("no credential could ever become known", "a number inside a text"),
    ("is never used: `key[", "a relation of the parts of a key"),
    ("is never used: `from[", "a relation of the places of credentials"),
    ("stands in the list twice", "names of headers are the same in any case"),
    ("its name falls together", "a hash of two names"),
    ("counts nothing, since a gRPC call", "a relation of match and count"),
    ("matches no request, since no client has a credential", "a relation of client and match"),
    ("counts nobody, since none of its requests has a credential", "a relation of client, match and key"),
    ("is not known with this `request.from`", "a relation of request and the scopes that are on"),
    ("with status 403 the text travels to nginx", "a relation of request, status and body"),
    ("for a segment of any value write `*`", "the grammar of paths"),
    ("`**` stands for any segments", "the grammar of paths"),
    ("`{a,b}` stands for one of several texts", "the grammar of paths"),
    ("expected a host without port", "the grammar of IPv6 addresses"),
    ("expected an address or a network", "the grammar of addresses"),
    ("has bits set beyond its prefix", "arithmetic"),
    ("is a network of IPv4 addresses written as IPv6", "arithmetic"),
    ("expected the name of a gRPC status", "names in any case"),
    ("with a cluster all keys must be on one node", "a relation of url and prefix"),
    ("belongs to a `url` with TLS", "a relation of url and ca"),
    ("expected hosts as `HOST:PORT`", "the grammar of addresses"),
    ("is a name of two families", "a relation of the names of crawlers"),
];

fn reason(error: &str) -> Option<&'static str> {
    ONLY_THE_PARSER_KNOWS.iter().map(|(part, _)| *part).find(|part| error.contains(part))
}

struct Both {
    validator: jsonschema::Validator,
    /// How many documents of each kind there were.
    counts: BTreeMap<&'static str, usize>,
}

impl Both {
    fn new() -> Self {
        let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
        assert!(jsonschema::meta::is_valid(&schema));
        Self { validator: jsonschema::validator_for(&schema).expect("a schema"), counts: BTreeMap::new() }
    }

    fn judge(&mut self, document: &Value) {
        let text = document.to_string();
        let parsed = tollgate_cli::parse(text.as_bytes()).map(|_| ()).map_err(|error| error.to_string());
        let wrong: Vec<String> = self
            .validator
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        let kind = match (&parsed, wrong.is_empty()) {
            (Ok(()), true) => "both accept",
            (Err(_), false) => "both refuse",
            (Ok(()), false) => panic!("the parser accepts what the schema refuses: {text}\n{wrong:#?}"),
            (Err(error), true) => reason(error)
                .unwrap_or_else(|| panic!("the schema accepts what the parser refuses: {error}\n{text}")),
        };
        *self.counts.entry(kind).or_default() += 1;
    }
}

#[test]
fn the_schema_accepts_what_is_shipped() {
    let mut both = Both::new();
    both.judge(&serde_json::from_str(DEFAULT).expect("JSON"));
    both.judge(&serde_json::json!({ "$schema": "policy.schema.json" }));
    for file in ["README.md", "docs/configuration.md"] {
        let text = std::fs::read_to_string(format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"))).expect(file);
        for policy in text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            both.judge(&serde_json::from_str(policy).expect("JSON"));
        }
    }
    assert_eq!(both.counts.keys().collect::<Vec<_>>(), [&"both accept"]);
}

#[test]
fn the_schema_and_the_parser_agree_about_random_documents() {
    let mut both = Both::new();
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut document = documents::policy(&mut random);
        for _ in 0..(seed % 6).saturating_sub(3) {
            documents::mutate(&mut document, &mut random);
        }
        both.judge(&document);
    }
    println!("{:#?}", both.counts);
    for kind in ["both accept", "both refuse"] {
        assert!(both.counts.get(kind).is_some_and(|count| *count > 4_000), "{:?}", both.counts);
    }
    // A reason that never occurs is none, or the documents are too tame.
    let never: Vec<&str> = ONLY_THE_PARSER_KNOWS
        .iter()
        .map(|(part, _)| *part)
        .filter(|part| !both.counts.contains_key(part))
        .collect();
    assert_eq!(never, [""; 0]);
}
