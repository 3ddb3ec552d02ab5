"""A request that is admitted reaches the application as it was sent, and the reply comes back as it was given."""

from __future__ import annotations

import pytest

from harness.client import Client, fresh_token, token

# What Envoy itself adds on the way.
BY_ENVOY = {
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-expected-rq-timeout-ms",
}


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    return open_shared_gate({"response": {"ratelimit_headers": "draft"}})


def test_headers_arrive_as_they_were(gate, application):
    sent = [
        ("host", "app.test"),
        ("authorization", f"Token {fresh_token()}"),
        ("cookie", "sessionid=abc; theme=dark"),
        ("x-repeated", "one"),
        ("x-repeated", "two"),
        ("x-empty", ""),
        ("x-bytes", "\xe9\xff\x80"),
    ]
    with Client(gate.port) as caller:
        assert caller.send("/a/b?c=d&c=e&f", *sent).status == 200
    seen = application.seen[-1]
    assert (seen.method, seen.target) == ("GET", "/a/b?c=d&c=e&f")
    assert sorted((n, v) for n, v in seen.headers if n not in BY_ENVOY) == sorted(sent)


@pytest.mark.parametrize(
    "target",
    [
        "//api//v2/jobs//",
        "/api/v2/x/../jobs/",
        "/api/%76%32/jobs%2F",
        "/api/v2/jobs/?ids%5Fonly=%31&&a+b=c",
        "/%zz%?%",
    ],
)
def test_a_target_is_read_but_not_rewritten(gate, application, target):
    with Client(gate.port) as caller:
        assert caller.send(target).status == 200
    assert application.seen[-1].target == target


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_bodies_arrive_whole(gate, application, size):
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    with Client(gate.port) as caller:
        assert caller.send("/upload", token(fresh_token()), method="POST", body=body).status == 200
    assert application.seen[-1].body == body


def test_a_chunked_body_arrives_whole(gate, application):
    head = b"POST /upload HTTP/1.1\r\nhost: gate.test\r\ntransfer-encoding: chunked\r\n\r\n"
    with Client(gate.port) as caller:
        assert caller.send_raw(head + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "POST").status == 200
    assert application.seen[-1].body == b"hello world"


def test_the_reply_comes_back_as_it_was(gate):
    with Client(gate.port) as caller:
        reply = caller.send("/", token(fresh_token()))
    assert reply.status == 200
    assert reply.from_application
    assert reply.headers["content-type"] == "text/plain"
    assert reply.body == b"hello from the application\n"
    assert reply.headers["ratelimit"]
