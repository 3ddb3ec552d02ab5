//! Policies in resources of Kubernetes: found, named, judged as they are loaded there, and the traps around them.

mod harness;

use harness::{Ran, file, run, run_with};

/// A policy of which nothing is to be said, as it stands in a resource.
const GOOD: &str = "{ scopes: { all: { rate: 600/min, key: address } } }";
const BAD: &str = "{ scopes: { all: { rate: 600/fortnight, key: address } } }";

fn plugin(name: &str, rest: &str, policy: &str) -> String {
    format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: {name}, namespace: mesh }}\n\
         spec:\n  url: oci://registry.example/tollgate:1\n  failStrategy: FAIL_RELOAD\n  pluginConfig: {policy}\n{rest}"
    )
}

fn extension(rest: &str, policy: &str) -> String {
    format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {{ name: gate, namespace: mesh }}\n\
         spec:\n  phase: AUTHZ\n  wasm: {{ url: tollgate, failStrategy: FAIL_RELOAD, pluginConfig: {policy}, {rest} }}\n"
    )
}

fn gateway(rest: &str, policy: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {{ name: gate }}\n\
         spec:\n  wasm:\n    - {{ name: other, config: {{ a: 1 }} }}\n    - {{ name: tollgate, config: {policy}, {rest} }}\n"
    )
}

fn config_map(text: &str) -> String {
    let text = text.replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: tollgate, namespace: edge }}\n\
         data:\n  unlike.yaml: '{{{{ no yaml'\n  listeners.yaml: |\n    {text}\n"
    )
}

fn check(name: &str, text: &str) -> Ran {
    run(&["check", "--quiet", &file(name, text)])
}

/// Envoy's configuration of a filter with this policy.
fn filter(policy: &str) -> String {
    format!(
        "vm_config: {{ vm_id: tollgate }}\nfailure_policy: FAIL_RELOAD\nconfiguration: {{ \"@type\": StringValue, value: '{policy}' }}"
    )
}

#[test]
fn an_error_names_the_resource_and_its_field() {
    let json = r#"{ "scopes": { "all": { "rate": "1/fortnight", "key": "address" } } }"#;
    for (name, text, place) in [
        ("plugin.yaml", plugin("gate", "", BAD), "WasmPlugin mesh/gate, spec.pluginConfig"),
        ("extension.yaml", extension("", BAD), "TrafficExtension mesh/gate, spec.wasm.pluginConfig"),
        ("gateway.yaml", gateway("", BAD), "EnvoyExtensionPolicy gate, spec.wasm[1].config"),
        ("map.yaml", config_map(&filter(json)), "ConfigMap edge/tollgate, data[\"listeners.yaml\"]"),
        (
            "envoyfilter.yaml",
            format!(
                "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{ name: a }}\nspec:\n  patches:\n  - {}",
                filter(json).replace('\n', "\n    ")
            ),
            "EnvoyFilter a, spec.patches[0].configuration",
        ),
    ] {
        let ran = check(name, &text);
        let expected = format!("{name} ({place}): the configuration is refused: scopes.all.rate: ");
        assert!(ran.code == 2 && ran.out.contains(&expected), "{expected}: {ran:?}");
        let good = check(name, &text.replace("fortnight", "min").replace("1/min", "600/min"));
        assert!(good.code == 0 && good.out.contains(&format!("{name} ({place}): no traps")), "{good:?}");
    }
}

#[test]
fn every_document_of_a_file_is_looked_at() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: tollgate }\n";
    let text = [service, "", &plugin("one", "", GOOD), &gateway("", BAD)].join("\n---\n");
    let ran = check("several.yaml", &text);
    assert!(
        ran.code == 2 && ran.out.contains("(WasmPlugin mesh/one, spec.pluginConfig): no traps"),
        "{ran:?}"
    );
    assert!(
        ran.out.contains("(EnvoyExtensionPolicy gate, spec.wasm[1].config): the configuration is refused"),
        "{ran:?}"
    );
    let ran = check("twice.yaml", &config_map(&format!("- {0}\n- {0}", filter("{}").replace('\n', "\n  "))));
    assert!(ran.code == 0 && ran.out.contains("data[\"listeners.yaml\"]#2): no traps"), "{ran:?}");
}

