"""HTTP/1.1, HTTP/2 and gRPC clients each get their answer in their own language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest

from harness import http2
from harness.client import Client, fresh_address, fresh_token, token

POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {"all": {"rate": "3/h", "key": "credential"}},
}


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    return open_shared_gate(POLICY)


def test_http_1_keeps_its_connection_when_denied(gate):
    with Client(gate.port) as caller:
        credential = token(fresh_token())
        replies = [caller.send("/", credential) for _ in range(5)]
    assert [r.status for r in replies] == [200, 200, 200, 429, 429]
    assert all(r.headers["connection"] is None for r in replies)


def test_http_2(gate):
    headers = {"authorization": f"Token {fresh_token()}"}
    with httpx.Client(http1=False, http2=True, base_url=f"http://127.0.0.1:{gate.port}", headers=headers) as caller:
        replies = [caller.get("/") for _ in range(4)]
    assert [(r.http_version, r.status_code) for r in replies] == [("HTTP/2", s) for s in (200, 200, 200, 429)]
    wait = int(replies[3].headers["retry-after"])
    assert replies[3].json()["detail"] == f"Request was throttled. Expected available in {wait} seconds."


def test_http_2_streams_of_one_connection_are_counted_each(gate):
    headers = http2.request("/", token(fresh_token()))
    assert http2.burst(gate.port, headers, times=20, connections=1, source=fresh_address()) == {
        200: 3,
        429: 17,
    }


def test_a_client_is_one_over_both_protocols(gate):
    credential = token(fresh_token())
    with Client(gate.port) as one, http2.Http2Connection(gate.port, source=fresh_address()) as other:
        assert [one.send("/", credential).status, other.send("/", credential).status] == [200, 200]
        assert [one.send("/", credential).status, other.send("/", credential).status] == [200, 429]


def test_head_is_denied_without_a_body(gate):
    with Client(gate.port) as caller:
        credential = token(fresh_token())
        replies = [caller.send("/", credential, method="HEAD") for _ in range(4)]
        assert [r.status for r in replies] == [200, 200, 200, 429]
        assert replies[3].retry_after > 3000
        assert replies[3].body == b""
        assert caller.send("/", credential).status == 429  # the connection is still in step


def test_an_upload_is_denied_and_the_connection_stays_in_step(gate):
    with Client(gate.port) as caller:
        credential = token(fresh_token())
        for expected in (200, 200, 200, 429, 429):
            reply = caller.send("/upload", credential, method="POST", body=b"x" * 200_000)
            assert reply.status == expected
        assert caller.send("/", token(fresh_token())).status == 200


@pytest.fixture
def echo() -> Iterator[int]:
    """A gRPC server that answers every method with what it was sent."""

    class Echo(grpc.GenericRpcHandler):
        def service(self, _call):
            return grpc.unary_unary_rpc_method_handler(lambda message, _context: message)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


def call(gate, secret: str) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{gate.port}") as channel:
        method = channel.unary_unary("/jobs.Jobs/Poll")
        return method(b"ping", metadata=[("authorization", f"Token {secret}")], timeout=30)


@pytest.mark.parametrize("body", ["drf", "problem", {"text": "later"}], ids=["drf", "problem", "text"])
def test_grpc(open_gate, echo, body):
    gate = open_gate(POLICY | {"response": {"body": body}}, upstream_port=echo, http2_upstream=True)
    secret = fresh_token()
    assert [call(gate, secret) for _ in range(3)] == [b"ping"] * 3
    with pytest.raises(grpc.RpcError) as caught:
        call(gate, secret)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    metadata = dict([*caught.value.initial_metadata(), *caught.value.trailing_metadata()])
    assert 3000 < int(metadata["retry-after"]) <= 3600
    assert call(gate, fresh_token()) == b"ping"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/grpc", 200),
        ("application/grpc+proto", 200),
        ("application/json", 429),
        ("text/grpc", 429),
    ],
)
def test_only_grpc_gets_a_grpc_denial(gate, kind, status):
    with Client(gate.port) as caller:
        headers = [token(fresh_token()), ("content-type", kind)]
        assert caller.statuses(3, "/", *headers) == {200: 3}
        reply = caller.send("/", *headers)
    assert reply.status == status
    assert not reply.from_application
    assert (reply.headers["grpc-status"] == "8") == (status == 200)
    if status == 429:
        assert json.loads(reply.body)
