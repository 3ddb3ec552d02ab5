"""`kubernetes/`: the authz service, and Envoy between an ingress and the application. Each resource as its schema wants it, all of them
fitting together, and Envoy with these settings, its files in directories that are replaced as Kubernetes replaces those of a ConfigMap."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from harness.client import Client
from harness.envoy import Gate
from harness.places import cli_path, repo_path, wasm_path
from harness.pod import BASE, BETWEEN, REDIS, Volume, config, listeners, sockets
from harness.redis import Redis
from harness.waiting import until

pytestmark = pytest.mark.only("filter", because="kubernetes/ ships the filter")

_VERSIONS = ["1.35", "1.37"]
_FOLDERS = [BASE, REDIS, BETWEEN]
_NAME = {"app.kubernetes.io/name": "tollgate"}


def load(file: str, folder: Path = BASE) -> dict:
    return yaml.safe_load((folder / file).read_text())


def kubectl(*arguments: str) -> str:
    """What it makes without a cluster."""
    found = shutil.which("kubectl")
    assert found, "kubectl is missing (Debian: apt-get install kubernetes-client)"
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def built(folder: Path) -> dict[str, dict]:
    """What kustomize makes of a folder, by kind."""
    return {resource["kind"]: resource for resource in yaml.safe_load_all(kubectl("kustomize", str(folder)))}


def pod() -> dict:
    return load("deployment.yaml")["spec"]["template"]


# -- the resources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", _VERSIONS)
@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: folder.name)
def test_each_is_as_its_schema_wants_it(folder, version):
    for resource in built(folder).values():
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_monitor_is_as_its_schema_wants_it():
    validator, modules = repo_path("tests/e2e/manifests/validate.mjs"), repo_path("target/manifests/node_modules")
    monitor = json.dumps([load("monitor.yaml")])
    done = subprocess.run(["node", validator, modules], input=monitor, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout) == [[]], done.stderr


@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: folder.name)
def test_all_files_are_in_force(folder):
    """But for the one that wants an operator, whose line is there as a comment."""
    text = (folder / "kustomization.yaml").read_text()
    kustomization = yaml.safe_load(text)
    [generated] = kustomization["configMapGenerator"]
    patches = [patch["path"] for patch in kustomization.get("patches", [])]
    listed = {*kustomization["resources"], *generated["files"], *patches, "kustomization.yaml"} - {"../base"}
    assert ("# - monitor.yaml" in text) == (folder == BASE)
    assert listed | ({"monitor.yaml"} if folder == BASE else set()) == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: folder.name)
def test_kustomize_makes_them_one(folder):
    """All in the namespace, and the ConfigMap under a name that stays."""
    made = built(folder)
    assert set(made) == {"Namespace", "ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    assert {resource["metadata"]["name"] for resource in made.values()} == {"tollgate"}
    assert {resource["metadata"].get("namespace", "tollgate") for resource in made.values()} == {"tollgate"}
    assert made["ConfigMap"]["data"] == {file: (folder / file).read_text() for file in ("envoy.yaml", "listeners.yaml")}
    if folder == BASE:
        assert made["Deployment"]["spec"] == load("deployment.yaml")["spec"]


@pytest.mark.parametrize("folder", [BASE, REDIS], ids=["base", "redis"])
def test_what_kustomize_makes_can_be_checked(folder):
    command = [cli_path(), "check", "--quiet", "--allow", "breaks-poller", "-"]
    done = subprocess.run(command, input=kubectl("kustomize", str(folder)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert done.stdout.strip() == 'stdin (ConfigMap tollgate/tollgate, data["listeners.yaml"]): no traps'


def test_with_redis_the_rest_is_the_same():
    """But for the number of pods, the secrets in their environment, and whom they may call."""
    base, redis = built(BASE), built(REDIS)
    del base["ConfigMap"], redis["ConfigMap"]
    assert redis["Deployment"]["spec"].pop("replicas") > base["Deployment"]["spec"].pop("replicas") == 1
    [container] = redis["Deployment"]["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"] for variable in container.pop("env")}
    [there] = load("listeners.yaml", REDIS)["resources"]
    assert f'"host_env_keys": {json.dumps(sorted(variables, reverse=True))}' in json.dumps(there)
    assert base["NetworkPolicy"]["spec"].pop("egress", []) == []
    assert {port["port"] for rule in redis["NetworkPolicy"]["spec"].pop("egress") for port in rule["ports"]} == {53, 6379}
    assert redis == base


def test_between_the_rest_is_the_same():
    """But for where it listens, and whom it may call."""
    base, between = built(BASE), built(BETWEEN)
    del base["ConfigMap"], between["ConfigMap"]
    [here], [there] = ([one for one in load("listeners.yaml", folder)["resources"]] for folder in (BETWEEN, BASE))
    [gate], [authz] = sockets(here, "0.0.0.0"), sockets(there, "0.0.0.0")
    ports = [{"port": "gate", "protocol": "TCP"}, {"port": "authz", "protocol": "TCP"}]
    for made, name, port in ((between, "gate", gate["port_value"]), (base, "authz", authz["port_value"])):
        [container] = made["Deployment"]["spec"]["template"]["spec"]["containers"]
        assert container.pop("readinessProbe") == {"tcpSocket": {"port": name}, "periodSeconds": 5}
        assert {one["name"]: one["containerPort"] for one in container.pop("ports")} == {name: port, "metrics": 9903}
        service = {one["port"]: one["targetPort"] for one in made["Service"]["spec"].pop("ports")}
        assert service == {port: name, 9903: "metrics"}
        rules = made["NetworkPolicy"]["spec"].pop("ingress")
        assert [rule["ports"] for rule in rules][0] in [[one] for one in ports if one["port"] == name]
    assert base["NetworkPolicy"]["spec"].pop("egress", []) == []
    called = {port["port"] for rule in between["NetworkPolicy"]["spec"].pop("egress") for port in rule["ports"]}
    [upstream] = sockets(load("envoy.yaml", BETWEEN), "application.application.svc.cluster.local")
    assert called == {53, upstream["port_value"]}
    assert between == base


def test_they_speak_of_the_same_pods_and_ports():
    deployment, service, monitor = load("deployment.yaml"), load("service.yaml"), load("monitor.yaml")
    assert deployment["spec"]["selector"]["matchLabels"] == pod()["metadata"]["labels"] == _NAME
    assert service["spec"]["selector"] == service["metadata"]["labels"] == monitor["spec"]["selector"]["matchLabels"] == _NAME
    assert load("disruption.yaml")["spec"]["selector"]["matchLabels"] == _NAME
    assert load("network.yaml")["spec"]["podSelector"]["matchLabels"] == _NAME
    [container] = pod()["spec"]["containers"]
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == named
    allowed = {port["port"] for rule in load("network.yaml")["spec"]["ingress"] for port in rule["ports"]}
    assert allowed == set(named) and {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= set(named)
    open_ones = [socket for file in ("envoy.yaml", "listeners.yaml") for socket in sockets(load(file), "0.0.0.0")]
    assert {socket["port_value"] for socket in open_ones} == set(named.values())


def test_what_envoy_opens_is_mounted():
    [container] = pod()["spec"]["containers"]
    volumes = {volume["name"]: volume["configMap"]["name"] for volume in pod()["spec"]["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert mounts == {"/etc/tollgate": "tollgate", "/etc/tollgate-filter": "tollgate-filter"}
    assert all("subPath" not in mount for mount in container["volumeMounts"])
    settings = [(BASE / file).read_text() for file in ("envoy.yaml", "listeners.yaml")]
    text = " ".join([*settings, *container["args"]])
    opened = set(re.findall(r"/etc/tollgate[a-z/.-]*", text))
    files = {"/etc/tollgate/envoy.yaml", "/etc/tollgate/listeners.yaml", "/etc/tollgate-filter/tollgate.wasm"}
    assert opened == files | {"/etc/tollgate"}


def test_the_filter_fits_into_a_config_map():
    """Kubernetes takes no more than a mebibyte, and its store no more than one and a half with all that is around it."""
    files = [wasm_path(), wasm_path().with_name("tollgate-frames.wasm")]
    assert sum(file.stat().st_size for file in files) < 1024 * 1024
    options = [f"--from-file={file}" for file in files]
    made = kubectl("create", "configmap", "tollgate-filter", *options, "--dry-run=client", "-o", "json")
    assert set(json.loads(made)["binaryData"]) == {"tollgate.wasm", "tollgate-frames.wasm"}
    assert len(made) < 1.5 * 1024 * 1024


@pytest.mark.parametrize(("folder", "file"), [(BASE, "authz.yaml"), (REDIS, "authz-redis.yaml")], ids=["base", "redis"])
def test_the_listener_is_that_of_the_authz_service(folder, file):
    """Of `envoy/`, but for where it listens and where the filter is; and so is the cluster of Redis, but for its address."""
    [here] = load("listeners.yaml", folder)["resources"]
    there = yaml.safe_load(repo_path("envoy", file).read_text())
    del here["@type"]
    [socket] = sockets(here, "0.0.0.0")
    socket["address"] = "127.0.0.1"
    text = json.dumps(here).replace("/etc/tollgate-filter/", "/etc/envoy/")
    assert json.loads(text) == there["static_resources"]["listeners"][0]
    settings = load("envoy.yaml", folder)
    assert settings["stats_config"] == there["stats_config"]
    assert settings["overload_manager"] == there["overload_manager"]
    clusters = json.dumps(settings["static_resources"]["clusters"][1:])
    clusters = clusters.replace("/etc/tollgate-filter/", "/etc/envoy/").replace("redis.redis.svc.cluster.local", "redis.internal")
    assert json.loads(clusters) == there["static_resources"].get("clusters", [])


def test_the_listener_between_is_that_of_inline():
    """But for where it listens, where the filter is, and the one proxy that is trusted; and so is the cluster of the application."""
    [here] = load("listeners.yaml", BETWEEN)["resources"]
    there = yaml.safe_load(repo_path("envoy", "inline.yaml").read_text())
    del here["@type"]
    text = json.dumps(here).replace("/etc/tollgate-filter/", "/etc/envoy/").replace('trusted_hops": 1', 'trusted_hops": 0')
    assert json.loads(text) == there["static_resources"]["listeners"][0]
    settings, base = load("envoy.yaml", BETWEEN), load("envoy.yaml")
    [cluster] = settings["static_resources"]["clusters"][1:]
    text = json.dumps(cluster).replace("application.application.svc.cluster.local", "app.internal")
    assert [json.loads(text)] == there["static_resources"]["clusters"]
    settings["static_resources"]["clusters"].pop()
    assert settings == base


# -- in a real Envoy -------------------------------------------------------------------------------------------------------


@pytest.fixture
def volume(tmp_path) -> Volume:
    return Volume(tmp_path / "configuration")


@pytest.fixture
def start(volume, open_gate):
    """→ a function that starts Envoy with the files as shipped, these changes in the listener's."""

    def start(*changes: tuple[str, str]) -> Gate:
        volume.put(listeners=listeners(volume.directory, *changes))
        return open_gate(config=config(volume))

    return start