#[test]
fn kubectl_can_be_asked_for_them() {
    let resource = plugin("one", "", BAD);
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", resource.replace('\n', "\n  "));
    for text in [resource.clone(), list] {
        let ran = run_with(&["check", "-q", "-"], text.as_bytes());
        assert!(
            ran.code == 2 && ran.out.contains("stdin (WasmPlugin mesh/one, spec.pluginConfig): the conf"),
            "{ran:?}"
        );
    }
    let json = r#"{ "apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": { "name": "one" },
                    "spec": { "pluginConfig": { "mood": 1 }, "failStrategy": "FAIL_RELOAD" } }"#;
    let ran = run_with(&["check", "-q", "-"], json.as_bytes());
    assert!(
        ran.code == 2 && ran.out.contains("stdin (WasmPlugin one, spec.pluginConfig): the conf"),
        "{ran:?}"
    );
    assert!(check("get.json", json).out.contains("mood: unknown field"));
}

#[test]
fn the_other_commands_take_them_too() {
    let resource = file("explained.yaml", plugin("one", "", GOOD));
    let ran = run(&["explain", &resource, "GET", "/"]);
    assert!(ran.code == 0 && ran.out.contains("600/min: admitted, 599 left"), "{ran:?}");
    let line = r#"192.0.2.7 - - [28/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-""#;
    let log = format!("{line}\n").repeat(601);
    let ran = run_with(&["replay", &resource, "-"], log.as_bytes());
    assert!(ran.code == 0 && ran.out.contains("600/min"), "{ran:?}");
    let two = file("two-plugins.yaml", [plugin("one", "", GOOD), gateway("", GOOD)].join("\n---\n"));
    for command in [&["explain", &two, "GET", "/"][..], &["replay", &two, "-"]] {
        let ran = run_with(command, b"");
        assert!(ran.code == 2 && ran.err.contains("has 2 policies"), "{ran:?}");
    }
    let cases = file(
        "of-resource.yaml",
        "policy: explained.yaml\ntests: [ { name: a, steps: [ { request: GET /, expect: allowed } ] } ]",
    );
    assert_eq!(run(&["test", &cases]).code, 0);
}

#[test]
fn filters_of_others_are_not_looked_at() {
    let other = plugin("waf", "", "{ rules: [ x ] }").replace("tollgate", "waf");
    let ran = check("beside.yaml", &[other.as_str(), &plugin("gate", "", GOOD)].join("\n---\n"));
    assert!(ran.code == 0 && !ran.out.contains("waf"), "{ran:?}");
    let elsewhere = plugin("gate", "", GOOD).replace("extensions.istio.io", "extensions.example");
    let ran = check("elsewhere.yaml", &elsewhere);
    assert!(ran.code == 2 && ran.out.contains("has no filter of Tollgate"), "{ran:?}");
    let ran = check("nothing.yaml", "apiVersion: v1\nkind: List\n");
    assert!(ran.code == 2 && ran.out.contains("has no filter of Tollgate"), "{ran:?}");
}

