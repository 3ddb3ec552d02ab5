"""Random credentials by the thousand, and requests of one new credential that are under way at the same time."""

from __future__ import annotations

from collections import Counter
from threading import Thread

import pytest

from harness import http2
from harness.client import Client, Connection, encode, fresh_address, fresh_token, token
from harness.layouts import layout
from harness.peek import Peek
from harness.quota import applying, standing
from harness.upstream import held, told
from harness.waiting import until

ANON, USER = 60, 100  # quotas; nothing comes back within the test
CAPACITY = 16384

POLICY = {
    "scopes": {
        "anon": {"rate": f"{ANON}/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": f"{USER}/h", "key": ["credential", "address"]},
    },
    "response": {"ratelimit_headers": "draft"},
    "store": {"capacity": CAPACITY},
}


@pytest.fixture(scope="module")
def gate(open_shared_gate, application):
    config = layout(POLICY, upstream_port=application.port, peek=True)
    return open_shared_gate(config=config, workers=4)


class Spray(Thread):
    """10,000 requests from one address, each with another credential, which the application refuses."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.address = fresh_address()
        self.statuses: Counter[int] = Counter()
        self._connections = [http2.Http2Connection(port, source=self.address) for _ in range(4)]

    def run(self) -> None:
        for _ in range(5):
            for connection in self._connections:
                connection.queue([http2.request("/sprayed", token(fresh_token()), *told(401)) for _ in range(500)])
                connection.flush()
            for connection in self._connections:
                self.statuses.update(reply.status for reply in connection.replies())
        for connection in self._connections:
            connection.close()


def test_sprayed_credentials_are_worth_one_address(gate, application):
    """Of 10,000 as many reach the application as of an anonymous client, and they leave one record. Nobody who is
    accepted notices: neither who is elsewhere, nor who is behind the same address and known already."""
    table = Peek(gate, CAPACITY)
    spray = Spray(gate.port)
    users = [(fresh_address(), token(fresh_token())) for _ in range(3)]
    neighbours = [(spray.address, token(fresh_token())) for _ in range(2)]
    with Client(gate.port) as caller:
        for _, credential in users + neighbours:
            assert caller.send("/", credential).status == 200
    before, evicted = table.clients(), gate.metric("store_evicted_total")

    spray.start()
    callers = [(Client(gate.port, address), credential) for address, credential in users + neighbours]
    statuses = Counter(caller.send("/", credential).status for _ in range(USER - 1) for caller, credential in callers)
    spray.join()
    for caller, _ in callers:
        caller.close()

    assert statuses == {200: (USER - 1) * len(callers)}
    assert spray.statuses == {401: ANON, 429: 10_000 - ANON}
    assert sum(seen.target == "/sprayed" for seen in application.seen) == ANON
    assert len(table.clients() - before) == 1
    assert gate.metric("store_evicted_total") == evicted
    # And the spray has used up its address, for whoever comes there without an accepted credential.
    with Client(gate.port, spray.address) as caller:
        assert caller.send().status == caller.send("/", token(fresh_token())).status == 429


def under_way(gate, application, address: str, name: str, *headers) -> Connection:
    """A request that has reached the application, which answers it when told `release(name)`."""
    connection = Connection(gate.port, source=address)
    connection.send(encode("/", headers=[held(name), *headers]))
    until(lambda: application.arrived(name))
    return connection


# How the application answers two first requests of one credential, in this order; how many of them move from the
# address to the credential; and whether it is proved then.
PAIRS = {
    "both accepted": (200, 200, 2),
    "one accepted, then one refused": (200, 401, 1),
    "one refused, then one accepted": (401, 200, 1),
    "both refused": (401, 401, 0),
}


@pytest.mark.parametrize(("first", "second", "moved"), PAIRS.values(), ids=PAIRS.keys())
def test_two_first_requests_at_once(gate, application, first, second, moved):
    address, credential = fresh_address(), token(fresh_token())
    names = fresh_token(), fresh_token()
    one = under_way(gate, application, address, names[0], credential, *told(first))
    two = under_way(gate, application, address, names[1], credential, *told(second))
    for connection, name, status in ((one, names[0], first), (two, names[1], second)):
        application.release(name)
        reply = connection.reply()
        assert reply.status == status
        assert applying(reply) == ({"user"} if status == 200 else {"anon", "user"})
        connection.close()
    with Client(gate.port, address) as caller:
        assert standing(caller.send()) == ("anon", ANON - 1 - (2 - moved))
        assert applying(caller.send("/", credential, *told(404))) == ({"user"} if moved else {"anon", "user"})
        assert standing(caller.send("/", credential)) == ("user", USER - 1 - moved - bool(moved))


def test_a_whole_quota_under_way(gate, application):
    """Until the first answer there is no more than the address has; then it has got all of it back."""
    address, secret, name = fresh_address(), token(fresh_token()), fresh_token()
    with http2.Http2Connection(gate.port, source=address) as caller, Client(gate.port, address) as other:
        caller.queue([http2.request("/", secret, held(name))] * ANON)
        caller.flush()
        until(lambda: application.arrived(name) == ANON)
        assert other.send("/", secret).status == other.send().status == 429
        application.release(name)
        assert Counter(reply.status for reply in caller.replies()) == {200: ANON}
        assert standing(other.send("/", secret)) == ("user", USER - ANON - 1)
        assert standing(other.send()) == ("anon", ANON - 1)


def test_a_request_that_is_given_up_stays_with_its_address(gate, application):
    address, credential, name = fresh_address(), token(fresh_token()), fresh_token()
    aborted = "http.gate.downstream_cx_destroy_remote_active_rq"
    before = gate.stat(aborted)
    under_way(gate, application, address, name, credential).close()
    until(lambda: gate.stat(aborted) > before)
    application.release(name)
    with Client(gate.port, address) as caller:
        first = caller.send("/", credential, *told(404))
        assert applying(first) == {"anon", "user"}
        assert standing(first) == ("anon", ANON - 2)
        assert standing(caller.send("/", credential)) == ("user", USER - 1)


def test_no_more_than_the_credentials_quota_passes_at_once(open_gate, application):
    """Here that is less than an address has, and nobody knows the credential when they come."""
    scopes = POLICY["scopes"] | {"user": {"rate": "3/h", "key": "credential"}}
    gate = open_gate(POLICY | {"scopes": scopes}, workers=4)
    address, credential = fresh_address(), token(fresh_token())
    names = [fresh_token() for _ in range(3)]
    connections = [under_way(gate, application, address, name, credential) for name in names]
    with Client(gate.port, address) as caller:
        assert caller.statuses(5, "/", credential) == {429: 5}
        for connection, name in zip(connections, names, strict=True):
            application.release(name)
            assert connection.reply().status == 200
            connection.close()
        assert caller.send("/", credential).status == 429
        assert standing(caller.send()) == ("anon", ANON - 1)


def test_newcomers_are_counted_exactly_as_workers_race(gate):
    """Four connections send each credential's first requests at once."""
    address = fresh_address()
    connections = [Connection(gate.port, source=address) for _ in range(4)]
    credentials = [token(fresh_token()) for _ in range(50)]
    for credential in credentials:
        for connection in connections:
            connection.send(encode("/", headers=[credential]))
        assert [connection.reply().status for connection in connections] == [200] * 4
    for connection in connections:
        connection.close()
    with Client(gate.port, address) as caller:
        assert {standing(caller.send("/", credential)) for credential in credentials} == {("user", USER - 5)}
        assert standing(caller.send()) == ("anon", ANON - 1)
