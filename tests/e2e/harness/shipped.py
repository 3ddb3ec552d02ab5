"""The configurations that are shipped in `envoy/`, with nothing changed but what differs on every machine. Where there is none for the
module, the filter's has the module in its place, see `harness.as_module`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.adapter import ADAPTER, FILTER, MODULE, Filter, Module, gates
from harness.as_module import as_module
from harness.places import repo_path, wasm_path

SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

# From where `envoy/redis.yaml` takes its secrets.
SECRET_VARIABLE, PASSWORD_VARIABLE = "TOLLGATE_SECRET", "TOLLGATE_REDIS_PASSWORD"


def inline(upstream_port: int | None = None, policy: str | None = None) -> dict:
    """`envoy/inline.yaml`, or for the module `envoy/native.yaml`, with loopback ports, this build of the adapter and, if given, this
    upstream and policy."""
    file = "inline.yaml" if ADAPTER is FILTER else "native.yaml"
    return _here(file, upstream_port=upstream_port, policy=policy)


def authz(policy: dict | None = None, *, port: int = 0) -> dict:
    """`envoy/authz.yaml`, likewise; on this port, if it has to be known before."""
    return _here("authz.yaml", policy=policy and json.dumps(policy), port=port)


def set_trusted_hops(config: dict, hops: int) -> None:
    """So many proxies of our own stand in front."""
    [manager] = _find(config, "xff_num_trusted_hops")
    manager["xff_num_trusted_hops"] = hops


def let_upgrade(config: dict) -> None:
    """WebSockets are let through."""
    manager = _manager(config)
    manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]


def set_route(config: dict, cluster: str, options: dict) -> None:
    """More for the route to this cluster."""
    [route] = [route["route"] for route in _find(config, "route") if route["route"].get("cluster") == cluster]
    route |= options


def add_policy(config: dict, name: str, policy: str) -> None:
    """A second gate behind the first, with a policy of its own."""
    filters = _manager(config)["http_filters"]
    second = json.loads(json.dumps(filters[0])) | {"name": name}
    ADAPTER.rename(second["typed_config"], name)
    ADAPTER.configuration(second["typed_config"])["value"] = policy
    filters.insert(1, second)


def vm_config(config: dict) -> dict:
    """How the filter's virtual machine is made."""
    return gate(config)["typed_config"]["config"]["vm_config"]


def authz_policy() -> dict:
    """The policy in `envoy/authz.yaml`."""
    return json.loads(_configuration(_here("authz.yaml"))["value"])


def ext_authz(service_port: int, upstream_port: int, *, stays_open: bool = False) -> dict:
    """`envoy/ext_authz.yaml`, likewise; it asks this service."""
    config = _here("ext_authz.yaml", upstream_port=upstream_port)
    _set_address(config, "tollgate", [service_port])
    [asking] = _find(config, "failure_mode_allow")
    asking["failure_mode_allow"] = stays_open
    return config


def redis(
    redis_ports: Sequence[int],
    policy: dict | None = None,
    *,
    upstream_port: int | None = None,
    with_tls: str | None = None,
    with_cluster: bool = False,
    with_environment: bool = False,
    **settings: Any,
) -> dict:
    """`envoy/redis.yaml`, the same way, with these Redis servers. `policy` needs no `store.redis`: that is as shipped, but
    for a good secret, no password and these `settings`. Without an upstream, Envoy replies itself. `with_tls`: the file with the
    certificate that Redis' own is signed by. `with_tls`, `with_cluster`: the lines that are shipped as comments are in force.
    `with_environment`: secret and password are those of the environment, as shipped."""
    text = repo_path("envoy", "redis.yaml").read_text()
    if with_tls:
        text = re.sub(r"(?m)^( *)#~ ", r"\1", text)
        text = text.replace("/etc/ssl/certs/ca-certificates.crt", with_tls)
    if with_cluster:
        text = re.sub(r"(?m)^( *)#= ", r"\1", text)
    config = yaml.safe_load(text)
    shipped = json.loads(_configuration(config, FILTER)["value"])["store"]["redis"]
    if not with_environment:
        del shipped["password"]
        shipped["secret"] = SECRET
    policy = dict(policy or {})
    policy["store"] = policy.get("store", {}) | {"redis": shipped | settings}
    _set_address(config, "redis", redis_ports)
    config = put_here(config, json.dumps(policy))
    if upstream_port is not None:
        _set_address(config, "upstream", [upstream_port])
    else:
        [route] = [route for route in _find(config, "route") if route["route"].get("cluster") == "upstream"]
        del route["route"]
        route["direct_response"] = {"status": 200, "body": {"inline_string": "hello\n"}}
    return config