#[test]
fn without_a_policy_it_is_the_default_one() {
    let policy = run(&["check", "default"]).out;
    let text = plugin("gate", "", GOOD).replace(&format!("  pluginConfig: {GOOD}\n"), "");
    let ran = run(&["check", &file("none.yaml", &text)]);
    assert!(ran.code == 0, "{ran:?}");
    let scopes = |text: &str| {
        text.lines().filter(|line| line.starts_with("  how much")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(scopes(&ran.out) == scopes(&policy) && scopes(&policy).len() == 4, "{ran:?}");
}

#[test]
fn what_is_no_yaml_yet_is_refused() {
    for text in [
        plugin("gate", "", "{{ toYaml .Values.policy | nindent 4 }}"),
        format!("{{{{- if .Values.gate }}}}\n{}{{{{- end }}}}\n", plugin("gate", "", GOOD)),
    ] {
        let ran = check("template.yaml", &text);
        assert!(
            ran.code == 2 && ran.out.contains("template.yaml: is a template, and no YAML yet"),
            "{ran:?}"
        );
    }
    let ran = check("broken.yaml", "spec: [\n");
    assert!(ran.code == 2 && ran.out.contains("broken.yaml: is not valid YAML"), "{ran:?}");
    let ran = check("map-broken.yaml", &config_map("vm_config: [\n"));
    assert!(
        ran.code == 2
            && ran.out.contains("ConfigMap edge/tollgate, data[\"listeners.yaml\"] is not valid YAML"),
        "{ran:?}"
    );
    let ran = check("named.yaml", &plugin("\"a\\e[2Jb\"", "", GOOD));
    assert!(ran.out.contains("WasmPlugin mesh/a\\u{1b}[2Jb"), "a name steers no terminal: {ran:?}");
}

#[test]
fn a_policy_is_judged_as_it_is_loaded_there() {
    let redis = |reach: &str| {
        format!(
            "{{ scopes: {{ all: {{ rate: 600/min, key: address }} }}, store: {{ redis: {{ {reach}, secret: {{ environment_variable: TOLLGATE_SECRET }} }} }} }}"
        )
    };
    let (cluster, url) = (redis("cluster: redis"), redis("url: redis://redis"));
    let istio = "  vmConfig: { env: [ { name: TOLLGATE_SECRET, valueFrom: HOST } ] }\n";
    let said = "  vmConfig: { env: [ { name: TOLLGATE_SECRET, value: short } ] }\n";
    let hidden = "`TOLLGATE_SECRET` is not set";
    let module = |policy: &str| gateway("", policy).replace("  wasm:", "  dynamicModule:");
    for (number, (text, expected)) in [
        (plugin("gate", istio, &cluster), "no traps"),
        (plugin("gate", "", &cluster), hidden),
        (plugin("gate", said, &cluster), "store.redis.secret"),
        (plugin("gate", istio, &url), "a filter in wasm cannot connect to `url`"),
        (
            extension("vmConfig: { env: [ { name: TOLLGATE_SECRET, valueFrom: HOST } ] }", &cluster),
            "no traps",
        ),
        (extension("", &cluster), hidden),
        (gateway("env: { hostKeys: [TOLLGATE_SECRET] }", &cluster), "no traps"),
        (gateway("env: { hostKeys: [OTHER] }", &cluster), hidden),
        (module(&url), "no traps"),
        (module(&cluster), "the module does not go through `cluster`"),
    ]
    .into_iter()
    .enumerate()
    {
        let ran = check(&format!("loaded-{number}.yaml"), &text);
        assert!(ran.out.contains(expected), "{text}\n{expected}: {ran:?}");
    }
    let native = "dynamic_module_config: { name: tollgate }\nfilter_config: { \"@type\": type.googleapis.com/google.protobuf.Struct, value: { mood: 1 } }";
    assert!(check("native.yaml", native).out.contains("mood: unknown field"), "a module takes a Struct");
}

fn traps(name: &str, text: &str) -> Vec<String> {
    let ran = run(&["check", "--quiet", "--format", "json", &file(name, text)]);
    let answer: serde_json::Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let policies = answer["policies"].as_array().expect("policies");
    assert!(policies.iter().all(|policy| policy.get("refused").is_none()), "{ran:?}");
    let traps = policies.iter().flat_map(|policy| policy["traps"].as_array().expect("traps"));
    traps.map(|trap| format!("{} {}", trap["name"], trap["place"]).replace('"', "")).collect()
}

#[test]
fn traps_around_a_policy() {
    let on_failure = |strategy: &str| plugin("gate", "", GOOD).replace("FAIL_RELOAD", strategy);
    assert_eq!(traps("open.yaml", &on_failure("FAIL_OPEN")), ["fail-open spec.failStrategy"]);
    assert_eq!(traps("closed.yaml", &on_failure("FAIL_CLOSE")), ["no-reload spec.failStrategy"]);
    let extension = extension("", GOOD).replace("failStrategy: FAIL_RELOAD, ", "");
    assert_eq!(traps("unsaid.yaml", &extension), ["no-reload spec.wasm.failStrategy"]);
    assert_eq!(
        traps("open-gateway.yaml", &gateway("failOpen: true", GOOD)),
        ["fail-open spec.wasm[1].failOpen"]
    );
    assert!(traps("closed-gateway.yaml", &gateway("failOpen: false", GOOD)).is_empty());
    let envoy = filter("{}");
    assert_eq!(
        traps("open-envoy.yaml", &envoy.replace("FAIL_RELOAD", "FAIL_OPEN")),
        ["fail-open failure_policy"]
    );
    assert_eq!(
        traps("fail-open-envoy.yaml", &envoy.replace("failure_policy: FAIL_RELOAD", "fail_open: true")),
        ["fail-open fail_open"]
    );
    assert_eq!(
        traps("closed-envoy.yaml", &envoy.replace("failure_policy: FAIL_RELOAD", "a: 1")),
        ["no-reload failure_policy"]
    );
}

#[test]
fn claims_are_there_after_authentication() {
    let claim = "{ scopes: { all: { rate: 600/min, key: [ { all: [ { jwt_claim: sub }, address ] } ] } } }";
    let with = |phase: &str, policy| plugin("gate", &format!("  phase: {phase}\n"), policy);
    assert_eq!(traps("authn.yaml", &with("AUTHN", claim)), ["before-authentication spec.phase"]);
    assert!(traps("authz.yaml", &with("AUTHZ", claim)).is_empty());
    assert!(
        traps("authn-alone.yaml", &with("AUTHN", GOOD)).is_empty(),
        "bad tokens may be meant to be counted"
    );
}

#[test]
fn policies_that_meet() {
    let named = |scope: &str, store: &str| {
        format!("{{ scopes: {{ {scope}: {{ rate: 600/min, key: address }} }}, store: {{ {store} }} }}")
    };
    let both = |one: &str, other: &str| [plugin("one", "", one), plugin("other", "", other)].join("\n---\n");
    let small = named("inner", "capacity: 1024");
    assert_eq!(traps("unlike.yaml", &both(GOOD, &small)), ["unlike-capacity store.capacity"]);
    assert!(traps("apart.yaml", &both(GOOD, &named("inner", "capacity: 1024, name: inner"))).is_empty());
    assert!(traps("alike.yaml", &both(GOOD, &named("inner", ""))).is_empty());
    assert_eq!(traps("twice.yaml", &both(GOOD, &GOOD.replace("600", "700"))), ["charged-twice scopes.all"]);
    assert!(traps("windows.yaml", &both(GOOD, &GOOD.replace("600/min", "9/s"))).is_empty());
    let other_proxy = "  selector: { matchLabels: { app: shop } }\n";
    let text = [plugin("one", "", GOOD), plugin("other", other_proxy, &small.replace("inner", "all"))]
        .join("\n---\n");
    assert!(traps("proxies.yaml", &text).is_empty());
    let inner = "  match: [ { ports: [ { number: 8080 } ] } ]\n";
    let text = [plugin("one", "", GOOD), plugin("other", inner, GOOD)].join("\n---\n");
    assert!(traps("ports.yaml", &text).is_empty(), "on two ports it is one quota for both");
    let envoy = |policy: &str| format!("- {}", filter(policy).replace('\n', "\n  "));
    let text = [envoy("{}"), envoy(r#"{ "store": { "capacity": 1024 } }"#)].join("\n");
    assert_eq!(traps("unlike-envoy.yaml", &text), ["unlike-capacity store.capacity"]);
    let text = [envoy("{}"), envoy("{}")].join("\n");
    assert!(traps("two-ports.yaml", &text).is_empty(), "listeners of one Envoy share their counters");
    let text = [gateway("", GOOD), gateway("", &small)].join("\n---\n");
    assert!(traps("gateways.yaml", &text).is_empty(), "each has a vm_id of its own");
    let module = |policy: &str| gateway("", policy).replace("  wasm:", "  dynamicModule:");
    let text = [module(GOOD), module(&small)].join("\n---\n");
    assert_eq!(traps("modules.yaml", &text), ["unlike-capacity store.capacity"], "an Envoy is one process");
    let twice =
        module(GOOD).replace("name: other, config: { a: 1 }", &format!("name: tollgate, config: {GOOD}"));
    assert_eq!(traps("two-modules.yaml", &twice), ["charged-twice scopes.all"]);
    let other = module(&small).replace("spec:", "spec:\n  targetRefs: [ { kind: Gateway, name: other } ]");
    assert!(traps("two-gateways.yaml", &[module(GOOD), other].join("\n---\n")).is_empty());
}
