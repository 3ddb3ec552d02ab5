"""Networks of addresses, and the warning about a deployment in which all clients have one address."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from harness import http2
from harness.client import Client, Header, fresh_address

QUOTA = 2
SETTING = "xff_num_trusted_hops"
PROXY = "127.3.2.1"
PLENTY = {"scopes": {"all": {"rate": "100000/h", "key": "address"}}}

_serial = itertools.count(1)


def forwarded(*addresses: str) -> Header:
    return ("x-forwarded-for", ", ".join(addresses))


# -- networks ----------------------------------------------------------------------------------------------------------

NETWORKS = {
    "exempt": [{"address": ["10.0.0.0/8", "2001:db8:f00::/48"]}],
    "scopes": {
        "office": {"rate": f"{QUOTA}/h", "key": "address", "match": {"address": "192.0.2.0/24"}},
        "six": {"rate": f"{QUOTA}/h", "key": "address", "match": {"address": ["2001:db8:5::/48", "2001:db8:6::/64"]}},
        "outside": {
            "rate": f"{QUOTA}/h",
            "key": "address",
            "match": {"path": "/outside", "not": {"address": "198.51.0.0/16"}},
        },
        "exempt": {"rate": "0/h", "key": "address", "match": {"address": ["10.0.0.0/8", "2001:db8:f00::/48"]}},
    },
}

LIMITED = {
    "in the network": ("/", "192.0.2.{n}"),
    "mapped into IPv6": ("/", "::ffff:192.0.2.{n}"),
    "mapped, in hexadecimal": ("/", "::FFFF:C000:2{n:02x}"),
    "by NAT64": ("/", "64:ff9b::192.0.2.{n}"),
    "by NAT64, in hexadecimal": ("/", "0064:FF9B:0::C000:2{n:02x}"),
    "in an IPv6 network": ("/", "2001:db8:5:{n:x}::1"),
    "in another one of a list": ("/", "2001:db8:6:0:{n:x}::1"),
    "not outside": ("/outside", "203.0.113.{n}"),
    "not outside, mapped": ("/outside", "::ffff:203.0.113.{n}"),
    "not outside, by NAT64": ("/outside", "64:ff9b::203.0.113.{n}"),
    "not outside, IPv6": ("/outside", "2001:db8:77:{n:x}::1"),
}

FREE = {
    "next to the network": ("/", "192.0.3.{n}"),
    "next to the network, mapped": ("/", "::ffff:192.0.3.{n}"),
    "exempt": ("/", "10.1.2.{n}"),
    "exempt, mapped": ("/", "::ffff:10.1.2.{n}"),
    "exempt, by NAT64": ("/", "64:ff9b::10.1.2.{n}"),
    "exempt, in hexadecimal": ("/", "0:0:0:0:0:ffff:a01:2{n:02x}"),
    "exempt, IPv6": ("/", "2001:db8:f00:{n:x}::1"),
    "in no IPv6 network": ("/", "2001:db8:6:1:{n:x}::1"),
    "an IPv6 address that only ends like a mapped one": ("/", "2001:db8:7::ffff:192.0.2.{n}"),
    "outside": ("/outside", "198.51.100.{n}"),
    "outside, mapped": ("/outside", "::ffff:198.51.100.{n}"),
}


@pytest.fixture(scope="module")
def behind(open_shared_gate):
    """A gate behind one trusted proxy, which is the test."""
    return open_shared_gate(NETWORKS, trusted_hops=1)


@pytest.mark.parametrize(("target", "address"), LIMITED.values(), ids=LIMITED.keys())
def test_limited_by_address(behind, target, address):
    with Client(behind.port) as proxy:
        here = forwarded(address.format(n=next(_serial)))
        assert proxy.statuses(QUOTA + 1, target, here) == {200: QUOTA, 429: 1}


@pytest.mark.parametrize(("target", "address"), FREE.values(), ids=FREE.keys())
def test_free_by_address(behind, target, address):
    with Client(behind.port) as proxy:
        here = forwarded(address.format(n=next(_serial)))
        assert proxy.statuses(QUOTA + 1, target, here) == {200: QUOTA + 1}


# -- all clients in one counter ----------------------------------------------------------------------------------------


def warnings(gate) -> list[str]:
    return [line for line in gate.log().splitlines() if SETTING in line]


def client(number: int) -> str:
    return f"203.0.113.{number % 7 + 1}"


def requests(times: int, *before: str, after: tuple[str, ...] = ()) -> list[list[tuple[str, str]]]:
    """Requests that were forwarded for several clients."""
    return [http2.request("/", forwarded(*before, client(number), *after)) for number in range(times)]


def send(gate, headers: list[list[tuple[str, str]]], proxy: str = PROXY) -> None:
    with http2.Http2Connection(gate.port, source=proxy) as connection:
        connection.queue(headers)
        connection.flush()
        assert {reply.status for reply in connection.replies()} == {200}


# Of a peer on the same host, 127.0.0.1, Envoy does not append the address to X-Forwarded-For, but one of its own.
@pytest.mark.parametrize("proxy", ["127.0.0.1", PROXY])
def test_a_proxy_that_envoy_was_not_told_of_is_noticed_once(open_gate, proxy):
    """By four workers, of which several see more than a hundred such requests."""
    gate = open_gate(PLENTY, workers=4, upstream_port=None)
    for _ in range(2):
        with ExitStack() as stack:
            connections = [stack.enter_context(http2.Http2Connection(gate.port, source=proxy)) for _ in range(8)]
            for connection in connections:
                connection.queue(requests(120))
                connection.flush()
            for connection in connections:
                assert {reply.status for reply in connection.replies()} == {200}
    [warning] = warnings(gate)
    assert "[warning]" in warning
    assert proxy in warning


def test_so_is_one_of_two(open_gate):
    """Envoy was told of the nearest only, so all clients have the next one's address."""
    gate = open_gate(PLENTY, workers=1, trusted_hops=1)
    send(gate, requests(150, after=("10.1.2.3",)))
    [warning] = warnings(gate)
    assert "10.1.2.3" in warning


