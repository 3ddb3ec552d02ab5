//! `store`: where the counters are.

use std::time::Duration;

use super::ConfigError;
use super::environment::{Confidential, Environment};
use super::node::{Node, Value};
use crate::redis::{Address, Login, OnFailure, Servers, Settings, hash_tag};
use crate::store::{Capacity, Secret, TableName};

/// Where the counters are.
#[derive(Default)]
pub(super) struct StoreSection {
    pub(super) name: Option<TableName>,
    pub(super) capacity: Capacity,
    pub(super) redis: Option<Settings>,
}

/// The fewest characters of a secret: as many as 128 random bits take in hexadecimal.
const SECRET_LENGTH: usize = 32;

pub(super) fn read(node: &Node, environment: Environment) -> Result<StoreSection, ConfigError> {
    let fields = node.fields(&["name", "capacity", "redis"])?;
    let name = fields.get("name").map(|node| table_name(&node)).transpose()?;
    let capacity = fields.get("capacity").map(|node| capacity(&node)).transpose()?.unwrap_or_default();
    let redis = fields.get("redis").filter(|redis| *redis.value() != Value::Null);
    let redis = redis.map(|node| redis_settings(&node.confidential(), environment)).transpose()?;
    Ok(StoreSection { name, capacity, redis })
}

/// The `store` of a console, which has a name and nothing else.
pub(super) fn read_name(node: &Node) -> Result<Option<TableName>, ConfigError> {
    node.fields(&["name"])?.get("name").map(|node| table_name(&node)).transpose()
}

fn table_name(node: &Node) -> Result<TableName, ConfigError> {
    const EXPECTED: &str = "a name of 1 to 64 letters, digits, `-`, `_` and `.`, such as `inner`";
    TableName::new(node.text(EXPECTED)?).ok_or_else(|| node.error(format_args!("expected {EXPECTED}")))
}

fn capacity(node: &Node) -> Result<Capacity, ConfigError> {
    let clients = node.whole_number(Capacity::MIN, Capacity::MAX)?;
    Capacity::new(clients).ok_or_else(|| node.error("is out of range"))
}

fn redis_settings(node: &Node, environment: Environment) -> Result<Settings, ConfigError> {
    let fields = node.fields(&[
        "cluster",
        "url",
        "ca",
        "prefix",
        "timeout",
        "on_failure",
        "username",
        "password",
        "secret",
    ])?;
    let cluster = fields.get("cluster").map(|node| cluster(&node)).transpose()?;
    let url = fields.get("url").map(|node| url(&node)).transpose()?;
    if cluster.is_none() && url.is_none() {
        return Err(node.error_without_value(
            "expected a `cluster`, the proxy's cluster that leads to Redis, for the filter; a `url`, such as `redis://redis:6379`, for \
             the module; or both",
        ));
    }
    let ca = fields.get("ca").map(|node| ca(&node, url.as_ref())).transpose()?;
    let prefix_node = fields.get("prefix");
    let prefix = prefix_node.as_ref().map_or_else(|| Ok("tollgate:".to_owned()), prefix)?;
    check_prefix(&prefix, url.as_ref()).map_err(|reason| match prefix_node {
        Some(node) => node.error(reason),
        None => fields.error("prefix", format_args!("is missing, and {reason}")),
    })?;
    let timeout = fields.get("timeout").map_or(Ok(Duration::from_millis(250)), |node| timeout(&node))?;
    let on_failure = fields.get("on_failure").map(|node| on_failure(&node)).transpose()?.unwrap_or_default();
    let secret = fields
        .require("secret", "make one by `openssl rand -hex 32`, the same for all that share counters")?;
    let word = |node: Node| Confidential::read(&node, environment).map(|word| word.text);
    let username = fields.get("username");
    let password = fields.get("password").map(word).transpose()?;
    let login = match (username, password) {
        (username, Some(password)) => Some(Login { username: username.map(word).transpose()?, password }),
        (Some(username), None) => {
            return Err(username.error("needs a `password` beside it"));
        }
        (None, None) => None,
    };
    let secret = read_secret(&Confidential::read(&secret, environment)?)?;
    Ok(Settings { cluster, url, ca, prefix, timeout, on_failure, login, secret })
}

