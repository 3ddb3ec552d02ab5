"""The configurations that are shipped in `envoy/`, with nothing changed but what differs on every machine."""

from __future__ import annotations

import json
from typing import Any

import yaml

from harness.places import repo_path, wasm_path


def inline(upstream_port: int | None = None, policy: str | None = None) -> dict:
    """`envoy/inline.yaml`, with loopback ports, this build of the filter and, if given, this upstream and policy."""
    return _here("inline.yaml", upstream_port=upstream_port, policy=policy)


def authz(policy: dict | None = None, *, port: int = 0) -> dict:
    """`envoy/authz.yaml`, likewise; on this port, if it has to be known before."""
    return _here("authz.yaml", policy=policy and json.dumps(policy), port=port)


def set_trusted_hops(config: dict, hops: int) -> None:
    """So many proxies of our own stand in front."""
    [manager] = _find(config, "xff_num_trusted_hops")
    manager["xff_num_trusted_hops"] = hops


def let_upgrade(config: dict) -> None:
    """WebSockets are let through."""
    [manager] = _find(config, "http_filters")
    manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]


def authz_policy() -> dict:
    """The policy in `envoy/authz.yaml`."""
    [plugin] = _find(_here("authz.yaml"), "vm_config")
    return json.loads(plugin["configuration"]["value"])


def ext_authz(service_port: int, upstream_port: int, *, stays_open: bool = False) -> dict:
    """`envoy/ext_authz.yaml`, likewise; it asks this service."""
    config = _here("ext_authz.yaml", upstream_port=upstream_port)
    [service] = [cluster for cluster in config["static_resources"]["clusters"] if cluster["name"] == "tollgate"]
    for endpoint in _find(service, "socket_address"):
        endpoint["socket_address"]["port_value"] = service_port
    [asking] = _find(config, "failure_mode_allow")
    asking["failure_mode_allow"] = stays_open
    return config


def _here(file: str, *, upstream_port: int | None = None, policy: str | None = None, port: int = 0) -> dict:
    config = yaml.safe_load(repo_path("envoy", file).read_text())
    for listener in config["static_resources"]["listeners"]:
        listener["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": port}
    config["admin"]["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": 0}
    for plugin in _find(config, "vm_config"):
        plugin["vm_config"]["code"]["local"]["filename"] = str(wasm_path())
        if policy is not None:
            plugin["configuration"]["value"] = policy
    if upstream_port is not None:
        for endpoint in _find(config["static_resources"]["clusters"], "socket_address"):
            endpoint["socket_address"] |= {"address": "127.0.0.1", "port_value": upstream_port}
    return config


def _find(node: Any, key: str) -> list[dict]:
    """Every dictionary below `node` that has `key`."""
    if isinstance(node, dict):
        here = [node] if key in node else []
        return here + [found for value in node.values() for found in _find(value, key)]
    if isinstance(node, list):
        return [found for value in node for found in _find(value, key)]
    return []
