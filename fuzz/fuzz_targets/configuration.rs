//! Any document is a policy or an error, and what the error says fits on a screen.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::config::Config;

fuzz_target!(|document: &[u8]| {
    if let Err(error) = Config::parse_with(document, &|name| Some(name.into())) {
        assert!(!error.to_string().is_empty());
        // A path is as long as the names it consists of, the rest is short.
        assert!(error.to_string().len() < document.len() * 3 + 400);
    }
});
