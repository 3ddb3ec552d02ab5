//! Any text is an address or unknown, and a network's own spelling reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::client::{Address, Cidr, Prefixes};

fuzz_target!(|text: &[u8]| {
    let address = Address::parse(text);
    let network = address.network(Prefixes::default());
    assert_eq!(network.network(Prefixes::default()), network);
    if let Address::Ip(ip) = address {
        assert_eq!(Address::parse(ip.to_string().as_bytes()), address);
    }
    if let Some(Ok(cidr)) = std::str::from_utf8(text).ok().map(str::parse::<Cidr>) {
        assert_eq!(cidr.to_string().parse(), Ok(cidr));
    }
});
