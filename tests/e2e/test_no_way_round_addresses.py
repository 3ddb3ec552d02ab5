"""A client's address is what the proxy says it is, however it is written, and nothing that the client says."""

from __future__ import annotations

import itertools

import pytest

from harness import shipped
from harness.client import Client, fresh_address

_networks = itertools.count(1)


@pytest.fixture(scope="module", params=["alone", "as shipped"])
def direct(request, open_shared_gate, application):
    """A gate at the edge: it trusts no proxy in front of it."""
    if request.param == "as shipped":
        return open_shared_gate(config=shipped.inline(application.port))
    return open_shared_gate()


@pytest.fixture(scope="module")
def behind(open_shared_gate):
    """A gate behind one trusted proxy, which is the test: it says where a client is by `X-Forwarded-For`."""
    return open_shared_gate(trusted_hops=1)


def fresh_network() -> str:
    """An IPv6 /64 that no test has called from, as a prefix: `2001:db8:0:1:`."""
    return f"2001:db8:0:{next(_networks):x}:"


FORGERIES = {
    "X-Forwarded-For": lambda i: [("x-forwarded-for", f"203.0.113.{i}")],
    "X-Forwarded-For, a list": lambda i: [("x-forwarded-for", f"203.0.113.{i}, 198.51.100.{i}, 10.0.0.{i}")],
    "X-Forwarded-For, twice": lambda i: [
        ("x-forwarded-for", f"203.0.113.{i}"),
        ("x-forwarded-for", f"10.0.0.{i}"),
    ],
    "X-Forwarded-For, IPv6": lambda i: [("x-forwarded-for", f"2001:db8:{i:x}::1")],
    "X-Forwarded-For, nonsense": lambda i: [("x-forwarded-for", f"client-{i}")],
    "X-Envoy-External-Address": lambda i: [("x-envoy-external-address", f"203.0.113.{i}")],
    "X-Envoy-Internal": lambda i: [("x-envoy-internal", "true"), ("x-forwarded-for", f"10.0.0.{i}")],
    "X-Real-IP": lambda i: [("x-real-ip", f"203.0.113.{i}")],
    "Forwarded": lambda i: [("forwarded", f"for=203.0.113.{i};proto=https")],
    "of content networks": lambda i: [
        ("cf-connecting-ip", f"203.0.113.{i}"),
        ("true-client-ip", f"203.0.113.{i}"),
    ],
    "X-Client-IP": lambda i: [("x-client-ip", f"203.0.113.{i}"), ("x-cluster-client-ip", f"203.0.113.{i}")],
    "X-Original-Forwarded-For": lambda i: [("x-original-forwarded-for", f"203.0.113.{i}")],
}


@pytest.mark.parametrize("headers", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_client_cannot_choose_its_address(direct, headers):
    with Client(direct.port) as caller:
        statuses = [caller.send("/", *headers(i)).status for i in range(61)]
    assert statuses == [200] * 60 + [429]


def test_nor_spend_that_of_another(direct):
    victim = fresh_address()
    with Client(direct.port) as caller:
        caller.statuses(61, "/", ("x-forwarded-for", victim))
    with Client(direct.port, victim) as caller:
        assert caller.statuses(60) == {200: 60}


def test_behind_a_proxy_only_its_word_counts(behind):
    """What the client wrote stands further left."""
    real = f"{fresh_network()}:1"
    with Client(behind.port) as proxy:
        forged = [proxy.send("/", ("x-forwarded-for", f"203.0.113.{i}, {real}")).status for i in range(61)]
        assert forged == [200] * 60 + [429]
        assert proxy.send("/", ("x-forwarded-for", "203.0.113.77")).status == 200


ONE_ADDRESS = [
    "2001:DB8:0:{n:X}::A",
    "2001:0db8:0000:{n:04x}:0000:0000:0000:000a",
    "2001:db8:0:{n:x}:0:0:0:a",
    "2001:db8::{n:x}:0:0:0:a",
    "2001:db8:0:{n:x}::0.0.0.10",
    "  2001:db8:0:{n:x}::a  ",
]

ONE_NETWORK = [
    "2001:db8:0:{n:x}::b",
    "2001:db8:0:{n:x}:ffff:ffff:ffff:ffff",
    "2001:db8:0:{n:x}:8000::",
    "2001:db8:0:{n:x}::",
]


@pytest.mark.parametrize("spelling", [*ONE_ADDRESS, *ONE_NETWORK])
def test_one_ipv6_network_is_one_client(behind, spelling):
    number = next(_networks)
    with Client(behind.port) as proxy:
        plain = ("x-forwarded-for", f"2001:db8:0:{number:x}::a")
        assert proxy.statuses(60, "/", plain) == {200: 60}
        assert proxy.send("/", ("x-forwarded-for", spelling.format(n=number))).status == 429
        assert proxy.send("/", ("x-forwarded-for", f"2001:db8:1:{number:x}::a")).status == 200


def test_moving_within_a_network_does_not_help(behind):
    network = fresh_network()
    with Client(behind.port) as proxy:
        statuses = [proxy.send("/", ("x-forwarded-for", f"{network}{i:x}::{i:x}")).status for i in range(61)]
    assert statuses == [200] * 60 + [429]


@pytest.mark.parametrize("mapped", ["::ffff:192.0.2.{n}", "::FFFF:c000:2{n:02x}", "0:0:0:0:0:ffff:192.0.2.{n}"])
def test_a_mapped_ipv4_address_is_that_address(behind, mapped):
    number = next(_networks)
    with Client(behind.port) as proxy:
        assert proxy.statuses(60, "/", ("x-forwarded-for", f"192.0.2.{number}")) == {200: 60}
        assert proxy.send("/", ("x-forwarded-for", mapped.format(n=number))).status == 429
        assert proxy.send("/", ("x-forwarded-for", f"::ffff:198.51.100.{number}")).status == 200


def test_mapped_addresses_are_not_all_one_network(behind):
    """They share a /64, which must not make one client of the IPv4 Internet."""
    with Client(behind.port) as proxy:
        for number in (201, 202):
            assert proxy.statuses(60, "/", ("x-forwarded-for", f"::ffff:192.0.2.{number}")) == {200: 60}


def test_over_ipv6(open_gate):
    gate = open_gate()
    with Client(gate.port_ipv6, "::1") as caller:
        assert caller.statuses(61, "/", ("x-forwarded-for", "203.0.113.5")) == {200: 60, 429: 1}
    with Client(gate.port) as caller:
        assert caller.send().status == 200


def test_new_connections_are_no_new_clients(direct):
    """Nor do source ports tell clients apart."""
    address = fresh_address()
    statuses = []
    for _ in range(61):
        with Client(direct.port, address) as caller:
            statuses.append(caller.send().status)
    assert statuses == [200] * 60 + [429]
