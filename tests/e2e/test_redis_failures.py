"""What can happen to a Redis happens in the middle of traffic. No request hangs or fails, this Envoy's own counters hold the
limit, Redis counts again by itself when it is back, and the metrics tell."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import pytest

from harness import shipped
from harness.adapter import ADAPTER, FILTER
from harness.client import Client, Connection, encode, fresh_token, token
from harness.envoy import Gate
from harness.listener import Listener
from harness.redis import Redis
from harness.upstream import held, told
from harness.waiting import until

POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {"all": {"rate": "20/h", "key": "credential"}},
}
_FAILURES = "redis_failures_total.cause"


class Traffic:
    """Four callers that never stop, a new client each time. `with Traffic(gate):` – on exit, every request was answered."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=[fresh_token()]) for _ in range(4)]
        self._errors: list[BaseException] = []
        self._serial = itertools.count()
        self.statuses: Counter[int] = Counter()

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        until(lambda: sum(self.statuses.values()) > 20)
        return self

    def __exit__(self, *_exc) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert not self._errors, self._errors
        assert set(self.statuses) == {200}, self.statuses

    def _call(self, name: str) -> None:
        try:
            # A request that hangs ends with the socket's timeout.
            with Client(self._gate.port) as caller:
                while not self._over.is_set():
                    credential = token(f"{name}-{next(self._serial)}")
                    self.statuses[caller.send("/", credential).status] += 1
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self._errors.append(error)


@dataclass(frozen=True)
class Mishap:
    """What happens, how it ends, and the causes of which at least one is counted."""

    happens: Callable[[Redis], None]
    ends: Callable[[Redis], None]
    causes: tuple[str, ...]


def configure(name: str, value: str) -> Callable[[Redis], None]:
    return lambda redis: redis.command("CONFIG", "SET", name, value)


def change_password(redis: Redis) -> None:
    """Connections that are open, such as those that Envoy has made ahead, stay logged in: they go."""
    redis.command("CONFIG", "SET", "requirepass", "other")
    redis.command("CLIENT", "KILL", "TYPE", "normal", password="other")


MISHAPS = {
    "killed": Mishap(Redis.kill, Redis.start, ("connection", "reply")),
    "stopped": Mishap(Redis.stop, Redis.go_on, ("timeout",)),
    "read-only": Mishap(
        lambda redis: redis.command("REPLICAOF", "127.0.0.1", "1"),
        lambda redis: redis.command("REPLICAOF", "NO", "ONE"),
        ("read_only",),
    ),
    "without its replicas": Mishap(
        configure("min-replicas-to-write", "1"), configure("min-replicas-to-write", "0"), ("read_only",)
    ),
    "full": Mishap(configure("maxmemory", "1"), configure("maxmemory", "0"), ("memory",)),
    "with another password": Mishap(
        change_password,
        lambda redis: redis.command("CONFIG", "SET", "requirepass", "", password="other"),
        ("auth",),
    ),
}


@pytest.fixture(scope="module")
def gate(redis, open_shared_gate):
    return open_shared_gate(config=shipped.redis([redis.port], POLICY, timeout="200ms"), workers=2)


@pytest.mark.parametrize("name", MISHAPS)
def test_a_mishap(redis, gate, name):
    mishap = MISHAPS[name]

    def failures() -> int:
        return sum(gate.metric(f"{_FAILURES}.{cause}") for cause in mishap.causes)

    def is_degraded() -> bool:
        return gate.metric("redis_workers_without") > 0

    before = failures()
    with Traffic(gate) as traffic:
        until(lambda: not is_degraded())
        mishap.happens(redis)
        try:
            until(lambda: is_degraded() and failures() > before)
            # Nobody asks any more, for most of the time.
            refused = gate.metric(f"{_FAILURES}.breaker_open")
            until(lambda: gate.metric(f"{_FAILURES}.breaker_open") > refused)
            with Client(gate.port) as caller:
                assert caller.statuses(30, "/", token(fresh_token())) == {200: 20, 429: 10}, "its own counters"
        finally:
            mishap.ends(redis)
        answered = sum(traffic.statuses.values())
        until(lambda: not is_degraded())
        keys = len(redis.keys())
        until(lambda: len(redis.keys()) > keys + 20)
        assert sum(traffic.statuses.values()) > answered
    with Client(gate.port) as caller:
        # Each worker finds out by itself, and this caller is one worker's.
        until(lambda: is_asked(gate, caller))
        assert caller.statuses(30, "/", token(fresh_token())) == {200: 20, 429: 10}


