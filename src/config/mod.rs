//! From one JSON document to a checked policy, or to an error that names the field.

mod client;
mod console;
mod count;
mod environment;
mod error;
mod matcher;
mod names;
mod node;
mod request;
mod response;
mod scopes;
mod store;

use client::ClientSection;
pub use console::{ConsoleRules, Token, console};
pub use environment::Environment;
pub use error::ConfigError;
use node::{Node, Value};
use store::StoreSection;

use crate::access_log::Logged;
use crate::policy::{Policy, Trust};
use crate::redis::Settings;
use crate::reply::ReplyRules;
use crate::request::RequestFrom;
use crate::scope::Count;
use crate::store::{Capacity, TableName};

/// The document that an empty configuration stands for.
pub const DEFAULT: &str = include_str!("default.json");

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the request that is judged stands.
    pub request_from: RequestFrom,
    /// The rules that requests are judged by.
    pub policy: Policy,
    /// Whether it makes a difference to any request whether its credential is worth anything.
    pub minds_credentials: bool,
    /// What clients are told.
    pub reply: ReplyRules,
    /// Of which requests the access log is told.
    pub access_log: Logged,
    /// The table that the counters stand in; `None`: the one that has no name. Policies with one name share their counters.
    pub table: Option<TableName>,
    /// How many clients the counters have room for.
    pub capacity: Capacity,
    /// The Redis whose counters are shared with other proxies, if there is one.
    pub redis: Option<Settings>,
    /// What becomes of a request at which Tollgate itself fails. (Of one that Redis fails at, the store's `on_failure` says it.)
    pub failure: Failure,
}

/// What becomes of a request at which Tollgate itself fails, by a fault in its code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failure {
    /// It is let through.
    #[default]
    Allow,
    /// It is answered with 503.
    Deny,
}

/// Whether a scope, or the whole policy, is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Enforce,
    Shadow,
    Off,
}

impl Config {
    /// Reads a document that takes nothing from the environment. What it leaves out is as in [`DEFAULT`]; an empty one is the
    /// default policy.
    ///
    /// # Errors
    /// If it is not JSON, or a field is unknown or wrong. The error says which, and what was expected.
    pub fn parse(document: &[u8]) -> Result<Self, ConfigError> {
        Self::parse_with(document, &|_| None)
    }

    /// Reads a document that may name environment variables in the place of secrets.
    ///
    /// # Errors
    /// As [`Self::parse`]; and if a variable that it names is not set, empty, or not UTF-8. The error shows its name, and not
    /// what is in it.
    pub fn parse_with(document: &[u8], environment: Environment) -> Result<Self, ConfigError> {
        let document = if document.trim_ascii().is_empty() { b"{}" } else { document };
        let document = parse_json(document)?;
        let default = parse_json(DEFAULT.as_bytes())?;
        let default = Node::root(&default).members()?;
        let fields = [
            "client",
            "exempt",
            "scopes",
            "response",
            "store",
            "mode",
            "request",
            "access_log",
            "failure",
            "$schema",
        ];
        let fields = Node::root(&document).fields(&fields)?;
        // For editors alone.
        fields.get("$schema").map(|node| node.text("where the schema is")).transpose()?;
        let request_from =
            fields.get("request").map(|node| request::read(&node)).transpose()?.unwrap_or_default();
        let section = |name| fields.get(name).map_or_else(|| default.require(name, "has no default"), Ok);
        let mode = fields.get("mode").map_or(Ok(Mode::Enforce), |node| Mode::read(&node))?;
        let with_default_scopes = fields.get("scopes").is_none();
        let ClientSection { rules: client, trust } =
            client::read(fields.get("client").as_ref(), &default, with_default_scopes)?;
        request::check_trust(request_from, &client.credential_from, &trust)?;
        let exempt =
            fields.get("exempt").map(|node| matcher::read_list(&node)).transpose()?.unwrap_or_default();
        let mut scopes = scopes::read(&section("scopes")?, mode)?;
        if request_from.is_asked() && with_default_scopes {
            // No response comes by, so every request of the default policy counts.
            for scope in &mut scopes {
                scope.count = Count::All;
            }
        }
        request::check_counts(request_from, &scopes)?;
        scopes::check_credentials(&client.credential_from, &exempt, &scopes)?;
        let mut reply =
            fields.get("response").map(|node| response::read(&node)).transpose()?.unwrap_or_default();
        request::fit_to_nginx(request_from, &mut reply)?;
        let access_log =
            fields.get("access_log").map_or(Ok(Logged::default()), |node| response::access_log(&node))?;
        let failure = fields.get("failure").map(|node| Failure::read(&node)).transpose()?.unwrap_or_default();
        let StoreSection { name: table, capacity, redis } =
            fields.get("store").map(|node| store::read(&node, environment)).transpose()?.unwrap_or_default();
        let mut policy = Policy { client, trust, exempt, scopes };
        let longest = policy.longest_memory_of_credentials();
        if let Trust::Upstream { lasts, .. } = &mut policy.trust {
            *lasts = longest.max(*lasts);
        }
        let minds_credentials = policy.minds_credentials();
        Ok(Self {
            request_from,
            policy,
            minds_credentials,
            reply,
            access_log,
            table,
            capacity,
            redis,
            failure,
        })
    }

