"""`count` by the status of a gRPC call, wherever the application puts it."""

from __future__ import annotations

import pytest

from harness import http2
from harness.client import fresh_address
from harness.grpc import GrpcApplication, called
from harness.layouts import layout

QUOTA = 5
OK, NOT_FOUND, UNAUTHENTICATED = 0, 5, 16

POLICY = {"scopes": {"login": {"rate": f"{QUOTA}/h", "key": "address", "count": {"grpc": ["UNAUTHENTICATED"]}}}}

@pytest.fixture(scope="module")
def application():
    with GrpcApplication() as application:
        yield application


@pytest.fixture(scope="module")
def gate(open_shared_gate, application):
    return open_shared_gate(config=layout(POLICY, upstream_port=application.port, http2=True), workers=2)


def statuses(port: int, address: str, times: int, headers: list) -> list[str]:
    """The gRPC statuses of so many equal calls, one after the other."""
    with http2.Http2Connection(port, source=address) as caller:
        return [caller.send("/auth.Auth/Login", *headers, method="POST").headers["grpc-status"] for _ in range(times)]


@pytest.mark.parametrize("trailers_only", [False, True], ids=["in trailers", "trailers only"])
def test_failed_calls_count(gate, application, trailers_only):
    """And those that are denied do not reach the application."""
    before = application.calls
    failed = called(UNAUTHENTICATED, trailers_only=trailers_only)
    assert statuses(gate.port, fresh_address(), QUOTA + 3, failed) == ["16"] * QUOTA + ["8"] * 3
    assert application.calls - before == QUOTA


@pytest.mark.parametrize("trailers_only", [False, True], ids=["in trailers", "trailers only"])
@pytest.mark.parametrize("status", [OK, NOT_FOUND])
def test_other_calls_do_not(gate, trailers_only, status):
    address = fresh_address()
    other = called(status, trailers_only=trailers_only)
    assert statuses(gate.port, address, 3 * QUOTA, other) == [str(status)] * 3 * QUOTA
    failed = called(UNAUTHENTICATED, trailers_only=trailers_only)
    assert statuses(gate.port, address, QUOTA + 1, failed) == ["16"] * QUOTA + ["8"]


def test_between_successes_only_failures_count(gate):
    address = fresh_address()
    for _ in range(QUOTA):
        assert statuses(gate.port, address, 3, called(OK)) == ["0"] * 3
        assert statuses(gate.port, address, 1, called(UNAUTHENTICATED)) == ["16"]
    assert statuses(gate.port, address, 1, called(OK)) == ["8"]