def ask(gate: Gate, client: str, times: int):
    """About requests of this client, as a proxy asks that overwrites the header."""
    headers = [("x-forwarded-for", client), ("x-forwarded-method", "GET"), ("x-forwarded-uri", "/"), ("x-forwarded-host", "app.test")]
    with Client(gate.port_of("authz")) as proxy:
        return proxy.statuses(times, "/", *headers)


def listening(gate: Gate) -> set[str]:
    return {found["name"] for found in json.loads(gate.admin("/listeners?format=json"))["listener_statuses"]}


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def test_it_answers_as_shipped(start):
    gate = start()
    assert ask(gate, "192.0.2.1", 61) == {200: 60, 403: 1}
    assert ask(gate, "192.0.2.2", 1) == {200: 1}


def test_a_changed_policy_is_taken_and_the_counters_stay(start, volume):
    gate = start()
    assert ask(gate, "192.0.2.1", 50) == {200: 50}
    volume.put(listeners=listeners(volume.directory, ('"60/min"', '"70/min"')))
    until(lambda: "anon 70/min" in gate.log())
    assert ask(gate, "192.0.2.1", 25) == {200: 20, 403: 5}


def test_a_bad_policy_is_refused_and_the_old_one_serves_on(start, volume):
    gate = start()
    for said in ("scopes.anon.rate", "Failed to configure base Wasm plugin", "failed to load"):
        gate.expect_error(said)
    volume.put(listeners=listeners(volume.directory, ('"60/min"', '"60/fortnight"')))
    until(lambda: gate.stat("listener_manager.lds.update_rejected"))
    assert ask(gate, "192.0.2.1", 61) == {200: 60, 403: 1}