    /// The same for a filter in wasm, which reaches Redis through a cluster of the proxy's.
    ///
    /// # Errors
    /// If it keeps counters in a Redis and names no cluster.
    pub fn by_cluster(self) -> Result<Self, ConfigError> {
        const MISSING: &str = "is missing: name the proxy's cluster that leads to Redis; a filter in wasm cannot connect to `url`";
        self.reaching_redis(Settings::by_cluster, "store.redis.cluster", MISSING)
    }

    /// The same for a module of the proxy's own kind, which connects to Redis by itself.
    ///
    /// # Errors
    /// If it keeps counters in a Redis and does not say where that is.
    pub fn by_url(self) -> Result<Self, ConfigError> {
        const MISSING: &str = "is missing: say where Redis is, such as `redis://redis:6379`; the module does not go through `cluster`";
        self.reaching_redis(Settings::by_url, "store.redis.url", MISSING)
    }

    fn reaching_redis(
        self,
        by: fn(Settings) -> Option<Settings>,
        field: &str,
        missing: &str,
    ) -> Result<Self, ConfigError> {
        let Some(settings) = self.redis else { return Ok(self) };
        match by(settings) {
            Some(settings) => Ok(Self { redis: Some(settings), ..self }),
            None => Err(ConfigError::new(field, missing)),
        }
    }
}

impl Failure {
    fn read(node: &Node) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "`allow` or `deny`";
        match node.text(EXPECTED)? {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(node.error(format_args!("expected {EXPECTED}"))),
        }
    }
}

impl Mode {
    fn read(node: &Node) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "`enforce`, `shadow` or `off`";
        match node.text(EXPECTED)? {
            "enforce" => Ok(Self::Enforce),
            "shadow" => Ok(Self::Shadow),
            "off" => Ok(Self::Off),
            _ => Err(node.error(format_args!("expected {EXPECTED}"))),
        }
    }
}

fn parse_json(document: &[u8]) -> Result<Value, ConfigError> {
    serde_json::from_slice(document).map_err(|error| {
        let reason = if document.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()) {
            // Text has no such bytes. Every message that Envoy hands over has one: of a map's or list's entries, or a length.
            "not JSON but a protobuf message, which is how Envoy hands over a google.protobuf.Struct; write the document as text, \
             by `\"@type\": type.googleapis.com/google.protobuf.StringValue` and `value: '{ … }'`"
                .to_owned()
        } else {
            format!("not valid JSON: {error}")
        };
        ConfigError::new("", reason)
    })
}
