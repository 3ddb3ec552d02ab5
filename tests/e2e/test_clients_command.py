"""`tollgate clients` against the console in a real Envoy: who is limited, by what, and let this one through."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass

import pytest

from harness import shipped
from harness.client import Client, fresh_address, fresh_token, token
from harness.places import cli_path
from harness.redis import Redis
from harness.waiting import until

_POLICY = {
    "scopes": {
        "anon": {"rate": "3/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "2/h", "key": "credential"},
        "quiet": {"rate": "1/h", "key": "address", "match": {"path": "/quiet"}, "mode": "shadow"},
    }
}

_TOKEN = "a-token-of-the-tests-0123456789"


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


def clients(console: int, *arguments: str, stdin: str = "", **variables: str) -> Ran:
    """Runs it with the console at this port, and these variables in its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOLLGATE_")}
    environment = kept | {"TOLLGATE_CONSOLE": f"http://127.0.0.1:{console}", "USER": "ada"} | variables
    done = subprocess.run(
        [cli_path(), "clients", *arguments], input=stdin, capture_output=True, text=True, env=environment, timeout=60
    )
    assert "\x1b" not in done.stdout + done.stderr and "panicked" not in done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    gate = open_shared_gate(_POLICY, console={})
    until(lambda: gate.console("/v1/policies")[1]["policies"])
    return gate


@pytest.fixture(scope="module")
def console(gate) -> int:
    return gate.port_of("console")


def test_who_is_limited_why_and_let_this_one_through(gate, console):
    address = fresh_address()
    with Client(gate.port, address) as caller:
        assert caller.statuses(5) == {200: 3, 429: 2}

        ran = clients(console, "find", "--address", address)
        assert ran.code == 0
        assert re.search(r"anon +3/h +3 of 3 +in (59 min \d+ s|1 h)", ran.out), ran.out
        [client] = re.findall(r"^client +([0-9a-f]{32}), that of the address$", ran.out, re.MULTILINE)

        # The list is a second old at the most.
        until(lambda: client in clients(console, "list", "--scope", "anon").out)
        [line] = [line for line in clients(console, "--scope", "anon").out.splitlines() if client in line]
        assert re.search(r"anon +3/h +3 of 3 +in ", line), line

        ran = clients(console, "pardon", client)
        assert (ran.code, ran.out) == (0, f"{client}  pardoned: its counters and its proof are forgotten\n")
        assert caller.statuses(4) == {200: 3, 429: 1}
        ran = clients(console, "pardon", "--address", address)
        assert (ran.code, ran.out) == (0, f"{client}  pardoned: its counters and its proof are forgotten\n")
        ran = clients(console, "pardon", client)
        assert (ran.code, ran.out) == (1, f"{client}  there was nothing to forget\n")
    assert f"console: pardon client {client}" in gate.log() and '"ada"' in gate.log()


def test_a_block_and_its_end(gate, console):
    address = fresh_address()
    with Client(gate.port, address) as caller:
        assert caller.send("/").status == 200
        ran = clients(console, "block", "--address", address, "--for", "90min", "--by", "Grace Hopper")
        client = ran.out.split()[0]
        assert (ran.code, ran.out) == (0, f"{client}  blocked for 1 h 30 min\n")
        reply = caller.send("/")
        assert reply.status == 429 and 5390 <= reply.retry_after <= 5400
        assert "blocked   for another 1 h " in clients(console, "find", client).out
        assert f"blocked   {client} for another 1 h " in clients(console, "status").out
        ran = clients(console, "unblock", client)
        assert (ran.code, ran.out) == (0, f"{client}  no longer blocked\n")
        assert caller.send("/").status == 200
        ran = clients(console, "unblock", client)
        assert (ran.code, ran.out) == (1, f"{client}  it was not blocked\n")
    assert "Grace Hopper" in gate.log()


@pytest.mark.parametrize("written", ["{}\n", "Token {}\r\n", "Authorization: Token {}"])
def test_a_credential_comes_from_a_file_or_a_pipe(gate, console, tmp_path, written):
    credential = token(secret := fresh_token())
    with Client(gate.port) as caller:
        assert caller.send("/", credential).status == 200
        assert caller.statuses(3, "/", credential) == {200: 1, 429: 2}
        ran = clients(console, "find", "--credential-stdin", stdin=written.format(secret))
        assert ran.code == 0 and "that of the credential" in ran.out and "proved    for another " in ran.out
        assert re.search(r"user +2/h +2 of 2 +in ", ran.out), ran.out
        (tmp_path / "credential").write_text(written.format(secret))
        ran = clients(console, "pardon", "--credential-file", str(tmp_path / "credential"))
        assert ran.code == 0 and "pardoned" in ran.out
        assert caller.statuses(3, "/", credential) == {200: 2, 429: 1}
    assert secret not in ran.out + gate.log()


def test_of_whom_nothing_is_known(console):
    ran = clients(console, "find", "--address", fresh_address())
    assert ran.code == 1 and "nothing of it counts now" in ran.out
    ran = clients(console, "find", "--credential-stdin", stdin=fresh_token())
    assert ran.code == 1 and "the application has not accepted the credential" in ran.out
    assert clients(console, "find", "0" * 32).code == 1


