"""The configurations that are shipped in `envoy/`, with nothing changed but what differs on every machine."""

from __future__ import annotations

from typing import Any

import yaml

from harness.places import repo_path, wasm_path


def inline(upstream_port: int | None = None, policy: str | None = None) -> dict:
    """`envoy/inline.yaml`, with loopback ports, this build of the filter and, if given, this upstream and policy."""
    config = yaml.safe_load(repo_path("envoy", "inline.yaml").read_text())
    for listener in config["static_resources"]["listeners"]:
        listener["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": 0}
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
