"""nginx, Caddy, Traefik and another Envoy ask Tollgate: what their clients get is what they would get inline."""

from __future__ import annotations

import json
import math
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness import shipped
from harness.asking import ASKING, policy_for
from harness.client import Client, Connection, encode, fresh_token, token
from harness.envoy import Gate
from harness.upstream import told

POLL = "/api/v2/jobs/?ids_only=1"
# What nginx, Caddy, Traefik and Envoy add to every reply of theirs; and the service's note, which Caddy and Traefik can log of a reply only.
EVERYDAY = {"server", "date", "via", "connection", "x-envoy-upstream-service-time", "x-tollgate"}


class Deployment:
    """A proxy, with the service that it asks and the application behind it."""

    def __init__(self, name: str, proxy, service: Gate) -> None:
        self.name, self.port, self.service = name, proxy.port, service


@pytest.fixture(scope="module")
def deploy(tmp_path_factory, application) -> Iterator:
    """→ a function that starts a service with this policy and the proxy that asks it."""
    with ExitStack() as stack:

        def start(name: str, policy: dict, *, in_front_of: int = application.port, **options) -> Deployment:
            config = shipped.authz(policy_for(name, policy))
            service = stack.enter_context(Gate(tmp_path_factory.mktemp("service"), config=config))
            proxy = ASKING[name][0](tmp_path_factory.mktemp(name), service.port, in_front_of, **options)
            return Deployment(name, stack.enter_context(proxy), service)

        yield start


@pytest.fixture(scope="module", params=list(ASKING))
def deployment(request, deploy) -> Deployment:
    """With the policy that is shipped: the default one, for all that one client sees of it."""
    return deploy(request.param, shipped.authz_policy())


@pytest.fixture(scope="module")
def inline(tmp_path_factory, application) -> Iterator[Gate]:
    """The same policy, in front of the application itself."""
    policy = shipped.authz_policy()
    policy["response"].pop("status")
    policy.pop("request")
    with Gate(tmp_path_factory.mktemp("inline"), policy, upstream_port=application.port) as gate:
        yield gate


@pytest.fixture
def caller(deployment) -> Iterator[Client]:
    with Client(deployment.port) as client:
        yield client


def told_to_client(reply) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items() if name.lower() not in EVERYDAY}


@pytest.mark.neither
def test_the_shipped_policy_has_the_scopes_of_the_default_one():
    policy = shipped.authz_policy()
    default = json.loads(shipped.repo_path("src", "config", "default.json").read_text())
    del default["scopes"]["worker"]["count"]  # no response comes by
    assert policy["scopes"] == default["scopes"]


def test_30_polls_and_then_429_as_inline(deployment, inline, application):
    """Status, `Retry-After`, body, and every other field that the inline denial has."""
    mark = len(application.seen)
    credential = token(fresh_token())
    with Client(deployment.port) as caller, Client(inline.port) as inline_caller:
        before = time.monotonic()
        first = caller.send(POLL, credential)
        after = time.monotonic()
        assert caller.statuses(29, POLL, credential) == {200: 29}
        before_denial = time.monotonic()
        denied = caller.send(POLL, credential)
        after_denial = time.monotonic()
        assert inline_caller.statuses(30, POLL, credential) == {200: 30}
        expected = inline_caller.send(POLL, credential)
    assert first.from_application
    assert [seen.target for seen in application.seen[mark : mark + 30]] == [POLL] * 30
    assert denied.status == expected.status == 429
    wait = denied.retry_after
    assert math.ceil(60 - (after_denial - before)) <= wait <= math.ceil(60 - (before_denial - after))
    assert json.loads(denied.body) == {"detail": f"Request was throttled. Expected available in {wait} seconds."}
    # Only what the wait says may differ: another service may have been asked a second later.
    same = json.loads(json.dumps(told_to_client(expected)).replace(str(expected.retry_after), str(wait)))
    assert told_to_client(denied) == same
    assert denied.headers["ratelimit"] == f'"worker";r=0;t={wait}'


