"""A policy's words mean inside Envoy what they say. One gate; each scope has a path of its own."""

from __future__ import annotations

import pytest

from harness.client import Client, fresh_token, token


def on(path: str, rate: str | list[str] = "2/h", **rest) -> dict:
    fields = {"rate": rate, "key": "address"} | rest
    return fields | {"match": {"path": path} | fields.get("match", {})}


POLICY = {
    "client": {"address": {"ipv4_prefix": 32, "ipv6_prefix": 64}},
    "exempt": [{"path": "/free/**"}, {"header": {"x-probe": "yes"}}, {"address": "127.9.0.0/16"}],
    "scopes": {
        "free": on("/free/**", "0/min"),
        "shadow": on("/shadow", mode="shadow"),
        "off": on("/off", mode="off"),
        "cost": on("/cost", "10/h", cost=4),
        "rates": on("/rates", ["100/s", "3/h"]),
        "bucket": on("/bucket", "2/h", algorithm="token_bucket", burst=5),
        "tenant": on("/tenant", key={"header": "x-tenant"}),
        "shop": on("/shop", key={"cookie": "shop"}),
        "first": on("/first", key=[{"header": "x-tenant"}, {"query": "tenant"}, "address"]),
        "pair": on("/pair", key={"all": ["address", {"header": "x-tenant"}]}),
        "host": on("/host", match={"host": ["api.test", "www.api.test"]}),
        "method": on("/method", match={"method": ["POST", "PUT"]}),
        "segment": on("/jobs/*/result/"),
        "rest": on("/rest/**"),
        "agent": on("/agent", match={"header": {"user-agent": {"contains": "curl"}}}),
        "theme": on("/theme", match={"cookie": {"theme": ["dark", "black"]}}),
        "known": on("/known", match={"client": "authenticated"}, key="credential"),
        "network": on("/network", match={"address": ["127.1.0.0/16"]}),
        "outside": on("/outside", match={"not": {"address": "127.0.0.0/8"}}),
        "either": on("/either", match={"any": [{"query": {"a": True}}, {"query": {"b": {"prefix": "x"}}}]}),
    },
}

DENIED_THIRD = {200: 2, 429: 1}
ADMITTED = {200: 3}


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    return open_shared_gate(POLICY)


@pytest.fixture
def caller(gate):
    with Client(gate.port) as client:
        yield client


def test_shadow_counts_but_never_denies(gate, caller):
    assert caller.statuses(5, "/shadow") == {200: 5}
    assert gate.decisions("shadow", "shadowed") == 3
    assert gate.decisions("shadow", "denied") == 0


def test_off_does_nothing(gate, caller):
    assert caller.statuses(5, "/off") == {200: 5}
    assert gate.decisions("off", "allowed") == 0


def test_shadow_for_all(open_gate):
    gate = open_gate({"mode": "shadow", "scopes": {"all": {"rate": "2/h", "key": "address"}}})
    with Client(gate.port) as caller:
        assert caller.statuses(5) == {200: 5}
    assert gate.decisions("all", "shadowed") == 3


def test_off_for_all(open_gate):
    gate = open_gate({"mode": "off", "scopes": {"all": {"rate": "0/h", "key": "address"}}})
    with Client(gate.port) as caller:
        assert caller.statuses(5) == {200: 5}


@pytest.mark.parametrize(
    ("target", "headers"), [("/free/anything", []), ("/cost", [("x-probe", "yes")])], ids=["path", "header"]
)
def test_exempt(caller, target, headers):
    assert caller.statuses(10, target, *headers) == {200: 10}


def test_exempt_by_address(gate):
    with Client(gate.port, "127.9.3.7") as caller:
        assert caller.statuses(10, "/cost") == {200: 10}


def test_cost(caller):
    assert caller.statuses(5, "/cost") == {200: 2, 429: 3}


def test_several_rates_must_all_admit(caller):
    assert caller.statuses(6, "/rates") == {200: 3, 429: 3}


def test_a_bucket_admits_its_burst(caller):
    assert caller.statuses(7, "/bucket") == {200: 5, 429: 2}


