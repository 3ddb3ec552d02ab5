"""However many workers decide at once, and however the requests arrive, exactly the quota is admitted."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from harness import http2
from harness.client import Client, encode, fresh_address, fresh_token, in_step, token

CONNECTIONS = 64
# Nothing comes back within the test.
POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {
        "one": {"rate": "1/h", "key": "address", "match": {"path": "/one"}},
        "small": {"rate": "30/h", "key": "credential", "match": {"path": "/small"}},
        "large": {"rate": "300/h", "key": "credential", "match": {"path": "/large"}},
        "bucket": {
            "rate": "1/h",
            "algorithm": "token_bucket",
            "burst": 40,
            "key": "credential",
            "match": {"path": "/bucket"},
        },
        "everyone": {"rate": "100/h", "key": "global", "match": {"path": "/everyone"}},
    },
}


@pytest.fixture(scope="module", params=[1, 2, 4, 8], ids="{} workers".format)
def gate(request, open_shared_gate):
    return open_shared_gate(POLICY, workers=request.param, upstream_port=None)


@pytest.mark.parametrize(("path", "quota"), [("/small", 30), ("/large", 300), ("/bucket", 40)])
def test_exactly_the_quota_of_a_burst_is_admitted(gate, path, quota):
    """64 connections send everything at once, for a key that is new."""
    for _ in range(5):
        headers = http2.request(path, token(fresh_token()))
        times = 2 * quota // CONNECTIONS + 1
        statuses = http2.burst(gate.port, headers, times=times, connections=CONNECTIONS, source=fresh_address())
        assert statuses == {200: quota, 429: times * CONNECTIONS - quota}


def test_exactly_the_quota_of_each_of_ten_keys(gate):
    """Ten bursts at once, each for a key of its own, share the workers and perhaps a cell."""

    def burst(_: int) -> Counter[int]:
        headers = http2.request("/large", token(fresh_token()))
        return http2.burst(gate.port, headers, times=100, connections=6, source=fresh_address())

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(burst, range(10))) == [{200: 300, 429: 300}] * 10


def test_the_first_hit_of_a_key_is_not_lost(gate):
    """64 first requests at once, of which one may pass: two workers that both begin the counter would let two."""
    admitted = Counter()
    for _ in range(60):
        statuses = in_step(gate.port, encode("/one"), rounds=1, connections=CONNECTIONS, source=fresh_address())
        admitted[statuses[200]] += 1
    assert admitted == {1: 60}


def test_exact_over_http_1(gate):
    request = encode("/small", headers=[token(fresh_token())])
    statuses = in_step(gate.port, request, rounds=4, connections=CONNECTIONS, source=fresh_address())
    assert statuses == {200: 30, 429: 4 * CONNECTIONS - 30}


def test_exact_for_clients_in_threads(gate):
    """Sixty-four independent callers, each waiting for its own replies."""
    credential = token(fresh_token())
    start = Barrier(CONNECTIONS)

    def call(_: int) -> Counter[int]:
        with Client(gate.port) as caller:
            start.wait()
            return caller.statuses(40, "/large", credential)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        statuses = sum(pool.map(call, range(CONNECTIONS)), Counter())
    assert statuses == {200: 300, 429: CONNECTIONS * 40 - 300}


def test_one_counter_for_everyone_is_exact(open_gate):
    """The same for a key that all clients share, next to keys of their own."""
    gate = open_gate(POLICY, workers=4, upstream_port=None)
    statuses = in_step(gate.port, encode("/everyone"), rounds=4, connections=CONNECTIONS, source=fresh_address())
    assert statuses == {200: 100, 429: 4 * CONNECTIONS - 100}


def test_all_or_none_across_two_clients_counters(open_gate):
    """A request is charged to its address and to everyone's counter, which are apart in the store. Whoever is denied
    by one leaves the other as it was, also when workers race for both."""
    policy = {
        "scopes": {
            "own": {"rate": "10/h", "key": "address"},
            "everyone": {"rate": "100/h", "key": "global"},
        }
    }
    gate = open_gate(policy, workers=4, upstream_port=None)
    admitted = Counter()
    for _ in range(10):
        statuses = http2.burst(gate.port, http2.request("/"), times=10, connections=4, source=fresh_address())
        admitted[statuses[200]] += 1
    assert admitted == {10: 10}  # 30 denials of each client took nothing from the hundred
    with Client(gate.port) as caller:
        assert caller.send().status == 429  # and the hundred are used up