fn name(node: &Node) -> Result<String, ConfigError> {
    const EXPECTED: &str = "a name, not empty";
    match node.text(EXPECTED)? {
        "" => Err(node.error(format_args!("expected {EXPECTED}"))),
        text => Ok(text.to_owned()),
    }
}

/// The log names it. So an address, which may have a password in it, is refused.
fn cluster(node: &Node) -> Result<String, ConfigError> {
    let cluster = name(node)?;
    if is_url(&cluster) || cluster.contains('@') {
        let reason = "expected the name of a cluster in the proxy's configuration, not an address";
        return Err(node.error(reason));
    }
    Ok(cluster)
}

/// It would do as one. But whoever writes a URL there takes it for where Redis is.
fn prefix(node: &Node) -> Result<String, ConfigError> {
    let prefix = name(node)?;
    if is_url(&prefix) {
        return Err(node.error(
            "expected what keys' names begin with, such as `tollgate:`, not an address; that belongs into `url`",
        ));
    }
    Ok(prefix)
}

/// The log names it, so a login has no place in it.
fn url(node: &Node) -> Result<Address, ConfigError> {
    let text = node.text("where Redis is, such as `redis://redis:6379`")?;
    Address::parse(text).map_err(|reason| node.error(reason))
}

/// The proxy may have been started in any directory.
fn ca(node: &Node, url: Option<&Address>) -> Result<String, ConfigError> {
    const EXPECTED: &str =
        "the whole path of a file with certificates in PEM, such as `/etc/tollgate/ca.pem`";
    let path = node.text(EXPECTED)?;
    if !path.starts_with('/') {
        return Err(node.error(format_args!("expected {EXPECTED}")));
    }
    if !url.is_some_and(|url| url.is_tls) {
        return Err(node.error("belongs to a `url` with TLS, such as `rediss://redis.example:6379`"));
    }
    Ok(path.to_owned())
}

/// A request is charged to all of its clients or none, which one node alone can do.
fn check_prefix(prefix: &str, url: Option<&Address>) -> Result<(), &'static str> {
    let is_cluster = url.is_some_and(|url| matches!(url.servers, Servers::Cluster(_)));
    if !is_cluster || hash_tag(prefix).is_some() {
        return Ok(());
    }
    Err("with a cluster all keys must be on one node: expected a hash tag in it, such as `{tollgate}:`")
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

fn read_secret(secret: &Confidential) -> Result<Secret, ConfigError> {
    let count = secret.text.chars().count();
    if count < SECRET_LENGTH {
        return Err(secret.error(&format!(
            "has {count} characters; whoever guesses it can tell which clients the keys in Redis stand for: \
             expected {SECRET_LENGTH} or more, at random, such as `openssl rand -hex 32` makes"
        )));
    }
    Ok(Secret::of_text(&secret.text))
}

fn timeout(node: &Node) -> Result<Duration, ConfigError> {
    const EXPECTED: &str = "a span from `10ms` to `10s`, such as `250ms`";
    let text = node.text(EXPECTED)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let count: Option<u64> = count.parse().ok();
    let millis = count.and_then(|count| match unit {
        "ms" => Some(count),
        "s" => count.checked_mul(1_000),
        _ => None,
    });
    match millis {
        Some(millis @ 10..=10_000) => Ok(Duration::from_millis(millis)),
        _ => Err(node.error(format_args!("expected {EXPECTED}"))),
    }
}

fn on_failure(node: &Node) -> Result<OnFailure, ConfigError> {
    const EXPECTED: &str = "`local`, `allow` or `deny`";
    match node.text(EXPECTED)? {
        "local" => Ok(OnFailure::Local),
        "allow" => Ok(OnFailure::Allow),
        "deny" => Ok(OnFailure::Deny),
        _ => Err(node.error(format_args!("expected {EXPECTED}"))),
    }
}
