"""Envoys that share one limit through a real Redis, with `envoy/redis.yaml` between them."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter

import pytest

from harness import client, shipped
from harness.client import Client, Connection, encode, fresh_address, fresh_token, token
from harness.redis import Redis
from harness.upstream import told
from harness.waiting import until

# Only a test's own failure lets a request wait so long that Redis is taken for dead, on a machine that does much else.
PATIENT = {"timeout": "5s"}

TRUSTING = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {
        "one": {"rate": "1/h", "key": "credential", "match": {"path": "/one"}},
        "small": {"rate": "30/h", "key": "credential", "match": {"path": "/small"}},
        "large": {"rate": "300/h", "key": "credential", "match": {"path": "/large"}},
        "bucket": {
            "rate": "1/h",
            "algorithm": "token_bucket",
            "burst": 40,
            "key": "credential",
            "match": {"path": "/bucket"},
        },
        "own": {"rate": "10/h", "key": "credential", "match": {"path": "/both"}},
        "everyone": {"rate": "50/h", "key": "global", "match": {"path": "/both"}},
    },
}


@pytest.fixture(scope="module")
def gates(redis, open_shared_gate):
    """Two Envoys with two workers each, and one Redis, with the timeout as shipped."""
    config = shipped.redis([redis.port], TRUSTING)
    return [open_shared_gate(config=config, workers=2) for _ in range(2)]


def in_step(gates, request: bytes, *, rounds: int, connections: int = 64) -> Counter[int]:
    """In each round every connection, half of them to each Envoy, sends `request` before any reply is read."""
    ports = [gate.port for gate in gates]
    return client.in_step(ports, request, rounds=rounds, connections=connections)


@pytest.mark.parametrize("connections", [64, 256])
@pytest.mark.parametrize(("path", "quota", "windows"), [("/one", 1, 80), ("/small", 30, 80), ("/large", 300, 12), ("/bucket", 40, 40)])
def test_exactly_the_quota_is_admitted(gates, path, quota, windows, connections):
    """A window is an hour: each key is one window. The connections to two Envoys want more than there is."""
    rounds, windows = 2 * quota // connections + 1, -(-windows * 16 // connections)
    admitted = Counter(
        in_step(gates, encode(path, headers=[token(fresh_token())]), rounds=rounds, connections=connections)[200]
        for _ in range(windows)
    )
    assert admitted == {quota: windows}


def test_window_after_window_exactly_the_quota_is_admitted(redis, open_gate):
    """Windows of two seconds, by the clock of Redis: as soon as one is over, there is its quota again, and no more."""
    policy = TRUSTING | {"scopes": {"all": {"rate": "40/2s", "key": "credential"}}}
    config = shipped.redis([redis.port], policy, prefix="windows:", **PATIENT)
    gates = [open_gate(config=config, workers=2) for _ in range(2)]
    request = encode("/", headers=[token(fresh_token())])
    for _ in range(4):
        assert in_step(gates, request, rounds=1) == {200: 40, 429: 24}
        time.sleep(2)


def test_what_one_envoy_has_admitted_the_other_counts(gates):
    credential = token(fresh_token())
    one, other = (Client(gate.port) for gate in gates)
    with one, other:
        assert one.statuses(20, "/small", credential) == {200: 20}
        assert other.statuses(20, "/small", credential) == {200: 10, 429: 10}
        denied = one.send("/small", credential)
        assert denied.status == 429 and 3500 < denied.retry_after <= 3600


def test_all_or_none_across_clients(gates):
    """A request is charged to its client and to everyone's counter, which are two keys. Whoever is denied by one leaves
    the other as it was."""
    admitted = Counter(in_step(gates, encode("/both", headers=[token(fresh_token())]), rounds=1)[200] for _ in range(5))
    assert admitted == {10: 5}  # 54 denials of each client took nothing from the fifty
    assert in_step(gates, encode("/both", headers=[token(fresh_token())]), rounds=1) == {429: 64}


def test_requests_wait_together(gates):
    """64 at once need far fewer batches than 64."""
    sent = sum(gate.metric("redis_exchanges_total") for gate in gates)
    in_step(gates, encode("/large", headers=[token(fresh_token())]), rounds=10)
    more = sum(gate.metric("redis_exchanges_total") for gate in gates) - sent
    assert more < 320, "640 requests"


def test_how_many_go_together_is_counted(redis, open_gate):
    """One after the other each goes alone."""
    gate = open_gate(config=shipped.redis([redis.port], TRUSTING, prefix="batch:", **PATIENT), workers=1)
    with Client(gate.port) as caller:
        assert caller.statuses(20, "/large", token(fresh_token())) == {200: 20}

    def batches(most: str) -> int:
        """How many batches have had so many requests at most."""
        found = re.search(rf'redis_requests_per_exchange_bucket{{le="{most}"}} (\d+)', gate.admin("/stats/prometheus?filter=redis_requests"))
        return int(found[1]) if found else 0

    sent = gate.metric("redis_exchanges_total")
    assert sent >= 20
    # Envoy needs some seconds to have them.
    until(lambda: batches("1") == sent)
    assert batches("0.5") == 0


def test_whoever_has_waited_is_told_the_quota(redis, open_gate):
    policy = TRUSTING | {"response": {"ratelimit_headers": "draft"}}
    gate = open_gate(config=shipped.redis([redis.port], policy, prefix="told:", **PATIENT), workers=1)
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        replies = [caller.send("/bucket", credential), caller.send("/one", credential), caller.send("/one", credential)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    quotas = [re.sub(r"t=\d+", "t=…", reply.headers["ratelimit"]) for reply in replies]
    assert quotas == ['"bucket";r=39;t=…', '"one";r=0;t=…', '"one";r=0;t=…']
    assert [reply.headers["ratelimit-policy"] for reply in replies[1:]] == ['"one";q=1;w=3600'] * 2


def test_under_another_secret_there_are_other_counters(redis, open_gate):
    credential = token(fresh_token())
    for secret in (shipped.SECRET, "f" * 64):
        config = shipped.redis([redis.port], TRUSTING, prefix="secret:", secret=secret, **PATIENT)
        with Client(open_gate(config=config).port) as caller:
            assert caller.statuses(2, "/one", credential) == {200: 1, 429: 1}


def test_a_known_denial_is_told_without_asking(gates):
    credential = token(fresh_token())
    with Client(gates[0].port) as caller:
        assert caller.statuses(31, "/small", credential) == {200: 30, 429: 1}
        sent = gates[0].metric("redis_exchanges_total")
        denials = [caller.send("/small", credential) for _ in range(50)]
        assert {denial.status for denial in denials} == {429}
        assert all(3500 < denial.retry_after <= 3600 for denial in denials)
        assert gates[0].metric("redis_exchanges_total") == sent
        assert caller.send("/large", credential).status == 200, "it is one scope's"


def test_nothing_in_redis_tells_who_calls(gates, redis):
    secret = fresh_token()
    with Client(gates[0].port) as caller:
        caller.send("/small", token(secret))
    for key in redis.keys():
        # Other tests here have prefixes of their own.
        assert re.fullmatch(r"[a-z]+:v2:[0-9a-f]{32}", key)
        value = redis.command("GET", key)
        assert secret not in key + value and shipped.SECRET not in key + value
        assert 0 < redis.command("PTTL", key) <= 40 * 3_600_000  # the bucket's forty units take that long


UPSTREAM = {
    "scopes": {
        "anon": {"rate": "6/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "30/h", "key": ["credential", "address"], "match": {"client": "authenticated"}},
        "login": {"rate": "3/h", "key": "address", "match": {"path": "/login"}, "count": {"status": [401]}},
    }
}


@pytest.fixture(scope="module")
def proving_gates(redis, open_shared_gate, application):
    """Two Envoys in front of an application that says whether it accepts a credential."""
    config = shipped.redis([redis.port], UPSTREAM, upstream_port=application.port, prefix="proving:", **PATIENT)
    return [open_shared_gate(config=config, workers=2, upstream_port=application.port) for _ in range(2)]


def test_a_proof_is_known_to_all(proving_gates, redis):
    """Accepted through one Envoy, a credential is a client of its own at the other, and its address has paid nothing."""
    credential, address = token(fresh_token()), fresh_address()
    one, other = (Client(gate.port, address) for gate in proving_gates)
    with one, other:
        assert one.send("/", credential).status == 200
        until(lambda: proving_gates[0].metric("credentials_proved_total.policy.tollgate") > 0)
        before = len(redis.keys())
        assert before > 0
        assert other.statuses(29, "/", credential) == {200: 29}
        assert other.send("/", credential).status == 429, "thirty in all"
        assert one.statuses(7, "/") == {200: 6, 429: 1}, "the address has its own quota"


def test_made_up_credentials_use_up_their_address_everywhere(proving_gates):
    address = fresh_address()
    one, other = (Client(gate.port, address) for gate in proving_gates)
    with one, other:
        statuses = [caller.send("/", token(fresh_token()), *told(401)).status for _ in range(5) for caller in (one, other)]
        assert Counter(statuses) == {401: 6, 429: 4}


def test_what_does_not_count_is_given_back_everywhere(proving_gates):
    address = fresh_address()
    one, other = (Client(gate.port, address) for gate in proving_gates)
    with one, other:
        for _ in range(2):
            assert one.send("/login", *told(200)).status == 200
        # Anonymous requests too: four of six are left.
        for caller in (one, other, one):
            assert caller.send("/login", *told(401)).status == 401
        assert other.send("/login", *told(401)).status == 429


def test_a_body_waits_with_its_request(proving_gates, application):
    """Larger than what Envoy buffers."""
    body = bytes(range(256)) * 1200
    with Client(proving_gates[0].port) as caller:
        for _ in range(3):
            target = f"/upload?{fresh_token()}"
            assert caller.send(target, method="POST", body=body).status == 200
            [seen] = [seen for seen in application.seen if seen.target == target]
            assert seen.body == body


def test_a_grpc_call_is_denied_as_one(proving_gates):
    grpc = ("content-type", "application/grpc")
    with Client(proving_gates[0].port) as caller:
        replies = [caller.send("/package.Service/Method", grpc, method="POST") for _ in range(8)]
    assert [reply.headers["grpc-status"] for reply in replies[6:]] == ["8", "8"]
    assert all(reply.status == 200 for reply in replies)


def test_a_client_that_goes_away_disturbs_nobody(redis, open_gate, application):
    """While Redis is held up, clients give up waiting. Those who stay are answered, and what the others would have been
    charged is not missing."""
    config = shipped.redis([redis.port], TRUSTING, upstream_port=application.port, prefix="gone:", timeout="10s")
    gate = open_gate(config=config, workers=1, upstream_port=application.port)
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        assert caller.send("/small", credential).status == 200
        redis.stop()
        try:
            first = Connection(gate.port)
            first.send(encode("/small", headers=[credential]))  # on its way to Redis
            until(lambda: gate.stat("http.ingress.downstream_rq_active") == 1)
            callers = [Connection(gate.port) for _ in range(20)]
            for number, other in enumerate(callers):
                other.send(encode(f"/small?{number}", headers=[credential]))
            until(lambda: gate.stat("http.ingress.downstream_rq_active") == 21)
            for other in [first, *callers[:10]]:
                other.close()
            until(lambda: gate.stat("http.ingress.downstream_rq_active") == 10)
        finally:
            redis.go_on()
        assert [other.reply().status for other in callers[10:]] == [200] * 10
        for other in callers[10:]:
            other.close()
        # 1 + 10 of 30; the one that was charged, but not sent on, was given back together with those.
        assert caller.statuses(20, "/small", credential) == {200: 19, 429: 1}
    assert not [seen for seen in application.seen if seen.target in ("/small?0", "/small?9")]


def test_an_update_while_requests_wait(redis, open_gate, tmp_path):
    """The old configuration's requests are answered by the old one."""

    def write(quota: str) -> dict:
        policy = TRUSTING | {"scopes": {"small": {"rate": quota, "key": "credential"}}}
        config = shipped.redis([redis.port], policy, prefix="update:", timeout="10s")
        [ingress] = [one for one in config["static_resources"]["listeners"] if one["name"] == "ingress"]
        config["static_resources"]["listeners"].remove(ingress)
        kind = {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener"}
        (tmp_path / "new").write_text(json.dumps({"resources": [kind | ingress]}))
        (tmp_path / "new").replace(tmp_path / "listeners.json")
        source = {"resource_api_version": "V3", "path_config_source": {"path": str(tmp_path / "listeners.json")}}
        return config | {"node": {"id": "gate", "cluster": "gate"}, "dynamic_resources": {"lds_config": source}}

    gate = open_gate(config=write("30/h"), workers=1)
    until(lambda: gate.stat("listener_manager.total_listeners_active") == 2)  # the console is one
    credential = token(fresh_token())
    callers = [Connection(gate.port) for _ in range(5)]
    redis.stop()
    try:
        for number, caller in enumerate(callers):
            caller.send(encode("/", headers=[credential]))
            # The first is on its way, the others wait for it.
            until(lambda: gate.stat("http.ingress.downstream_rq_active") == number + 1)
        created = gate.stat("listener_manager.listener_create_success")
        write("40/h")
        until(lambda: gate.stat("listener_manager.listener_create_success") > created)
    finally:
        redis.go_on()
    assert [caller.reply().status for caller in callers] == [200] * 5
    for caller in callers:
        caller.close()
    with Client(gate.port) as caller:
        assert caller.statuses(50, "/", credential) == {200: 35, 429: 15}


def test_many_waiting_at_once_are_all_answered(redis, open_gate):
    """The proxy goes on with waiting requests one inside the other, so a worker must not let all of them go at once: 2,400 at
    one worker are more than its stack bears. Some more than may wait are decided without Redis."""
    gate = open_gate(config=shipped.redis([redis.port], TRUSTING, prefix="many:", timeout="10s"), workers=1)
    redis.stop()
    try:
        callers = [Connection(gate.port) for _ in range(2400)]
        for number, caller in enumerate(callers):
            caller.send(encode("/large", headers=[token(f"many-{number}")]))
        until(lambda: gate.stat("http.ingress.downstream_rq_total") == 2400)
    finally:
        redis.go_on()
    assert Counter(caller.reply().status for caller in callers) == {200: 2400}
    for caller in callers:
        caller.close()
    assert gate.metric("redis_failures_total.cause.queue_full") >= 2400 - 1024 - 1024 - 128


def test_with_tls_and_a_user(tmp_path_factory, open_gate):
    directory = tmp_path_factory.mktemp("tls")
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem"
    make += " -subj /CN=redis.internal -addext subjectAltName=DNS:redis.internal,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    subprocess.run(make.split(), cwd=directory, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    cert, key = (str(directory / name) for name in ("cert.pem", "key.pem"))
    with Redis(directory, tls={"cert": cert, "key": key, "ca": cert}) as server:
        rights = "~tollgate:* +evalsha +script|load +get +set +del +time +zrange +quit".split()
        server.command("ACL", "SETUSER", "tollgate", "on", ">pass\r\nword", *rights)
        server.command("ACL", "SETUSER", "default", "off")
        config = shipped.redis([server.port], TRUSTING, with_tls=cert, username="tollgate", password="pass\r\nword", **PATIENT)
        gate = open_gate(config=config)
        with Client(gate.port) as caller:
            assert caller.statuses(31, "/small", token(fresh_token())) == {200: 30, 429: 1}
        failures = gate.admin("/stats?filter=redis.failures").splitlines()
        assert all(line.endswith(": 0") for line in failures), failures
        assert "word" not in gate.log() and shipped.SECRET not in gate.log()


def test_another_configuration_goes_on_with_the_same_counters(redis, open_gate):
    credential = token(fresh_token())
    for quota in (20, 30):
        policy = TRUSTING | {"scopes": {"small": {"rate": f"{quota}/h", "key": "credential"}}}
        gate = open_gate(config=shipped.redis([redis.port], policy, prefix="reload:", **PATIENT))
        with Client(gate.port) as caller:
            admitted = 20 if quota == 20 else 10
            assert caller.statuses(25, "/", credential) == {200: admitted, 429: 25 - admitted}