def test_json_is_what_the_console_answers(gate, console):
    address = fresh_address()
    with Client(gate.port, address) as caller:
        assert caller.send("/").status == 200
    found = clients(console, "--format", "json", "find", "--address", address)
    api = gate.console("/v1/clients/find", {"address": address})[1]
    [client] = found.json["clients"]
    assert (client["client"], client["is"]) == (api["clients"][0]["client"], "address")
    assert client.keys() == api["clients"][0].keys() and found.json.keys() == api.keys()
    status = clients(console, "status", "--format", "json").json
    assert status["policies"][0]["scopes"] == gate.console("/v1/policies")[1]["policies"][0]["scopes"]
    assert clients(console, "--format", "json", "--limit", "1").json.keys() == gate.console("/v1/clients")[1].keys()
    ran = clients(console, "pardon", client["client"], "--format", "json")
    assert (ran.code, ran.json) == (0, {"client": client["client"], "pardoned": True})
    assert clients(console, "pardon", client["client"], "--format", "json").code == 1


def test_what_is_in_force(gate, console):
    until(lambda: gate.console("/v1/policies")[1]["policies"][0]["workers"] == 2)
    ran = clients(console, "status")
    assert ran.code == 0
    for expected in [
        r"^tollgate: in force since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, in 2 workers, counters in this Envoy$",
        r"^  decided +\d+ allowed, \d+ denied, \d+ blocked, \d+ exempt and \d+ malformed$",
        r"^  anon: \d+ allowed, \d+ denied$",
        r"^    At most 3 requests in any hour for each address\.",
        r"^  quiet \(shadow\): \d+ allowed, \d+ would have been denied$",
        r"^table +\d+ clients? of 65,536$",
    ]:
        assert re.search(expected, ran.out, re.MULTILINE), f"{expected}\n{ran.out}"


def test_a_scope_that_is_not_there_is_named(console):
    ran = clients(console, "--scope", "anno")
    assert ran.code == 2 and "no scope `anno` is in force: there is anon, user and quiet" in ran.err
    # One that counts nobody is no error.
    assert clients(console, "--scope", "quiet").code == 0


def test_the_console_wants_a_token(open_gate):
    settings = {"tokens": {"ada": {"environment_variable": "CONSOLE_TOKEN"}}}
    gate = open_gate(_POLICY, console=settings, environment={"CONSOLE_TOKEN": _TOKEN})
    console = gate.port_of("console")
    # What is in force is known a second after the start.
    status = ["status", "--format", "json"]
    until(lambda: clients(console, *status, TOLLGATE_CONSOLE_TOKEN=_TOKEN).json["policies"])
    ran = clients(console)
    assert ran.code == 2 and "put one that it knows into $TOLLGATE_CONSOLE_TOKEN" in ran.err
    ran = clients(console, TOLLGATE_CONSOLE_TOKEN="another-token-0123456789")
    assert ran.code == 2 and "does not know the token that is in $TOLLGATE_CONSOLE_TOKEN" in ran.err
    address = fresh_address()
    with Client(gate.port, address) as caller:
        assert caller.send("/").status == 200
    ran = clients(console, "pardon", "--address", address, TOLLGATE_CONSOLE_TOKEN=_TOKEN)
    assert ran.code == 0 and _TOKEN not in ran.out + ran.err + gate.log()
    assert 'with the token of "ada"' in gate.log()


def test_nobody_is_there(unreachable_port):
    ran = clients(unreachable_port, "pardon", "0" * 32)
    assert ran.code == 2
    for expected in [f"http://127.0.0.1:{unreachable_port} cannot be reached", "Is Envoy running?", "--console URL"]:
        assert expected in ran.err


def test_another_server_is_none(gate):
    """The gate itself, where one would have typed the wrong port."""
    ran = clients(gate.port)
    assert ran.code == 2 and "what no console of this version does" in ran.err


def test_with_redis_it_acts_for_all_envoys(tmp_path, open_gate):
    address = fresh_address()
    with Redis(tmp_path) as redis:
        gates = [open_gate(config=shipped.redis([redis.port], _POLICY, timeout="5s")) for _ in range(2)]
        one, other = (gate.port_of("console") for gate in gates)
        for gate in gates:
            until(lambda gate=gate: gate.console("/v1/policies")[1]["policies"])
        with Client(gates[0].port, address) as caller, Client(gates[1].port, address) as there:
            assert caller.statuses(2) == {200: 2} and there.statuses(2) == {200: 1, 429: 1}
            ran = clients(other, "list", "--scope", "anon")
            assert ran.code == 0 and re.search(r"anon +3/h +3 of 3 +in ", ran.out), ran.out
            assert clients(one, "pardon", "--address", address).code == 0
            assert caller.send("/").status == 200
            # The other one remembers for a second that it was denied.
            until(lambda: there.send("/").status == 200)
        ran = clients(one, "status")
        assert "counters in Redis" in ran.out and re.search(r"^Redis +every worker has it$", ran.out, re.MULTILINE)


def test_without_redis_it_says_what_is_not_known(tmp_path, open_gate):
    address = fresh_address()
    with Redis(tmp_path) as redis:
        gate = open_gate(config=shipped.redis([redis.port], _POLICY), workers=1)
        console = gate.port_of("console")
        until(lambda: gate.console("/v1/policies")[1]["policies"])
        redis.kill()
        ran = clients(console, "find", "--address", address)
        assert ran.code == 2 and "Some of it is not known: " in ran.out and "Redis" in ran.out
        ran = clients(console)
        assert ran.code == 2 and "Some of it is not known: " in ran.out
        ran = clients(console, "block", "--address", address)
        assert (ran.code, ran.out) == (2, "") and "(status 502)" in ran.err and "Redis cannot be reached" in ran.err
        redis.start()
