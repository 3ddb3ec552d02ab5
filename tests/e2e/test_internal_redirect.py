"""Envoy follows redirects of the application itself (`internal_redirect_policy`): one request of a client goes through the filters
twice. It is charged as one, under whatever limits either of its paths falls, and settled by the answer that the client gets."""

from __future__ import annotations

import pytest

from harness import shipped
from harness.client import Client, Header, fresh_token, token
from harness.envoy import Gate
from harness.layouts import layout
from harness.quota import standing
from harness.upstream import chained, redirected, told

QUOTA = 6


def on(*paths: str, **rest) -> dict:
    return {"rate": f"{QUOTA}/h", "key": "address", "match": {"path": list(paths)}} | rest


POLICY = {
    "scopes": {
        "both": on("/both/**"),
        "failed": on("/login/**", count={"status": [401]}),
        "succeeded": on("/visit/**", count={"status": ["2xx"]}),
        "first": on("/first/from"),
        "second": on("/second/to"),
        "costly": on("/costly/**", cost=2),
        "anon": on("/known/**", match={"path": "/known/**", "client": "anonymous"}),
        "user": {"rate": "100/h", "key": "credential", "match": {"path": "/known/**"}},
    }
}
FOLLOWING = {"internal_redirect_policy": {"max_internal_redirects": 3}}


@pytest.fixture(scope="module", params=["here", "in Redis"])
def gate(request, open_shared_gate, application, redis) -> Gate:
    if request.param == "here":
        config = layout(POLICY, upstream_port=application.port, route=FOLLOWING)
    else:
        config = shipped.redis([redis.port], POLICY, upstream_port=application.port, timeout="5s")
        shipped.set_route(config, "upstream", FOLLOWING)
    return open_shared_gate(config=config, workers=2)


@pytest.fixture
def caller(gate):
    with Client(gate.port) as client:
        yield client


def via(directory: str, *answer: Header) -> tuple[str, list[Header]]:
    """A target that the application redirects to another in this directory; there it answers as it is told."""
    return f"{directory}/from", [*redirected(f"{directory}/to"), *answer]


def left(caller: Client, target: str, *headers: Header) -> int:
    """How many more requests are admitted, tried out."""
    statuses = caller.statuses(QUOTA + 1, target, *headers)
    assert statuses[429] > 0
    return sum(statuses.values()) - statuses[429]


def test_envoy_follows(gate, caller, application):
    """Else nothing here would show anything."""
    target, headers = via("/free")
    mark = len(application.seen)
    assert caller.send(target, *headers).from_application
    assert [seen.target for seen in application.seen[mark:]] == ["/free/from", "/free/to"]


def test_it_is_charged_once_where_both_paths_are_limited(caller):
    target, headers = via("/both")
    assert caller.statuses(QUOTA + 2, target, *headers) == {200: QUOTA, 429: 2}


def test_its_quota_is_told(open_gate, application):
    policy = {"scopes": {"all": {"rate": "5/h", "key": "address"}}, "response": {"ratelimit_headers": "draft"}}
    gate = open_gate(config=layout(policy, upstream_port=application.port, route=FOLLOWING))
    with Client(gate.port) as caller:
        assert standing(caller.send("/from", *redirected("/to"))) == ("all", 4)