def authz_redis(redis_ports: Sequence[int], policy: dict | None = None) -> dict:
    """`envoy/authz-redis.yaml`, likewise, with a good secret. `policy` needs no `store`."""
    config = yaml.safe_load(repo_path("envoy", "authz-redis.yaml").read_text())
    shipped = json.loads(_configuration(config, FILTER)["value"])
    shipped["store"]["redis"]["secret"] = SECRET
    del shipped["store"]["redis"]["password"]
    _set_address(config, "redis", redis_ports)
    return put_here(config, json.dumps((policy or shipped) | {"store": shipped["store"]}))


def _here(file: str, *, upstream_port: int | None = None, policy: str | None = None, port: int = 0) -> dict:
    config = put_here(yaml.safe_load(repo_path("envoy", file).read_text()), policy, port)
    if upstream_port is not None:
        _set_address(config, "upstream", [upstream_port])
    return config


def put_here(config: dict, policy: str | None = None, port: int = 0) -> dict:
    """Loopback, this port for what serves, this build of the adapter and, if given, this policy. → the configuration"""
    for listener in config["static_resources"]["listeners"]:
        if "address" in listener:
            here = 0 if listener["name"] == "console" else port
            listener["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": here}
    config["admin"]["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": 0}
    for adapter in (FILTER, MODULE):
        if policy is not None and gates(config, adapter):
            _configuration(config, adapter)["value"] = policy
    if ADAPTER is MODULE and gates(config, FILTER):
        config = as_module(config)
    for plugin in _find(config, "vm_config"):
        file = Path(plugin["vm_config"]["code"]["local"]["filename"]).name
        plugin["vm_config"]["code"]["local"]["filename"] = str(wasm_path().with_name(file))
    return config


def gate(config: dict, adapter: Filter | Module = ADAPTER) -> dict:
    """The HTTP filter that judges requests. (There is the console, too.)"""
    [found] = [one for one in gates(config, adapter) if adapter.name_of(one["typed_config"]) == "tollgate"]
    return found


def _configuration(config: dict, adapter: Filter | Module = ADAPTER) -> dict:
    """Where its policy stands, as `value`."""
    return adapter.configuration(gate(config, adapter)["typed_config"])


def _manager(config: dict) -> dict:
    """That of the listener that serves."""
    return _find(config, "http_filters")[0]


def _set_address(config: dict, cluster: str, ports: Sequence[int]) -> None:
    [found] = [one for one in config["static_resources"]["clusters"] if one["name"] == cluster]
    [locality] = found["load_assignment"]["endpoints"]
    [endpoint] = locality["lb_endpoints"]
    address = endpoint["endpoint"]["address"]["socket_address"]
    locality["lb_endpoints"] = [
        {"endpoint": {"address": {"socket_address": address | {"address": "127.0.0.1", "port_value": port}}}} for port in ports
    ]


def _find(node: Any, key: str) -> list[dict]:
    """Every dictionary below `node` that has `key`."""
    if isinstance(node, dict):
        here = [node] if key in node else []
        return here + [found for value in node.values() for found in _find(value, key)]
    if isinstance(node, list):
        return [found for value in node for found in _find(value, key)]
    return []
