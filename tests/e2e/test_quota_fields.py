"""What the quota fields say where a scope is more than one sliding window, or a client becomes another on its way."""

from __future__ import annotations

import re

from harness.client import Client, Reply, fresh_token, token
from harness.quota import applying, standing
from harness.upstream import told

BUCKET = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {"all": {"rate": "10/min", "algorithm": "token_bucket", "burst": 100, "key": "credential"}},
}


def numbers(reply: Reply) -> tuple[int, int]:
    """The limit, and what remains of it."""
    return int(reply.headers["x-ratelimit-limit"]), int(reply.headers["x-ratelimit-remaining"])


def test_the_limit_of_a_bucket_is_its_burst(open_gate):
    """What remains is never more than the limit."""
    gate = open_gate(BUCKET | {"response": {"ratelimit_headers": "x-ratelimit"}})
    with Client(gate.port) as caller:
        credential = token(fresh_token())
        assert [numbers(caller.send("/", credential)) for _ in range(3)] == [(100, 99), (100, 98), (100, 97)]


def policies(reply: Reply) -> list[tuple[str, int, int]]:
    """`RateLimit-Policy: "a";q=10;w=60, …` → names, quotas and windows."""
    items = reply.headers["ratelimit-policy"].split(", ")
    found = [re.fullmatch(r'"([^"]+)";q=(\d+);w=(\d+)', item) for item in items]
    return [(item[1], int(item[2]), int(item[3])) for item in found]


def test_two_rates_of_a_scope_have_names_of_their_own(open_gate):
    """And what is said of the nearest limit names the one that it is."""
    scopes = {"user": {"rate": ["3/h", "10/d"], "key": "credential"}}
    gate = open_gate(
        {"client": {"credential": {"trust": "any"}}, "scopes": scopes, "response": {"ratelimit_headers": "draft"}}
    )
    with Client(gate.port) as caller:
        reply = caller.send("/", token(fresh_token()))
    hourly, daily = sorted(policies(reply), key=lambda entry: entry[2])
    assert (hourly[1:], daily[1:]) == ((3, 3600), (10, 86400))
    assert hourly[0] != daily[0]
    assert re.match(r'"([^"]+)";r=2;', reply.headers["ratelimit"])[1] == hourly[0]


NEWCOMERS = {
    "scopes": {
        "anon": {"rate": "60/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "100/h", "key": ["credential", "address"]},
    },
    "response": {"ratelimit_headers": "draft"},
}


def test_a_first_success_tells_of_the_credential(open_gate):
    """That is who has paid: the address has got back what it was charged."""
    with Client(open_gate(NEWCOMERS).port) as caller:
        first = caller.send("/", token(fresh_token()))
        assert applying(first) == {"user"}
        assert standing(first) == ("user", 99)


def test_a_first_failure_tells_of_the_address(open_gate):
    with Client(open_gate(NEWCOMERS).port) as caller:
        first = caller.send("/", token(fresh_token()), *told(401))
        assert applying(first) == {"anon", "user"}
        assert standing(first) == ("anon", 59)
