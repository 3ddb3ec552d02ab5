"""The console of Envoys that share their counters in Redis: what is done at one holds in all."""

from __future__ import annotations

import pytest
from harness import shipped
from harness.client import Client, Connection, encode, fresh_address, fresh_token, token
from harness.redis import Redis
from harness.waiting import until

_POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {
        "user": {"rate": "3/h", "key": "credential", "match": {"client": "authenticated"}},
        "anon": {"rate": "2/h", "key": "address", "match": {"client": "anonymous"}},
    },
}


@pytest.fixture(scope="module")
def gates(redis, open_shared_gate):
    """Two Envoys as shipped, with one Redis."""
    gates = [open_shared_gate(config=shipped.redis([redis.port], _POLICY, timeout="5s")) for _ in range(2)]
    for gate in gates:
        until(lambda gate=gate: gate.console("/v1/policies")[1]["policies"])
    return gates


def _find(gate, **whom) -> dict:
    status, found = gate.console("/v1/clients/find", whom)
    assert status == 200 and found["problem"] is None, found
    [client] = found["clients"]
    return client


def test_what_is_in_force(gates):
    told = gates[0].console("/v1/policies")[1]
    assert [policy["store"] for policy in told["policies"]] == ["redis"]
    assert told["redis"]["failures"] == {} and told["redis"]["workers_without"] == 0


def test_a_client_of_all_envoys_is_found_listed_and_pardoned(gates):
    one, other = gates
    secret = fresh_token()
    with Client(one.port) as caller, Client(other.port) as there:
        assert caller.statuses(2, "/", token(secret)) == {200: 2}
        assert there.statuses(3, "/", token(secret)) == {200: 1, 429: 2}
        for gate in gates:
            found = _find(gate, credential=secret)
            [counter] = found["counters"]
            assert (counter["scope"], counter["used"], counter["remaining"]) == ("user", 3, 0)
            assert 3590 < counter["wait"] <= 3600
            listed = gate.console("/v1/clients?scope=user")[1]
            assert listed["complete"] and found["client"] in [row["client"] for row in listed["clients"]]
        status, done = one.console(f"/v1/clients/{found['client']}/pardon", {})
        assert (status, done["pardoned"]) == (200, True)
        assert one.console(f"/v1/clients/{found['client']}/pardon", {})[1]["pardoned"] is False
        assert caller.send("/", token(secret)).status == 200, "at once where it was said"
        # The other one remembers for a second that it was denied.
        until(lambda: there.send("/", token(secret)).status == 200)


def test_who_is_blocked_is_blocked_everywhere(gates):
    one, other = gates
    address = fresh_address()
    with Client(one.port, address) as caller, Client(other.port, address) as there:
        assert caller.send("/").status == 200
        client = _find(one, address=address)["client"]
        status, done = one.console(f"/v1/clients/{client}/block", {"for": "1h", "by": "bob"})
        assert (status, done["blocked_for"]) == (200, 3600)
        reply = caller.send("/", token(fresh_token()))
        assert reply.status == 429 and reply.retry_after > 3590
        until(lambda: there.send("/", token(fresh_token())).status == 429)
        for gate in gates:
            assert _find(gate, address=address)["blocked_for"] > 3500
            until(lambda gate=gate: client in [row["client"] for row in gate.console("/v1/policies")[1]["blocked"]])
        # The other one lifts it.
        assert other.console(f"/v1/clients/{client}/unblock", {})[1]["unblocked"] is True
        assert there.send("/", token(fresh_token())).status == 200
        until(lambda: caller.send("/", token(fresh_token())).status == 200)
        assert one.console(f"/v1/clients/{client}/unblock", {})[1]["unblocked"] is False


def test_a_block_is_there_from_the_first_request_of_an_envoy_that_has_just_started(gates, redis, open_gate):
    address = fresh_address()
    client = _find(gates[0], address=address)["client"]
    assert gates[0].console(f"/v1/clients/{client}/block", {"for": "1h"})[0] == 200
    late = open_gate(config=shipped.redis([redis.port], _POLICY, timeout="5s"))
    with Client(late.port, address) as caller:
        assert caller.send("/").status == 429


def test_an_act_stands_in_the_log_though_its_operator_has_gone(gates, redis):
    """Else whoever hangs up while Redis is asked could act unseen."""
    client, one = "fedcba9876543210" * 2, gates[0]
    redis.stop()
    try:
        body = b'{"for": "1h", "by": "mallory"}'
        impatient = Connection(one.port_of("console"))
        headers = [("host", "localhost"), ("content-type", "application/json")]
        impatient.send(encode(f"/v1/clients/{client}/block", "POST", headers, body))
        until(lambda: one.stat("http.console.downstream_rq_active") == 1)
        impatient.close()
        until(lambda: one.stat("http.console.downstream_rq_active") == 0)
    finally:
        redis.go_on()
    until(lambda: f'console: block client {client} for 3600 s by "mallory"' in one.log())
    one.console(f"/v1/clients/{client}/unblock", {})


def test_without_redis_it_says_so_and_shows_what_counts_instead(tmp_path, open_gate):
    address = fresh_address()
    with Redis(tmp_path) as redis:
        gate = open_gate(config=shipped.redis([redis.port], _POLICY), workers=1)
        until(lambda: gate.console("/v1/policies")[1]["policies"])
        redis.kill()
        with Client(gate.port, address) as caller:
            assert caller.statuses(3) == {200: 2, 429: 1}
        status, found = gate.console("/v1/clients/find", {"address": address})
        assert status == 200 and "Redis cannot be reached" in found["problem"]
        [client] = found["clients"]
        assert [(counter["scope"], counter["used"]) for counter in client["counters"]] == [("anon", 2)]
        listed = gate.console("/v1/clients")[1]
        assert not listed["complete"] and "Redis" in listed["problem"]
        assert [row["client"] for row in listed["clients"]] == [client["client"]]
        status, refused = gate.console(f"/v1/clients/{client['client']}/block", {"for": "1h"})
        assert status == 502 and "Redis cannot be reached" in refused["error"]
        redis.start()
