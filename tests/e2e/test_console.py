"""The console in a real Envoy: what is in force, who is limited, and what an operator does to a client."""

from __future__ import annotations

import json

import pytest
from harness import bootstrap
from harness.client import Client, Connection, encode, fresh_address, fresh_token, token
from harness.envoy import run_config
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


def test_the_metric_says_how_many_clients_there_are(open_gate):
    """So small a table is looked at whole, each second."""
    gate = open_gate({"scopes": {"all": {"rate": "3/h", "key": "address"}}, "store": {"capacity": 64}})
    for _ in range(5):
        with Client(gate.port, fresh_address()) as caller:
            assert caller.send("/").status == 200
    until(lambda: gate.metric("store_clients") == 5)
    assert gate.metric("store_capacity") == 64


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/policies", None, {"host": "evil.example"}, 403),
        ("/v1/policies", None, {"host": "localhost.evil.example:80"}, 403),
        ("/v1/clients/find", {"address": "192.0.2.1"}, {"content_type": "text/plain"}, 415),
        ("/v1/clients/find", {"address": "192.0.2.1"}, {"sec_fetch_site": "cross-site"}, 403),
        ("/v1/clients/find", {"address": "192.0.2.1"}, {"origin": "http://evil.example"}, 403),
        ("/v1/clients/find", {"address": "nowhere"}, {}, 400),
        ("/v1/clients/find", {}, {}, 400),
        ("/v1/clients/find", {"credential": "a" * 20_000}, {}, 413),
        ("/v1/clients", None, {"sec_fetch_site": "cross-site"}, 403),
        ("/v1/clients?limit=many", None, {}, 400),
        ("/v1/clients/abc/pardon", {}, {}, 400),
        (f"/v1/clients/{'0' * 32}/block", {"for": "forever"}, {}, 400),
        (f"/v1/clients/{'0' * 32}/block", None, {}, 405),
        ("/v2", None, {}, 404),
    ],
)
def test_who_may_not_and_what_is_not_understood(gate, path, body, headers, status):
    found, refused = gate.console(path, body, **headers)
    assert found == status, refused
    assert refused["error"] and len(refused["error"]) > 20


def test_nothing_is_done_before_a_policy_is_in_force(open_gate):
    """A policy is in force a second after Envoy has it. Until then an act is refused, or it holds."""
    gate = open_gate(_POLICY, console={})
    client = "0123456789abcdef" * 2
    status, told = gate.console(f"/v1/clients/{client}/block", {"for": "15m"})
    until(lambda: _policies(gate))
    blocked = [one["client"] for one in gate.console("/v1/policies")[1]["blocked"]]
    assert (status, blocked) in [(503, []), (200, [client])], told


def test_a_scan_that_nobody_waits_for_is_not_gone_on_with(open_gate):
    policy = {"scopes": {"all": {"rate": "3/h", "key": "address"}}, "store": {"capacity": 1_000_000}}
    gate = open_gate(policy, console={}, workers=1)
    until(lambda: _policies(gate))
    addresses = [fresh_address() for _ in range(20)]
    for address in addresses:
        with Client(gate.port, address) as caller:
            assert caller.send("/").status == 200
    port = gate.port_of("console")
    impatient = Connection(port)
    impatient.send(encode("/v1/clients", headers=[("host", "localhost")]))
    impatient.close()
    clients = [_find(gate, address=address)["client"] for address in addresses]
    assert all(gate.console(f"/v1/clients/{client}/pardon", {})[1]["pardoned"] for client in clients)
    told = gate.console("/v1/clients")[1]
    assert (told["clients"], told["complete"]) == ([], True)


def test_no_other_page_may_read_it(gate):
    """No header says so, whatever a page asks for."""
    port = gate.port_of("console")
    with Client(port, "127.0.0.1") as caller:
        origin = [("host", f"127.0.0.1:{port}"), ("origin", "http://evil.example")]
        for reply in [
            caller.send("/v1/policies", *origin),
            caller.send("/", *origin),
            caller.send("/v1/clients/find", *origin, ("access-control-request-method", "POST"), method="OPTIONS"),
        ]:
            assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
            assert reply.headers["cache-control"] == "no-store"


def test_a_body_in_pieces_is_put_together(gate):
    port = gate.port_of("console")
    body = b'{"address":           "192.0.2.77"}'
    head = f"POST /v1/clients/find HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body)))
    with Client(port, "127.0.0.1") as caller:
        reply = caller.send_raw(head.encode() + chunks + b"0\r\n\r\n", "POST")
    assert (reply.status, json.loads(reply.body)["clients"][0]["counters"]) == (200, [])


def test_tokens_open_the_door_to_whoever_shows_one(open_gate):
    tokens = {"alice": {"environment_variable": "TOKEN_ALICE"}, "bob": "b" * 16}
    gate = open_gate(_POLICY, console={"tokens": tokens}, environment={"TOKEN_ALICE": "a" * 32})
    client = "0123456789abcdef" * 2
    assert gate.console("/v1/policies")[0] == 401
    assert gate.console("/v1/policies", authorization="Bearer nonsense")[0] == 401
    until(lambda: gate.console("/v1/policies", authorization="Bearer " + "a" * 32)[1]["policies"])
    block = {"for": "1m", "by": "mallory\n"}
    assert gate.console(f"/v1/clients/{client}/block", block, authorization="Bearer " + "b" * 16)[0] == 400
    block = {"for": "1m", "by": "mallory"}
    assert gate.console(f"/v1/clients/{client}/block", block, authorization="Bearer " + "b" * 16)[0] == 200
    assert f'console: block client {client} for 60 s by "mallory", as was said, with the token of "bob" from 127.0.0.1' in gate.log()
    assert "a" * 16 not in gate.log() and "b" * 16 not in gate.log()


@pytest.mark.parametrize(
    ("console", "reason"),
    [
        ({"tokens": {}}, "console.tokens"),
        ({"tokens": {"a": "short"}}, "console.tokens.a"),
        ({"tokens": {"a": {"environment_variable": "NOT_THERE"}}}, "`NOT_THERE` is not set"),
        ({"token": "x"}, "unknown field"),
        (7, "console: expected an object"),
    ],
)
def test_a_console_that_is_configured_badly_is_refused(tmp_path, console, reason):
    config = bootstrap.bootstrap(
        listeners=[bootstrap.console(console)], lds=None, upstream_port=None, http2=False
    )
    code, log = run_config(tmp_path, config)
    assert code != 0 and reason in log, log[-3000:]
