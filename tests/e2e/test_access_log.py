"""The access log says which scope has denied which client, and for how long: as shipped, inline and as an authz service."""

from __future__ import annotations

import json
import re

import pytest
from harness import shipped
from harness.client import Client, fresh_address, fresh_token, token
from harness.envoy import Gate

_POLICY = {
    "exempt": [{"path": "/health"}],
    "scopes": {
        "all": {"rate": "2/h", "key": "address"},
        "strict": {"rate": "1/h", "key": "address", "mode": "shadow"},
    },
}
_ASKED = _POLICY | {"client": {"credential": {"trust": "any"}}, "request": {"from": "forwarded"}}
_TOLD = ["decision", "scope", "shadow", "client_id", "wait", "remaining"]


def _lines(gate: Gate) -> list[dict]:
    """Envoy keeps its access log back for a while; all of it is there once it has ended."""
    return [json.loads(line) for line in gate.log().splitlines() if line.startswith("{")]


def _told(line: dict) -> dict:
    return {name: line[name] for name in _TOLD if line[name] is not None}


def _run(directory, config: dict, secret: str, **headers: str) -> tuple[list[dict], str]:
    with Gate(directory, config=config) as gate:
        with Client(gate.port, "127.0.0.1") as caller:
            pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
            for target in ["/health", "/a", "/b", "/c"]:
                forwarded = [("x-forwarded-uri", f"{target}?token={secret}")] if headers else []
                caller.send(f"{target}?token={secret}", token(secret), *pairs, *forwarded)
    return _lines(gate), gate.log()


@pytest.mark.parametrize("which", ["limited", "all", "off"])
def test_inline(tmp_path, application, which):
    config = shipped.inline(application.port, json.dumps(_POLICY | {"access_log": which}))
    lines, log = _run(tmp_path, config, secret := fresh_token())
    assert [line["status"] for line in lines] == [200, 200, 200, 429]
    assert [line["details"] for line in lines] == ["via_upstream"] * 3 + ["tollgate_denied{all}"]
    [client] = {line["client_id"] for line in lines if line["client_id"]} or {None}
    assert client is None or re.fullmatch("[0-9a-f]{32}", client)
    shadowed = {"decision": "allowed", "scope": "all", "shadow": "strict", "client_id": client, "remaining": "0"}
    denied = shadowed | {"decision": "denied", "wait": "3600"}
    assert [_told(line) for line in lines] == {
        "limited": [{}, {}, shadowed, denied],
        "all": [
            {"decision": "exempt"},
            {"decision": "allowed", "scope": "all", "client_id": client, "remaining": "1"},
            shadowed,
            denied,
        ],
        "off": [{}] * 4,
    }[which]
    assert secret not in log


# A gate behind the first one: it exempts a page, and limits another.
_BEHIND = {"exempt": [{"path": "/free"}], "scopes": {"inner": {"rate": "1/h", "key": "address", "match": {"path": "/inner"}}}}


def test_a_line_speaks_of_one_gate(tmp_path, application):
    """Of two in a row of the last that has something to say: nothing of what the first has said stays beside it."""
    first = _POLICY | {"scopes": _POLICY["scopes"] | {"all": {"rate": "4/h", "key": "address"}}, "access_log": "all"}
    config = shipped.inline(application.port, json.dumps(first))
    shipped.add_policy(config, "second", json.dumps(_BEHIND | {"access_log": "all"}))
    with Gate(tmp_path, config=config) as gate, Client(gate.port, "127.0.0.1") as caller:
        for target in ["/free", "/a", "/inner", "/inner", "/inner"]:
            caller.send(target)
    lines = [{name: value for name, value in _told(line).items() if value and name != "client_id"} for line in _lines(gate)]
    assert lines == [
        {"decision": "exempt"},
        {"decision": "allowed"},
        {"decision": "allowed", "scope": "inner", "remaining": "0"},
        # A denial is said without a look at what stands there: `shadow` is the first gate's.
        {"decision": "denied", "scope": "inner", "shadow": "strict", "wait": "3600", "remaining": "0"},
        {"decision": "denied", "scope": "all", "shadow": "strict", "wait": "3600", "remaining": "0"},
    ]


def test_what_the_first_gate_has_said_stays_where_the_second_has_nothing_to_say(tmp_path, application):
    config = shipped.inline(application.port, json.dumps(_POLICY))
    shipped.add_policy(config, "second", json.dumps(_BEHIND))
    with Gate(tmp_path, config=config) as gate, Client(gate.port, "127.0.0.1") as caller:
        for _ in range(2):
            caller.send("/a")
    [_, second] = _lines(gate)
    assert (second["decision"], second["scope"], second["shadow"]) == ("allowed", "all", "strict")


def test_as_an_authz_service(tmp_path):
    policy = _ASKED | {"response": {"status": 403}}
    asked = {"x_forwarded_for": fresh_address(), "x_forwarded_method": "PUT", "x_forwarded_host": "api.example.com"}
    lines, log = _run(tmp_path, shipped.authz(policy), secret := fresh_token(), **asked)
    assert [(line["status"], line["decision"], line["shadow"]) for line in lines] == [
        (200, "allowed", "strict"),
        (403, "denied", "strict"),
    ]
    assert {(line["method"], line["host"]) for line in lines} == {("PUT", "api.example.com")}
    assert [line["path"] for line in lines] == ["/b", "/c"]
    assert {line["client"] for line in lines} == {asked["x_forwarded_for"]}
    assert secret not in log


def test_a_question_that_is_none(tmp_path):
    with Gate(tmp_path, config=shipped.authz(_ASKED)) as gate:
        with Client(gate.port, "127.0.0.1") as caller:
            reply = caller.send("/")
    assert (reply.status, reply.headers["x-tollgate"]) == (400, "malformed")
    assert [(line["decision"], line["details"]) for line in _lines(gate)] == [("malformed", "tollgate_malformed")]
