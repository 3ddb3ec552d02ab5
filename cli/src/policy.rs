//! A policy from wherever it stands in a file, from stdin, or the default one.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;
use tollgate::config::{Config, ConfigError, DEFAULT};
use tollgate_cli::embedded::{self, Around, Embedded};

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
    /// What stands around it.
    pub(crate) around: Around,
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
    /// The policies that a word of the command line stands for: `default`; or all that are in a file, by its path, or in stdin, `-`.
    pub(crate) fn all(word: &str) -> Vec<Result<Self, Refusal>> {
        let name = &*if word == "-" { "stdin".to_owned() } else { tell::clean(word) };
        if word == "default" && !Path::new(word).exists() {
            return vec![Self::parse(name, b"{}")];
        }
        let found = match read(word).and_then(|bytes| embedded::find(word, bytes)) {
            Ok(found) => found,
            Err(reason) => return vec![Err(Refusal::unreadable(name, reason))],
        };
        let named = |found: &Embedded| match found.place.as_str() {
            "" => name.to_owned(),
            number if number.starts_with('#') => format!("{name}{number}"),
            place => format!("{name} ({place})"),
        };
        let policies = found.policies.into_iter();
        let policies = policies.map(|found| Self::read(&named(&found), &found.document, found.around));
        let refused = found.consoles.iter().filter_map(|found| {
            let checked = found.around.parse_console(&found.document)?;
            checked.err().map(|error| Err(Refusal::of(&named(found), &error)))
        });
        let all: Vec<_> = policies.chain(refused).collect();
        if all.is_empty() {
            vec![Err(Refusal::unreadable(name, "has a console of Tollgate, and no policy"))]
        } else {
            all
        }
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
        Self::read(name, document, Around::default())
    }

    fn read(name: &str, document: &[u8], around: Around) -> Result<Self, Refusal> {
        let config = around.parse(document).map_err(|error| Refusal::of(name, &error))?;
        let document = if document.trim_ascii().is_empty() { b"{}" } else { document };
        let document = serde_json::from_slice(document)
            .map_err(|error| Refusal::unreadable(name, format!("not valid JSON: {error}")))?;
        let default = serde_json::from_str(DEFAULT).unwrap_or_default();
        Ok(Self { name: name.to_owned(), document, default, config, around })
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
