"""Not every request is the gate's: it is off for a route, or chosen by a matcher. A policy for one route alone is refused."""

from __future__ import annotations

from copy import deepcopy

import pytest

from harness.adapter import ADAPTER
from harness.client import Client
from harness.envoy import run_config
from harness.layouts import layout, typed

POLICY = {"scopes": {"all": {"rate": "2/h", "key": "address"}}}
LIMITED, FREE = {200: 2, 429: 2}, {200: 4}

_ROUTE = "type.googleapis.com/envoy.config.route.v3"
_MATCHER = "type.googleapis.com/envoy.type.matcher.v3"


def manager(config: dict) -> dict:
    return config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def with_second_route(route_filters: dict, **gate) -> dict:
    """A bootstrap in which `/other` has these filters' settings; `gate`: more for the gate itself."""
    config = layout(POLICY)
    manager(config)["http_filters"][0] |= gate
    [host] = manager(config)["route_config"]["virtual_hosts"]
    other = deepcopy(host["routes"][0]) | {"match": {"prefix": "/other"}, "typed_per_filter_config": route_filters}
    host["routes"].insert(0, other)
    return config


def matched(header: str, action: dict, extension: dict) -> dict:
    """The `typed_config` of an extension for which this is done if the header says `yes`."""
    taken = {"exact_match_map": {"map": {"yes": {"action": {"name": "action", "typed_config": action}}}}}
    of = {"name": "header", "typed_config": {"@type": f"{_MATCHER}.HttpRequestHeaderMatchInput", "header_name": header}}
    return typed("common.matching.v3.ExtensionWithMatcher", extension_config=extension, xds_matcher={"matcher_tree": {"input": of} | taken})


def test_it_is_off_for_a_route(open_gate):
    gate = open_gate(config=with_second_route({"tollgate": {"@type": f"{_ROUTE}.FilterConfig", "disabled": True}}))
    with Client(gate.port) as caller:
        assert caller.statuses(4, "/other") == FREE
        assert caller.statuses(4) == LIMITED


def test_it_is_on_for_a_route_alone(open_gate):
    gate = open_gate(config=with_second_route({"tollgate": {"@type": f"{_ROUTE}.FilterConfig", "config": {}}}, disabled=True))
    with Client(gate.port) as caller:
        assert caller.statuses(4) == FREE
        assert caller.statuses(4, "/other") == LIMITED


def test_a_matcher_skips_it(open_gate):
    config = layout(POLICY)
    [gate, _] = manager(config)["http_filters"]
    gate["typed_config"] = matched("x-skip", typed("filters.common.matcher.action.v3.SkipFilter"), deepcopy(gate))
    with Client(open_gate(config=config).port) as caller:
        assert caller.statuses(4, "/", ("x-skip", "yes")) == FREE
        assert caller.statuses(4) == LIMITED


def test_a_matcher_chooses_it(open_gate):
    config = layout(POLICY)
    [gate, _] = manager(config)["http_filters"]
    action = typed("filters.http.composite.v3.ExecuteFilterAction", typed_config=deepcopy(gate))
    composite = {"name": "composite", "typed_config": typed("filters.http.composite.v3.Composite")}
    gate |= {"name": "composite", "typed_config": matched("x-limit", action, composite)}
    with Client(open_gate(config=config).port) as caller:
        assert caller.statuses(4) == FREE
        assert caller.statuses(4, "/", ("x-limit", "yes")) == LIMITED


@pytest.mark.only("module", because="Envoy knows no such thing for the filter")
def test_a_policy_for_a_route_is_refused_with_what_to_do_instead(tmp_path):
    settings = typed("filters.http.dynamic_modules.v3.DynamicModuleFilterPerRoute", dynamic_module_config={"name": "tollgate"})
    code, log = run_config(tmp_path, with_second_route({"tollgate": settings}), "--mode", "validate")
    assert code != 0
    [error] = ADAPTER.errors(log)
    assert "DynamicModuleFilterPerRoute" in error and "`match`" in error and "FilterConfig" in error, error
