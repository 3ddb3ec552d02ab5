"""Envoy's configuration: one listener for each contender, equal in all but its filter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import places

_TYPES = "type.googleapis.com/envoy.extensions"
_ANY_PORT = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}

# Ten thousand clients in turn are meant to find room, as they do with Tollgate's default capacity.
_LOCAL_DESCRIPTORS = 65_536


def bootstrap(listeners: list[dict], clusters: list[dict] | None = None) -> dict:
    resources = {"listeners": listeners, "clusters": clusters or []}
    return {"admin": {"address": _ANY_PORT}, "static_resources": resources}


def listener(name: str, filters: list[dict], *, echo: str | None = None, towards: str | None = None) -> dict:
    """Clients are told apart by X-Forwarded-For, as behind a load balancer, so that one machine can be many.

    Envoy itself replies at once: what is left to measure is the proxy and its filter. `echo`: a request header that
    the reply repeats. `towards`: the route leads to this cluster, though no request gets there: a filter behind all others
    replies. (Some filters do nothing where Envoy replies by its route.)
    """
    reply = {"status": 200, "body": {"inline_string": "ok\n"}}
    route: dict[str, Any] = {"match": {"prefix": "/"}, "direct_response": reply}
    if echo:
        route["response_headers_to_add"] = [{"header": {"key": echo, "value": f"%REQ({echo})%"}}]
    if towards:
        route = {"match": {"prefix": "/"}, "route": {"cluster": towards}}
        filters = [*filters, _replies()]
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "use_remote_address": True,
        "xff_num_trusted_hops": 1,
        "normalize_path": True,
        "merge_slashes": True,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            *filters,
            {"name": "router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": name, "address": _ANY_PORT, "filter_chains": [chain]}


def _replies() -> dict:
    """Envoy's filter for faults can answer with 200, too."""
    abort = {"http_status": 200, "percentage": {"numerator": 100, "denominator": "HUNDRED"}}
    return {"name": "fault", "typed_config": {"@type": f"{_TYPES}.filters.http.fault.v3.HTTPFault", "abort": abort}}


def wasm(name: str, code: Path, configuration: str) -> dict:
    """A filter in Wasm. Its `name` makes it a virtual machine of its own, with counters of its own."""
    config = {
        "name": name,
        "vm_config": {
            "vm_id": name,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(code)}},
        },
        "failure_policy": "FAIL_RELOAD",
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
    }
    return {"name": name, "typed_config": {"@type": f"{_TYPES}.filters.http.wasm.v3.Wasm", "config": config}}


def tollgate(name: str, code: Path, policy: dict) -> dict:
    return wasm(name, code, json.dumps(policy))


def module(name: str, policy: dict) -> dict:
    """Tollgate's native module, with counters of its own."""
    policy = policy | {"store": policy.get("store", {}) | {"name": name}}
    config = {
        "@type": f"{_TYPES}.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        "dynamic_module_config": {"name": "tollgate"},
        "filter_name": name,
        "filter_config": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(policy)},
    }
    return {"name": name, "typed_config": config}


def empty_module(kind: str) -> dict:
    """The least that a native module can be, by the kinds that bench/empty-module has."""
    config = {
        "@type": f"{_TYPES}.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        "dynamic_module_config": {"module": {"local": {"filename": str(places.EMPTY_MODULE)}}},
        "filter_name": kind,
    }
    return {"name": "empty-module", "typed_config": config}


def lua(code: str) -> dict:
    config = {"@type": f"{_TYPES}.filters.http.lua.v3.Lua", "default_source_code": {"inline_string": code}}
    return {"name": "lua", "typed_config": config}


def local_ratelimit(quota: int, seconds: int = 60, *, tells: bool = False) -> dict:
    """Envoy's own limiter, with a token bucket for each client address. `tells`: by header fields how much is left, and when there will be more."""
    bucket = {"max_tokens": quota, "tokens_per_fill": quota, "fill_interval": f"{seconds}s"}
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    config = {
        "@type": f"{_TYPES}.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "local",
        "filter_enabled": always,
        "filter_enforced": always,
        # Asked for, but not used: every request has a descriptor.
        "token_bucket": bucket,
        "always_consume_default_token_bucket": False,
        "rate_limits": [{"actions": [{"remote_address": {}}]}],
        # An entry without a value stands for any, each with a bucket of its own.
        "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
        "max_dynamic_descriptors": _LOCAL_DESCRIPTORS,
    }
    if tells:
        config["enable_x_ratelimit_headers"] = "DRAFT_VERSION_03"
    return {"name": "local_ratelimit", "typed_config": config}
