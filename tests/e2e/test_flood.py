"""The table has a fixed size. A flood of clients that never come again fits into it, and hides nobody."""

from __future__ import annotations

import pytest

from harness import http2
from harness.client import Client, fresh_address, fresh_token, token

CAPACITY = 1024
POLICY = {
    "scopes": {"all": {"rate": "30/h", "key": "credential"}},
    "store": {"capacity": CAPACITY},
}


@pytest.fixture
def gate(open_gate):
    return open_gate(POLICY, upstream_port=None)


def flood(gate, clients: int) -> None:
    """This many clients call once."""
    with http2.Http2Connection(gate.port, source=fresh_address()) as caller:
        for _ in range(0, clients, 500):
            caller.queue([http2.request("/", token(fresh_token())) for _ in range(500)])
            caller.flush()
            assert {reply.status for reply in caller.replies()} == {200}


def test_a_flood_does_not_wash_a_counter_out(gate):
    credential = token(fresh_token())
    with Client(gate.port) as abuser:
        assert abuser.statuses(31, "/", credential) == {200: 30, 429: 1}
        flood(gate, 5 * CAPACITY)
        assert abuser.statuses(3, "/", credential) == {429: 3}
    assert gate.metric("store_evicted_total") > 0


def test_who_comes_in_a_flood_is_counted_too(gate):
    flood(gate, 5 * CAPACITY)
    with Client(gate.port) as caller:
        assert caller.statuses(31, "/", token(fresh_token())) == {200: 30, 429: 1}