def test_an_anonymous_client_calls_60_times(deployment, caller):
    assert caller.statuses(61) == {200: 60, 429: 1}
    with Client(deployment.port) as other:
        assert other.send().status == 200


def test_an_allowed_client_is_told_its_quota(deployment, caller):
    reply = caller.send(POLL, token(fresh_token()))
    if deployment.name == "traefik":  # it keeps the service's headers from the client of an allowed request
        assert reply.headers["ratelimit"] is None
        return
    assert reply.headers["ratelimit"].startswith('"worker";r=29;t=')
    assert reply.headers["ratelimit-policy"].startswith('"user";q=300;w=60, "worker";q=30;w=60')


@pytest.mark.parametrize("name", list(ASKING))
def test_nothing_is_said_of_quotas_unless_asked(deploy, name):
    """The default policy as it is, but for what an authz service has to say."""
    default = {"client": {"credential": {"trust": "any"}}}
    credential = token(fresh_token())
    with Client(deploy(name, default).port) as caller:
        replies = [caller.send(POLL, credential) for _ in range(31)]
    assert [reply.status for reply in replies] == [200] * 30 + [429]
    assert all(reply.from_application for reply in replies[:30])
    assert not [field for reply in replies for field in reply.headers if "ratelimit" in field.lower()]


def test_made_up_credentials_are_bounded_by_their_address(deploy):
    """Each is a new client, since none can prove itself; but together they have what their address has."""
    policy = shipped.authz_policy()
    policy["scopes"]["address"]["rate"] = "70/min"
    with Client(deploy("nginx", policy).port) as caller:
        statuses = [caller.send("/", token(fresh_token())).status for _ in range(80)]
    assert statuses == [200] * 70 + [429] * 10


@pytest.mark.parametrize("status", [204, 301, 400, 401, 403, 404, 429, 500, 503])
def test_the_applications_own_answers_pass(caller, status):
    reply = caller.send("/", token(fresh_token()), *told(status))
    assert reply.status == status
    assert reply.from_application
    assert reply.body == (b"" if status == 204 else b"hello from the application\n")
    assert reply.headers["retry-after"] is None


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_bodies_pass_untouched(deployment, caller, application, size):
    body = bytes(index % 251 for index in range(size))
    assert caller.send("/upload", token(fresh_token()), method="POST", body=body).status == 200
    assert application.seen[-1].method == "POST"
    assert application.seen[-1].body == body


def test_a_chunked_body_passes_untouched(deployment, application):
    request = encode("/upload", "POST", [token(fresh_token()), ("transfer-encoding", "chunked")])
    connection = Connection(deployment.port)
    connection.send(request + b"5\r\nhello\r\n")
    connection.send(b"6\r\n world\r\n0\r\n\r\n")
    assert connection.reply("POST").status == 200
    connection.close()
    assert application.seen[-1].body == b"hello world"


def test_a_denied_upload_never_reaches_the_application(caller, application):
    assert caller.statuses(60) == {200: 60}
    mark = len(application.seen)
    for _ in range(3):
        assert caller.send("/", method="POST", body=b"x" * 200_000).status == 429
    assert len(application.seen) == mark
    assert caller.send("/", token(fresh_token())).status == 200


def test_head_is_denied_without_a_body(caller):
    credential = token(fresh_token())
    assert caller.statuses(30, POLL, credential, method="HEAD") == {200: 30}
    reply = caller.send(POLL, credential, method="HEAD")
    assert reply.status == 429
    assert 1 <= reply.retry_after <= 60
    assert reply.body == b""
    assert caller.send("/", credential).status == 200  # the connection is in step


def test_what_the_proxy_lets_in_is_judged(deployment, caller, application):
    """Whatever its size: Envoy alone, which asks, takes no more than a hundred fields."""
    many = [(f"x-{number}", "y") for number in range(60 if deployment.name == "envoy" else 300)]
    long = [(f"x-long-{number}", "z" * 7_000) for number in range(3)]
    credential = token(fresh_token())
    assert caller.statuses(30, POLL, credential, *many, *long) == {200: 30}
    assert len(application.seen[-1].headers) > len(many)
    assert caller.send(POLL, credential, *many, *long).status == 429


