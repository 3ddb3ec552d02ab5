"""The policy by extension config discovery (ECDS): the filter's configuration is a resource of its own, here in a watched file. Updates
keep the counters, a bad one changes nothing, and one that is gone leaves the policy in force."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from threading import Thread

import pytest

from harness.adapter import ADAPTER
from harness.client import Client, fresh_address
from harness.layouts import layout
from harness.waiting import until

_STATS = "extension_config_discovery.http_filter.tollgate"


def policy(rate: str, **rest) -> dict:
    return {"scopes": {"all": {"rate": rate, "key": "address"}}} | rest


class Discovered:
    """A gate whose policy is discovered."""

    def __init__(self, directory: Path, open_gate, first: dict) -> None:
        self._file = directory / "policy.json"
        kind = ADAPTER.plugin("tollgate", None)["@type"]
        source = {"resource_api_version": "V3", "path_config_source": {"path": str(self._file)}}
        self.write([ADAPTER.plugin("tollgate", first)])
        config = layout(None)
        config["node"] = {"id": "gate", "cluster": "gate"}
        filters = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
        filters[0] = {"name": "tollgate", "config_discovery": {"config_source": source, "type_urls": [kind]}}
        self.gate = open_gate(config=config)

    def write(self, plugins: list[dict]) -> None:
        kind = {"@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "name": "tollgate"}
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps({"resources": [kind | {"typed_config": plugin} for plugin in plugins]}))
        temporary.replace(self._file)  # Envoy watches for a move

    def update(self, policy: dict) -> None:
        before = self.count("config_reload")
        self.write([ADAPTER.plugin("tollgate", policy)])
        until(lambda: self.count("config_reload") > before)

    def refuse(self, plugins: list[dict]) -> None:
        before = self.count("update_rejected")
        self.write(plugins)
        until(lambda: self.count("update_rejected") > before)

    def count(self, name: str) -> int:
        return self.gate.stat(f"{_STATS}.{name}")


@pytest.fixture
def discovered(tmp_path, open_gate):
    return Discovered(tmp_path, open_gate, policy("10/h"))


def test_updates_keep_the_counters(discovered):
    """On one connection: each request has the policy that is in force when it comes."""
    with Client(discovered.gate.port) as caller:
        assert caller.statuses(6) == {200: 6}
        discovered.update(policy("12/h"))
        until(lambda: "12/h" in discovered.gate.log())  # every worker has it by then
        assert caller.statuses(8) == {200: 6, 429: 2}
        discovered.update(policy("12/h", response={"status": 503}))
        until(lambda: caller.send("/").status == 503)


def test_a_bad_policy_is_refused_and_the_old_one_serves_on(discovered):
    gate = discovered.gate
    for text in ("scopes.all.rate", *ADAPTER.refusal):
        gate.expect_error(text)
    with Client(gate.port) as caller:
        assert caller.statuses(6) == {200: 6}
        discovered.refuse([ADAPTER.plugin("tollgate", policy("10/fortnight"))])
        assert "scopes.all.rate: `10/fortnight`" in gate.log()
        assert discovered.count("config_fail") == 1
        if ADAPTER.name == "module":
            assert gate.stat("dynamic_modules.config_init_error.config_name.tollgate") == 1
        assert caller.statuses(6) == {200: 4, 429: 2}


def test_until_there_is_a_policy_nothing_is_let_through(tmp_path, open_gate):
    discovered = Discovered(tmp_path, open_gate, policy("10/fortnight"))
    for text in ("scopes.all.rate", *ADAPTER.refusal):
        discovered.gate.expect_error(text)
    with Client(discovered.gate.port) as caller:
        assert caller.statuses(3) == {500: 3}
        discovered.update(policy("10/h"))
        until(lambda: "10/h" in discovered.gate.log())
        assert caller.statuses(12) == {200: 10, 429: 2}


def test_what_is_gone_stays_in_force(discovered):
    """Envoy takes neither an empty answer nor another kind of filter for a removal."""
    discovered.refuse([])
    discovered.refuse([{"@type": "type.googleapis.com/google.protobuf.Empty"}])
    with Client(discovered.gate.port) as caller:
        assert caller.statuses(12) == {200: 10, 429: 2}


def test_updates_under_way_lose_nothing(discovered):
    """Someone calls all the while, as the policy changes ten times."""
    discovered.update(policy("300/h"))
    until(lambda: "300/h" in discovered.gate.log())
    seen: Counter[int] = Counter()
    address = fresh_address()

    def call() -> None:
        with Client(discovered.gate.port, address) as caller:
            seen.update(caller.statuses(400))

    caller = Thread(target=call)
    caller.start()
    for number in range(10):
        discovered.update(policy("300/h", response={"body": {"text": f"version {number}"}}))
    caller.join()
    assert seen == {200: 300, 429: 100}
