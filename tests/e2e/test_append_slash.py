"""The first users' workers: Python's `requests` asks a real Django for jobs and leaves out the trailing slash. Django answers
301, the client follows at once, and so each poll is two requests. It is one poll nevertheless."""

from __future__ import annotations

from collections import Counter

import pytest
import requests

from harness.client import fresh_token

POLLS = 30  # a minute, of the default policy's `worker`
ANON = 60  # a minute, of its `anon`


@pytest.fixture
def jobs(open_gate, django) -> str:
    """The URL that workers poll, without its slash, behind a gate with the default policy."""
    gate = open_gate(upstream_port=django, workers=2)
    return f"http://127.0.0.1:{gate.port}/api/v2/jobs"


def worker(token: str | None = None) -> requests.Session:
    session = requests.Session()
    session.headers["authorization"] = f"Token {token or fresh_token()}"
    return session


def poll(session: requests.Session, url: str, number: int) -> requests.Response:
    return session.get(url, params={"ids_only": 1, "limit": number + 1}, timeout=30)


def test_django_redirects_and_requests_follows(jobs):
    """Else nothing here would show anything."""
    with worker() as session:
        reply = poll(session, jobs, 0)
    assert [(seen.status_code, seen.request.path_url) for seen in [*reply.history, reply]] == [
        (301, "/api/v2/jobs?ids_only=1&limit=1"),
        (200, "/api/v2/jobs/?ids_only=1&limit=1"),
    ]
    assert reply.json() == {"results": [{"id": 1}]}


def test_a_worker_polls_30_times_a_minute(jobs):
    with worker() as session:
        assert Counter(poll(session, jobs, number).status_code for number in range(POLLS)) == {200: POLLS}
        assert poll(session, jobs, POLLS).status_code == 429


def test_with_the_slash_it_is_the_same(jobs):
    with worker() as session:
        assert Counter(poll(session, jobs + "/", number).status_code for number in range(POLLS)) == {200: POLLS}
        assert poll(session, jobs + "/", POLLS).status_code == 429


def test_workers_behind_one_address_are_counted_apart(jobs):
    """(The first redirect of each is its address's: nothing in it shows that the worker is known.)"""
    for _ in range(5):
        with worker() as session:
            assert Counter(poll(session, jobs, number).status_code for number in range(POLLS)) == {200: POLLS}
            assert poll(session, jobs, POLLS).status_code == 429


@pytest.mark.parametrize("slash", ["", "/"], ids=["without the slash", "with the slash"])
def test_made_up_tokens_use_up_their_address(jobs, slash):
    """Django redirects before it looks at a token, and that makes none of them true."""
    statuses = []
    for _ in range(ANON + 1):
        with worker(f"made-up-{fresh_token()}") as session:
            statuses.append(poll(session, jobs + slash, 0).status_code)
    assert set(statuses) == {401, 429} and statuses[-1] == 429
