"""The runbook: what it says to type works, on what is shipped, and it leaves nothing out."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import shipped
from harness.adapter import ADAPTER, FILTER, MODULE
from harness.client import Client, Header, fresh_address
from harness.envoy import Gate
from harness.places import cli_path, repo_path
from harness.redis import Redis
from harness.run import Run
from harness.waiting import until

_RUNBOOK = repo_path("docs", "operations.md").read_text()
_COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", _RUNBOOK, re.DOTALL) for line in block.splitlines()]
# The customer's in the runbook.
_ADDRESS, _CLIENT = "203.0.113.7", "5d41402abc4b2a76b9719d911017c592"

_SCOPES = {
    "anon": {"rate": "2/h", "key": "address"},
    "quiet": {"rate": "1/h", "key": "address", "mode": "shadow"},
}
_ASKED = {
    "request": {"from": "forwarded"},
    "client": {"credential": {"trust": "any"}},
    "response": {"status": 403},
    "scopes": _SCOPES,
}


def _section(title: str) -> str:
    return _RUNBOOK.split(f"\n## {title}\n")[1].split("\n## ")[0]


@dataclass(frozen=True)
class Night:
    """An Envoy as it is shipped, a customer, and somebody with the runbook."""

    gate: Gate | Run
    address: str
    asked: bool

    def call(self) -> int:
        """What the customer gets."""
        question: list[Header] = [("x-original-uri", "/a"), ("x-original-method", "GET"), ("x-forwarded-for", self.address)]
        with Client(self.gate.port, "127.0.0.1" if self.asked else self.address) as caller:
            return caller.send("/a", *(question if self.asked else [])).status

    def type(self, command: str) -> str:
        """What a command of the runbook prints."""
        done = subprocess.run(
            ["bash", "-c", f'envoy_log() {{ cat "$LOG"; }}\ntollgate() {{ "$CLI" "$@"; }}\n{command}'],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ
            | {
                "LOG": str(self.gate.log_file),
                "CLI": str(cli_path()),
                "TOLLGATE_CONSOLE": f"http://127.0.0.1:{self.gate.port_of('console')}",
            },
        )
        assert not done.stderr, f"{command}\n{done.stderr}"
        return done.stdout


@pytest.fixture(params=["inline", "authz", "redis"] if ADAPTER is FILTER else ["inline", "redis"])
def newcomers_night(request, tmp_path):
    """The same, with what `scripts/run` serves."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps(_ASKED if request.param == "authz" else {"scopes": _SCOPES}))
    with ExitStack() as stack:
        arguments = ["--config", str(policy), *(["--native"] if ADAPTER is MODULE else [])]
        if request.param == "authz":
            arguments.append("--authz")
        if request.param == "redis":
            redis = stack.enter_context(Redis(tmp_path))
            arguments += ["--redis", f"127.0.0.1:{redis.port}"]
        run = stack.enter_context(Run(tmp_path, *arguments))
        yield Night(run, fresh_address(), request.param == "authz")


@pytest.fixture(params=["inline", "authz", "redis"])
def night(request, tmp_path, application):
    redis = Redis(tmp_path)
    address = fresh_address()
    if request.param == "inline":
        config = shipped.inline(application.port, json.dumps({"scopes": _SCOPES}))
    elif request.param == "authz":
        config = shipped.authz(_ASKED)
    else:
        redis.start()
        config = shipped.redis([redis.port], {"scopes": _SCOPES}, upstream_port=application.port)
    (tmp_path / "gate").mkdir()
    try:
        # As long as Envoy holds its log back, the runbook says.
        arguments = ["--file-flush-interval-msec", "100"]
        with Gate(tmp_path / "gate", config=config, arguments=arguments) as gate:
            yield Night(gate, address, request.param == "authz")
    finally:
        if request.param == "redis":
            redis.kill()


