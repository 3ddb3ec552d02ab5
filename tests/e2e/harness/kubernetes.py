"""What Istio and Envoy Gateway make of the resources in `istio/` and `envoy-gateway/`: the parts of Envoy's configuration that Tollgate
has to do with, written down after their sources of August 2026 (Istio after 1.31: `pilot/pkg/model/extensions.go`,
`pkg/wasm/convert.go`, `pilot/pkg/security/authn/policy_applier.go`; Envoy Gateway 1.9, in `internal/xds/translator/`: `wasm.go`,
`dynamicmodule.go`, `jwt.go`, `jsonpatch.go`, `listener.go`).

Their control planes do not run here. So the filter comes from files that Envoy watches, where they would send it, and from the file of
this build.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import yaml

from harness import bootstrap, jwt
from harness.layouts import typed
from harness.places import repo_path, wasm_path

_STRING = "type.googleapis.com/google.protobuf.StringValue"
_WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_RUNTIME = "envoy.wasm.runtime.v8"


def manifests(*parts: str, with_comments: bool = False) -> list[dict]:
    """The resources in a file. `with_comments`: the lines that are shipped as comments are in force."""
    text = repo_path(*parts).read_text()
    if with_comments:
        text = re.sub(r"(?m)^( *)#~ ", r"\1", text)
    return list(yaml.safe_load_all(text))


def policies(manifest: dict) -> list[dict]:
    """Those that are embedded in a resource."""
    spec = manifest.get("spec", {})
    if manifest["kind"] == "TrafficExtension":
        return [spec["wasm"]["pluginConfig"]]
    if manifest["kind"] == "WasmPlugin":
        return [spec["pluginConfig"]]
    return [wasm["config"] for wasm in spec.get("wasm", [])]


def renamed(manifest: dict, name: str) -> dict:
    return manifest | {"metadata": manifest["metadata"] | {"name": name}}


def another_build() -> bytes:
    """The filter, with a section that says nothing: another file to whoever compares."""
    return wasm_path().read_bytes() + b"\x00\x05\x04next"


def with_policy(manifest: dict, policy: dict) -> dict:
    """The same resource with another policy."""
    copy = json.loads(json.dumps(manifest))
    spec = copy["spec"]
    if manifest["kind"] == "TrafficExtension":
        spec["wasm"]["pluginConfig"] = policy
    elif manifest["kind"] == "WasmPlugin":
        spec["pluginConfig"] = policy
    else:
        [wasm] = spec["wasm"]
        wasm["config"] = policy
    return copy


def listener(name: str, filters: list[dict], manager: dict, route: dict | None = None) -> dict:
    """On a port picked by the kernel, with these filters and these settings of the connection manager, in front of the application."""
    made = bootstrap.listener(None, upstream=True, trusted_hops=0)
    made["name"] = name
    del made["additional_addresses"]
    inside = made["filter_chains"][0]["filters"][0]["typed_config"]
    inside["stat_prefix"] = name
    del inside["use_remote_address"], inside["xff_num_trusted_hops"]
    inside["http_filters"] = [*filters, inside["http_filters"][-1]]
    inside |= manager
    if route:
        inside["route_config"]["virtual_hosts"][0]["routes"][0] |= route
    return made


def _write(file: Path, resources: list[dict], version: int) -> None:
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps({"version_info": str(version), "resources": resources}))
    temporary.replace(file)  # Envoy watches for a move


def _add_clusters(config: dict, directory: Path, clusters: list[dict]) -> None:
    """From a file, as from the control plane."""
    file = directory / "clusters.json"
    _write(file, [{"@type": _CLUSTER} | cluster for cluster in clusters], 1)
    config.setdefault("dynamic_resources", {})["cds_config"] = {
        "resource_api_version": "V3",
        "path_config_source": {"path": str(file)},
    }


class Istio:
    """Istio's part. Each resource is a filter whose configuration Envoy discovers by its name."""

    # Of gateways, and of sidecars and waypoints.
    GATEWAY = {"use_remote_address": True, "xff_num_trusted_hops": 0}
    SIDECAR = {"use_remote_address": False}
    _BOTH = {"normalize_path": True, "path_with_escaped_slashes_action": "KEEP_UNCHANGED", "server_name": "istio-envoy"}

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._versions = 0
        self.code = wasm_path()

    def config(self, listeners: dict[str, tuple[dict, list[dict]]], upstream_port: int) -> dict:
        """A bootstrap with, of each listener, its settings and its resources."""
        for _, resources in listeners.values():
            for manifest in resources:
                if manifest["kind"] != "RequestAuthentication":
                    self.put(manifest)
        made = [
            listener(name, [self._filter(manifest) for manifest in sorted(resources, key=_place)], self._BOTH | settings)
            for name, (settings, resources) in listeners.items()
        ]
        config = bootstrap.bootstrap(listeners=made, lds=None, upstream_port=upstream_port, http2=False)
        return config | {"node": {"id": "router~10.0.0.1~gateway.istio-ingress", "cluster": "gateway.istio-ingress"}}

    def put(self, manifest: dict) -> None:
        """The resource is applied, or applied anew, its image having `code`."""
        self._versions += 1
        name, config = _istio_plugin(manifest, self.code)
        kind = {"@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"}
        _write(self._file(name), [kind | {"name": name, "typed_config": {"@type": _WASM, "config": config}}], self._versions)

    def patch(self, config: dict, envoy_filter: dict) -> None:
        """This EnvoyFilter is in force, too. (`pilot/pkg/networking/core/envoyfilter/cluster_patch.go`: a cluster is added as it stands.
        Nothing else is known here.)"""
        patches = envoy_filter["spec"]["configPatches"]
        assert all((one["applyTo"], one["patch"]["operation"]) == ("CLUSTER", "ADD") for one in patches)
        _add_clusters(config, self._directory, [one["patch"]["value"] for one in patches])

    @staticmethod
    def name(manifest: dict) -> str:
        return _istio_plugin(manifest)[0]

    def _file(self, name: str) -> Path:
        return self._directory / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"

    def _filter(self, manifest: dict) -> dict:
        if manifest["kind"] == "RequestAuthentication":
            return _istio_authentication(manifest["spec"]["jwtRules"])
        name, _ = _istio_plugin(manifest)
        source = {"resource_api_version": "V3", "path_config_source": {"path": str(self._file(name))}}
        return {"name": name, "config_discovery": {"config_source": source, "type_urls": [_WASM]}}


