"""Envoy answers a refusal from elsewhere (`custom_response`, behind the gate): the request begins anew, as when it is redirected, but
nobody has redirected it."""

from __future__ import annotations

import pytest

from harness.client import Client
from harness.layouts import layout, typed
from harness.upstream import redirected, told

QUOTA = 5
POLICY = {"scopes": {"login": {"rate": f"{QUOTA}/h", "key": "address", "match": {"path": "/login"}, "count": {"status": [401]}}}}


def sorry() -> dict:
    """A filter that answers 401 with what stands at `/sorry`."""
    status = {"name": "status", "typed_config": {"@type": "type.googleapis.com/envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput"}}
    elsewhere = typed("http.custom_response.redirect_policy.v3.RedirectPolicy", status_code=401, uri="http://gate.test/sorry")
    matcher = {
        "predicate": {"single_predicate": {"input": status, "value_match": {"exact": "401"}}},
        "on_match": {"action": {"name": "sorry", "typed_config": elsewhere}},
    }
    config = typed("filters.http.custom_response.v3.CustomResponse", custom_response_matcher={"matcher_list": {"matchers": [matcher]}})
    return {"name": "envoy.filters.http.custom_response", "typed_config": config}


@pytest.fixture
def caller(open_gate, application):
    following = {"internal_redirect_policy": {"max_internal_redirects": 3}}
    config = layout(POLICY, upstream_port=application.port, after=[sorry()], route=following)
    with Client(open_gate(config=config).port) as client:
        yield client


def test_failed_logins_are_counted(caller):
    assert caller.statuses(QUOTA + 2, "/login", *told(401)) == {401: QUOTA, 429: 2}


def test_a_redirected_request_gives_back_no_failed_login(caller):
    """What the failed login was charged is not what the next redirected request of this connection was charged."""
    statuses = []
    for _ in range(QUOTA + 2):
        statuses.append(caller.send("/login", *told(401)).status)
        assert caller.send("/a", *redirected("/b")).status == 200
    assert statuses == [401] * QUOTA + [429] * 2
