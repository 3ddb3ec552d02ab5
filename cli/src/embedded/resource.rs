//! Policies in resources of Kubernetes: those that Istio and Envoy Gateway make filters of, and all that has Envoy's configuration in it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::envoy::{self, Part};
use super::{Adapter, Around, Embedded, Failure, OnTrap, shown, yaml};

/// Whether this is a resource, or a list of some.
pub(super) fn is_one(document: &Value) -> bool {
    let has = |name| document.get(name).is_some_and(Value::is_string);
    has("apiVersion") && has("kind")
}

/// The policies in one document, which may be Envoy's configuration as well.
///
/// # Errors
/// If there is one in a text that cannot be read.
pub(super) fn collect(document: &Value, found: &mut Vec<Embedded>) -> Result<(), String> {
    if !is_one(document) {
        envoy::collect(document, "", Part { place: "", with_path: false }, found);
        return Ok(());
    }
    let text = |name| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let (group, kind) = (text("apiVersion").split('/').next().unwrap_or_default(), text("kind"));
    let name = name(document);
    match (group, kind) {
        (_, "List") => {
            for item in document.get("items").and_then(Value::as_array).into_iter().flatten() {
                collect(item, found)?;
            }
        }
        ("extensions.istio.io", "WasmPlugin") => found.extend(istio(document, &name, "spec")),
        ("extensions.istio.io", "TrafficExtension") => found.extend(istio(document, &name, "spec.wasm")),
        ("gateway.envoyproxy.io", "EnvoyExtensionPolicy") => {
            found.extend(gateway(document, &name, "wasm"));
            found.extend(gateway(document, &name, "dynamicModule"));
        }
        ("v1", "ConfigMap") => config_map(document, &name, found)?,
        _ => envoy::collect(document, "", Part { place: &name, with_path: true }, found),
    }
    Ok(())
}