def _place(manifest: dict) -> int:
    """In which order they stand in a proxy."""
    if manifest["kind"] == "RequestAuthentication":
        return 1
    return ["AUTHN", "", "AUTHZ", "STATS", None].index(manifest["spec"].get("phase"))


def _istio_authentication(rules: list[dict]) -> dict:
    """A token that is there has to be good; each rule keeps the payload under the same name."""
    providers = {
        f"origins-{number}": {
            "issuer": rule["issuer"],
            "audiences": rule.get("audiences", []),
            "local_jwks": {"inline_string": rule["jwks"]},  # istiod fetches what stands at `jwksUri`
            "forward": rule.get("forwardOriginalToken", False),
            "payload_in_metadata": "payload",
            "normalize_payload_in_metadata": {"space_delimited_claims": ["permission", "scope"]},
        }
        for number, rule in enumerate(rules)
    }
    names = [{"provider_name": name} for name in providers]
    each = [{"requires_any": {"requirements": [name, {"allow_missing": {}}]}} for name in names]
    if len(each) == 1:
        [requires] = each
    else:
        requires = {"requires_any": {"requirements": [*names, {"requires_all": {"requirements": each}}]}}
    return jwt.authentication(providers, requires, bypass_cors_preflight=True)


def _istio_plugin(manifest: dict, code: Path | None = None) -> tuple[str, dict]:
    """→ the filter's name and its configuration, as Istio's agent hands it to Envoy: the image is fetched, and what was meant for the
    agent is gone."""
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    if manifest["kind"] == "WasmPlugin":
        wasm = manifest["spec"]
        name += "~istio-translated-wasmplugin"
    else:
        wasm = manifest["spec"]["wasm"]
    failure = {"FAIL_CLOSE": "FAIL_CLOSED", "FAIL_OPEN": "FAIL_OPEN", "FAIL_RELOAD": "FAIL_RELOAD"}
    config = {
        "name": f"{namespace}.{name}",
        "root_id": wasm.get("pluginName", ""),
        # There is no `vm_id`.
        "vm_config": {"runtime": _RUNTIME, "code": {"local": {"filename": str(code or wasm_path())}}},
        "failure_policy": failure[wasm.get("failStrategy", "FAIL_CLOSE")],
    }
    if wasm.get("pluginConfig"):
        # A `Struct` of protobuf, whose fields have no order.
        config["configuration"] = {"@type": _STRING, "value": json.dumps(wasm["pluginConfig"], sort_keys=True)}
    if keys := [env["name"] for env in wasm.get("vmConfig", {}).get("env", []) if env.get("valueFrom") == "HOST"]:
        config["vm_config"]["environment_variables"] = {"host_env_keys": keys}
    return f"extensions.istio.io/trafficextension/{namespace}.{name}", config


