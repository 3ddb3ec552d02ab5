"""The policy that an empty configuration means: 60 a minute for `anon`, 300 for `user`, 30 for `worker`."""

from __future__ import annotations

import itertools

import pytest

from harness import http2
from harness.client import Client, fresh_address, fresh_token, token

POLLS = ["/api/v2/jobs?ids_only=1", "/api/v2/jobs.json?incomplete_only"]


@pytest.fixture(scope="module", params=[2, 4], ids=["2 workers", "4 workers"])
def gate(request, open_shared_gate):
    return open_shared_gate(workers=request.param)  # no configuration at all


@pytest.fixture
def caller(gate):
    with Client(gate.port) as client:
        yield client


def test_a_worker_polls_30_times(caller):
    credential = token(fresh_token())
    replies = [caller.send(target, credential) for target in itertools.islice(itertools.cycle(POLLS), 30)]
    assert {r.status for r in replies} == {200}
    assert all(r.from_application for r in replies)

    denied = caller.send(POLLS[0], credential)
    assert denied.status == 429
    assert 1 <= denied.retry_after <= 60
    assert caller.send(POLLS[1], credential).status == 429


def test_an_anonymous_client_calls_60_times(caller):
    assert caller.statuses(60, "/api/v2/projects/") == {200: 60}
    denied = caller.send("/api/v2/projects/")
    assert denied.status == 429
    assert 1 <= denied.retry_after <= 60
    assert caller.send("/another/page").status == 429


def test_a_user_calls_300_times(caller):
    credential = token(fresh_token())
    assert caller.statuses(300, "/api/v2/projects/", credential) == {200: 300}
    denied = caller.send("/api/v2/projects/", credential)
    assert denied.status == 429
    assert 1 <= denied.retry_after <= 61  # a quota above 64 may come back window/64 late


@pytest.mark.parametrize(
    "header",
    [("cookie", "sessionid={}"), ("authorization", "Bearer {}"), ("authorization", "Basic {}"), ("x-api-key", "{}")],
    ids=lambda header: header[1],
)
def test_what_token_authentication_does_not_look_at_is_no_credential(caller, header):
    name, value = header
    replies = [caller.send("/", (name, value.format(fresh_token()))).status for _ in range(61)]
    assert replies == [200] * 60 + [429]


def test_a_page_that_asks_for_no_credential_proves_none(caller):
    """Only `/api/` does, where the application refuses a token that it does not know."""
    replies = [caller.send("/", token(fresh_token())).status for _ in range(61)]
    assert replies == [200] * 60 + [429]


def test_no_address_gets_past_its_ceiling(caller):
    """Whatever it has: here each token is a true one."""
    users = [token(fresh_token()) for _ in range(5)]
    statuses = [caller.send("/api/v2/", user).status for user in users for _ in range(250)]
    assert statuses == [200] * 1200 + [429] * 50
    assert caller.send("/").status == 429


def test_the_worker_scope_leaks_into_no_other(caller):
    """30 polls use 30 of the user's 300, and polls that were denied use none."""
    credential = token(fresh_token())
    assert caller.statuses(30, POLLS[0], credential) == {200: 30}
    assert caller.statuses(50, POLLS[0], credential) == {429: 50}
    assert caller.statuses(270, "/api/v2/projects/", credential) == {200: 270}
    assert caller.send("/api/v2/projects/", credential).status == 429


def test_the_anon_scope_leaks_into_no_other(caller):
    """Nor does it keep anybody from the same address whose credential is known already."""
    credential = token(fresh_token())
    assert caller.send("/api/v2/", credential).status == 200
    assert caller.statuses(61) == {200: 60, 429: 1}
    assert caller.statuses(30, POLLS[0], credential) == {200: 30}


def test_a_credential_spends_nothing_of_its_address(caller):
    credential = token(fresh_token())
    assert caller.statuses(100, "/api/v2/", credential) == {200: 100}
    assert caller.statuses(61) == {200: 60, 429: 1}


