"""What counts as a success of a credential, beyond a plain 200: gRPC calls, WebSockets, answers without a body; and that only a
success keeps a proof alive."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from harness import http2, shipped
from harness.client import Client, Connection, encode, fresh_address, fresh_token, token
from harness.grpc import GrpcApplication, called
from harness.layouts import layout
from harness.quota import applying, standing
from harness.upstream import redirected, told

ANON, USER = 5, 100  # quotas; nothing comes back within the test
UNAUTHENTICATED = 16

POLICY = {
    "scopes": {
        "anon": {"rate": f"{ANON}/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": f"{USER}/h", "key": ["credential", "address"]},
    },
    "response": {"ratelimit_headers": "draft"},
}


# -- gRPC --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grpc_gate(open_shared_gate):
    with GrpcApplication() as application:
        yield open_shared_gate(config=layout(POLICY, upstream_port=application.port, http2=True), workers=2)


def grpc_statuses(port: int, address: str, *calls: list) -> list[str]:
    """The gRPC statuses of these calls, one after the other."""
    with http2.Http2Connection(port, source=address) as caller:
        return [caller.send("/jobs.Jobs/Poll", *headers, method="POST").headers["grpc-status"] for headers in calls]


@pytest.mark.parametrize(
    "trailers_only",
    [
        pytest.param(False, id="in trailers"),
        pytest.param(True, id="trailers only"),
    ],
)
def test_a_call_that_fails_proves_nothing(grpc_gate, trailers_only):
    """Made-up credentials use up their address, wherever the application says that it does not accept them."""
    calls = [[token(fresh_token()), *called(UNAUTHENTICATED, trailers_only=trailers_only)] for _ in range(2 * ANON)]
    assert grpc_statuses(grpc_gate.port, fresh_address(), *calls) == ["16"] * ANON + ["8"] * ANON


@pytest.mark.parametrize("trailers_only", [False, True], ids=["in trailers", "trailers only"])
def test_a_call_that_succeeds_proves(grpc_gate, trailers_only):
    """Twice as many accepted ones as the address has; and each may then fail without being its address's."""
    address = fresh_address()
    users = [token(fresh_token()) for _ in range(2 * ANON)]
    firsts = [[user, *called(0, trailers_only=trailers_only)] for user in users]
    assert grpc_statuses(grpc_gate.port, address, *firsts) == ["0"] * len(users)
    seconds = [[user, *called(UNAUTHENTICATED)] for user in users]
    assert grpc_statuses(grpc_gate.port, address, *seconds) == ["16"] * len(users)


# -- other successes of HTTP -------------------------------------------------------------------------------------------

UPGRADE = [("connection", "upgrade"), ("upgrade", "websocket")]


@pytest.fixture(scope="module")
def gate(open_shared_gate, application):
    return open_shared_gate(config=layout(POLICY, upstream_port=application.port, upgrades=True), workers=2)


def test_users_who_open_a_socket_first_are_known(gate):
    """Ten behind one address, each by a WebSocket that stays open; each of them goes on to call."""
    address = fresh_address()
    users = [token(fresh_token()) for _ in range(2 * ANON)]
    sockets = [Connection(gate.port, source=address) for _ in users]
    statuses: Counter[str] = Counter()
    for socket, user in zip(sockets, users, strict=True):
        socket.send(encode("/socket", headers=[user, *UPGRADE, *told(101)]))
        statuses[socket.head().split()[1]] += 1
    assert statuses == {"101": len(users)}
    for number, socket in enumerate(sockets):
        socket.send(f"hello from {number}".encode())
    assert [socket.receive(12) for socket in sockets] == [f"hello from {number}".encode() for number in range(len(users))]
    with Client(gate.port, address) as caller:
        for user in users:
            reply = caller.send("/", user, *told(404))
            assert (reply.status, applying(reply), standing(reply)) == (404, {"user"}, ("user", USER - 2))
    for socket in sockets:
        socket.close()


OTHER_SUCCESSES = {
    "304 to a conditional GET": ("GET", [("if-none-match", '"7"'), *told(304)], 304),
    "303 in answer to a POST": ("POST", redirected("/elsewhere", 303), 303),
}


@pytest.mark.parametrize(("method", "headers", "status"), OTHER_SUCCESSES.values(), ids=OTHER_SUCCESSES.keys())
def test_users_whose_first_answer_is_no_200_are_known(gate, method, headers, status):
    with Client(gate.port) as caller:
        users = [token(fresh_token()) for _ in range(2 * ANON)]
        assert [caller.send("/", user, *headers, method=method).status for user in users] == [status] * len(users)
        for user in users:
            reply = caller.send("/", user, *told(404))
            assert (reply.status, applying(reply)) == (404, {"user"})


NO_SUCCESSES = {
    "303 to a GET": ("GET", redirected("/elsewhere", 303)),
    "303 to a HEAD": ("HEAD", redirected("/elsewhere", 303)),
    "302 to a GET": ("GET", redirected("/elsewhere")),
    "302 to a POST": ("POST", redirected("/elsewhere")),
    "401": ("GET", told(401)),
    "403": ("GET", told(403)),
    "404": ("GET", told(404)),
    "404 to an upgrade": ("GET", [*UPGRADE, *told(404)]),
    "401 to an upgrade": ("GET", [*UPGRADE, *told(401)]),
    "101 that was not asked for": ("GET", told(101)),
}


@pytest.mark.parametrize(("method", "headers"), NO_SUCCESSES.values(), ids=NO_SUCCESSES.keys())
def test_nothing_else_proves(gate, method, headers):
    """The address pays for each, and has nothing left in the end."""
    with Client(gate.port) as caller:
        statuses = [caller.send("/", token(fresh_token()), *headers, method=method).status for _ in range(ANON)]
        assert 429 not in statuses
        assert caller.send("/", token(fresh_token()), *headers, method=method).status == 429


# -- for how long ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["here", "in Redis"])
def test_a_refusal_does_not_keep_a_proof_alive(open_gate, application, redis, store):
    """A credential that was accepted once and is refused ever since (it was revoked, say) is its address's when the time since
    its last success is over, however often it has been presented meanwhile; also where what it was charged last still counts."""
    user = POLICY["scopes"]["user"] | {"rate": f"{USER}/2s"}
    policy = POLICY | {"client": {"credential": {"trust_for": "2s"}}, "scopes": POLICY["scopes"] | {"user": user}}
    if store == "here":
        gate = open_gate(policy)
    else:
        config = shipped.redis([redis.port], policy, upstream_port=application.port, timeout="5s")
        gate = open_gate(config=config)
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        assert caller.send("/", credential).status == 200
        for _ in range(5):
            time.sleep(1.1)
            refused = caller.send("/", credential, *told(401))
        assert "anon" in applying(refused)
