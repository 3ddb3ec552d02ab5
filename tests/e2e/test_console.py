"""The console in a real Envoy: what is in force, who is limited, and what an operator does to a client."""

from __future__ import annotations

import pytest
from harness.client import Client, fresh_address, fresh_token, token
from harness.waiting import until

_POLICY = {
    "scopes": {
        "anon": {"rate": "3/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "2/h", "key": "credential"},
        "quiet": {"rate": "1/h", "key": "address", "mode": "shadow"},
    }
}


def _policies(gate) -> list[dict]:
    return gate.console("/v1/policies")[1]["policies"]


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    gate = open_shared_gate(_POLICY, console={})
    until(lambda: _policies(gate))
    return gate


def _find(gate, **whom) -> dict:
    status, found = gate.console("/v1/clients/find", whom)
    assert status == 200, found
    [client] = found["clients"]
    return client


def test_what_is_in_force(gate):
    until(lambda: _policies(gate)[0]["workers"] == 2)
    status, told = gate.console("/v1/policies")
    assert status == 200
    [policy] = told["policies"]
    assert (policy["name"], policy["store"]) == ("tollgate", "memory")
    assert [(scope["name"], scope["enforced"], scope["rates"]) for scope in policy["scopes"]] == [
        ("anon", True, ["3/h"]),
        ("user", True, ["2/h"]),
        ("quiet", False, ["1/h"]),
    ]
    assert told["table"]["capacity"] == 65536


def test_one_client_is_found_pardoned_and_blocked(gate):
    address = fresh_address()
    with Client(gate.port, address) as caller:
        assert caller.statuses(5) == {200: 3, 429: 2}
        found = _find(gate, address=address)
        assert found["is"] == "address" and found["blocked_for"] is None
        anon, quiet = found["counters"]
        assert (anon["scope"], anon["limit"], anon["used"], anon["remaining"]) == ("anon", 3, 3, 0)
        assert 3590 < anon["wait"] <= 3600
        assert (quiet["scope"], quiet["used"], quiet["remaining"]) == ("quiet", 1, 0)
        assert _find(gate, client=found["client"])["counters"][0]["scope"] == "anon"

        status, listed = gate.console("/v1/clients?scope=anon")
        assert status == 200 and listed["complete"]
        assert listed["clients"][0]["client"] == found["client"]

        status, done = gate.console(f"/v1/clients/{found['client']}/pardon", {"by": "alice"})
        assert (status, done) == (200, {"client": found["client"], "pardoned": True})
        assert gate.console(f"/v1/clients/{found['client']}/pardon", {})[1]["pardoned"] is False
        assert caller.statuses(4) == {200: 3, 429: 1}
        gate.console(f"/v1/clients/{found['client']}/pardon", {})

        status, done = gate.console(f"/v1/clients/{found['client']}/block", {"for": "15m", "by": "alice"})
        assert (status, done["blocked_for"]) == (200, 900)
        reply = caller.send("/")
        assert reply.status == 429 and 890 <= reply.retry_after <= 900
        assert [one["client"] for one in gate.console("/v1/policies")[1]["blocked"]] == [found["client"]]
        assert _find(gate, address=address)["blocked_for"] > 890
        assert gate.console(f"/v1/clients/{found['client']}/unblock", {})[1]["unblocked"] is True
        assert gate.console(f"/v1/clients/{found['client']}/unblock", {})[1]["unblocked"] is False
        assert caller.send("/").status == 200
    assert f"console: pardon client {found['client']}" in gate.log() and '"alice"' in gate.log()


def test_a_credential_is_typed_in(gate):
    credential = token(secret := fresh_token())
    with Client(gate.port) as caller:
        assert caller.send("/", credential).status == 200
        assert caller.statuses(3, "/", credential) == {200: 1, 429: 2}
    for typed in [secret, f"Token {secret}", f"Authorization: Token {secret}"]:
        found = _find(gate, credential=typed)
        assert [counter["scope"] for counter in found["counters"]] == ["user"]
        assert found["proved_for"] > 3000
    assert _find(gate, credential=fresh_token())["counters"] == []
    assert secret not in gate.log()
