"""What a denied client is told, and that nothing else happens."""

from __future__ import annotations

import json
import time

import pytest

from harness.client import Client, fresh_token, token

HOURLY = {"all": {"rate": "2/h", "key": "address"}}


def with_response(**response) -> dict:
    return {"scopes": HOURLY, "response": response}


def denied(gate, *headers):
    """The reply to the third request of a client that has two."""
    with Client(gate.port) as caller:
        assert caller.statuses(2) == {200: 2}
        return caller.send("/", *headers)


def test_the_body_is_that_of_drf(open_gate):
    reply = denied(open_gate({"scopes": HOURLY}))
    assert reply.status == 429
    assert reply.headers["content-type"] == "application/json"
    wait = reply.retry_after
    assert 3000 < wait <= 3600
    assert json.loads(reply.body) == {"detail": f"Request was throttled. Expected available in {wait} seconds."}
    assert int(reply.headers["content-length"]) == len(reply.body)


def test_one_second_is_singular(open_gate):
    gate = open_gate({"scopes": {"all": {"rate": "1/s", "key": "address"}}})
    with Client(gate.port) as caller:
        reply = caller.until_denied()
    assert reply.retry_after == 1
    assert json.loads(reply.body) == {"detail": "Request was throttled. Expected available in 1 second."}


def test_a_problem_document(open_gate):
    reply = denied(open_gate(with_response(body="problem")))
    assert reply.headers["content-type"] == "application/problem+json"
    problem = json.loads(reply.body)
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["violated-policies"] == ["all"]
    assert problem["title"] and problem["detail"]


def test_a_text_of_ones_own(open_gate):
    reply = denied(open_gate(with_response(body={"text": "Bitte später.\n"})))
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.body.decode() == "Bitte später.\n"


def test_a_text_of_ones_own_kind(open_gate):
    reply = denied(open_gate(with_response(body={"text": "<p>later</p>", "content_type": "text/html"})))
    assert reply.headers["content-type"] == "text/html"
    assert reply.body == b"<p>later</p>"


def test_another_status(open_gate):
    reply = denied(open_gate(with_response(status=503)))
    assert reply.status == 503
    assert reply.retry_after > 3000


def test_a_denied_request_never_reaches_the_application(open_gate, application):
    gate = open_gate({"scopes": HOURLY})
    mark = len(application.seen)
    with Client(gate.port) as caller:
        assert caller.statuses(2) == {200: 2}
        for _ in range(3):
            reply = caller.send("/", method="POST", body=b"x" * 100_000)
            assert reply.status == 429
            assert not reply.from_application
        assert caller.send("/").status == 429
    assert len(application.seen) - mark == 2


def test_a_denied_request_is_charged_to_no_scope(open_gate):
    """`tight` denies; `wide`, which would have admitted, keeps all that it had."""
    scopes = {
        "wide": {"rate": "10/h", "key": "credential"},
        "tight": {"rate": "3/h", "key": "credential", "match": {"path": "/tight"}},
    }
    with Client(open_gate({"scopes": scopes}).port) as caller:
        credential = token(fresh_token())
        assert caller.statuses(50, "/tight", credential) == {200: 3, 429: 47}
        assert caller.statuses(20, "/", credential) == {200: 7, 429: 13}


def test_the_longest_wait_counts(open_gate):
    """Both scopes deny: what is announced is when the request would be admitted, so the later of the two."""
    scopes = {"minute": {"rate": "2/min", "key": "address"}, "hour": {"rate": "2/h", "key": "address"}}
    reply = denied(open_gate({"scopes": scopes}))
    assert reply.status == 429
    assert reply.retry_after > 3000


@pytest.mark.parametrize(
    "scope",
    [
        {"rate": "2/2s", "key": "address"},
        {"rate": "70/2s", "key": "address"},
        {"rate": ["5/s", "6/2s"], "key": "address"},
        {"rate": "1/s", "algorithm": "token_bucket", "burst": 3, "key": "address"},
    ],
    ids=["sliding window", "above 64", "two rates", "token bucket"],
)
def test_retry_after_waited_out_is_admitted(open_gate, scope):
    gate = open_gate({"scopes": {"all": scope}})
    with Client(gate.port) as caller:
        for _ in range(2):
            reply = caller.until_denied()
            assert 1 <= reply.retry_after <= 3  # 3: above 64, a unit may come back window/64 late
            time.sleep(reply.retry_after)  # a promise about the real clock
            assert caller.send().status == 200


def test_nothing_is_said_unless_asked(open_gate):
    with Client(open_gate({"scopes": HOURLY}).port) as caller:
        replies = [caller.send() for _ in range(3)]
    assert [r.status for r in replies] == [200, 200, 429]
    for reply in replies:
        assert not [n for n in reply.headers if "ratelimit" in n.lower()]
    assert replies[0].headers["retry-after"] is None


def test_zero_denies_everything(open_gate, application):
    gate = open_gate({"scopes": {"never": {"rate": "0/min", "key": "address", "match": {"path": "/never"}}}})
    mark = len(application.seen)
    with Client(gate.port) as caller:
        assert caller.statuses(5, "/never") == {429: 5}
        assert caller.send("/never").retry_after >= 1
        assert caller.send("/else").status == 200
    assert len(application.seen) - mark == 1