class EnvoyGateway:
    """Envoy Gateway's part. Its listeners come from a file; the filter's code over HTTP, as from its own server."""

    def __init__(self, directory: Path, upstream_port: int, code_port: int) -> None:
        """`code_port`: where code is served."""
        self._directory, self._lds = directory, directory / "listeners.json"
        self._ports = upstream_port, code_port
        self._versions = 0
        # Where it is served, and what is served there.
        self.code = "/tollgate.wasm", wasm_path().read_bytes()
        # The modules that the EnvoyProxy allows: of each where it comes from, as Envoy has it.
        self.modules: dict[str, dict] = {}

    def config(self, policies: list[dict], traffic: dict | None = None, security: dict | None = None) -> dict:
        """A bootstrap with these EnvoyExtensionPolicies in force for each route, this ClientTrafficPolicy and this SecurityPolicy."""
        self.put(policies, traffic, security)
        upstream, code = self._ports
        config = bootstrap.bootstrap(listeners=None, lds=self._lds, upstream_port=upstream, http2=False)
        cluster = json.loads(json.dumps(config["static_resources"]["clusters"][0]).replace(f": {upstream}", f": {code}"))
        cluster["name"] = cluster["load_assignment"]["cluster_name"] = "wasm_cluster"
        config["static_resources"]["clusters"].append(cluster)
        return config

    def patch(self, config: dict, patch: dict) -> None:
        """This EnvoyPatchPolicy is in force, too. (`internal/xds/translator/jsonpatch.go`: with an empty path, which has to be there, `add`
        takes the value for a whole resource. No other operation is known here.)"""
        for one in patch["spec"]["jsonPatches"]:
            assert (one["type"], one["operation"]["op"], one["operation"]["path"]) == (_CLUSTER, "add", ""), one
        _add_clusters(config, self._directory, [one["operation"]["value"] for one in patch["spec"]["jsonPatches"]])

    def put(self, policies: list[dict], traffic: dict | None = None, security: dict | None = None) -> None:
        """The resources are applied, or applied anew."""
        self._versions += 1
        filters = [
            {
                "name": f"envoy.filters.http.wasm/{name}",
                "disabled": True,
                "typed_config": {"@type": _WASM, "config": config},
            }
            for policy in policies
            for name, config in _gateway_plugins(policy, *self.code)
        ]
        filters += [filter for policy in policies for filter in _gateway_modules(policy, self.modules)]
        enabled = {one["name"]: {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}} for one in filters}
        if security:
            filters.insert(0, _gateway_authentication(security["spec"]["jwt"]))
        made = listener("eg", filters, _gateway_manager(traffic), {"typed_per_filter_config": enabled})
        kind = {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener"}
        _write(self._lds, [kind | made], self._versions)


def _gateway_plugins(policy: dict, path: str, wasm_file: bytes) -> list[tuple[str, dict]]:
    """→ of each filter its `vm_id`, which its name ends with, and its configuration."""
    made = []
    for index, wasm in enumerate(policy["spec"].get("wasm", [])):
        name = f"envoyextensionpolicy/{policy['metadata']['namespace']}/{policy['metadata']['name']}/wasm/{index}"
        code = {
            # Under another name than in the resource: Envoy Gateway has it in store.
            "http_uri": {"uri": f"https://envoy-gateway:18002{path}", "cluster": "wasm_cluster", "timeout": "10s"},
            "sha256": hashlib.sha256(wasm_file).hexdigest(),
        }
        config = {
            "name": wasm.get("name", name),
            "root_id": wasm.get("rootID", ""),
            "vm_config": {"vm_id": name, "runtime": _RUNTIME, "code": {"remote": code}},
            "configuration": {"@type": _STRING, "value": json.dumps(wasm["config"], sort_keys=True, separators=(",", ":"))},
            # There is no `failure_policy`.
            "fail_open": wasm.get("failOpen", False),
        }
        if keys := wasm.get("env", {}).get("hostKeys"):
            config["vm_config"]["environment_variables"] = {"host_env_keys": keys}
        made.append((name, config))
    return made


def _gateway_modules(policy: dict, modules: dict[str, dict]) -> list[dict]:
    made = []
    for index, module in enumerate(policy["spec"].get("dynamicModule", [])):
        owner = f"envoyextensionpolicy/{policy['metadata']['namespace']}/{policy['metadata']['name']}"
        config = typed(
            "filters.http.dynamic_modules.v3.DynamicModuleFilter",
            dynamic_module_config=modules[module["name"]],
            filter_name=module.get("filterName", ""),
            filter_config={"@type": _STRING, "value": json.dumps(module["config"], separators=(",", ":"))},
        )
        name = f"envoy.filters.http.dynamic_modules/{owner}/dynamic-module/{index}"
        made.append({"name": name, "disabled": True, "typed_config": config})
    return made


def _gateway_authentication(section: dict) -> dict:
    """Any of the providers, each of which keeps the payload under its own name."""
    providers = {
        provider["name"]: {
            "issuer": provider["issuer"],
            "local_jwks": {"inline_string": provider["localJWKS"]["inline"]},
            "forward": True,
            "payload_in_metadata": provider["name"],
            "normalize_payload_in_metadata": {"space_delimited_claims": ["scope", "scp"]},
        }
        for provider in section["providers"]
    }
    requirements: list[dict] = [{"provider_name": name} for name in providers]
    if section.get("optional"):
        requirements.append({"allow_missing": {}})
    return jwt.authentication(providers, {"requires_any": {"requirements": requirements}} if requirements[1:] else requirements[0])


def _gateway_manager(traffic: dict | None) -> dict[str, Any]:
    """The settings of the connection manager that a ClientTrafficPolicy leads to."""
    spec = traffic["spec"] if traffic else {}
    slashes = {"UnescapeAndForward": "UNESCAPE_AND_FORWARD", "UnescapeAndRedirect": "UNESCAPE_AND_REDIRECT"}
    underscores = {"DropHeader": "DROP_HEADER", "RejectRequest": "REJECT_REQUEST"}
    manager: dict[str, Any] = {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": slashes[spec.get("path", {}).get("escapedSlashesAction", "UnescapeAndRedirect")],
        "common_http_protocol_options": {
            "headers_with_underscores_action": underscores[spec.get("headers", {}).get("withUnderscoresAction", "RejectRequest")]
        },
        "use_remote_address": True,
    }
    if hops := spec.get("clientIPDetection", {}).get("xForwardedFor", {}).get("numTrustedHops"):
        xff = typed("http.original_ip_detection.xff.v3.XffConfig", xff_num_trusted_hops=hops - 1, skip_xff_append=False)
        manager |= {
            "use_remote_address": False,
            "original_ip_detection_extensions": [
                {"name": "envoy.extensions.http.original_ip_detection.xff", "typed_config": xff}
            ],
        }
    return manager