/// What people call it: `WasmPlugin istio-system/tollgate`.
fn name(document: &Value) -> String {
    let of = |field: &str| shown(document.pointer(&format!("/metadata/{field}")));
    let (namespace, name) = (of("namespace"), of("name"));
    let kind = shown(document.get("kind"));
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

/// Whether a name outside of the policy says that it is ours.
fn is_named(document: &Value, section: &Value, policy: &str) -> bool {
    let mut beside = section.clone();
    if let Some(fields) = beside.as_object_mut() {
        fields.remove(policy);
    }
    let name = document.pointer("/metadata/name").map(Value::to_string).unwrap_or_default();
    (name + &beside.to_string()).to_ascii_lowercase().contains("tollgate")
}

/// The document of a policy that is written in YAML. Without one it is the default policy, which only of ours can be meant.
fn document(policy: Option<&Value>, is_named: bool) -> Option<Vec<u8>> {
    match policy {
        Some(Value::Null) | None => is_named.then(Vec::new),
        Some(policy) => Some(policy.to_string().into_bytes()),
    }
}

/// A name of the proxies that a resource is for. (In Istio, without any of these it is for a whole namespace, or for the mesh.)
fn proxies(resource: &Value) -> String {
    let of = |path: &str| resource.pointer(path).map(Value::to_string).unwrap_or_default();
    [of("/metadata/namespace"), of("/spec/selector"), of("/spec/targetRefs"), of("/spec/targetRef")]
        .join("\0")
}

/// Of a `WasmPlugin`, or of a `TrafficExtension`, whose filter is one step further inside.
fn istio(resource: &Value, name: &str, section: &str) -> Option<Embedded> {
    let wasm = resource.pointer(&format!("/{}", section.replace('.', "/")))?;
    let is_named = is_named(resource, wasm, "pluginConfig");
    let document = document(wasm.get("pluginConfig"), is_named)?;
    let then = match wasm.get("failStrategy").and_then(Value::as_str) {
        Some("FAIL_OPEN") => OnTrap::Open,
        Some("FAIL_RELOAD") => OnTrap::Reload,
        _ => OnTrap::Closed,
    };
    let proxies = proxies(resource);
    let is_first = resource.pointer("/spec/phase").is_some_and(|phase| phase == "AUTHN");
    let around = Around {
        adapter: Adapter::Filter,
        environment: Some(istio_environment(wasm)),
        failure: Some(Failure {
            field: format!("{section}.failStrategy"),
            then,
            reload: Some("failStrategy: FAIL_RELOAD"),
        }),
        before_authentication: is_first.then(|| "spec.phase".to_owned()),
        requests: Some(format!("{proxies}\0{}", resource.pointer("/spec/match").unwrap_or(&Value::Null))),
        memory: Some(proxies),
    };
    Some(Embedded { place: format!("{name}, {section}.pluginConfig"), document, around, is_named })
}

fn istio_environment(wasm: &Value) -> BTreeMap<String, Option<Vec<u8>>> {
    let listed = wasm.pointer("/vmConfig/env").and_then(Value::as_array).into_iter().flatten();
    let variable = |variable: &Value| {
        let text = |name| variable.get(name).and_then(Value::as_str);
        let value = (text("valueFrom") != Some("HOST"))
            .then(|| text("value").unwrap_or_default().as_bytes().to_vec());
        Some((text("name")?.to_owned(), value))
    };
    listed.filter_map(variable).collect()
}

/// Of an `EnvoyExtensionPolicy`, from its list of filters or from that of modules.
fn gateway(resource: &Value, name: &str, list: &str) -> Vec<Embedded> {
    let is_module = list == "dynamicModule";
    let entries = resource.pointer(&format!("/spec/{list}")).and_then(Value::as_array).into_iter().flatten();
    let entry = |(index, entry): (usize, &Value)| {
        let is_named = is_named(resource, entry, "config");
        let document = document(entry.get("config"), is_named)?;
        let section = format!("spec.{list}[{index}]");
        let around = if is_module {
            // All modules of an Envoy are in its one process.
            let proxies = Some(proxies(resource));
            Around {
                adapter: Adapter::Module,
                memory: proxies.clone(),
                requests: proxies,
                ..Around::default()
            }
        } else {
            let keys = entry.pointer("/env/hostKeys").and_then(Value::as_array).into_iter().flatten();
            let is_open = entry.get("failOpen").and_then(Value::as_bool).unwrap_or_default();
            Around {
                adapter: Adapter::Filter,
                environment: Some(keys.filter_map(Value::as_str).map(|key| (key.to_owned(), None)).collect()),
                // Envoy Gateway cannot say that it is to be started afresh.
                failure: is_open.then(|| Failure {
                    field: format!("{section}.failOpen"),
                    then: OnTrap::Open,
                    reload: None,
                }),
                ..Around::default()
            }
        };
        Some(Embedded { place: format!("{name}, {section}.config"), document, around, is_named })
    };
    entries.enumerate().filter_map(entry).collect()
}

/// Of a `ConfigMap`, whose texts may be Envoy's configuration, or policies.
fn config_map(resource: &Value, name: &str, found: &mut Vec<Embedded>) -> Result<(), String> {
    for (key, text) in resource.get("data").and_then(Value::as_object).into_iter().flatten() {
        let Some(text) = text.as_str() else { continue };
        let is_named = [name, key, text].iter().any(|text| text.to_ascii_lowercase().contains("tollgate"));
        let place = format!("{name}, data[\"{}\"]", shown(Some(&Value::String(key.clone()))));
        if std::path::Path::new(key).extension().is_some_and(|end| end == "json") {
            let is_policy = |document: &Value| document.get("scopes").is_some_and(Value::is_object);
            if serde_json::from_str(text).is_ok_and(|document| is_policy(&document)) {
                let document = text.as_bytes().to_vec();
                found.push(Embedded { place, document, around: Around::default(), is_named });
            }
            continue;
        }
        match yaml(text.as_bytes()) {
            Ok(documents) => {
                let part = Part { place: &place, with_path: false };
                for document in &documents {
                    envoy::collect(document, "", part, found);
                }
            }
            // Texts of others may be anything.
            Err(reason) if text.contains("vm_config") && is_named => return Err(format!("{place} {reason}")),
            Err(_) => {}
        }
    }
    Ok(())
}