def test_its_cost_is_charged_once(caller):
    target, headers = via("/costly")
    assert caller.statuses(QUOTA, target, *headers) == {200: QUOTA // 2, 429: QUOTA // 2}


def test_a_chain_is_charged_once(caller, application):
    """Three redirects in a row: the second place sends it to a third, and so on."""
    chain = chained(["/both/1", "/both/2", "/both/3"])
    mark = len(application.seen)
    assert caller.send("/both/0", *chain).status == 200
    assert [seen.target for seen in application.seen[mark:]] == ["/both/0", "/both/1", "/both/2", "/both/3"]
    assert left(caller, "/both/x") == QUOTA - 1


def test_a_success_in_the_end_is_no_failure(caller):
    target, headers = via("/login", *told(200))
    assert caller.statuses(3 * QUOTA, target, *headers) == {200: 3 * QUOTA}
    assert left(caller, "/login/x", *told(401)) == QUOTA


def test_a_failure_in_the_end_is_one(caller):
    target, headers = via("/login", *told(401))
    assert caller.statuses(QUOTA + 2, target, *headers) == {401: QUOTA, 429: 2}


def test_the_redirect_is_not_its_answer(caller):
    """Its last answer is a 200, which counts here; and what ends in a 404 does not."""
    target, headers = via("/visit", *told(404))
    assert caller.statuses(2 * QUOTA, target, *headers) == {404: 2 * QUOTA}
    target, headers = via("/visit", *told(200))
    assert caller.statuses(QUOTA + 1, target, *headers) == {200: QUOTA, 429: 1}


def test_what_the_first_path_costs_stays_charged(caller):
    """To be sent elsewhere is no way round a limit of the place that was asked for."""
    target, headers = "/first/from", redirected("/free/to")
    assert caller.statuses(QUOTA + 2, target, *headers) == {200: QUOTA, 429: 2}


def test_the_second_path_is_charged_too(caller):
    target, headers = "/free/from", redirected("/second/to")
    assert caller.statuses(QUOTA + 2, target, *headers) == {200: QUOTA, 429: 2}
    assert caller.send("/second/to").status == 429


def test_both_paths_with_a_limit_each(caller):
    """Each is charged once."""
    target, headers = "/first/from", redirected("/second/to")
    assert caller.statuses(QUOTA - 1, target, *headers) == {200: QUOTA - 1}
    assert left(caller, "/first/from") == left(caller, "/second/to") == 1


def test_the_last_answer_proves_a_credential(caller):
    """More newcomers than their address has."""
    target, headers = via("/known")
    users = [token(fresh_token()) for _ in range(2 * QUOTA)]
    assert [caller.send(target, user, *headers).status for user in users] == [200] * len(users)
    assert [caller.send("/known/x", user, *told(404)).status for user in users] == [404] * len(users)
    assert left(caller, "/known/x") == QUOTA


def test_made_up_credentials_use_up_their_address(caller):
    target, headers = via("/known", *told(401))
    statuses = [caller.send(target, token(fresh_token()), *headers).status for _ in range(2 * QUOTA)]
    assert statuses == [401] * QUOTA + [429] * QUOTA


# -- forging -----------------------------------------------------------------------------------------------------------

# What Envoy sets when it follows, what it might be taken for, and what it says elsewhere about where a request came from.
FORGED = {
    "the first URL": [("x-envoy-original-url", "http://gate.test/free/from")],
    "the first URL, of this path": [("x-envoy-original-url", "http://gate.test/both/x")],
    "the first URL, twice": [("x-envoy-original-url", "http://a/b"), ("x-envoy-original-url", "http://c/d")],
    "an empty first URL": [("x-envoy-original-url", "")],
    "the first path": [("x-envoy-original-path", "/free/from")],
    "the first host": [("x-envoy-original-host", "free.test")],
    "from within": [("x-envoy-internal", "true"), ("x-envoy-original-url", "http://gate.test/free/from")],
    "a retry": [("x-envoy-attempt-count", "2"), ("x-envoy-is-timeout-retry", "true")],
    "a request's id": [("x-request-id", "11111111-1111-4111-8111-111111111111")],
    "a request's id, and the first URL": [
        ("x-request-id", "22222222-2222-4222-8222-222222222222"),
        ("x-envoy-original-url", "http://gate.test/free/from"),
    ],
    "Tollgate's own": [("x-tollgate", "charged"), ("x-tollgate-charged", "1"), ("x-tollgate-redirected", "1")],
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_no_header_is_a_way_round(caller, forged):
    """Neither where nothing is followed, nor where it is."""
    assert caller.statuses(QUOTA + 2, "/both/x", *forged) == {200: QUOTA, 429: 2}
    target, headers = "/first/from", redirected("/second/to")
    assert caller.statuses(QUOTA + 2, target, *headers, *forged) == {200: QUOTA, 429: 2}
    assert caller.send("/second/to", *forged).status == 429
    assert caller.send("/second/to").status == 429


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_no_header_makes_a_failure_free(caller, forged):
    assert caller.statuses(QUOTA + 2, "/login/x", *told(401), *forged) == {401: QUOTA, 429: 2}
