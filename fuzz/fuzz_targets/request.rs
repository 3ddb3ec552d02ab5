//! Any block of headers is a request that can be judged, by a policy that looks everywhere; and a list of the same headers is judged alike.
#![no_main]

use std::borrow::Cow;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tollgate::client::Client;
use tollgate::config::Config;
use tollgate::request::{Headers, Properties, Request, RequestFrom};
use tollgate::scope::Counted;
use tollgate::store::{Charge, Secret};

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let document = br#"{
        "exempt": [{ "path": "/static/**", "query": { "probe": true } }],
        "scopes": {
            "query": { "rate": "5/s", "key": { "query": "k" }, "match": { "query": { "a": true, "b": { "contains": "xy" }, "d": { "not": "0" } } } },
            "path": { "rate": "5/s", "key": "address", "match": { "path": ["/a/*/c", "/b/**", "/c/**/d*e.{f,g}"], "not": { "method": "PUT" } } },
            "header": { "rate": "5/s", "key": { "all": [{ "header": "h" }, { "cookie": "c" }] }, "match": { "host": "*.example.com" } },
            "user": { "rate": ["5/s", "100/min"], "key": ["credential", "address"] }
        }
    }"#;
    Config::parse(document).expect("a policy")
});

struct Peer<'a>(&'a [u8]);

impl Properties for Peer<'_> {
    fn source_address(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }

    fn jwt_claim(&self, _name: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

fuzz_target!(|input: (&[u8], &[u8], Vec<(&[u8], &[u8])>, bool, bool, bool)| {
    let (target, address, mut headers, raw, forwarded, ingress) = input;
    let peer = Peer(address);
    // As the proxy writes headers, or as a proxy gone mad might.
    let url = [b"http://", target].concat();
    match (forwarded, ingress) {
        (false, _) => headers.push((b":path", target)),
        (true, false) => headers.extend([(&b"x-original-uri"[..], target), (b"x-original-method", b"GET")]),
        (true, true) => headers.extend([
            (&b"x-original-url"[..], &*url),
            (b"x-original-method", b"GET"),
            (b"x-sent-from", b"nginx-ingress-controller"),
        ]),
    }
    let from = if forwarded { RequestFrom::Forwarded } else { RequestFrom::Direct };
    let block = if raw { target.to_vec() } else { Headers::encode(&headers) };
    let block = Headers::new(&block);
    let pairs: Vec<_> = block.iter().collect();
    assert_eq!(judge(from, block, &peer), judge(from, Headers::of_pairs(&pairs), &peer));
});

fn judge(from: RequestFrom, headers: Headers, peer: &Peer) -> Vec<Charge> {
    let request = match Request::read(from, headers, peer) {
        Ok(request) => request,
        Err(unclear) => {
            assert!(from == RequestFrom::Forwarded, "{unclear}");
            return Vec::new();
        }
    };
    let readings = request.paths().map_or(0, Iterator::count);
    assert!(readings <= 16, "{readings}");
    let client = Client::identify(&CONFIG.policy.client, &request);
    let _ = CONFIG.policy.exempts(&client);
    let charges = CONFIG.policy.plan(&client, &Secret::new([0; 16]), Counted::default());
    let mut clients: Vec<_> = charges.iter().map(|charge| charge.client).collect();
    clients.dedup();
    let changes = clients.len();
    clients.sort_unstable();
    clients.dedup();
    assert_eq!(clients.len(), changes, "the charges of one client stand together");
    charges
}
