"""A configuration that is shipped for the filter, with the module in its place: of most there is only the one in `envoy/`."""

from __future__ import annotations

import copy
import json
from typing import Any

from harness.adapter import FILTER, MODULE, gates

# Envoy takes its prefix away from wasm's metrics by itself; from a module's if it is told to.
_RUNTIME = {
    "layers": [
        {"name": "static", "static_layer": {"envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix": True}}
    ]
}


def as_module(config: dict) -> dict:
    """→ a copy, in which the filter and the console are the module's, and so are the labels of their metrics. The module connects to
    Redis by itself: a cluster for it goes, and the policy names its servers."""
    made = _renamed(copy.deepcopy(config))
    resources = made["static_resources"]
    redis = [cluster for cluster in resources.get("clusters", []) if cluster["name"] == "redis"]
    if redis:
        resources["clusters"].remove(redis[0])
    for holder in gates(made, FILTER):
        plugin = holder["typed_config"]
        value = FILTER.configuration(plugin)["value"]
        holder["typed_config"] = MODULE.plugin(FILTER.name_of(plugin), _with_url(value, redis[0]) if redis else value)
    if "stats_config" in made:
        made["layered_runtime"] = _RUNTIME
    return made


def _with_url(policy: str, cluster: dict) -> str:
    """The policy with this cluster's servers for the cluster's name, unless it says itself where Redis is."""
    document = json.loads(policy)
    if (redis := document.get("store", {}).get("redis")) is None:
        return policy
    servers = [
        "{address}:{port_value}".format_map(one["endpoint"]["address"]["socket_address"])
        for locality in cluster["load_assignment"]["endpoints"]
        for one in locality["lb_endpoints"]
    ]
    scheme = "redis"
    if tls := cluster.get("transport_socket"):
        scheme = "rediss"
        redis["ca"] = tls["typed_config"]["common_tls_context"]["validation_context"]["trusted_ca"]["filename"]
    del redis["cluster"]
    redis.setdefault("url", f"{scheme}{'-cluster' * (len(servers) > 1)}://{','.join(servers)}")
    return json.dumps(document)


def _renamed(node: Any) -> Any:
    """With the module's metrics in the place of the filter's."""
    if isinstance(node, dict):
        return {key: _renamed(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_renamed(value) for value in node]
    return node.replace(FILTER.metrics, MODULE.metrics) if isinstance(node, str) else node