def test_a_customer_says_he_is_limited(night):
    """Who is limited, why, and let this one through: by the three commands, as they stand there."""
    _let_through(night)


def test_a_newcomer_lets_him_through(newcomers_night):
    _let_through(newcomers_night)


def _let_through(night: Night) -> None:
    block = re.search(r"```sh\n(.*?)```", _section("A customer says he is limited: three commands"), re.DOTALL)[1]
    look, find, pardon = block.splitlines()
    # Which policies there are the console knows after a second.
    until(lambda: night.gate.console("/v1/policies")[1]["policies"])
    assert [night.call() for _ in range(3)] == [200, 200, 403 if night.asked else 429]

    look = look.replace(_ADDRESS, night.address)
    until(lambda: night.type(look))
    [line] = [json.loads(line) for line in night.type(look).splitlines()]
    assert (line["scope"], line["decision"], line["client"]) == ("anon", "denied", night.address)
    assert 3590 <= int(line["wait"]) <= 3600

    printed = night.type(find.replace(_CLIENT, line["client_id"]))
    assert re.search(r"anon +2/h +2 of 2 +in (59 min|1 h)", printed), printed
    printed = night.type(f"tollgate clients find --address {night.address}")
    assert line["client_id"] in printed
    # The list may be a second old.
    until(lambda: line["client_id"] in night.type("tollgate clients --scope anon"))

    assert "pardoned" in night.type(pardon.replace(_CLIENT, line["client_id"]))
    # With Redis, a worker hears of it within a second.
    until(lambda: night.call() == 200)


def test_what_is_typed_about_the_log_prints_something(tmp_path, application):
    address = fresh_address()
    with Gate(tmp_path, config=shipped.inline(application.port, json.dumps({"scopes": _SCOPES}))) as gate:
        with Client(gate.port, address) as caller:
            assert caller.statuses(4) == {200: 2, 429: 2}
    # Envoy has ended, so all of its log is there.
    typed = [command.strip() for command in _COMMANDS if "envoy_log | jq" in command]
    assert len(typed) >= 4
    for command in typed:
        script = f"envoy_log() {{ cat '{gate.log_file}'; }}\n{command.replace('> 500', '>= 0')}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
        assert done.stdout and not done.stderr, f"{command}\n{done.stderr}"
        if "uniq -c" in command:
            assert address in done.stdout, command


# -- nothing is left out -------------------------------------------------------------------------------------------------------


def _said() -> list[str]:
    """What stands in the sources as a line for the log: of each the first piece of some length, without what is filled in."""
    pieces = []
    sources = [repo_path("src", "filter"), repo_path("src", "adapter"), repo_path("native")]
    for file in sorted(file for source in sources for file in source.rglob("*.rs")):
        for text in re.findall(r'log::(?:info|warn|error)!\(\s*"((?:[^"\\]|\\.)*)"', file.read_text(), re.DOTALL):
            plain = re.sub(r"\\\n\s*", "", text)
            found = [piece.strip(" ;") for piece in re.split(r"\{[^}]*\}", plain)]
            pieces += [piece for piece in found if len(piece) >= 8][:1]
    return pieces


def _fold(text: str) -> str:
    return re.sub(r"[`…\s]+", " ", text)


@pytest.mark.neither
def test_each_line_of_the_log_is_explained():
    explained = _fold(_section("What each log line means"))
    pieces = _said()
    assert len(pieces) >= 10
    # The beginning is enough to find it by.
    missing = [piece for piece in pieces if _fold(piece)[:30].strip() not in explained]
    assert missing == []


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.neither
def test_each_link_leads_somewhere():
    here = repo_path("docs", "operations.md")
    links = re.findall(r"\]\(([^)]*)\)", _RUNBOOK)
    assert len(links) > 30
    for link in links:
        name, _, anchor = link.partition("#")
        file = (here.parent / name).resolve() if name else here
        assert file.exists(), link
        assert not anchor or anchor in _anchors(file), link
