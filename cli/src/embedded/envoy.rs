//! Policies in Envoy's configuration.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Adapter, Around, Embedded, Failure, OnTrap};

/// What stands around a part of a file that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// Its place, for people; empty for the file itself.
    pub(super) place: &'a str,
    /// Whether a path within it is to be told.
    pub(super) with_path: bool,
}

/// Every filter's configuration, wherever it stands: a `configuration` beside a `vm_config`, or a `filter_config` beside a
/// `dynamic_module_config`.
pub(super) fn collect(value: &Value, path: &str, part: Part, found: &mut Vec<Embedded>) {
    match value {
        Value::Object(fields) => {
            found.extend(filter(fields, path, part));
            found.extend(module(fields, path, part));
            for (name, value) in fields {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(value, &inner, part, found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                collect(value, &format!("{path}[{index}]"), part, found);
            }
        }
        _ => {}
    }
}

/// Envoy takes a field's name in both spellings.
fn field<'a>(fields: &'a Map<String, Value>, snake: &str, camel: &str) -> Option<&'a Value> {
    fields.get(snake).or_else(|| fields.get(camel))
}

fn is_named(beside: &Value) -> bool {
    beside.to_string().to_ascii_lowercase().contains("tollgate")
}

fn place(part: Part, path: &str, field: &str) -> String {
    let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    match (part.place, part.with_path) {
        ("", _) => String::new(),
        (place, false) => place.to_owned(),
        (place, true) => format!("{place}, {path}"),
    }
}

fn filter(fields: &Map<String, Value>, path: &str, part: Part) -> Option<Embedded> {
    let machine = field(fields, "vm_config", "vmConfig")?;
    let document = handed_over(fields.get("configuration")?, false)?;
    let id = machine.get("vm_id").or_else(|| machine.get("vmId")).and_then(Value::as_str).unwrap_or_default();
    let around = Around {
        adapter: Adapter::Filter,
        environment: Some(environment(machine)),
        failure: Some(failure(fields)),
        memory: Some(format!("{}\0vm_id\0{id}", part.place)),
        ..Around::default()
    };
    Some(Embedded {
        place: place(part, path, "configuration"),
        document,
        around,
        is_named: is_named(machine),
    })
}

fn module(fields: &Map<String, Value>, path: &str, part: Part) -> Option<Embedded> {
    let module = field(fields, "dynamic_module_config", "dynamicModuleConfig")?;
    let document = handed_over(field(fields, "filter_config", "filterConfig")?, true)?;
    let around = Around {
        adapter: Adapter::Module,
        memory: Some(format!("{}\0process", part.place)),
        ..Around::default()
    };
    Some(Embedded { place: place(part, path, "filter_config"), document, around, is_named: is_named(module) })
}

/// What Envoy hands over for this configuration. A module gets a `Struct` as JSON.
fn handed_over(configuration: &Value, is_module: bool) -> Option<Vec<u8>> {
    let kind = configuration.get("@type").and_then(Value::as_str).unwrap_or_default();
    match configuration.get("value") {
        Some(Value::String(text)) => Some(text.clone().into_bytes()),
        Some(value) if is_module && kind.ends_with("google.protobuf.Struct") => {
            Some(value.to_string().into_bytes())
        }
        // Of a `Struct`, a message that is no text.
        _ if kind.ends_with("google.protobuf.Struct") => Some(vec![1]),
        _ => None,
    }
}

/// Those that a virtual machine is shown.
fn environment(machine: &Value) -> BTreeMap<String, Option<Vec<u8>>> {
    let get = |snake, camel| {
        let variables = machine
            .as_object()
            .and_then(|fields| field(fields, "environment_variables", "environmentVariables"));
        variables.and_then(Value::as_object).and_then(|fields| field(fields, snake, camel))
    };
    let listed = get("host_env_keys", "hostEnvKeys").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(Value::as_str).map(|name| (name.to_owned(), None));
    let said = get("key_values", "keyValues").and_then(Value::as_object).into_iter().flatten();
    let said =
        said.filter_map(|(name, value)| Some((name.clone(), Some(value.as_str()?.as_bytes().to_vec()))));
    listed.chain(said).collect()
}

fn failure(fields: &Map<String, Value>) -> Failure {
    let policy = field(fields, "failure_policy", "failurePolicy").and_then(Value::as_str);
    let is_open = field(fields, "fail_open", "failOpen").and_then(Value::as_bool).unwrap_or_default();
    let (name, then) = match policy {
        Some("FAIL_RELOAD") => ("failure_policy", OnTrap::Reload),
        Some("FAIL_OPEN") => ("failure_policy", OnTrap::Open),
        _ if is_open => ("fail_open", OnTrap::Open),
        _ => ("failure_policy", OnTrap::Closed),
    };
    Failure { field: name.to_owned(), then, reload: Some("failure_policy: FAIL_RELOAD") }
}
