"""Other servers that speak Redis' protocol: older and newer ones, and Valkey. `scripts/redis-servers` installs them; what it says
cannot be had is left out here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness import client, shipped
from harness.client import Client, encode, fresh_token, token
from harness.redis import Redis, others

POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {
        "small": {"rate": "30/h", "key": "credential", "match": {"path": "/small"}},
        "bucket": {
            "rate": "1/h",
            "algorithm": "token_bucket",
            "burst": 40,
            "key": "credential",
            "match": {"path": "/bucket"},
        },
    },
}
RIGHTS = "~tollgate:* +evalsha +script|load +get +set +del +time +zrange +info".split()


@pytest.fixture(scope="module", params=others(), ids=lambda path: Path(path).parent.name)
def redis(request, tmp_path_factory):
    with Redis(tmp_path_factory.mktemp("redis"), program=request.param) as server:
        yield server


@pytest.fixture(scope="module")
def gates(redis, open_shared_gate):
    """Two Envoys with two workers each."""
    config = shipped.redis([redis.port], POLICY, timeout="5s")
    return [open_shared_gate(config=config, workers=2) for _ in range(2)]


def failures(gate) -> dict[str, int]:
    """By cause, those that there were."""
    lines = (line.rpartition(": ") for line in gate.admin("/stats?filter=redis.failures").splitlines())
    return {name.rpartition(".cause.")[2]: int(count) for name, _, count in lines if count != "0"}


@pytest.mark.parametrize(("path", "quota"), [("/small", 30), ("/bucket", 40)])
def test_exactly_the_quota_is_admitted(gates, path, quota):
    ports = [gate.port for gate in gates]
    admitted = Counter(
        client.in_step(ports, encode(path, headers=[token(fresh_token())]), rounds=2, connections=64)[200] for _ in range(10)
    )
    assert admitted == {quota: 10}
    assert [failures(gate) for gate in gates] == [{}, {}]


def test_a_script_that_was_forgotten_is_loaded_again(gates, redis):
    credential = token(fresh_token())
    with Client(gates[0].port) as caller:
        assert caller.statuses(10, "/small", credential) == {200: 10}
        redis.command("SCRIPT", "FLUSH")
        assert caller.statuses(25, "/small", credential) == {200: 20, 429: 5}
    assert failures(gates[0]) == {}


def test_the_rights_in_the_manual_suffice(redis, open_gate):
    redis.command("ACL", "SETUSER", "tollgate", "on", ">password", *RIGHTS)
    gate = open_gate(config=shipped.redis([redis.port], POLICY, username="tollgate", password="password", timeout="5s"))
    with Client(gate.port) as caller:
        assert caller.statuses(31, "/small", token(fresh_token())) == {200: 30, 429: 1}
    assert failures(gate) == {}
    redis.command("ACL", "SETUSER", "tollgate", "-evalsha")
    with Client(gate.port) as caller:
        caller.send("/small", token(fresh_token()))
    assert failures(gate) == {"auth": 1}


@pytest.mark.parametrize(
    ("happens", "ends", "cause"),
    [
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], "memory"),
        (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], "read_only"),
    ],
)
def test_its_errors_are_understood(redis, open_gate, happens, ends, cause):
    gate = open_gate(config=shipped.redis([redis.port], POLICY, timeout="5s"), workers=1)
    redis.command(*happens)
    try:
        with Client(gate.port) as caller:
            assert caller.send("/small", token(fresh_token())).status == 200
    finally:
        redis.command(*ends)
    assert failures(gate) == {cause: 1}
