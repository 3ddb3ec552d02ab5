"""A new policy comes in while Envoy serves, by way of a watched file: counters stay, and a bad one changes nothing."""

from __future__ import annotations

import re
from collections import Counter
from threading import Thread

import pytest

from harness.client import Client, fresh_token, token
from harness.layouts import side_by_side, typed
from harness.waiting import until


def policy(rate: str, **rest) -> dict:
    return {"scopes": {"all": {"rate": rate, "key": "credential"}}} | rest


@pytest.fixture
def gate(open_gate):
    return open_gate(policy("10/h"), watched=True)


def with_a_broken_filter(filters: list[dict]) -> None:
    broken = typed("filters.http.lua.v3.Lua", default_source_code={"inline_string": "this is no Lua"})
    filters.insert(1, {"name": "another", "typed_config": broken})


def statuses(gate, times: int, *headers):
    """On a new connection: those that are open may be served by the old configuration to their end."""
    with Client(gate.port) as caller:
        return caller.statuses(times, "/", *headers)


def test_a_new_policy_keeps_the_counters(gate):
    spent, fresh = token(fresh_token()), token(fresh_token())
    assert statuses(gate, 12, spent) == {200: 10, 429: 2}
    gate.update(policy("15/h"))
    assert statuses(gate, 12, spent) == {200: 5, 429: 7}  # ten of the fifteen were used before
    assert statuses(gate, 16, fresh) == {200: 15, 429: 1}


def test_a_smaller_quota_counts_what_was_used(gate):
    caller = token(fresh_token())
    assert statuses(gate, 4, caller) == {200: 4}
    gate.update(policy("5/h"))
    assert statuses(gate, 3, caller) == {200: 1, 429: 2}


def test_a_quota_grows_past_64(gate):
    """Counters of up to 64 units are kept in another form than larger ones."""
    caller = token(fresh_token())
    gate.update(policy("60/h"))
    assert statuses(gate, 58, caller) == {200: 58}
    gate.update(policy("100/h"))
    assert statuses(gate, 50, caller) == {200: 42, 429: 8}
    gate.update(policy("60/h"))
    assert statuses(gate, 1, caller) == {429: 1}


@pytest.mark.parametrize(
    "changed",
    [
        {"rate": "10/min"},
        {"rate": ["20/d", "10/h"]},
        {"rate": "10/h", "algorithm": "token_bucket", "burst": 5},
        {"rate": "10/h", "key": "address"},
    ],
    ids=["window", "rates", "algorithm", "key"],
)
def test_a_scope_may_change_its_kind(gate, changed):
    """Whatever its counters are worth then, they can be read, and the new limit holds from there on."""
    caller = token(fresh_token())
    statuses(gate, 8, caller)
    gate.update({"scopes": {"all": {"key": "credential"} | changed}})
    assert statuses(gate, 30, caller)[200] <= 10


def test_a_new_scope_leaves_the_old_ones_alone(gate):
    caller = token(fresh_token())
    assert statuses(gate, 8, caller) == {200: 8}
    scopes = {"added": {"rate": "1/h", "key": "credential", "match": {"path": "/added"}}} | policy("10/h")["scopes"]
    gate.update({"scopes": scopes})
    assert statuses(gate, 3, caller) == {200: 2, 429: 1}


def test_a_bad_policy_is_refused_and_the_old_one_serves_on(gate):
    gate.expect_error("scopes.all.rate")
    caller = token(fresh_token())
    assert statuses(gate, 6, caller) == {200: 6}
    gate.refuse_update(policy("10/fortnight"))
    assert "scopes.all.rate: `10/fortnight`" in gate.log()
    assert statuses(gate, 6, caller) == {200: 4, 429: 2}
    gate.update(policy("11/h"))  # and a good one is taken again
    assert statuses(gate, 2, caller) == {200: 1, 429: 1}


def test_another_capacity_is_refused(gate):
    """The table cannot change its size without losing its counters."""
    gate.expect_error("store.capacity")
    caller = token(fresh_token())
    assert statuses(gate, 6, caller) == {200: 6}
    gate.refuse_update(policy("10/h", store={"capacity": 1024}))
    assert "store.capacity" in gate.log()
    assert statuses(gate, 6, caller) == {200: 4, 429: 2}


