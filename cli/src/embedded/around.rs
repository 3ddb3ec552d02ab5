//! What stands around a policy, as far as it matters to it.

use std::collections::BTreeMap;

use tollgate::config::{self, Config, ConfigError};

/// What loads a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adapter {
    /// That is not said.
    #[default]
    Unknown,
    /// The filter, in wasm.
    Filter,
    /// The native module.
    Module,
}

/// What becomes of requests once the filter has trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTrap {
    /// The next one starts it afresh.
    Reload,
    /// They are answered with 503.
    Closed,
    /// They pass.
    Open,
}

/// What becomes of requests once the filter has trapped, and where that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The field, by its path.
    pub field: String,
    /// What it says.
    pub then: OnTrap,
    /// What to write there, so that the filter is started afresh; `None` if that cannot be said there.
    pub reload: Option<&'static str>,
}

/// What stands around a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// What loads it.
    pub adapter: Adapter,
    /// The environment variables that it can see; `None` if that is not known. One without a value has that of Envoy.
    pub environment: Option<BTreeMap<String, Option<Vec<u8>>>>,
    /// What is said about traps.
    pub failure: Option<Failure>,
    /// The field by which it comes before authentication, if it does.
    pub before_authentication: Option<String>,
    /// A name of the memory in which its table of counters stands: who has the same meets there. `None` if that is not known.
    pub memory: Option<String>,
    /// A name of the requests that come by: who has the same sees each of them, too. `None` if that is not known.
    pub requests: Option<String>,
}

impl Around {
    /// Reads a policy as it is read there, by what loads it.
    ///
    /// # Errors
    /// If Envoy would refuse it there.
    pub fn parse(&self, document: &[u8]) -> Result<Config, ConfigError> {
        let config = Config::parse_with(document, &|name| self.variable(name))?;
        match self.adapter {
            Adapter::Unknown => Ok(config),
            Adapter::Filter => config.by_cluster(),
            Adapter::Module => config.by_url(),
        }
    }

    /// Reads what configures a console, likewise; `None` if it configures none.
    #[must_use]
    pub fn parse_console(&self, document: &[u8]) -> Option<Result<(), ConfigError>> {
        Some(config::console(document, &|name| self.variable(name))?.map(drop))
    }

    /// What is found there in the environment. Of what only Envoy knows, something that is good for everything.
    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        let any = || vec![b'x'; 64];
        match &self.environment {
            None => Some(any()),
            Some(listed) => listed.get(name).map(|value| value.clone().unwrap_or_else(any)),
        }
    }
}
