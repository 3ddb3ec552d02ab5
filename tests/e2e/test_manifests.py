"""The resources in `istio/` and `envoy-gateway/`: each as its schema wants it, with a policy that `tollgate check` finds and warns of nothing.

The schemas are those of npm's packages `@kubernetes-models/*`. They let unknown fields pass, as Kubernetes does, which drops them: so a
list here says which fields may stand in a resource. Of a `TrafficExtension` there is no schema to be had there; what Istio makes of a
`WasmPlugin` is one, so this is done backwards.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest

from harness.kubernetes import manifests, policies
from harness.places import cli_path, repo_path
from harness.resources import unknown

pytestmark = pytest.mark.neither

_FILES = sorted(path for folder in ("istio", "envoy-gateway") for path in repo_path(folder).glob("*.yaml"))

# Everything but policies. (A dictionary has these fields and no others, a list any number of its one form.)
_TARGETS = [{"group": str, "kind": str, "name": str}]
_VARIABLES = [{"name": str, "valueFrom": {"secretKeyRef": {"name": str, "key": str}}}]
_WASM = {
    "url": str,
    "sha256": str,
    "imagePullSecret": str,
    "failStrategy": str,
    "vmConfig": {"env": [{"name": str, "valueFrom": str}]},
    "pluginConfig": object,
}
_ISTIO = {
    "targetRefs": _TARGETS,
    "selector": {"matchLabels": object},
    "match": [{"mode": str}],
    "phase": str,
}
_FIELDS = {
    "TrafficExtension": _ISTIO | {"wasm": _WASM},
    "WasmPlugin": _ISTIO | _WASM,
    "EnvoyFilter": {
        "targetRefs": _TARGETS,
        "configPatches": [{"applyTo": str, "match": {"context": str}, "patch": {"operation": str, "value": object}}],
    },
    "ConfigMap": {},
    "EnvoyExtensionPolicy": {
        "targetRefs": _TARGETS,
        "wasm": [
            {
                "name": str,
                "code": {
                    "type": str,
                    "image": {"url": str, "sha256": str, "pullSecretRef": {"name": str}},
                    "http": {"url": str, "sha256": str},
                },
                "failOpen": bool,
                "env": {"hostKeys": [str]},
                "config": object,
            }
        ],
    },
    "EnvoyPatchPolicy": {
        "targetRef": _TARGETS[0],
        "type": str,
        "jsonPatches": [{"type": str, "name": str, "operation": {"op": str, "path": str, "value": object}}],
    },
    "EnvoyProxy": {"provider": {"type": str, "kubernetes": {"envoyDeployment": {"container": {"env": _VARIABLES}}}}},
    "ClientTrafficPolicy": {
        "targetRefs": _TARGETS,
        "clientIPDetection": {"xForwardedFor": {"numTrustedHops": int}},
        "path": {"escapedSlashesAction": str},
        "headers": {"withUnderscoresAction": str},
    },
}


def resources(file: Path) -> list[dict]:
    """As they are shipped, and with the lines that are shipped as comments in force."""
    return [found for comments in (False, True) for found in manifests(file.parent.name, file.name, with_comments=comments)]


def faults(resource: dict) -> list:
    """What the schema has against it."""
    if resource["apiVersion"] == "v1":
        kubernetes_validate.validate(resource, "1.37", strict=True)
        return []
    if resource["kind"] == "TrafficExtension":
        spec = dict(resource["spec"])
        resource = resource | {"kind": "WasmPlugin", "spec": spec.pop("wasm") | spec}
    command = ["node", str(repo_path("tests/e2e/manifests/validate.mjs")), str(repo_path("target/manifests/node_modules"))]
    done = subprocess.run(command, input=json.dumps([resource]), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("file", _FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_it_is_as_its_schema_wants_it(file):
    for resource in resources(file):
        assert faults(resource) == []
        assert unknown(resource.get("spec", {}), _FIELDS[resource["kind"]]) == []
        assert resource["metadata"]["namespace"] and re.fullmatch(r"[a-z0-9-]+", resource["metadata"]["name"])


def test_a_fault_would_be_seen():
    """By the schema, and by the list of fields."""
    [plugin] = manifests("istio", "wasmplugin.yaml")
    [extension] = manifests("istio", "trafficextension.yaml")
    [policy] = manifests("envoy-gateway", "image.yaml")
    [traffic] = manifests("envoy-gateway", "client-address.yaml")
    _, patch, proxy = manifests("envoy-gateway", "redis.yaml")
    _, envoy_filter, _ = manifests("istio", "redis.yaml")
    for resource, spec in [
        (plugin, plugin["spec"] | {"phase": "BEFORE"}),
        (extension, extension["spec"] | {"wasm": extension["spec"]["wasm"] | {"failStrategy": "RELOAD"}}),
        (policy, policy["spec"] | {"wasm": [{"code": {"type": "Image", "image": {}}}]}),
        (traffic, traffic["spec"] | {"path": {"escapedSlashesAction": "Unescape"}}),
        (patch, patch["spec"] | {"jsonPatches": [{"type": "Cluster", "name": "redis", "operation": {"op": "add"}}]}),
        (proxy, {"provider": {"type": "Docker"}}),
        (envoy_filter, {"configPatches": [{"applyTo": "CLUSTERS"}]}),
    ]:
        assert faults(resource | {"spec": spec}) != []
    assert unknown(plugin["spec"] | {"vmId": "x"}, _FIELDS["WasmPlugin"]) == ["spec.vmId"]
    assert unknown(policy["spec"] | {"wasm": [{"failOpen": "no"}]}, _FIELDS["EnvoyExtensionPolicy"]) == ["spec.wasm[0].failOpen"]


def check(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([cli_path(), "check", "--quiet", *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_its_policies_are_good(file):
    """`tollgate check` finds them in the file, says that Envoy would take them there, and of traps none."""
    embedded = [policy for resource in resources(file) for policy in policies(resource)]
    done = check(str(file))
    if not embedded:
        assert file.name == "client-address.yaml"
        assert (done.returncode, "has no filter of Tollgate" in done.stdout) == (2, True), done.stdout
        return
    [told] = done.stdout.splitlines()
    resource = resources(file)[0]
    name = f"{resource['kind']} {resource['metadata']['namespace']}/{resource['metadata']['name']}"
    assert done.returncode == 0 and told.startswith(f"{file} ({name}, spec.") and told.endswith("): no traps"), told


@pytest.mark.parametrize("folder", ["base", "redis"])
def test_the_authz_services_policy_is_good(folder):
    """But for what is said beside it."""
    file = str(repo_path("kubernetes", folder, "listeners.yaml"))
    done = check("--allow", "breaks-poller", file)
    assert (done.returncode, done.stdout) == (0, f"{file}: no traps\n"), done.stdout


@pytest.mark.parametrize(
    ("page", "folder"), [("istio.md", "istio"), ("envoy-gateway.md", "envoy-gateway")], ids=["istio", "envoy-gateway"]
)
def test_its_page_knows_each_file(page, folder):
    text = repo_path("docs", page).read_text()
    for file in repo_path(folder).glob("*.yaml"):
        assert f"../{folder}/{file.name}" in text
