//! Policies where people keep them: a file of its own, Envoy's configuration, resources of Kubernetes.

mod around;
mod envoy;
mod resource;

use std::path::Path;

use serde_json::Value;
use tollgate::words::clean;

pub use around::{Adapter, Around, Failure, OnTrap};

/// A policy as it is written, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Embedded {
    /// Where in its file, for people: `WasmPlugin istio-system/tollgate, spec.pluginConfig`, or a number. Empty if there is nothing else in it.
    pub place: String,
    /// What Envoy hands to the filter.
    pub document: Vec<u8>,
    /// What stands around it.
    pub around: Around,
    /// Whether a name beside it says that the filter is ours.
    is_named: bool,
}

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The policies, in their order.
    pub policies: Vec<Embedded>,
    /// What configures a console, which is asked about others' policies, and has none.
    pub consoles: Vec<Embedded>,
}

/// The policies and consoles in a file, by its name and what is in it. A name that ends with `.yaml` or `.yml` is YAML; stdin, `-`, is what it
/// looks like; all else is JSON.
///
/// # Errors
/// If it cannot be read, or there is none in it. The text is for people.
pub fn find(name: &str, bytes: Vec<u8>) -> Result<Found, String> {
    const NONE: &str = "has no filter of Tollgate. Looked for were, in Envoy's configuration, a `vm_config` with a `configuration` beside it \
                        that is a google.protobuf.StringValue, or a `dynamic_module_config` with a `filter_config`; and of Kubernetes, \
                        a WasmPlugin, TrafficExtension or EnvoyExtensionPolicy, or a ConfigMap with one of these in it. A policy alone is JSON, \
                        in a file that ends with `.json`";
    let documents = if is_yaml(name, &bytes) {
        yaml(&bytes)?
    } else {
        match serde_json::from_slice(&bytes) {
            Ok(document) if resource::is_one(&document) => vec![document],
            _ => {
                let policies = vec![Embedded { document: bytes, ..Embedded::default() }];
                return Ok(Found { policies, consoles: Vec::new() });
            }
        }
    };
    let mut found = Vec::new();
    for document in &documents {
        resource::collect(document, &mut found)?;
    }
    // Beside ours there may be filters of others.
    if found.iter().any(|found| found.is_named) {
        found.retain(|found| found.is_named);
    }
    if found.is_empty() {
        return Err(NONE.to_owned());
    }
    let is_console = |found: &Embedded| found.around.parse_console(&found.document).is_some();
    let (consoles, mut policies): (Vec<_>, Vec<_>) = found.into_iter().partition(is_console);
    number(&mut policies);
    Ok(Found { policies, consoles })
}

/// The one policy in a file, likewise.
///
/// # Errors
/// As [`find`]; and if there are several, or only a console.
pub fn find_one(name: &str, bytes: Vec<u8>) -> Result<Embedded, String> {
    let mut policies = find(name, bytes)?.policies;
    match (policies.pop(), policies.len()) {
        (Some(policy), 0) => Ok(policy),
        (None, _) => Err("has a console of Tollgate, and no policy".to_owned()),
        (_, more) => {
            Err(format!("has {} policies; write the one that is meant into a file of its own", more + 1))
        }
    }
}

fn is_yaml(name: &str, bytes: &[u8]) -> bool {
    let begins = bytes.trim_ascii_start().first();
    let end = Path::new(name).extension();
    end.is_some_and(|end| end == "yaml" || end == "yml")
        || name == "-" && begins.is_some_and(|&byte| byte != b'{')
}

/// The documents in a text, of which there may be several with `---` between them.
fn yaml(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    serde_saphyr::from_multiple(text).map_err(|error| {
        if text.contains("{{") {
            "is a template, and no YAML yet: have it filled in first, such as `helm template CHART | tollgate check -`".to_owned()
        } else {
            format!("is not valid YAML: {error}")
        }
    })
}

/// Those that share a place, in one text, are told apart by numbers.
fn number(found: &mut [Embedded]) {
    for index in 0..found.len() {
        let place = found[index].place.clone();
        let same: Vec<usize> = (index..found.len()).filter(|&other| found[other].place == place).collect();
        if same.len() > 1 {
            for (number, index) in same.into_iter().enumerate() {
                found[index].place = format!("{place}#{}", number + 1);
            }
        }
    }
}

/// A text that stands in the document, in a form that changes nothing on a terminal.
fn shown(value: Option<&Value>) -> String {
    clean(value.and_then(Value::as_str).unwrap_or_default())
}