def test_a_pod_with_a_bad_policy_does_not_become_ready(start, volume):
    """Envoy itself is ready then. What the probe connects to is not there."""
    [container] = pod()["spec"]["containers"]
    assert container["readinessProbe"]["tcpSocket"]["port"] == "authz"
    gate = start(('"60/min"', '"60/fortnight"'))
    for said in ("scopes.anon.rate", "Failed to configure base Wasm plugin", "failed to load"):
        gate.expect_error(said)
    assert status(gate.port_of("operations"), "/ready") == 200
    assert listening(gate) == {"operations"}
    # Once it is mended, the pod is.
    volume.put(listeners=listeners(volume.directory))
    until(lambda: listening(gate) == {"operations", "authz"})
    assert ask(gate, "192.0.2.1", 61) == {200: 60, 403: 1}


def test_of_the_admin_interface_two_pages_are_open(start):
    """Through the listener that the probes and Prometheus ask."""
    [container] = pod()["spec"]["containers"]
    gate = start()
    assert ask(gate, "192.0.2.1", 61) == {200: 60, 403: 1}
    port = gate.port_of("operations")
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/ready"}
    assert status(port, "/ready") == 200
    [endpoint] = load("monitor.yaml")["spec"]["endpoints"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{endpoint['path']}", timeout=10) as reply:
        assert 'tollgate_requests_total{policy="tollgate",decision="denied"} 1' in reply.read().decode()
    for path in ("/config_dump", "/quitquitquit", "/stats", "/", "/ready/../config_dump", "/logging"):
        assert status(port, path) == 404, path


def test_with_redis_pods_share_one_limit(tmp_path, open_gate):
    """And a new pod forgets nothing."""
    password = "of this test"
    environment = {"TOLLGATE_SECRET": "a secret of this test, and long enough", "TOLLGATE_REDIS_PASSWORD": password}
    (tmp_path / "redis").mkdir()
    with Redis(tmp_path / "redis", password=password) as redis:

        def pod(name: str) -> Gate:
            volume = Volume(tmp_path / name)
            volume.put(listeners=listeners(volume.directory, folder=REDIS))
            made = config(volume, REDIS)
            for socket in sockets(made, "redis.redis.svc.cluster.local"):
                socket |= {"address": "127.0.0.1", "port_value": redis.port}
            return open_gate(config=made, environment=environment)

        one, other = pod("one"), pod("other")
        assert ask(one, "192.0.2.1", 40) == {200: 40}
        assert ask(other, "192.0.2.1", 25) == {200: 20, 403: 5}
        assert ask(pod("new"), "192.0.2.1", 1) == {403: 1}
