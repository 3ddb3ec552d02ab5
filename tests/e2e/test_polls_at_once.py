"""A new credential's requests that are all under way before its first one is answered: no more of them reach the application than
its own limits admit, though nobody knows it yet."""

from __future__ import annotations

import pytest

from harness import http2
from harness.client import Client, fresh_address, fresh_token, token

POLLS = 30  # a minute, of the default policy's `worker`
CONNECTIONS, TIMES = 30, 100


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def gate(request, open_shared_gate):
    return open_shared_gate(workers=request.param)  # the default policy


def test_3000_first_polls_at_once(gate, application):
    credential, mark = token(fresh_token()), fresh_token()
    poll = http2.request(f"/api/v2/jobs/?ids_only=1&mark={mark}", credential)
    statuses = http2.burst(gate.port, poll, times=TIMES, connections=CONNECTIONS, source=fresh_address())
    reached = sum(mark in seen.target for seen in application.seen)
    assert set(statuses) == {200, 429} and sum(statuses.values()) == CONNECTIONS * TIMES
    assert 1 <= reached == statuses[200] <= POLLS


def test_it_is_no_wider_from_many_addresses(gate, application):
    """A credential that is known, from as many addresses as there are polls: it is one client."""
    credential, mark = token(fresh_token()), fresh_token()
    with Client(gate.port) as caller:
        assert caller.send("/", credential).status == 200
    callers = [http2.Http2Connection(gate.port, source=fresh_address()) for _ in range(2 * POLLS)]
    for caller in callers:
        caller.queue([http2.request(f"/api/v2/jobs/?ids_only=1&mark={mark}", credential)])
    for caller in callers:
        caller.flush()
    assert sorted(caller.replies()[0].status for caller in callers) == [200] * POLLS + [429] * POLLS
    for caller in callers:
        caller.close()
    assert sum(mark in seen.target for seen in application.seen) == POLLS
