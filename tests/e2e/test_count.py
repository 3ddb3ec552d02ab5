"""`count`: which requests a scope counts is known only when they are answered. Until then each is counted."""

from __future__ import annotations

from collections import Counter

import pytest

from harness import http2
from harness.client import Client, Connection, encode, fresh_address, fresh_token, token
from harness.layouts import layout
from harness.quota import standing
from harness.upstream import RESET, held, told
from harness.waiting import until

QUOTA = 5


def on(path: str, status: list, **rest) -> dict:
    """A scope that counts only these answers."""
    fields = {"rate": f"{QUOTA}/h", "key": "address", "match": {"path": path}, "count": {"status": status}}
    return fields | rest


POLICY = {
    "scopes": {
        "login": on("/login", [401, 403]),
        "broken": on("/api/**", ["5xx"]),
        "mixed": on("/mixed", [404, "5xx", "3xx"]),
        "bucket": on("/bucket", [401], algorithm="token_bucket", burst=QUOTA),
        "rates": on("/rates", [401], rate=["100/s", f"{QUOTA}/h"], cost=2),
        "everyone": on("/everyone", [401], key="global"),
        "shadow": on("/shadow", [401], mode="shadow"),
        "visits": {"rate": "1000/h", "key": "address", "match": {"path": "/login"}, "count": "all"},
        "shop": {"rate": "3/h", "key": "address", "match": {"path": "/login", "header": {"x-shop": "yes"}}},
        "sum": {"rate": "20/h", "key": "address", "match": {"path": "/both"}},
        "failed": on("/both", [401]),
    },
    "response": {"ratelimit_headers": "draft"},
}


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    return open_shared_gate(POLICY, workers=4)


@pytest.fixture
def caller(gate):
    with Client(gate.port) as client:
        yield client


def failures_left(caller: Client, target: str = "/login", status: int = 401) -> int:
    """How many more failures the client is allowed, tried out."""
    statuses = caller.statuses(QUOTA + 1, target, *told(status))
    assert set(statuses) <= {status, 429}
    return statuses[status]


def test_the_sixth_failed_login_is_denied(caller, application):
    mark = len(application.seen)
    assert [caller.send("/login", *told(401)).status for _ in range(7)] == [401] * QUOTA + [429] * 2
    assert len(application.seen) - mark == QUOTA
    # Whoever has guessed so often is not let in, even with the right password.
    denied = caller.send("/login", *told(200))
    assert denied.status == 429
    assert 3000 < denied.retry_after <= 3600


def test_a_hundred_successful_ones_are_not(caller):
    assert caller.statuses(100, "/login", *told(200)) == {200: 100}
    assert failures_left(caller) == QUOTA


def test_between_successes_only_failures_count(caller):
    for _ in range(2):
        assert caller.statuses(10, "/login", *told(200)) == {200: 10}
        assert caller.statuses(1, "/login", *told(401)) == {401: 1}
        assert caller.statuses(10, "/login", *told(404)) == {404: 10}
        assert caller.statuses(1, "/login", *told(403)) == {403: 1}
    assert failures_left(caller) == QUOTA - 4


@pytest.mark.parametrize("status", [500, 503, 599])
def test_a_class_counts(caller, status):
    assert failures_left(caller, "/api/x", status) == QUOTA


@pytest.mark.parametrize("status", [200, 204, 302, 404, 499, 600])
def test_what_is_in_no_class_does_not(caller, status):
    assert caller.statuses(3 * QUOTA, "/api/x", *told(status)) == {status: 3 * QUOTA}
    assert failures_left(caller, "/api/x", 500) == QUOTA


def test_a_list_may_be_mixed(caller):
    for status, counts in [(404, True), (403, False), (502, True), (301, True), (200, False)]:
        before = standing(caller.send("/mixed", *told(200)))
        caller.send("/mixed", *told(status))
        after = standing(caller.send("/mixed", *told(200)))
        assert (before[1] - after[1] == 1) == counts


