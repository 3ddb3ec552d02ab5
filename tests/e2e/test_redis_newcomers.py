"""New credentials behind one address, with counters in Redis: they cost their address nothing, as with counters in Envoy, though
what an answer settles goes to Redis later."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import shipped
from harness.client import Client, fresh_address, fresh_token, token
from harness.upstream import told

ANON = 5
POLICY = {
    "client": {"credential": {"new_per_address": "1000/min"}},
    "scopes": {
        "anon": {"rate": f"{ANON}/min", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "300/min", "key": ["credential", "address"]},
    }
}


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def gates(request, redis, open_shared_gate, application):
    config = shipped.redis(
        [redis.port], POLICY, upstream_port=application.port, timeout="5s", prefix=f"newcomers-{request.param}:"
    )
    return [open_shared_gate(config=config, workers=request.param) for _ in range(2)]


def test_200_honest_newcomers_one_after_the_other(gates):
    """On one connection."""
    with Client(gates[0].port) as caller:
        assert [caller.send("/", token(fresh_token())).status for _ in range(200)] == [200] * 200


def test_each_on_a_connection_of_his_own(gates):
    """To either Envoy, and whichever of its workers."""
    address = fresh_address()
    statuses: Counter[int] = Counter()
    for number in range(200):
        with Client(gates[number % 2].port, address) as caller:
            statuses[caller.send("/", token(fresh_token())).status] += 1
    assert statuses == {200: 200}


def test_made_up_ones_use_up_the_address(gates):
    address = fresh_address()
    statuses: Counter[int] = Counter()
    for number in range(4 * ANON):
        with Client(gates[number % 2].port, address) as caller:
            statuses[caller.send("/", token(fresh_token()), *told(401)).status] += 1
    assert statuses == {401: ANON, 429: 3 * ANON}


def test_as_many_at_once_as_the_address_has(gates):
    """Five callers that never have more than one request each under way, each request a newcomer's; each calls one worker, on one
    connection. So never are more than five requests unanswered."""
    address = fresh_address()
    statuses: Counter[int] = Counter()

    def call(number: int) -> Counter[int]:
        with Client(gates[number % 2].port, address) as caller:
            return Counter(caller.send("/", token(fresh_token())).status for _ in range(200))

    with ThreadPoolExecutor(ANON) as callers:
        for counted in callers.map(call, range(ANON)):
            statuses += counted
    assert statuses == {200: 200 * ANON}


def test_no_more_become_known_than_one_address_may_bring(redis, open_gate, application):
    """Whichever Envoy they come to. And what they leave behind in Redis is gone after a few minutes."""
    policy = POLICY | {"client": {"credential": {"new_per_address": "7/min"}}}
    config = shipped.redis([redis.port], policy, upstream_port=application.port, timeout="5s", prefix="few:")
    gates = [open_gate(config=config) for _ in range(2)]
    address = fresh_address()
    statuses: Counter[int] = Counter()
    for number in range(100):
        with Client(gates[number % 2].port, address) as caller:
            statuses[caller.send("/", token(fresh_token())).status] += 1
    assert statuses == {200: 7 + ANON, 429: 100 - 7 - ANON}
    assert sum(gate.metric("credentials_held_back_total.policy.tollgate") for gate in gates) == ANON
    keys = [key for key in redis.keys() if key.startswith("few:")]
    assert len(keys) <= 1 + 7 + ANON
    assert all(0 < redis.command("PTTL", key) <= 340_000 for key in keys)
