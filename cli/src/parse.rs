//! Reads a policy where Envoy's environment is not known.

use tollgate::config::{self, Config, ConfigError};

/// Reads a policy. Whatever it takes from Envoy's environment is taken to be there, and to be right: only Envoy knows.
///
/// # Errors
/// If Envoy would refuse it, whatever stands in its environment.
pub fn parse(document: &[u8]) -> Result<Config, ConfigError> {
    Config::parse_with(document, &|_| Some(any_secret()))
}

/// Reads what configures a console, likewise; `None` if it configures none.
pub fn parse_console(document: &[u8]) -> Option<Result<(), ConfigError>> {
    Some(config::console(document, &|_| Some(any_secret()))?.map(drop))
}

/// Long enough for one.
fn any_secret() -> Vec<u8> {
    vec![b'x'; 64]
}
