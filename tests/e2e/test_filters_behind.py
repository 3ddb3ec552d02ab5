"""Filters of Envoy that stand behind the gate and answer in the application's place: their answers are answers, and counted by
their status."""

from __future__ import annotations

import json

import pytest

from harness.client import Client, fresh_token, token
from harness.layouts import layout, typed
from harness.upstream import told

QUOTA = 5


def policy(statuses: list) -> dict:
    return {"scopes": {"login": {"rate": f"{QUOTA}/h", "key": "address", "count": {"status": statuses}}}}


CORS = "envoy.filters.http.cors"
PREFLIGHT = [("origin", "http://app.test"), ("access-control-request-method", "GET")]

# Each answers to requests with a certain header, or without.
REFUSING_BY_RBAC = {
    "name": "envoy.filters.http.rbac",
    "typed_config": typed(
        "filters.http.rbac.v3.RBAC",
        rules={
            "action": "DENY",
            "policies": {
                "guests": {
                    "permissions": [{"any": True}],
                    "principals": [{"header": {"name": "x-guest", "present_match": True}}],
                }
            },
        },
    ),
}
REFUSING_BY_JWT = {
    "name": "envoy.filters.http.jwt_authn",
    "typed_config": typed(
        "filters.http.jwt_authn.v3.JwtAuthentication",
        providers={
            "local": {
                "issuer": "https://issuer.test",
                "local_jwks": {"inline_string": json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": "a2V5"}]})},
            }
        },
        rules=[
            {
                "match": {"prefix": "/", "headers": [{"name": "x-guest", "present_match": True}]},
                "requires": {"provider_name": "local"},
            }
        ],
    ),
}
GUEST = ("x-guest", "yes")
REFUSING = {"rbac": (REFUSING_BY_RBAC, 403), "jwt_authn": (REFUSING_BY_JWT, 401)}


def test_a_preflight_is_no_failed_login(open_gate, application):
    allowed = typed("filters.http.cors.v3.CorsPolicy", allow_origin_string_match=[{"prefix": "http"}])
    config = layout(
        policy([401, 403]),
        upstream_port=application.port,
        after=[{"name": CORS, "typed_config": typed("filters.http.cors.v3.Cors")}],
        route_filters={CORS: allowed},
    )
    with Client(open_gate(config=config).port) as caller:
        for _ in range(3 * QUOTA):
            reply = caller.send("/", *PREFLIGHT, method="OPTIONS")
            assert (reply.status, reply.from_application) == (200, False)
        assert caller.statuses(QUOTA + 1, "/", *told(401)) == {401: QUOTA, 429: 1}


@pytest.mark.parametrize("name", REFUSING)
def test_a_refusal_that_is_listed_counts(open_gate, application, name):
    refusing, status = REFUSING[name]
    config = layout(policy([401, 403]), upstream_port=application.port, after=[refusing])
    with Client(open_gate(config=config).port) as caller:
        assert caller.statuses(3 * QUOTA) == {200: 3 * QUOTA}
        assert caller.statuses(QUOTA + 1, "/", GUEST) == {status: QUOTA, 429: 1}


@pytest.mark.parametrize("name", REFUSING)
def test_a_refusal_that_is_not_listed_does_not_count(open_gate, application, name):
    refusing, status = REFUSING[name]
    config = layout(policy([404]), upstream_port=application.port, after=[refusing])
    with Client(open_gate(config=config).port) as caller:
        assert caller.statuses(3 * QUOTA, "/", GUEST) == {status: 3 * QUOTA}
        assert caller.statuses(QUOTA + 1, "/", *told(404)) == {404: QUOTA, 429: 1}


@pytest.mark.parametrize("name", REFUSING)
def test_a_refusal_proves_nothing(open_gate, application, name):
    """Nor does a preflight, see test_trust.py."""
    refusing, status = REFUSING[name]
    scopes = {"anon": {"rate": f"{QUOTA}/h", "match": {"client": "anonymous"}, "key": "address"}}
    config = layout({"scopes": scopes}, upstream_port=application.port, after=[refusing])
    with Client(open_gate(config=config).port) as caller:
        statuses = [caller.send("/", token(fresh_token()), GUEST).status for _ in range(QUOTA + 1)]
        assert statuses == [status] * QUOTA + [429]