def test_without_traffic_it_finds_out_by_itself(tmp_path, open_gate):
    """No client pays for finding out that Redis is back. The metric says how many workers are without it."""
    with Redis(tmp_path) as server:
        gate = open_gate(config=shipped.redis([server.port], POLICY), workers=2)

        def degraded() -> int:
            return gate.metric("redis_workers_without")

        assert degraded() == 0
        server.kill()
        # Enough of them that each worker has some.
        callers = [Connection(gate.port) for _ in range(40)]
        for _ in range(4):
            for caller in callers:
                caller.send(encode("/", headers=[token(fresh_token())]))
            assert {caller.reply().status for caller in callers} == {200}
        until(lambda: degraded() == 2)
        server.start()
        until(lambda: degraded() == 0)
        for caller in callers:
            caller.send(encode("/", headers=[token(fresh_token())]))
        assert {caller.reply().status for caller in callers} == {200}
        for caller in callers:
            caller.close()
        assert len(server.keys()) >= 40, "Redis decided about all of them"
        assert gate.log().count("Redis is asked again") == (2 if ADAPTER is FILTER else 1)


def test_one_that_forgets_is_told(tmp_path, open_gate):
    """A Redis that drops keys when its memory is full lets everybody start anew: that is its own setting, and seen nowhere else."""
    with Redis(tmp_path, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as server:
        gate = open_gate(config=shipped.redis([server.port], POLICY), workers=1)
        with Client(gate.port) as caller:
            caller.send("/", token(fresh_token()))
        until(lambda: gate.metric("redis_evicts") == 1)
        until(lambda: "maxmemory-policy" in gate.log())


def test_what_redis_says_is_told_once(tmp_path, open_gate):
    with Redis(tmp_path, "--rename-command", "EVALSHA", "") as server:
        gate = open_gate(config=shipped.redis([server.port], POLICY), workers=1)
        with Client(gate.port) as caller:
            assert caller.statuses(30, "/", token(fresh_token())) == {200: 20, 429: 10}
        assert gate.metric(f"{_FAILURES}.unknown_command") >= 3
        until(lambda: "ERR unknown command" in gate.log())
        assert gate.log().count("ERR unknown command") == 1


def test_another_reason_of_one_kind_is_told_at_once(tmp_path, open_gate):
    """Without a login first, then with one that may not do what it has to: both are `auth`."""
    with Redis(tmp_path, password="right") as server:
        gate = open_gate(config=shipped.redis([server.port], POLICY), workers=1)
        with Client(gate.port) as caller:

            def is_told(text: str) -> bool:
                caller.send("/", token(fresh_token()))
                return f"Redis refuses (auth): {text}" in gate.log()

            until(lambda: is_told("NOAUTH"))
            server.command("ACL", "SETUSER", "default", "nopass", "-evalsha")
            until(lambda: is_told("NOPERM"))


def is_asked(gate: Gate, caller: Client) -> bool:
    """Whether Redis decides about this caller's requests. Nobody else may call meanwhile."""

    def failures() -> int:
        lines = gate.admin("/stats?filter=redis.failures").splitlines()
        return sum(int(line.rpartition(": ")[2]) for line in lines)

    before = failures()
    assert caller.send("/", token(fresh_token())).status == 200
    return failures() == before


def test_restarted_with_nothing_in_it(tmp_path, open_gate):
    """It has forgotten the script, which is loaded again, and the counters, which begin anew. Nobody's request pays for that: the
    connection that broke is opened anew."""
    with Redis(tmp_path) as server:
        gate = open_gate(config=shipped.redis([server.port], POLICY, timeout="5s"), workers=1)
        credential = token(fresh_token())
        with Client(gate.port) as caller:
            assert caller.statuses(20, "/", credential) == {200: 20}
            server.kill()
            server.start()
            assert caller.statuses(30, "/", credential) == {200: 20, 429: 10}
        failures = gate.admin("/stats?filter=redis.failures").splitlines()
        assert all(line.endswith(": 0") for line in failures), failures
        assert len(server.keys()) == 1


def test_what_is_forgotten_while_it_runs(redis, gate):
    """The script is loaded again. A counter that somebody has deleted is seen to be gone after a second, whoever was told to wait."""
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        until(lambda: is_asked(gate, caller))
        assert caller.statuses(30, "/", credential) == {200: 20, 429: 10}
        redis.command("SCRIPT", "FLUSH")
        redis.command("FLUSHALL")
        until(lambda: caller.send("/", credential).status == 200)
        assert caller.statuses(30, "/", credential) == {200: 19, 429: 11}
        assert is_asked(gate, caller), "nothing was decided without it"
    assert gate.metric(f"{_FAILURES}.no_script") == 0


@pytest.mark.parametrize(("on_failure", "statuses"), [("allow", {200: 30}), ("deny", {429: 30}), ("local", {200: 20, 429: 10})])
def test_what_decides_where_there_is_no_redis(open_gate, unreachable_port, on_failure, statuses):
    gate = open_gate(config=shipped.redis([unreachable_port], POLICY, on_failure=on_failure))
    with Client(gate.port) as caller:
        credential = token(fresh_token())
        assert caller.statuses(30, "/", credential) == statuses
        if on_failure == "deny":
            assert caller.send("/", credential).retry_after == 1
    # Of the filter's two workers one has been asked; the module's have one connection.
    assert gate.metric("redis_workers_without") == (1 if ADAPTER is FILTER else 2)
    assert gate.metric(f"{_FAILURES}.connection") > 0 and gate.metric(f"{_FAILURES}.breaker_open") > 0


def test_what_can_no_longer_be_given_back_is_counted(tmp_path, open_gate, application):
    """Redis is killed between a charge and what is settled: first while it is still asked, then when it is not any more."""
    policy = {"scopes": {"login": {"rate": "9/h", "key": "address", "count": {"status": [401]}}}}
    first, second = fresh_token(), fresh_token()
    with Redis(tmp_path) as server:
        config = shipped.redis([server.port], policy, upstream_port=application.port, timeout="5s")
        gate = open_gate(config=config, workers=1, upstream_port=application.port)

        def unsettled() -> int:
            return gate.metric("redis_unsettled_total")

        connections = [closing(Connection(gate.port)) for _ in range(2)]
        with connections[0] as one, connections[1] as other, Client(gate.port) as caller:
            for connection, name in ((one, first), (other, second)):
                connection.send(encode("/", headers=[held(name)]))
                until(lambda name=name: application.arrived(name) == 1)
            server.kill()
            assert unsettled() == 0
            application.release(first)
            assert one.reply().status == 200
            until(lambda: unsettled() == 1)
            assert caller.statuses(9, "/", *told(401)) == {401: 9}, "its own counters"
            assert gate.metric(f"{_FAILURES}.breaker_open") > 0
            application.release(second)
            assert other.reply().status == 200
            until(lambda: unsettled() == 2)


@pytest.mark.only("filter", because="a module connects to Redis itself")
def test_a_cluster_that_the_proxy_does_not_know(redis, open_gate):
    gate = open_gate(config=shipped.redis([redis.port], POLICY, cluster="misspelt"))
    with Client(gate.port) as caller:
        assert caller.statuses(30, "/", token(fresh_token())) == {200: 20, 429: 10}
    assert gate.metric(f"{_FAILURES}.no_cluster") > 0
    assert "no_cluster" in gate.log()


def test_a_wrong_password_is_told(tmp_path, open_gate):
    with Redis(tmp_path, password="right") as server:
        gate = open_gate(config=shipped.redis([server.port], POLICY, password="wrong"))
        with Client(gate.port) as caller:
            assert caller.statuses(30, "/", token(fresh_token())) == {200: 20, 429: 10}
        assert gate.metric(f"{_FAILURES}.auth") > 0
        assert server.keys() == []


class Impostor(Listener):
    """Answers whatever comes with the same bytes, and closes."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self._answer = answer

    def finish_request(self, connection, _address) -> None:
        if connection.recv(65536):
            connection.sendall(self._answer)


# As many as there are questions beside the request's: what its memory is like, what time it is, what operators have done.
ANSWERS = {
    "nothing": b"",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "cut short": b"*8\r\n:1764000000000000\r\n:0\r\n:0\r\n:0\r\n:1\r\n",
    "too few numbers": b"*4\r\n:1764000000000000\r\n:0\r\n:0\r\n:0\r\n" + b"+OK\r\n" * 3,
    "text for numbers": b"*8\r\n+a\r\n+b\r\n+c\r\n+d\r\n+e\r\n+f\r\n+g\r\n+h\r\n" + b"+OK\r\n" * 3,
    "a long list": b"*2147483647\r\n",
    "a deep one": b"*1\r\n" * 10_000,
    "too much": b"$2097152\r\n" + b"x" * 2097152 + b"\r\n",
    "any bytes": bytes(range(256)),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_none(open_gate, answer):
    """It is a failure, and after three of them nobody asks. How soon somebody tries again is a matter of time: those who
    are refused meanwhile, and those who try and fail, are all there are."""

    def failed() -> int:
        return gate.metric(f"{_FAILURES}.reply") + gate.metric(f"{_FAILURES}.connection")

    def refused() -> int:
        return gate.metric(f"{_FAILURES}.breaker_open")

    with Impostor(ANSWERS[answer]) as impostor:
        gate = open_gate(config=shipped.redis([impostor.port], POLICY, timeout="5s"), workers=1)
        with Client(gate.port) as caller:
            credential = token(fresh_token())
            assert caller.statuses(3, "/", credential) == {200: 3}
            assert (failed(), refused()) == (3, 0)
            assert caller.statuses(27, "/", credential) == {200: 17, 429: 10}
            until(lambda: caller.send("/", credential).status == 429 and refused())
        # On a busy machine Redis is tried again meanwhile with nobody's request, too.
        assert failed() <= gate.metric("redis_exchanges_total")
        assert failed() + refused() == gate.stat("http.ingress.downstream_rq_total")
