"""A limit that was used up stays so, whatever happens to the rates around it: in an update, or in a second listener that has a
scope of the same name."""

from __future__ import annotations

import time

import pytest

from harness.client import Client, fresh_address
from harness.layouts import side_by_side

HOURLY = 10


def policy(rate, **rest) -> dict:
    return {"scopes": {"all": {"rate": rate, "key": "address"} | rest}}


def use_up(port: int, address: str, quota: int) -> None:
    """Takes that many units, waiting as it is told to where another rate is in the way."""
    with Client(port, address) as caller:
        taken = 0
        while taken < quota:
            reply = caller.send()
            taken += reply.status == 200
            if reply.status == 429:
                time.sleep(reply.retry_after)


def statuses(port: int, address: str, times: int):
    with Client(port, address) as caller:
        return caller.statuses(times)


@pytest.fixture
def address() -> str:
    return fresh_address()


def test_a_rate_is_put_in_front_of_it(open_gate, address):
    gate = open_gate(policy(f"{HOURLY}/h"), watched=True)
    use_up(gate.port, address, HOURLY)
    gate.update(policy(["5/s", f"{HOURLY}/h"]))
    time.sleep(1.1)  # so that nothing but the hour is in the way
    assert statuses(gate.port, address, 3) == {429: 3}


def test_two_rates_change_places(open_gate, address):
    """The hour is used up, some seconds before the last of it."""
    gate = open_gate(policy(["5/s", f"{HOURLY}/h"]), watched=True)
    use_up(gate.port, address, HOURLY)
    time.sleep(1.1)
    assert statuses(gate.port, address, 1) == {429: 1}
    gate.update(policy([f"{HOURLY}/h", "5/s"]))
    assert statuses(gate.port, address, 3) == {429: 3}


def test_a_window_becomes_short_for_a_while(open_gate, address):
    gate = open_gate(policy(f"{HOURLY}/h"), watched=True)
    use_up(gate.port, address, HOURLY)
    gate.update(policy(f"{HOURLY}/s"))
    time.sleep(1.1)
    assert statuses(gate.port, address, 1) == {200: 1}
    gate.update(policy(f"{HOURLY}/h"))
    assert statuses(gate.port, address, 3) == {429: 3}


def test_a_quota_becomes_large_for_a_while(open_gate, address):
    gate = open_gate(policy(f"{HOURLY}/h"), watched=True)
    use_up(gate.port, address, HOURLY)
    gate.update(policy("1000/h"))
    assert statuses(gate.port, address, 20) == {200: 20}
    gate.update(policy(f"{HOURLY}/h"))
    assert statuses(gate.port, address, 3) == {429: 3}


# -- two listeners -----------------------------------------------------------------------------------------------------

BUCKET = {"algorithm": "token_bucket", "burst": HOURLY}


def test_the_same_name_elsewhere_under_another_window(open_gate, application, address):
    """A client that has used up its hour here goes on there, where it is let through; here it stays denied."""
    policies = {"hourly": policy(f"{HOURLY}/h"), "secondly": policy(f"{HOURLY}/s")}
    gate = open_gate(config=side_by_side(policies, upstream_port=application.port))
    use_up(gate.port_of("hourly"), address, HOURLY)
    for _ in range(2):
        time.sleep(1.1)
        assert statuses(gate.port_of("secondly"), address, 1) == {200: 1}
        assert statuses(gate.port_of("hourly"), address, 2) == {429: 2}


def test_a_window_and_a_bucket_of_one_name(open_gate, application, address):
    """Called in turn, each admits what it would alone, and no more."""
    policies = {"window": policy(f"{HOURLY}/h"), "bucket": policy("1/h", **BUCKET)}
    gate = open_gate(config=side_by_side(policies, upstream_port=application.port))
    with Client(gate.port_of("window"), address) as window, Client(gate.port_of("bucket"), address) as bucket:
        turns = [(window.send().status, bucket.send().status) for _ in range(HOURLY + 5)]
    assert turns == [(200, 200)] * HOURLY + [(429, 429)] * 5