def test_credentials_are_counted_apart(caller):
    one, other = token(fresh_token()), token(fresh_token())
    assert caller.statuses(31, POLLS[0], one) == {200: 30, 429: 1}
    assert caller.statuses(31, POLLS[0], other) == {200: 30, 429: 1}


def test_addresses_are_counted_apart(gate, caller):
    assert caller.statuses(61) == {200: 60, 429: 1}
    with Client(gate.port) as other:
        assert other.statuses(60) == {200: 60}


def test_a_credential_is_one_client_wherever_it_calls_from(gate, caller):
    credential = token(fresh_token())
    assert caller.statuses(30, POLLS[0], credential) == {200: 30}
    with Client(gate.port) as elsewhere:
        assert elsewhere.send(POLLS[0], credential).status == 429


def test_an_anonymous_worker_is_counted_by_its_service(gate):
    """Without a credential, the worker scope goes by `processing_service_name`, whatever the address."""
    service = f"service-{fresh_token()}"
    poll = f"/api/v2/jobs/?ids_only=1&processing_service_name={service}"
    with Client(gate.port) as one, Client(gate.port) as other:
        assert one.statuses(15, poll) == {200: 15}
        assert other.statuses(15, poll) == {200: 15}
        assert one.send(poll).status == other.send(poll).status == 429
        assert one.send(poll + "-2").status == 200


def test_a_poll_by_nobody_in_particular_is_only_anonymous(caller):
    assert caller.statuses(61, POLLS[0]) == {200: 60, 429: 1}


@pytest.mark.parametrize(
    ("quota", "target", "secret"),
    [(30, POLLS[0], True), (60, "/", False), (300, "/api/v2/", True)],
    ids=["worker", "anon", "user"],
)
def test_exact_for_16_connections(gate, application, quota, target, secret):
    """All of them send all their requests at once; the application gets no more than the quota."""
    credential = [token(fresh_token())] if secret else []
    if secret:  # known before they start: until then its requests would be those of an anonymous client
        with Client(gate.port) as caller:
            assert caller.send(target, *credential).status == 200
        quota -= 1
    headers = http2.request(target, *credential)
    times = quota // 8
    mark = len(application.seen)
    statuses = http2.burst(gate.port, headers, times=times, connections=16, source=fresh_address())
    assert statuses == {200: quota, 429: 16 * times - quota}
    assert len(application.seen) - mark == quota


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/v2/jobs/"),
        ("GET", "/api/v2/jobs/?ids_only=0&incomplete_only=false"),
        ("GET", "/api/v2/jobs/?ids_only=False"),
        ("GET", "/api/v2/jobs/17/?ids_only=1"),
        ("GET", "/api/v2/jobsx/?ids_only=1"),
        ("GET", "/api/v2/?ids_only=1"),
        ("POST", "/api/v2/jobs/?ids_only=1"),
    ],
)
def test_other_requests_are_no_polls(caller, method, target):
    assert caller.statuses(40, target, token(fresh_token()), method=method) == {200: 40}


def test_decisions_are_counted_by_scope(open_gate):
    gate = open_gate({})
    with Client(gate.port) as caller:
        credential = token(fresh_token())
        caller.send("/api/v2/", credential)  # anonymous when it is decided
        caller.statuses(32, POLLS[0], credential)
        caller.statuses(2)
    counted = {(s, d): gate.decisions(s, d) for s in ("anon", "user", "worker") for d in ("allowed", "denied")}
    assert counted["worker", "denied"] == 2
    assert counted["worker", "allowed"] == 30
    assert counted["user", "allowed"] == 33  # the two that `worker` denied were not let pass by `user` either
    assert counted["user", "denied"] == 0
    assert counted["anon", "allowed"] == 3
    assert counted["anon", "denied"] == 0
