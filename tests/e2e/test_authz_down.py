"""The authz service killed in the middle of traffic: what is chosen happens, open or closed, until it is back."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import ports, shipped
from harness.asking import ASKING, policy_for
from harness.client import Client, fresh_token, token
from harness.envoy import Gate
from harness.waiting import until

pytestmark = pytest.mark.only("filter", because="it is about those who ask: the service is gone")

# What a client gets while the service is gone, where the proxy stays closed.
CLOSED = {"nginx": 503, "ingress-nginx": 503, "caddy": 502, "traefik": 500, "envoy": 503}
# Caddy gives a server that it could not reach another try after a second; the others ask each time.
OPEN = ["nginx", "ingress-nginx", "caddy", "envoy"]


def service(directory, name: str, port: int) -> Gate:
    directory.mkdir()
    policy = shipped.authz_policy()
    policy["scopes"]["address"]["rate"] = "1000000/min"
    policy["scopes"]["user"]["rate"] = "1000000/min"
    return Gate(directory, config=shipped.authz(policy_for(name, policy), port=port))


@contextmanager
def traffic(port: int, callers: int = 4) -> Iterator[Counter[int]]:
    """Clients that call without a pause; → how often each status has come back so far."""
    statuses: Counter[int] = Counter()
    ended = threading.Event()

    def call() -> None:
        with Client(port) as client:
            while not ended.is_set():
                statuses[client.send("/", token(fresh_token())).status] += 1

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    yield statuses
    ended.set()
    for thread in threads:
        thread.join()


def more(statuses: Counter[int], status: int) -> None:
    """Returns when more of these have come back."""
    until(lambda before=statuses[status]: statuses[status] >= before + 20)


@pytest.mark.parametrize(
    ("name", "stays_open"), [*itertools.product(CLOSED, [False]), *itertools.product(OPEN, [True])]
)
def test_the_service_is_killed_and_comes_back(tmp_path, application, name, stays_open):
    start, _, _ = ASKING[name]
    port = ports.reserve()
    options = {"stays_open": True} if stays_open else {}
    meanwhile = 200 if stays_open else CLOSED[name]
    (directory := tmp_path / "proxy").mkdir()
    with service(tmp_path / "first", name, port) as first, start(directory, port, application.port, **options) as proxy:
        with traffic(proxy.port) as statuses:
            more(statuses, 200)
            first.kill()
            more(statuses, meanwhile)
            more(statuses, meanwhile)
        assert set(statuses) == {200, meanwhile}
        with Client(proxy.port) as caller:
            # Who is limited, and who not, while nobody counts.
            assert caller.statuses(70) == {meanwhile: 70}
            with service(tmp_path / "second", name, port):
                until(lambda: caller.send("/", token(fresh_token())).headers["ratelimit"] or name == "traefik")
                until(lambda: caller.send("/", token(fresh_token())).status == 200)
                # It is the same proxy, and has not been told.
                assert caller.statuses(61) == {200: 60, 429: 1}


@pytest.mark.parametrize(
    ("name", "stays_open", "meanwhile"),
    [
        *[("nginx", False, 503), ("ingress-nginx", False, 503), ("caddy", False, 504), ("envoy", False, 503)],
        *[("nginx", True, 200), ("ingress-nginx", True, 200), ("envoy", True, 200)],
    ],
)
def test_a_service_that_hangs_is_given_up(tmp_path, application, name, stays_open, meanwhile):
    """(Traefik waits for half a minute; Caddy gives up a server that hangs, but asks no other one then.)"""
    start, _, _ = ASKING[name]
    (directory := tmp_path / "proxy").mkdir()
    with (
        service(tmp_path / "service", name, 0) as gate,
        start(directory, gate.port, application.port, stays_open=stays_open) as proxy,
        Client(proxy.port) as caller,
    ):
        assert caller.send().status == 200
        gate.pause()
        try:
            assert caller.send().status == meanwhile
        finally:
            gate.resume()
        until(lambda: caller.send("/", token(fresh_token())).status == 200)


class _Balancer(BaseHTTPRequestHandler):
    """Stands in the service's place, and answers everything with one status."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    status = 503

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_args) -> None:
        """It has nothing to say."""


@contextmanager
def balancer(status: int) -> Iterator[int]:
    """→ the port of a server that answers so."""
    with ThreadingHTTPServer(("127.0.0.1", 0), type("", (_Balancer,), {"status": status})) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


# What neither yes nor no is, and yet an answer: of a balancer without backends, of another server in the service's place, of a service
# that cannot make out the question.
STRANGE = [400, 404, 413, 429, 431, 500, 502, 503, 504]
# These hand on what they take for a no: Traefik anything, and Envoy what is no 5xx.
HANDED_ON = {"traefik": STRANGE, "envoy": [400, 404, 413, 429, 431]}
# This stays open only for a service that gives no answer: it cannot be told to look at answers.
NO_ANSWER_ONLY = ["ingress-nginx"]


@pytest.mark.neither
@pytest.mark.parametrize("status", STRANGE)
@pytest.mark.parametrize(
    ("name", "stays_open"), [*itertools.product(CLOSED, [False]), *itertools.product(OPEN, [True])]
)
def test_an_answer_that_is_neither_yes_nor_no_is_a_failure(tmp_path, application, name, stays_open, status):
    start, _, _ = ASKING[name]
    options = {"stays_open": True} if stays_open else {}
    opened = stays_open and name not in NO_ANSWER_ONLY
    meanwhile = status if status in HANDED_ON.get(name, []) else 200 if opened else CLOSED[name]
    mark = len(application.seen)
    with balancer(status) as port, start(tmp_path, port, application.port, **options) as proxy, Client(proxy.port) as caller:
        assert caller.statuses(2) == {meanwhile: 2}
    assert len(application.seen) - mark == (2 if meanwhile == 200 else 0)
