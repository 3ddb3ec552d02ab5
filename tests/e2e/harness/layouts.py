"""Envoys that have more to them than the filter: other filters around it, a route that times out, a second listener."""

from __future__ import annotations

from typing import Any

from harness import bootstrap
from harness.peek import add_peek


def layout(
    policy: Any,
    *,
    upstream_port: int | None = None,
    trusted_hops: int = 0,
    before: list[dict] | None = None,
    after: list[dict] | None = None,
    route_filters: dict[str, dict] | None = None,
    route: dict | None = None,
    http2: bool = False,
    upgrades: bool = False,
    peek: bool = False,
) -> dict:
    """The tests' own bootstrap, for `Gate(config=…)`, with HTTP filters `before` and `after` Tollgate, what they are
    told for the one route, more `route` (its timeout, say), `http2` to the application, WebSockets let through, and a
    listener that shows who has a record, see `harness.peek`."""
    gate = bootstrap.listener(policy, upstream=upstream_port is not None, trusted_hops=trusted_hops)
    manager = _manager(gate)
    tollgate, router = manager["http_filters"]
    manager["http_filters"] = [*(before or []), tollgate, *(after or []), router]
    [the_route] = manager["route_config"]["virtual_hosts"][0]["routes"]
    if route_filters:
        the_route["typed_per_filter_config"] = route_filters
    if route:
        the_route["route"] |= route
    if upgrades:
        manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    config = bootstrap.bootstrap(listeners=[gate], lds=None, upstream_port=upstream_port, http2=http2)
    if peek:
        add_peek(config)
    return config


def side_by_side(policies: dict[str, Any], *, upstream_port: int) -> dict:
    """A bootstrap with a listener of each of these names and policies; they share their counters."""
    listeners = []
    for name, policy in policies.items():
        listener = bootstrap.listener(policy, upstream=True, trusted_hops=0)
        _manager(listener)["stat_prefix"] = listener["name"] = name
        listeners.append(listener)
    return bootstrap.bootstrap(listeners=listeners, lds=None, upstream_port=upstream_port, http2=False)


def typed(kind: str, **fields: Any) -> dict:
    """`kind` is what follows `envoy.extensions.` in the name of the message."""
    return {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **fields}


def _manager(listener: dict) -> dict:
    return listener["filter_chains"][0]["filters"][0]["typed_config"]
