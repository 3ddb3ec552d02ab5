"""A client cannot forge what the authz service believes: who it is, what it asks for, and what it is answered.

Each test uses up a quota through one of the shipped proxies, and then tries to get past it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness import shipped
from harness.asking import ASKING, policy_for
from harness.client import Client, Reply, fresh_token, token
from harness.envoy import Gate

POLL = "/api/v2/jobs/?ids_only=1"
HOST = "limited.test"

# For each of these a request may be denied or refused, but not let through.
FORGED_REQUESTS: dict[str, list[tuple[str, str]]] = {
    "nginx's headers": [("X-Original-URI", "/harmless"), ("X-Original-Method", "DELETE")],
    "nginx's URI": [("X-Original-URI", "/harmless")],
    "nginx's method": [("X-Original-Method", "DELETE")],
    "nginx's URI, true": [("X-Original-URI", POLL), ("X-Original-Method", "GET"), ("X-Forwarded-Host", "other.test")],
    "ingress-nginx's headers": [
        ("X-Original-URL", "http://limited.test/harmless"),
        ("X-Original-Method", "DELETE"),
        ("X-Sent-From", "nginx-ingress-controller"),
    ],
    "ingress-nginx's URL": [("X-Original-URL", "http://limited.test/harmless"), ("X-Sent-From", "nginx-ingress-controller")],
    "ingress-nginx's URL alone": [("X-Original-URL", "http://limited.test/harmless")],
    "ingress-nginx's URL, twice": [("X-Original-URL", "http://a.test/"), ("x-original-url", "http://a.test/")],
    "not of ingress-nginx": [("X-Sent-From", "somebody"), ("X-Auth-Request-Redirect", "/harmless")],
    "another name dropped": [("Connection", "X-Sent-From, X-Original-URL, X-Original-Method")],
    "the others' headers": [
        ("X-Forwarded-Uri", "/harmless"),
        ("X-Forwarded-Method", "DELETE"),
        ("X-Forwarded-Host", "other.test"),
    ],
    "the others' URI": [("X-Forwarded-Uri", "/harmless")],
    "the others' method": [("X-Forwarded-Method", "DELETE")],
    "the others' host": [("X-Forwarded-Host", "other.test")],
    "both kinds": [("X-Forwarded-Uri", "/harmless"), ("X-Original-URI", "/harmless")],
    "the same twice": [("X-Forwarded-Uri", "/harmless"), ("x-forwarded-uri", "/harmless")],
    "nginx's twice": [("X-Original-URI", "/harmless"), ("x-original-uri", "/harmless")],
    "underscores": [("X_Original_URI", "/harmless"), ("X_Forwarded_Uri", "/harmless"), ("X_Forwarded_Method", "PUT")],
    "Forwarded": [("Forwarded", "for=198.51.100.7;host=other.test;proto=https")],
    "an override": [("X-HTTP-Method-Override", "DELETE"), ("X-Original-URL", "/harmless"), ("X-Rewrite-URL", "/harmless")],
    "Envoy's path": [("X-Envoy-Original-Path", "/harmless"), ("X-Envoy-Original-Host", "other.test")],
    "a header dropped": [("Connection", "close, X-Forwarded-Uri, X-Original-URI")],
    "another dropped": [("Connection", "X-Forwarded-Method, X-Original-Method, X-Forwarded-Host")],
    "the address dropped": [("Connection", "X-Forwarded-For, X-Real-Ip")],
    "gRPC": [("Content-Type", "application/grpc")],
    "gRPC with a body": [("Content-Type", "application/grpc+proto"), ("TE", "trailers")],
    "an upgrade": [("Connection", "Upgrade"), ("Upgrade", "websocket")],
    "HTTP/2": [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")],
    "an answer": [("X-Tollgate-Body", "yes"), ("RateLimit", '"x";r=9;t=1'), ("Status", "200"), ("Retry-After", "0")],
    "a range": [("Range", "bytes=0-0"), ("If-None-Match", "*"), ("Expect", "100-continue")],
}

FORGED_ADDRESSES: dict[str, list[tuple[str, str]]] = {
    "X-Forwarded-For": [("X-Forwarded-For", "198.51.100.{}")],
    "X-Forwarded-For, twice": [("X-Forwarded-For", "198.51.100.{}"), ("x-forwarded-for", "203.0.113.{}")],
    "a list": [("X-Forwarded-For", "198.51.100.{}, 127.0.0.1")],
    "no address": [("X-Forwarded-For", "unknown, ,,{}")],
    "X-Real-IP": [("X-Real-IP", "198.51.100.{}"), ("True-Client-IP", "198.51.100.{}")],
    "Envoy's own": [("X-Envoy-External-Address", "198.51.100.{}"), ("X-Envoy-Internal", "true")],
    "Forwarded": [("Forwarded", "for=198.51.100.{}")],
    "dropped": [("Connection", "X-Forwarded-For"), ("X-Forwarded-For", "198.51.100.{}")],
}

# Spellings of the poll that an application may read as one.
SPELLINGS = [
    "http://limited.test/api/v2/jobs/?ids_only=1",
    "http://other.test/api/v2/jobs/?ids_only=1",
    "//api/v2/jobs/?ids_only=1",
    "/api//v2/jobs/?ids_only=1",
    "/api/v2/./jobs/?ids_only=1",
    "/api/v2/x/../jobs/?ids_only=1",
    "/api/v2/%6aobs/?ids_only=1",
    "/api%2Fv2%2fjobs/?ids_only=1",
    "/api/v2/jobs/?%69ds_only=1",
    "/api/v2/jobs?ids_only=1&ids_only=0",
    "/api/v2/jobs/?ids_only=1#?ids_only=0",
    "/API/v2/jobs/?ids_only=1",
    "/api/v2/jobs/?ids_only=1&x=" + "y" * 5_000,
]


# What Envoy itself does not take from a client.
NOT_FOR_ENVOY = {"another dropped", "another name dropped", "the address dropped", "an upgrade", "dropped"}


def was_refused(reply: Reply) -> bool:
    """Envoy, which asks for a gRPC call, refuses it as such: with a 200, and the status UNAVAILABLE."""
    return reply.status in (400, 403, 429) or (reply.status, reply.headers["grpc-status"]) == (200, "14")


@pytest.fixture(scope="module", params=list(ASKING))
def port(request, tmp_path_factory, application) -> Iterator[int]:
    """Of a proxy that asks; its policy is the shipped one, with a limit for one host besides."""
    policy = shipped.authz_policy()
    policy["scopes"]["host"] = {"rate": "5/min", "key": "credential", "match": {"host": HOST}}
    with ExitStack() as stack:
        config = shipped.authz(policy_for(request.param, policy))
        service = stack.enter_context(Gate(tmp_path_factory.mktemp("service"), config=config))
        start, _, _ = ASKING[request.param]
        yield stack.enter_context(start(tmp_path_factory.mktemp("proxy"), service.port, application.port)).port
        assert service.metric("requests_total.policy.tollgate.decision.malformed") == 0, "the proxy removes what it does not set"


@pytest.fixture
def used_up(port, application) -> Iterator[tuple[Client, tuple[str, str]]]:
    """Someone who has polled 30 times."""
    credential = token(fresh_token())
    with Client(port) as caller:
        assert caller.statuses(31, POLL, credential) == {200: 30, 429: 1}
        yield caller, credential


@pytest.mark.parametrize("name", list(FORGED_REQUESTS))
def test_the_request(used_up, application, name):
    caller, credential = used_up
    mark = len(application.seen)
    reply = caller.send(POLL, credential, *FORGED_REQUESTS[name])
    assert was_refused(reply)
    assert len(application.seen) == mark
    caller.close()
    # And what is not over a limit still passes.
    again = caller.send("/", credential, *FORGED_REQUESTS[name])
    assert again.status == 200 or name in NOT_FOR_ENVOY


@pytest.mark.parametrize("target", SPELLINGS)
def test_its_spelling(used_up, application, target):
    caller, credential = used_up
    mark = len(application.seen)
    assert caller.send(target, credential).status in (429, 400)
    assert len(application.seen) == mark


@pytest.mark.parametrize("name", ["the others' host", "the others' headers", "nginx's URI, true", "Forwarded"])
def test_the_host(port, application, name):
    credential, host = token(fresh_token()), ("host", HOST)
    with Client(port) as caller:
        assert caller.statuses(5, "/", credential, host) == {200: 5}
        assert caller.send("/", credential, host, *FORGED_REQUESTS[name]).status == 429
        assert caller.send("/", credential, ("host", HOST.upper() + ":80")).status == 429
        assert caller.send("http://limited.test/", credential, ("host", "other.test")).status in (429, 400)
        assert caller.send("/", credential).status == 200


@pytest.mark.parametrize("name", list(FORGED_ADDRESSES))
def test_the_address(port, name):
    def forged(number: int) -> list[tuple[str, str]]:
        return [(header, value.format(number)) for header, value in FORGED_ADDRESSES[name]]

    with Client(port) as caller:
        if caller.send("/", *forged(0)).status == 400 and name in NOT_FOR_ENVOY:
            return
        assert [caller.send("/", *forged(number)).status for number in range(1, 61)] == [200] * 59 + [429]