# Target, headers of a client that is denied its third request, and headers of another client.
KEYS = {
    "a header": ("/tenant", [("x-tenant", "a")], [("x-tenant", "b")]),
    "a cookie": ("/shop", [("cookie", "shop=a")], [("cookie", "shop=b")]),
    "a query": ("/first?tenant=a", [], [("x-tenant", "other")]),
    "the first that is there": ("/first?tenant=c", [("x-tenant", "c")], []),
    "a combination": ("/pair", [("x-tenant", "a")], [("x-tenant", "b")]),
}


@pytest.mark.parametrize(("target", "one", "other"), KEYS.values(), ids=KEYS.keys())
def test_keys(caller, target, one, other):
    assert caller.statuses(3, target, *one) == DENIED_THIRD
    assert caller.send(target, *other).status == 200


@pytest.mark.parametrize("target", ["/tenant", "/shop", "/pair"])
def test_without_its_key_a_scope_does_not_apply(caller, target):
    assert caller.statuses(3, target) == ADMITTED


MATCHES = {
    "host": ("/host", [("host", "api.test")], "GET"),
    "host in capitals": ("/host", [("host", "WWW.API.TEST")], "GET"),
    "host and port": ("/host", [("host", "api.test:8080")], "GET"),
    "host and dot": ("/host", [("host", "api.test.")], "GET"),
    "method": ("/method", [], "POST"),
    "another method": ("/method", [], "PUT"),
    "segment": ("/jobs/17/result", [], "GET"),
    "rest": ("/rest/a/b/c", [], "GET"),
    "header": ("/agent", [("user-agent", "like curl/8")], "GET"),
    "cookie": ("/theme", [("cookie", "theme=black")], "GET"),
    "authenticated": ("/known", [("authorization", "Token somebody")], "GET"),
    "address": ("/network", [], "GET"),
    "any, the first": ("/either?a=1", [], "GET"),
    "any, the second": ("/either?b=xyz", [], "GET"),
}


@pytest.mark.parametrize(("target", "headers", "method"), MATCHES.values(), ids=MATCHES.keys())
def test_match(caller, target, headers, method):
    assert caller.statuses(3, target, *headers, method=method) == DENIED_THIRD


OTHERS = {
    "another host": ("/host", [("host", "api.test.example")], "GET"),
    "another method": ("/method", [], "GET"),
    "no segment": ("/jobs/result", [], "GET"),
    "two segments": ("/jobs/1/2/result", [], "GET"),
    "another header": ("/agent", [("user-agent", "wget")], "GET"),
    "another cookie": ("/theme", [("cookie", "theme=light")], "GET"),
    "anonymous": ("/known", [], "GET"),
    "not": ("/outside", [], "GET"),
    "none of any": ("/either?a=0&b=zx", [], "GET"),
}


@pytest.mark.parametrize(("target", "headers", "method"), OTHERS.values(), ids=OTHERS.keys())
def test_no_match(caller, target, headers, method):
    assert caller.statuses(3, target, *headers, method=method) == ADMITTED


def test_a_credential_from_a_header_of_ones_own(open_gate):
    policy = {
        "client": {"credential": {"from": [{"header": "x-api-key"}]}},
        "scopes": {"all": {"rate": "2/h", "key": "credential"}},
    }
    with Client(open_gate(policy).port) as caller:
        key = ("x-api-key", fresh_token())
        assert caller.statuses(3, "/", key) == DENIED_THIRD
        assert caller.statuses(3, "/", token(fresh_token())) == ADMITTED


def test_an_ipv4_network_as_one_client(open_gate):
    policy = {
        "client": {"address": {"ipv4_prefix": 24}},
        "scopes": {"all": {"rate": "2/h", "key": "address"}},
    }
    gate = open_gate(policy)
    with (
        Client(gate.port, "127.7.7.1") as one,
        Client(gate.port, "127.7.7.2") as two,
        Client(gate.port) as other,
    ):
        assert [one.send().status, two.send().status, one.send().status] == [200, 200, 429]
        assert other.send().status == 200
