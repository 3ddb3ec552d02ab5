//! Reads a policy where nothing is known of what stands around it.

use tollgate::config::{Config, ConfigError};

use crate::embedded::Around;

/// Reads a policy. Whatever it takes from Envoy's environment is taken to be there, and to be right: only Envoy knows.
///
/// # Errors
/// If Envoy would refuse it, whatever stands in its environment.
pub fn parse(document: &[u8]) -> Result<Config, ConfigError> {
    Around::default().parse(document)
}