@pytest.mark.only("filter", because="shared data cannot be deleted")
def test_what_was_refused_has_laid_out_its_table_in_the_filter(gate):
    """Another name helps."""
    gate.expect_error("store.capacity")
    gate.refuse_update(policy("10/h", store={"name": "new", "capacity": 2048}), with_a_broken_filter)
    gate.refuse_update(policy("10/h", store={"name": "new", "capacity": 4096}))
    gate.update(policy("10/h", store={"name": "newer", "capacity": 4096}))
    assert statuses(gate, 12, token(fresh_token())) == {200: 10, 429: 2}


@pytest.mark.only("module", because="its tables stand in memory of its own")
def test_what_was_refused_has_laid_out_no_table(gate):
    """Envoy refuses a policy for another filter's sake; then one comes that has the same new table, and another capacity."""
    gate.refuse_update(policy("10/h", store={"name": "new", "capacity": 2048}), with_a_broken_filter)
    gate.update(policy("10/h", store={"name": "new", "capacity": 4096}))
    assert statuses(gate, 12, token(fresh_token())) == {200: 10, 429: 2}


@pytest.mark.only("module", because="see above")
def test_a_table_in_which_somebody_was_counted_stays_when_its_policy_goes(open_gate):
    gate = open_gate(policy("10/h"), watched=True, arguments=["--drain-time-s", "1"])
    gate.expect_error("store.capacity")
    caller = token(fresh_token())
    gate.update(policy("10/h", store={"name": "new", "capacity": 2048}))
    assert statuses(gate, 6, caller) == {200: 6}
    gate.update(policy("10/h"))
    until(lambda: not gate.stat("listener_manager.total_filter_chains_draining"))
    gate.refuse_update(policy("10/h", store={"name": "new", "capacity": 4096}))
    gate.update(policy("10/h", store={"name": "new", "capacity": 2048}))
    assert statuses(gate, 6, caller) == {200: 4, 429: 2}


def test_the_reply_changes_with_the_policy(gate):
    caller = token(fresh_token())
    statuses(gate, 10, caller)
    gate.update(policy("10/h", response={"status": 503, "body": {"text": "later"}}))
    with Client(gate.port) as client:
        reply = client.send("/", caller)
    assert (reply.status, reply.body) == (503, b"later")


def test_shadow_and_back(gate):
    caller = token(fresh_token())
    assert statuses(gate, 11, caller) == {200: 10, 429: 1}
    gate.update(policy("10/h", mode="shadow"))
    assert statuses(gate, 5, caller) == {200: 5}
    gate.update(policy("10/h"))
    assert statuses(gate, 2, caller) == {429: 2}


def test_updates_under_way_lose_nothing(gate):
    """Someone calls all the while, as the policy changes five times."""
    gate.update(policy("300/h"))
    seen: Counter[int] = Counter()

    def call() -> None:
        credential = token(fresh_token())
        for _ in range(400):
            seen.update(statuses(gate, 1, credential))

    caller = Thread(target=call)
    caller.start()
    for number in range(5):
        gate.update(policy("300/h", response={"body": {"text": f"version {number}"}}))
    caller.join()
    assert seen == {200: 300, 429: 100}


def said(gate) -> list[str]:
    """The rates that the log says to be in force, as they came."""
    return re.findall(r"in force: all (\S+),", gate.log())


def test_the_log_says_what_is_in_force_once(open_gate):
    """Not for each worker, not for the trial that Envoy makes of each, and not for what it refuses for another filter's sake. What a
    refused update would have said came before what the next one says."""
    gate = open_gate(policy("10/h"), watched=True, workers=2, arguments=["--drain-time-s", "1"])
    until(lambda: said(gate))
    for number, rate in enumerate(["11/h", "10/h"], start=2):
        gate.update(policy(rate))
        until(lambda: len(said(gate)) == number)
        # As long as Envoy keeps the old one, it would only take it up again.
        until(lambda: not gate.stat("listener_manager.total_filter_chains_draining"))
    gate.refuse_update(policy("12/h"), with_a_broken_filter)
    gate.update(policy("13/h"))
    until(lambda: "13/h" in said(gate))
    assert said(gate) == ["10/h", "11/h", "10/h", "13/h"]


def test_policies_side_by_side_are_said_once_each(open_gate, application):
    gate = open_gate(config=side_by_side({"one": policy("10/h"), "other": policy("11/h")}, upstream_port=application.port))
    until(lambda: len(said(gate)) >= 2)
    assert sorted(said(gate)) == ["10/h", "11/h"]