@pytest.mark.parametrize("form", ["{}:4711", "[2001:db8::{}]:4711"])
def test_a_port_is_named_as_the_cause(open_gate, form):
    """Envoy was told of the proxy, and does not read what it writes."""
    gate = open_gate(PLENTY, workers=1, trusted_hops=1)
    send(gate, [http2.request("/", forwarded(form.format(client(number) if form[0] == "{" else number % 7))) for number in range(150)])
    assert warnings(gate) == []
    [warning] = [line for line in gate.log().splitlines() if "share one counter" in line]
    assert PROXY in warning and "`192.0.2.1:4711`" in warning and "docs/envoy.md" in warning


def test_it_takes_a_hundred_and_a_reload_says_nothing_new(open_gate):
    gate = open_gate(PLENTY, workers=1, watched=True)
    send(gate, requests(99))
    assert warnings(gate) == []
    send(gate, requests(1))
    assert len(warnings(gate)) == 1
    gate.update(PLENTY | {"response": {"status": 503}})
    send(gate, requests(150))
    assert len(warnings(gate)) == 1


# Deployments in which nothing is wrong. Each: how many hops Envoy trusts, and the headers of the numberth request.
ORDINARY: dict[str, tuple[int, Callable[[int], list[Header]]]] = {
    "no proxy": (0, lambda _: []),
    "one client that says where it is": (0, lambda _: [forwarded("203.0.113.9")]),
    "a proxy that is known": (1, lambda number: [forwarded(client(number))]),
    "one client of it": (1, lambda _: [forwarded("203.0.113.9")]),
    "one private client of it": (1, lambda _: [forwarded("10.0.0.9")]),
    "several clients that forge": (1, lambda number: [forwarded("198.51.100.1", client(number))]),
    "a public client that forges": (1, lambda number: [forwarded(client(number), "198.51.100.77")]),
    "other headers": (0, lambda number: [("x-real-ip", client(number)), ("forwarded", f"for={client(number)}")]),
}


@pytest.fixture(scope="module")
def quiet(open_shared_gate):
    """By the number of hops that it trusts, a gate that nothing has been noticed at."""
    return [open_shared_gate(PLENTY, workers=1, upstream_port=None, trusted_hops=hops) for hops in (0, 1)]


@pytest.mark.parametrize(("hops", "headers"), ORDINARY.values(), ids=ORDINARY.keys())
def test_an_ordinary_deployment_is_not_warned_about(quiet, hops, headers):
    send(quiet[hops], [http2.request("/", *headers(number)) for number in range(300)], fresh_address())
    assert warnings(quiet[hops]) == []


def test_nor_are_clients_with_addresses_of_their_own(quiet):
    """Even if all of them forge."""
    with Client(quiet[0].port, fresh_address()) as one, Client(quiet[0].port, fresh_address()) as other:
        for number in range(150):
            assert one.send("/", forwarded(client(number))).status == 200
            assert other.send("/", forwarded(client(number))).status == 200
    assert warnings(quiet[0]) == []
