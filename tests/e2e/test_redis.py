"""Envoys that share one limit through a real Redis, with `envoy/redis.yaml` between them."""

from __future__ import annotations

import pytest

from harness import shipped
from harness.client import Client, fresh_address, fresh_token, token
from harness.redis import Redis

POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {
        "small": {"rate": "30/h", "key": "credential", "match": {"path": "/small"}},
        "large": {"rate": "300/h", "key": "credential", "match": {"path": "/large"}},
    },
}


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def test_one_envoy(redis, open_gate):
    gate = open_gate(config=shipped.redis([redis.port], POLICY))
    with Client(gate.port) as caller:
        credential = token(fresh_token())
        assert caller.statuses(35, "/small", credential) == {200: 30, 429: 5}
    print(gate.admin("/stats?filter=tollgate"))
    print(redis.keys(), redis.connections())
