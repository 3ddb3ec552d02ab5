"""The gate among a cluster's own filters, behind the router: it works there, and counts what the router sends, not what clients ask."""

from __future__ import annotations

import pytest

from harness.adapter import ADAPTER
from harness.client import Client
from harness.layouts import layout, typed
from harness.upstream import redirected, told

QUOTA = 6
POLICY = {"scopes": {"all": {"rate": f"{QUOTA}/h", "key": "address"}}}


@pytest.fixture
def gate(open_gate, application):
    route = {"retry_policy": {"retry_on": "5xx", "num_retries": 2}, "internal_redirect_policy": {"max_internal_redirects": 3}}
    config = layout(POLICY, upstream_port=application.port, route=route)
    listener = config["static_resources"]["listeners"][0]
    filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    [cluster] = config["static_resources"]["clusters"]
    [options] = cluster["typed_extension_protocol_options"].values()
    codec = {"name": "codec", "typed_config": typed("filters.http.upstream_codec.v3.UpstreamCodec")}
    options["http_filters"] = [filters.pop(0), codec]
    return open_gate(config=config)


def test_a_request_is_one(gate):
    with Client(gate.port) as caller:
        assert caller.statuses(QUOTA + 2) == {200: QUOTA, 429: 2}


def test_each_attempt_is_one(gate):
    with Client(gate.port) as caller:
        assert caller.send("/", *told(503)).status == 503  # asked three times
        assert caller.statuses(QUOTA) == {200: QUOTA - 3, 429: 3}


def test_each_hop_of_a_redirect_is_one(gate):
    with Client(gate.port) as caller:
        assert caller.send("/from", *redirected("/to")).status == 200
        assert caller.statuses(QUOTA) == {200: QUOTA - 2, 429: 2}


@pytest.mark.only("module", because="Envoy names a filter's metrics alike in both places")
def test_its_metrics_are_the_clusters(gate):
    with Client(gate.port) as caller:
        caller.send("/")
    name = "requests_total.policy.tollgate.decision.allowed"
    assert (gate.metric(name), gate.stat(f"cluster.application.{ADAPTER.metrics}.tollgate.{name}")) == (0, 1)