def test_the_method_counts(caller):
    credential = token(fresh_token())
    assert caller.statuses(40, POLL, credential, method="POST") == {200: 40}
    assert caller.statuses(31, POLL, credential) == {200: 30, 429: 1}


@pytest.mark.parametrize(
    "body",
    ["problem", {"text": "Bitte später."}, {"text": "<p>later</p>", "content_type": "text/html"}],
    ids=["problem", "text", "html"],
)
@pytest.mark.parametrize("name", list(ASKING))
def test_every_kind_of_body_arrives(deploy, tmp_path, name, body):
    scopes = {"all": {"rate": "2/h", "key": "address"}}
    common = {"scopes": scopes, "response": {"body": body, "ratelimit_headers": "draft"}}
    policy = common | {"client": {"credential": {"trust": "any"}}}
    with Gate(tmp_path, common) as inline, Client(inline.port) as caller:
        caller.statuses(2)
        expected = caller.send()
    with Client(deploy(name, policy).port) as caller:
        caller.statuses(2)
        # A path that nginx would take for a picture's.
        denied = caller.send("/picture.png")
    assert denied.status == expected.status == 429
    assert denied.headers["content-type"] == expected.headers["content-type"]
    assert denied.headers.get_all("content-type") == [expected.headers["content-type"]]
    assert denied.body.decode() == expected.body.decode()


class _Echo(socketserver.StreamRequestHandler):
    """Takes an upgrade, and then sends back what it gets."""

    def handle(self) -> None:
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        if b"upgrade: websocket" not in head.lower():
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        while data := self.rfile.read1():
            self.wfile.write(data)


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """An application that speaks a protocol of its own."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("name", list(ASKING))
def test_a_websocket_passes(deploy, echo, name):
    options = {"upgrades": True} if name == "envoy" else {}
    proxy = deploy(name, shipped.authz_policy(), in_front_of=echo, **options)
    upgrade = [("connection", "Upgrade"), ("upgrade", "websocket"), token(fresh_token())]
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection:
        connection.sendall(encode("/socket", headers=upgrade))
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        connection.sendall(b"over here")
        assert connection.recv(100) == b"over here"


def test_nginx_keeps_its_connection_to_the_service(deploy):
    """Also for denials: a flood of them would else cost a connection each, until ports run out."""
    deployment = deploy("nginx", shipped.authz_policy())
    with Client(deployment.port) as caller:
        assert caller.statuses(260) == {200: 60, 429: 200}
    assert deployment.service.stat("http.authz.downstream_cx_total") <= 4


def test_nginx_keeps_its_own_403_and_500(deploy):
    """`deny`, say: it is no denial of Tollgate's."""
    own = "    location = /closed { deny all; error_page 403 = @tollgate_denied; auth_request /_tollgate; }"
    own += "\n    location = /broken { auth_request off; error_page 500 = @tollgate_failed; return 500; }"
    with Client(deploy("nginx", shipped.authz_policy(), extra=own).port) as caller:
        assert caller.send("/closed").status == 403
        assert caller.send("/broken").status == 500
        assert caller.send("/_tollgate").status == 404


def test_who_asks_badly_is_told_what_is_missing(deploy):
    service = deploy("nginx", shipped.authz_policy()).service
    service.expect_error("the original request is not known")
    with Client(service.port) as caller:
        reply = caller.send("/", ("x-original-uri", "/"))
        assert reply.status == 400
        assert reply.body.startswith(b"the original request is not known: X-Original-Method is missing")
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        assert reply.headers["retry-after"] is None
        # As a gRPC call it would be a 200, which means yes.
        assert caller.send("/", ("content-type", "application/grpc")).status == 400
        asked = [("x-original-uri", "/"), ("x-original-method", "GET")]
        assert caller.send("/", *asked).status == 200
        for more in [("x-original-uri", "/"), ("x-original-method", "PUT"), ("x-forwarded-uri", "/")]:
            assert caller.send("/", *asked, more).status == 400
    assert service.metric("requests_total.policy.tollgate.decision.malformed") == 5