@pytest.mark.parametrize(("target", "failures"), [("/bucket", QUOTA), ("/rates", QUOTA // 2), ("/everyone", QUOTA)])
def test_other_limits(caller, target, failures):
    assert caller.statuses(50, target, *told(200)) == {200: 50}
    assert failures_left(caller, target) == failures


def test_shadow(gate, caller):
    before = gate.decisions("shadow", "shadowed")
    caller.statuses(50, "/shadow", *told(200))
    assert gate.decisions("shadow", "shadowed") == before
    caller.statuses(QUOTA + 2, "/shadow", *told(401))
    assert gate.decisions("shadow", "shadowed") == before + 2


def test_only_its_own_charge_is_given_back(caller):
    """Beside it stands a scope that counts every request."""
    assert caller.statuses(18, "/both", *told(200)) == {200: 18}
    assert standing(caller.send("/both", *told(200))) == ("sum", 1)
    assert caller.statuses(2, "/both", *told(401)) == {401: 1, 429: 1}


def test_what_another_scope_denies_is_not_counted(caller):
    shop = ("x-shop", "yes")
    assert caller.statuses(6, "/login", shop, *told(200)) == {200: 3, 429: 3}
    assert failures_left(caller) == QUOTA


# -- no answer ---------------------------------------------------------------------------------------------------------


def test_an_aborted_request_counts(gate, caller, application):
    """Else a guesser would hang up before it is told."""
    aborted = "http.gate.downstream_cx_destroy_remote_active_rq"
    for _ in range(2):
        name, before = fresh_token(), gate.stat(aborted)
        connection = Connection(gate.port, source=caller.address)
        connection.send(encode("/login", headers=[held(name), *told(200)]))
        until(lambda name=name: application.arrived(name))
        connection.close()
        until(lambda before=before: gate.stat(aborted) > before)
        application.release(name)
    assert failures_left(caller) == QUOTA - 2


def test_a_request_that_is_reset_counts(gate, caller, application):
    """The same in HTTP/2, where a stream is given up and its connection stays."""
    name, before = fresh_token(), gate.stat("http.gate.downstream_rq_rx_reset")
    with http2.Http2Connection(gate.port, source=caller.address) as connection:
        connection.queue([http2.request("/login", held(name))])
        connection.flush()
        until(lambda: application.arrived(name))
        connection.give_up()
        until(lambda: gate.stat("http.gate.downstream_rq_rx_reset") > before)
        application.release(name)
    assert failures_left(caller) == QUOTA - 1


def test_a_broken_connection_to_the_application_counts(caller):
    assert caller.send("/login", RESET).status == 503
    assert failures_left(caller) == QUOTA - 1


def test_an_application_that_is_away_does_not(open_gate, unreachable_port):
    """The proxy's 503 is a status like any other: nobody has guessed anything."""
    with Client(open_gate(POLICY, upstream_port=unreachable_port).port) as caller:
        assert caller.statuses(3 * QUOTA, "/login") == {503: 3 * QUOTA}


def test_its_own_unavailability_does_not(caller):
    assert caller.statuses(3 * QUOTA, "/login", *told(503)) == {503: 3 * QUOTA}
    assert failures_left(caller) == QUOTA


def test_an_application_that_is_too_slow_counts(open_gate, application):
    config = layout(POLICY, upstream_port=application.port, route={"timeout": "0.1s"})
    name = fresh_token()
    with Client(open_gate(config=config).port) as caller:
        assert caller.statuses(QUOTA + 1, "/login", held(name)) == {504: QUOTA, 429: 1}
    application.release(name)


def test_a_direct_response_is_an_answer(open_gate):
    with Client(open_gate(POLICY, upstream_port=None).port) as caller:
        assert caller.statuses(50, "/login") == {200: 50}


# -- at once -----------------------------------------------------------------------------------------------------------


def test_as_many_as_may_fail_are_under_way_at_once(gate, caller, application):
    """More could all turn out to be failures. When they are answered well, there is room again."""
    name = fresh_token()
    with http2.Http2Connection(gate.port, source=caller.address) as connection:
        connection.queue([http2.request("/login", held(name))] * QUOTA)
        connection.flush()
        until(lambda: application.arrived(name) == QUOTA)
        assert caller.send("/login").status == 429
        application.release(name)
        assert Counter(reply.status for reply in connection.replies()) == {200: QUOTA}
    assert failures_left(caller) == QUOTA


def test_exact_for_16_connections(gate, caller):
    failing = http2.request("/login", *told(401))
    statuses = http2.burst(gate.port, failing, times=5, connections=16, source=caller.address)
    assert statuses == {401: QUOTA, 429: 80 - QUOTA}


def test_nothing_is_lost_as_16_connections_race(gate, caller):
    """However many of a burst find room: all that were answered well are given back."""
    source = fresh_address()
    statuses = http2.burst(gate.port, http2.request("/login"), times=20, connections=16, source=source)
    assert set(statuses) == {200, 429}
    assert statuses[200] >= QUOTA
    with Client(gate.port, source) as same:
        assert failures_left(same) == QUOTA


# -- with credentials --------------------------------------------------------------------------------------------------


def test_a_charge_that_moves_to_a_new_credential_is_judged_too(open_gate):
    """Of a credential's first request, which was its address's, both belong together: what moved and what counts."""
    scopes = {"failed": {"rate": "2/h", "key": ["credential", "address"], "count": {"status": ["4xx"]}}}
    scopes["met"] = {"rate": "3/h", "key": ["credential", "address"], "count": {"status": [200]}}
    gate = open_gate({"scopes": scopes})
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        assert caller.statuses(4, "/", credential) == {200: 3, 429: 1}  # `met` counted the first one
        assert caller.statuses(3, "/", *told(404)) == {404: 2, 429: 1}  # and left nothing with the address
        other = token(fresh_token())
        with Client(gate.port) as elsewhere:
            assert elsewhere.statuses(1, "/", other) == {200: 1}
            assert elsewhere.statuses(3, "/", other, *told(404)) == {404: 2, 429: 1}
