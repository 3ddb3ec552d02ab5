"""Envoy's configuration as plain dictionaries: as little as the tests need, and no normalisation by Envoy.

That the filter holds on its own is shown with this; what is shipped is tested from `envoy/` itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.adapter import ADAPTER

_TYPES = "type.googleapis.com/envoy.extensions"
_HCM = f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"


def gate_filter(policy: Any) -> dict:
    """The gate, as an HTTP filter."""
    return {"name": "tollgate", "typed_config": ADAPTER.plugin("tollgate", policy)}


def listener(policy: Any, *, upstream: bool, trusted_hops: int) -> dict:
    """On IPv4 and IPv6 loopback, ports picked by the kernel. `policy`: see `Filter.plugin`."""
    reply = {"status": 200, "body": {"inline_string": "hello\n"}}
    action = {"route": {"cluster": "application", "timeout": "0s"}} if upstream else {"direct_response": reply}
    manager = {
        "@type": _HCM,
        "stat_prefix": "gate",
        "use_remote_address": True,
        "xff_num_trusted_hops": trusted_hops,
        "max_request_headers_kb": 96,
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}]},
            ]
        },
        "http_filters": [
            gate_filter(policy),
            {"name": "router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}},
        ],
    }
    return {
        "name": "gate",
        "address": _address("127.0.0.1", 0),
        "additional_addresses": [{"address": _address("::1", 0)}],
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def console(settings: Any) -> dict:
    """The console, on a port picked by the kernel."""
    manager = {
        "@type": _HCM,
        "stat_prefix": "console",
        "use_remote_address": True,
        "route_config": {"virtual_hosts": []},
        "http_filters": [
            {"name": "console", "typed_config": ADAPTER.console(settings)},
            {"name": "router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}},
        ],
    }
    return {
        "name": "console",
        "address": _address("127.0.0.1", 0),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def bootstrap(
    *,
    listeners: list[dict] | None,
    lds: Path | None,
    upstream_port: int | None,
    http2: bool,
    consoles: Sequence[dict] = (),
) -> dict:
    """`listeners` stand in the file, or come from the watched file `lds`; `consoles` stand in the file."""
    config: dict[str, Any] = {
        "admin": {"address": _address("127.0.0.1", 0)},
        "static_resources": {"clusters": [_cluster(upstream_port, http2)] if upstream_port else []},
    }
    if listeners is not None or consoles:
        config["static_resources"]["listeners"] = [*(listeners or []), *consoles]
    if lds is not None:
        config["node"] = {"id": "gate", "cluster": "gate"}  # dynamic resources ask for a node
        config["dynamic_resources"] = {
            "lds_config": {"resource_api_version": "V3", "path_config_source": {"path": str(lds)}}
        }
    return config


def _cluster(port: int, http2: bool) -> dict:
    protocol = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    return {
        "name": "application",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "application",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address("127.0.0.1", port)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
            }
        },
    }


def _address(host: str, port: int) -> dict:
    return {"socket_address": {"address": host, "port_value": port}}
