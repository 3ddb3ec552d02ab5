"""Quota headers, on replies of both kinds, about the scope that is closest to its limit or that denied."""

from __future__ import annotations

import re

import pytest

from harness.client import Client, Reply, fresh_token, token

POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {
        "wide": {"rate": "10/h", "key": "credential"},
        "tight": {"rate": ["3/h", "4/d"], "key": "credential", "match": {"path": "/tight"}},
        "silent": {"rate": "1/h", "key": "credential", "mode": "shadow"},
        "elsewhere": {"rate": "1/h", "key": "credential", "match": {"path": "/elsewhere"}},
    },
}


def item(reply: Reply) -> tuple[str, int, int]:
    """`RateLimit: "anon";r=12;t=31` → name, remaining, reset."""
    found = re.fullmatch(r'"([\w/]+)";r=(\d+);t=(\d+)', reply.headers["ratelimit"])
    assert found, reply.headers["ratelimit"]
    return found[1], int(found[2]), int(found[3])


@pytest.fixture(scope="module")
def draft(open_shared_gate):
    return open_shared_gate(POLICY | {"response": {"ratelimit_headers": "draft"}})


@pytest.fixture(scope="module")
def legacy(open_shared_gate):
    return open_shared_gate(POLICY | {"response": {"ratelimit_headers": "x-ratelimit"}})


def test_draft_names_every_applying_policy(draft):
    with Client(draft.port) as caller:
        plain = caller.send("/", token(fresh_token()))
        both = caller.send("/tight", token(fresh_token()))
        none = caller.send("/")  # no credential, so no scope applies
    assert plain.headers["ratelimit-policy"] == '"wide";q=10;w=3600'
    items = both.headers["ratelimit-policy"].split(", ")
    assert sorted(items) == ['"tight/d";q=4;w=86400', '"tight/h";q=3;w=3600', '"wide";q=10;w=3600']
    assert none.status == 200
    assert none.headers["ratelimit"] is None and none.headers["ratelimit-policy"] is None


def test_draft_counts_down(draft):
    with Client(draft.port) as caller:
        credential = token(fresh_token())
        seen = [item(caller.send("/", credential)) for _ in range(10)]
        assert [(name, remaining) for name, remaining, _ in seen] == [("wide", r) for r in range(9, -1, -1)]
        assert all(3000 < reset <= 3600 for _, _, reset in seen)
        denied = caller.send("/", credential)
    assert denied.status == 429
    assert item(denied) == ("wide", 0, denied.retry_after)


def test_draft_speaks_of_the_closest_scope(draft):
    with Client(draft.port) as caller:
        credential = token(fresh_token())
        assert item(caller.send("/tight", credential))[:2] == ("tight/h", 2)
        for remaining in range(8, 0, -1):  # now `wide` comes closer
            assert item(caller.send("/", credential))[:2] == ("wide", remaining)
        assert item(caller.send("/tight", credential))[:2] == ("wide", 0)


def test_draft_speaks_of_the_scope_that_denied(draft):
    with Client(draft.port) as caller:
        credential = token(fresh_token())
        assert caller.statuses(3, "/tight", credential) == {200: 3}
        denied = caller.send("/tight", credential)
        assert denied.status == 429
        assert item(denied) == ("tight/h", 0, denied.retry_after)
        assert item(caller.send("/", credential))[:2] == ("wide", 6)  # the denial charged nothing


def test_x_ratelimit(legacy):
    def numbers(reply: Reply) -> tuple[int, int, int]:
        return tuple(int(reply.headers[f"x-ratelimit-{n}"]) for n in ("limit", "remaining", "reset"))

    with Client(legacy.port) as caller:
        credential = token(fresh_token())
        assert numbers(caller.send("/", credential))[:2] == (10, 9)
        assert [numbers(caller.send("/tight", credential))[:2] for _ in range(3)] == [(3, 2), (3, 1), (3, 0)]
        denied = caller.send("/tight", credential)
        assert denied.status == 429
        assert numbers(denied) == (3, 0, denied.retry_after)
        limit, remaining, reset = numbers(caller.send("/", credential))
        assert (limit, remaining) == (10, 5)
        assert 0 < reset <= 3600
        assert caller.send("/").headers["x-ratelimit-limit"] is None
