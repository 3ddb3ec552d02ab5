//! A policy from a file, from stdin, or the default one.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;
use tollgate::config::{Config, ConfigError, DEFAULT};

use crate::tell;

/// A policy that was accepted, and the document that it was made from.
pub(crate) struct Policy {
    /// What the person has called it.
    pub(crate) name: String,
    /// As it is written.
    pub(crate) document: Value,
    /// The default policy, for what it leaves out.
    default: Value,
    /// As requests are judged by it.
    pub(crate) config: Config,
}

/// Why there is no policy. The texts are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the person has called it.
    pub(crate) name: String,
    /// The field that is wrong; empty if it is the document itself, or if there is none.
    pub(crate) path: String,
    /// What is wrong, and what was expected.
    pub(crate) reason: String,
    /// Whether there is a document that Envoy would refuse; else it could not be read.
    pub(crate) is_refused: bool,
}

impl Refusal {
    fn unreadable(name: &str, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), path: String::new(), reason: reason.into(), is_refused: false }
    }

    fn of(name: &str, error: &ConfigError) -> Self {
        Self {
            name: name.to_owned(),
            path: error.path().to_owned(),
            reason: error.reason().to_owned(),
            is_refused: true,
        }
    }
}

impl std::fmt::Display for Refusal {
    /// For a document that is refused, word for word what Envoy's log says.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, path, reason, is_refused } = self;
        match (is_refused, path.as_str()) {
            (true, "") => write!(f, "{name}: the configuration is refused: {reason}"),
            (true, path) => write!(f, "{name}: the configuration is refused: {path}: {reason}"),
            (false, _) => write!(f, "{name}: {reason}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The largest file that is read: far more than a policy, or a test of one, has.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The bytes of a file, or of stdin if it is `-`.
///
/// # Errors
/// If it cannot be read, or has more than 64 MiB; in words.
pub(crate) fn read(file: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if file == "-" {
        io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(file).and_then(|opened| opened.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(_) if bytes.len() as u64 > LARGEST => {
            Err("has more than 64 MiB, so it is something else".to_owned())
        }
        Ok(_) => Ok(bytes),
    }
}

impl Policy {
    /// The policies that a word of the command line stands for: a JSON document by its path, or `-` for stdin; `default`;
    /// or all that are in an Envoy configuration, by a path that ends with `.yaml` or `.yml`.
    pub(crate) fn all(word: &str) -> Vec<Result<Self, Refusal>> {
        let name = &*if word == "-" { "stdin".to_owned() } else { tell::clean(word) };
        if word == "default" && !Path::new(word).exists() {
            return vec![Self::parse(name, b"{}")];
        }
        let bytes = match read(word) {
            Ok(bytes) => bytes,
            Err(reason) => return vec![Err(Refusal::unreadable(name, reason))],
        };
        let is_yaml = Path::new(word).extension().is_some_and(|end| end == "yaml" || end == "yml");
        if is_yaml { Self::of_envoy(name, &bytes) } else { vec![Self::parse(name, &bytes)] }
    }

    /// The one policy that a word of the command line stands for.
    ///
    /// # Errors
    /// If it cannot be read, if it is refused, or if there are several.
    pub(crate) fn one(word: &str) -> Result<Self, Refusal> {
        let mut all = Self::all(word);
        match (all.pop(), all.len()) {
            (Some(policy), 0) => policy,
            (_, more) => {
                let reason =
                    format!("has {} policies; write the one that is meant into a file of its own", more + 1);
                Err(Refusal::unreadable(word, reason))
            }
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// If Envoy would refuse it.
    pub(crate) fn parse(name: &str, document: &[u8]) -> Result<Self, Refusal> {
        let config = tollgate_cli::parse(document).map_err(|error| Refusal::of(name, &error))?;
        let document = if document.trim_ascii().is_empty() { b"{}" } else { document };
        let document = serde_json::from_slice(document)
            .map_err(|error| Refusal::unreadable(name, format!("not valid JSON: {error}")))?;
        let default = serde_json::from_str(DEFAULT).unwrap_or_default();
        Ok(Self { name: name.to_owned(), document, default, config })
    }

    /// The filter's configurations in one of Envoy.
    fn of_envoy(name: &str, bytes: &[u8]) -> Vec<Result<Self, Refusal>> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return vec![Err(Refusal::unreadable(name, "is not UTF-8"))];
        };
        let yaml: Value = match serde_saphyr::from_str(text) {
            Ok(yaml) => yaml,
            Err(error) => return vec![Err(Refusal::unreadable(name, format!("is not valid YAML: {error}")))],
        };
        let mut found = Vec::new();
        collect(&yaml, &mut found);
        // Beside ours there may be filters of others.
        if found.iter().any(|found| found.is_named) {
            found.retain(|found| found.is_named);
        }
        // A console is asked about others' policies, and has none.
        let mut refused = Vec::new();
        found.retain(|found| match tollgate_cli::parse_console(&found.document) {
            None => true,
            Some(checked) => {
                refused.extend(checked.err().map(|error| Err(Refusal::of(name, &error))));
                false
            }
        });
        let number =
            |index: usize| if found.len() > 1 { format!("{name}#{}", index + 1) } else { name.to_owned() };
        if found.is_empty() && refused.is_empty() {
            let reason = "has no filter of Tollgate: a `vm_config` with a `configuration` beside it that is a \
                          google.protobuf.StringValue; a policy alone is JSON, in a file that ends with `.json`";
            return vec![Err(Refusal::unreadable(name, reason))];
        }
        let policies = found.iter().enumerate();
        let policies = policies.map(|(index, found)| Self::parse(&number(index), &found.document));
        policies.chain(refused).collect()
    }

    /// A section of the document, or else that of the default policy.
    pub(crate) fn section(&self, name: &str) -> &Value {
        self.document.get(name).or_else(|| self.default.get(name)).unwrap_or(&Value::Null)
    }

    /// The document of a scope.
    pub(crate) fn scope(&self, name: &str) -> &Value {
        self.section("scopes").get(name).unwrap_or(&Value::Null)
    }
}

/// A configuration of a filter.
struct Found {
    document: Vec<u8>,
    /// Whether the name of its file, or of its virtual machine, says that the filter is ours.
    is_named: bool,
}

/// What Envoy hands over for this `configuration`.
fn handed_over(configuration: &Value) -> Option<Vec<u8>> {
    let kind = configuration.get("@type").and_then(Value::as_str).unwrap_or_default();
    match configuration.get("value") {
        Some(Value::String(text)) => Some(text.clone().into_bytes()),
        // Of a `Struct`, a message that is no text.
        _ if kind.ends_with("google.protobuf.Struct") => Some(vec![1]),
        _ => None,
    }
}

/// Every `configuration` beside a `vm_config`.
fn collect(yaml: &Value, found: &mut Vec<Found>) {
    match yaml {
        Value::Object(fields) => {
            if let (Some(machine), Some(configuration)) =
                (fields.get("vm_config"), fields.get("configuration"))
                && let Some(document) = handed_over(configuration)
            {
                let is_named = machine.to_string().to_ascii_lowercase().contains("tollgate");
                found.push(Found { document, is_named });
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
