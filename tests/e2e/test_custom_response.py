"""Envoy answers a refusal from elsewhere (`custom_response`, behind the gate): the request begins anew, as when it is redirected, but
nobody has redirected it. So it is another request to the gate: docs/envoy.md."""

from __future__ import annotations

import pytest

from harness.client import Client
from harness.envoy import Gate
from harness.layouts import layout, typed
from harness.upstream import redirected, told

QUOTA = 5
POLICY = {"scopes": {"login": {"rate": f"{QUOTA}/h", "key": "address", "match": {"path": "/login"}, "count": {"status": [401]}}}}


def sorry(refused: int = 401) -> dict:
    """A filter that answers this status with what stands at `/sorry`."""
    status = {"name": "status", "typed_config": {"@type": "type.googleapis.com/envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput"}}
    elsewhere = typed("http.custom_response.redirect_policy.v3.RedirectPolicy", status_code=refused, uri="http://gate.test/sorry")
    matcher = {
        "predicate": {"single_predicate": {"input": status, "value_match": {"exact": str(refused)}}},
        "on_match": {"action": {"name": "sorry", "typed_config": elsewhere}},
    }
    config = typed("filters.http.custom_response.v3.CustomResponse", custom_response_matcher={"matcher_list": {"matchers": [matcher]}})
    return {"name": "envoy.filters.http.custom_response", "typed_config": config}


def gate_of(open_gate, application, policy: dict, **places: list[dict]) -> Gate:
    """`places`: where the filter stands, if not behind the gate."""
    following = {"internal_redirect_policy": {"max_internal_redirects": 3}}
    places = places or {"after": [sorry()]}
    return open_gate(config=layout(policy, upstream_port=application.port, route=following, **places))


@pytest.fixture
def caller(open_gate, application):
    with Client(gate_of(open_gate, application, POLICY).port) as client:
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


ALL = {"scopes": {"all": {"rate": f"{QUOTA}/h", "key": "address"}}}


def test_it_is_charged_twice_where_both_paths_are_limited(open_gate, application):
    gate = gate_of(open_gate, application, ALL)
    with Client(gate.port) as caller:
        replies = [caller.send("/", *told(401)) for _ in range(4)]
    # The third request is let through, and that for its answer denied: the denial's body, with the status that this filter sets.
    assert [(reply.status, reply.from_application) for reply in replies] == [(401, True), (401, True), (401, False), (429, False)]
    assert [gate.decisions("all", decision) for decision in ("allowed", "denied")] == [QUOTA, 2]


def test_it_is_charged_once_where_the_answers_place_is_exempt(open_gate, application):
    gate = gate_of(open_gate, application, ALL | {"exempt": [{"method": "GET", "path": "/sorry"}]})
    with Client(gate.port) as caller:
        assert caller.statuses(QUOTA + 2, "/", *told(401)) == {401: QUOTA, 429: 2}


def test_what_it_was_charged_stays_whatever_the_answer(open_gate, application):
    """404 is no failed login, and would be given back."""
    gate = gate_of(open_gate, application, POLICY, after=[sorry(404)])
    with Client(gate.port) as caller:
        assert caller.statuses(QUOTA + 2, "/login", *told(404)) == {404: QUOTA, 429: 2}


@pytest.mark.parametrize(("place", "judged"), [("before", 2), ("after", 1)])
def test_a_denial_begins_anew_only_where_the_filter_stands_in_front(open_gate, application, place, judged):
    gate = gate_of(open_gate, application, ALL, **{place: [sorry(429)]})
    with Client(gate.port) as caller:
        assert caller.statuses(QUOTA + 1) == {200: QUOTA, 429: 1}
    assert gate.decisions("all", "denied") == judged
