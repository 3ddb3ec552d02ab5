"""What the authz service is asked about is what the application is asked for, however the client spells it; and what cannot be asked
about is refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness import shipped
from harness.asking import ASKING, policy_for
from harness.client import Client, Connection, Reply, fresh_token, token
from harness.envoy import Gate

LIMITED, EXEMPT, QUOTA = "limited.test", "exempt.test", 5


@pytest.fixture(scope="module", params=list(ASKING))
def front(request, tmp_path_factory, application) -> Iterator[tuple[str, int]]:
    """One host is limited, and another is not at all. → the proxy's name, and its port."""
    policy = shipped.authz_policy()
    policy["exempt"] = [{"host": EXEMPT}]
    policy["scopes"] = {"host": {"rate": f"{QUOTA}/min", "key": "credential", "match": {"host": LIMITED}}}
    with ExitStack() as stack:
        service = stack.enter_context(Gate(tmp_path_factory.mktemp("service"), config=shipped.authz(policy_for(request.param, policy))))
        start, _, _ = ASKING[request.param]
        yield request.param, stack.enter_context(start(tmp_path_factory.mktemp("proxy"), service.port, application.port)).port


def send(port: int, *lines: bytes) -> Reply:
    connection = Connection(port)
    try:
        connection.send(b"\r\n".join([*lines, b"connection: close", b"", b""]))
        return connection.reply(lines[0].split(b" ")[0].decode())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (f"http://{EXEMPT}/", LIMITED),
        (f"http://{LIMITED}/", EXEMPT),
        (f"http://{EXEMPT}:8080/", f"{LIMITED}:80"),
        (f"http://user@{EXEMPT}/", LIMITED),
        (f"HTTP://{EXEMPT}/", LIMITED.upper()),
        ("/", LIMITED + "."),
    ],
)
def test_the_host_that_is_judged_is_the_one_that_is_served(front, application, target, host):
    """A target may name another host than `Host`. Both are one host then, to the policy and to the application."""
    _, port = front
    credential = token(fresh_token())
    with Client(port) as caller:
        assert caller.statuses(QUOTA + 1, "/", credential, ("host", LIMITED)) == {200: QUOTA, 429: 1}
    mark = len(application.seen)
    with Client(port) as caller:
        reply = caller.send(target, credential, ("host", host))
    if reply.status == 200:
        [seen] = application.seen[mark:]
        [served] = seen.values("host")
        assert served.lower().rstrip(".").partition(":")[0] == EXEMPT, "what was judged"
    else:
        assert reply.status in (400, 429)
        assert application.seen[mark:] == []


def test_a_client_that_names_no_host_is_served(front, application):
    """As balancers do in their health checks, in HTTP/1.0. The host that is judged is the one that is served, here too."""
    name, port = front
    mark = len(application.seen)
    reply = send(port, b"OPTIONS / HTTP/1.0")
    if name == "envoy":  # it takes HTTP/1.0 from nobody, unless told
        assert reply.status == 426
        return
    assert reply.status == 200
    assert [(seen.method, seen.target) for seen in application.seen[mark:]] == [("OPTIONS", "/")]
    mark = len(application.seen)
    credential = b"authorization: Token " + fresh_token().encode()
    statuses = [send(port, f"GET http://{LIMITED}/ HTTP/1.0".encode(), credential).status for _ in range(QUOTA + 1)]
    if name == "ingress-nginx":  # the application would be told no host
        assert statuses == [400] * (QUOTA + 1) and application.seen[mark:] == []
        return
    assert statuses == [200] * QUOTA + [429]
    assert {tuple(seen.values("host")) for seen in application.seen[mark:]} == {(LIMITED,)}


def test_a_target_without_a_path_is_asked_about(front, application):
    name, port = front
    mark = len(application.seen)
    credential = b"authorization: Token " + fresh_token().encode()
    lines = (f"GET http://{LIMITED}?x=1 HTTP/1.1".encode(), b"host: " + LIMITED.encode(), credential)
    statuses = [send(port, *lines).status for _ in range(QUOTA + 1)]
    if name == "envoy":  # it has no route for a target that does not start with a slash
        assert statuses == [404] * (QUOTA + 1)
        return
    if name == "ingress-nginx":  # its question cannot be told from one about a host with a `?` in it
        assert statuses == [503] * (QUOTA + 1) and application.seen[mark:] == []
        return
    assert statuses == [200] * QUOTA + [429]
    assert {seen.target.lstrip("/") for seen in application.seen[mark:]} == {"?x=1"}


UNASKABLE = {
    "a control character": [b"GET / HTTP/1.1", b"host: a.test", b"x-a: a\x01b"],
    "a host that is none": [b"GET / HTTP/1.1", b'host: a"b<>'],
    "a host in UTF-8": [b"GET / HTTP/1.1", "host: ä.test".encode()],
}


@pytest.mark.parametrize("name", list(UNASKABLE))
def test_what_cannot_be_asked_about_is_refused(front, application, name):
    """By the proxy itself, as a bad request, or as when the service is down; never by an error of its own that nobody expects."""
    proxy, port = front
    mark = len(application.seen)
    reply = send(port, *UNASKABLE[name])
    assert reply.status == (503 if "nginx" in proxy else 400)
    assert application.seen[mark:] == []
    with Client(port) as caller:
        assert caller.send().status == 200


# What WSGI servers read as `-`; and the dot, which PHP reads so, and only Envoy cannot drop.
ALIASES = ["X_Api_Key", "x_api-key", "SCRIPT_NAME", "Path_Info", "X_Forwarded_For"]
ALIASES_OF_PHP = ["X.Api.Key"]


@pytest.mark.parametrize("name", ALIASES + ALIASES_OF_PHP)
def test_a_header_has_one_spelling(front, application, name):
    """Applications read `X_Api_Key` as `X-Api-Key`, Tollgate does not. So it does not reach them."""
    proxy, port = front
    with Client(port) as caller:
        assert caller.send("/", (name, "forged"), ("x-plain", "yes")).status == 200
    seen = application.seen[-1]
    assert seen.values("x-plain") == ["yes"]
    arrived = [found for found, value in seen.headers if value == "forged"]
    assert arrived == [] or (proxy == "envoy" and name in ALIASES_OF_PHP)


@pytest.mark.parametrize("host", ["a.test", "a.test:8080", "[2001:db8::1]", "[2001:db8::1]:80", "192.0.2.1:81"])
def test_the_application_is_told_the_port(front, application, host):
    _, port = front
    with Client(port) as caller:
        assert caller.send("/", ("host", host)).status == 200
    assert application.seen[-1].values("host") == [host]
