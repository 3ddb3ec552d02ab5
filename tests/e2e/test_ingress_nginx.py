"""`kubernetes/ingress-nginx`: its resources, and a real nginx with what ingress-nginx makes of them, in front of the real service. What it
has in common with the other proxies that ask, `test_authz*.py` show of it, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from harness import ingress_nginx, ports, shipped
from harness.asking import Server, ingress_server, policy_for
from harness.client import Client, Connection, Reply, fresh_token, token
from harness.envoy import Gate
from harness.http2 import Http2Connection
from harness.kubernetes import manifests
from harness.places import repo_path

pytestmark = pytest.mark.only("filter", because="kubernetes/ ships the filter")

LIMITED, OTHER = "limited.test", "other.test"
POLICY = {
    "client": {"credential": {"trust": "any"}},
    "exempt": [{"path": "/exempt/**"}, {"host": "exempt.test"}],
    "scopes": {"all": {"rate": "5/h", "key": ["credential", "address"]}},
    "response": {"ratelimit_headers": "draft"},
}


# -- the resources ---------------------------------------------------------------------------------------------------------

# The annotations of ingress-nginx that are used, and the risk that its sources see in each. By default it takes `High` and less.
_RISKS = {"auth-url": "High", "auth-proxy-set-headers": "Medium"}
# The keys of its ConfigMap that are used.
_KEYS = {"location-snippet", "server-snippet", "http-snippet", "global-auth-url", "global-auth-snippet"}
_KEYS |= {"log-format-escape-json", "log-format-upstream"}


@pytest.mark.parametrize("version", ["1.35", "1.37"])
@pytest.mark.parametrize("file", ["ingress.yaml", "controller.yaml"])
def test_each_is_as_its_schema_wants_it(file, version):
    for comments in (False, True):
        for resource in manifests("kubernetes", "ingress-nginx", file, with_comments=comments):
            kubernetes_validate.validate(resource, version, strict=True)


def test_ingress_nginx_takes_them_unless_it_is_told_otherwise():
    """No annotation is a snippet, which by default it refuses. In its own ConfigMap it takes them."""
    ingress, question, data = ingress_nginx.shipped()
    names = {name.removeprefix("nginx.ingress.kubernetes.io/") for name in ingress["metadata"]["annotations"]}
    assert names == set(_RISKS)
    assert set(data) | set(ingress_nginx.optional()) == _KEYS
    assert question["metadata"]["namespace"] == ingress["metadata"]["namespace"]
    assert set(question["data"].values()) == {""}


def test_the_page_knows_each_file():
    text = repo_path("docs", "kubernetes.md").read_text()
    for file in repo_path("kubernetes", "ingress-nginx").iterdir():
        assert f"../kubernetes/ingress-nginx/{file.name}" in text


def test_they_ask_the_service_of_this_base():
    service = yaml.safe_load(repo_path("kubernetes", "base", "service.yaml").read_text())
    kustomization = yaml.safe_load(repo_path("kubernetes", "base", "kustomization.yaml").read_text())
    host = f"{service['metadata']['name']}.{kustomization['namespace']}.svc.cluster.local"
    [port] = [port["port"] for port in service["spec"]["ports"] if port["name"] == "authz"]
    ingress, _, _ = ingress_nginx.shipped()
    for url in (ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/auth-url"], ingress_nginx.optional()["global-auth-url"]):
        parts = urlsplit(url)
        assert (parts.hostname, parts.port, parts.path) == (host, port, "/")
    [rule, _] = yaml.safe_load(repo_path("kubernetes", "base", "network.yaml").read_text())["spec"]["ingress"]
    assert "ingress-nginx" in json.dumps(rule), "it may ask"


def test_the_log_is_that_of_nginx():
    [line] = [line for line in repo_path("nginx", "auth_request.conf").read_text().split("log_format tollgate escape=json")[1:]]
    written = "".join(part.strip().strip("';") for part in line.split(";\n")[0].splitlines())
    assert ingress_nginx.optional()["log-format-upstream"].replace(", ", ",").replace(",\n", ",") == written


# -- in a real nginx -------------------------------------------------------------------------------------------------------


class Front(NamedTuple):
    port: int
    http2_port: int
    service: Gate


Start = Callable[..., Front]


@pytest.fixture(scope="module")
def start(tmp_path_factory, application) -> Iterator[Start]:
    """→ a function that starts the service and an ingress-nginx that asks it, from the shipped resources with these changes."""
    with ExitStack() as stack:

        def start(
            *,
            data: dict | None = None,
            more: dict | None = None,
            annotations: dict | None = None,
            question: dict | None = None,
            host: str | None = None,
            hops: int | None = None,
        ) -> Front:
            ingress, headers, controller = ingress_nginx.shipped()
            [rule] = ingress["spec"]["rules"]
            rule.pop("host")
            if host:
                rule["host"] = host
            for name, value in (annotations or {}).items():
                ingress["metadata"]["annotations"][f"nginx.ingress.kubernetes.io/{name}"] = value
            if question is not None:
                headers["data"] = question
            config = shipped.authz(policy_for("ingress-nginx", POLICY))
            if hops:
                shipped.set_trusted_hops(config, hops)
            service = stack.enter_context(Gate(tmp_path_factory.mktemp("service"), config=config))
            made = (controller if data is None else data) | (more or {})
            directory, http2_port = tmp_path_factory.mktemp("ingress-nginx"), ports.reserve()
            proxy: Server = ingress_server(directory, ingress, headers, made, service.port, application.port, http2_port)
            return Front(stack.enter_context(proxy).port, http2_port, service)

        yield start


@pytest.fixture(scope="module")
def front(start) -> Front:
    """As shipped, for any host."""
    return start()


@pytest.fixture(scope="module")
def plain(start) -> Front:
    """With the annotations alone: the controller's ConfigMap is not ours."""
    return start(data={})


def send(port: int, *lines: bytes) -> Reply:
    connection = Connection(port)
    try:
        connection.send(b"\r\n".join([*lines, b"connection: close", b"", b""]))
        return connection.reply()
    finally:
        connection.close()


def test_exactly_the_quota_passes_and_then_429(front, application):
    mark = len(application.seen)
    with Client(front.port) as caller:
        assert caller.send("/").headers["ratelimit"].startswith('"all";r=4;')
        assert caller.statuses(10) == {200: 4, 429: 6}
        denied = caller.send("/")
    assert len(application.seen) == mark + 5
    assert 1 <= denied.retry_after <= 3600
    assert denied.headers["ratelimit"].startswith('"all";r=0;')
    assert json.loads(denied.body)["detail"].startswith("Request was throttled.")
    assert denied.headers.get_all("content-type") == ["application/json"]


def test_with_the_annotations_alone_it_is_403(plain, application):
    """Exactly the quota passes here, too. But nothing of what the service has said comes through."""
    mark = len(application.seen)
    with Client(plain.port) as caller:
        assert caller.statuses(9) == {200: 5, 403: 4}
        denied = caller.send("/")
    assert len(application.seen) == mark + 5
    assert not {"retry-after", "ratelimit", "x-tollgate", "x-tollgate-body"} & {name.lower() for name in denied.headers}


def test_the_service_is_down(start):
    """With the annotations alone it is what nginx makes of any failure; with the ConfigMap it is 503 (`test_authz_down.py`)."""
    front = start(data={})
    with Client(front.port) as caller:
        assert caller.send("/").status == 200
        front.service.kill()
        assert caller.statuses(9) == {500: 9}


def test_its_own_403_stays(start):
    """By an allowlist, say."""
    front = start(annotations={"configuration-snippet": "deny all;"})
    with Client(front.port) as caller:
        reply = caller.send("/")
    assert reply.status == 403
    assert reply.headers["retry-after"] is None


def test_it_can_ask_for_every_ingress(start):
    optional = ingress_nginx.optional()
    everywhere = {name: value for name, value in optional.items() if name.startswith("global-auth-")}
    ingress, question, _ = ingress_nginx.shipped()
    assert [line for line in question["data"] if f'{line} ' not in everywhere["global-auth-snippet"]] == []
    front = start(more=everywhere)
    with Client(front.port) as caller:
        assert caller.send("/", ("X-Original-URI", "/exempt/a"), ("X-Forwarded-Uri", "/exempt/a")).status == 200
        assert caller.statuses(5) == {200: 4, 429: 1}


# -- what a client can write -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def careless(start) -> Front:
    """Without the ConfigMap that removes what ingress-nginx does not set."""
    return start(question={})


FORGED = [
    [("X-Original-URI", "/exempt/a")],
    [("X-Original-URI", "/exempt/a"), ("X-Original-Method", "PUT")],
    [("X-Forwarded-Uri", "/exempt/a"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", "exempt.test")],
    [("X-Forwarded-Method", "GET")],
    [("X-Original-URL", "http://exempt.test/exempt/a")],
    [("X-Original-URL", "http://exempt.test/exempt/a"), ("x-original-url", "http://exempt.test/exempt/a")],
    [("X-Sent-From", "somebody"), ("X-Original-URI", "/exempt/a")],
    [("X-Auth-Request-Redirect", "/exempt/a"), ("X-Real-IP", "198.51.100.7"), ("X-Forwarded-For", "198.51.100.7")],
    [("Connection", "X-Sent-From, X-Original-URL"), ("X-Original-URI", "/exempt/a")],
    [("X_Original_URL", "http://exempt.test/exempt/a"), ("X_Sent_From", "x")],
]


@pytest.mark.parametrize("which", ["front", "careless", "plain"])
@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: "+".join(name for name, _ in forged))
def test_forged_headers_let_nobody_pass(request, application, which, forged):
    port = request.getfixturevalue(which).port
    credential = token(fresh_token())
    with Client(port) as caller:
        assert caller.statuses(5, "/", credential) == {200: 5}
        mark = len(application.seen)
        assert caller.send("/", credential, *forged).status in {"front": (429,), "careless": (429, 503), "plain": (403,)}[which]
        assert len(application.seen) == mark
        # Nor do they keep others out, as shipped.
        if which != "careless":
            assert caller.send("/", token(fresh_token()), *forged).status == 200


# What a client may write as its host, which ingress-nginx puts in front of the target: https://HOST/target.
HOSTS = [
    *["a.test?", "a.test?x=", "a.test#", "a.test#x", "a.test?#", "a.test:80?x=1", "[::1]?", "a.test?@exempt.test", "?", "#"],
    *["exempt.test?", "exempt.test#a.test", "exempt.test@a.test", "a.test@exempt.test", "exempt.test:80@a.test", "@exempt.test"],
    *["exempt.test\\@a.test", "a.test\\exempt\\", "\\exempt\\a?", "a.test;exempt", "a.test%2Fexempt%2F?", "a.test%3F", "a.test,exempt.test"],
    *["a.test/exempt/", "a.test/exempt/a?", "/exempt/a?", "//exempt.test/", "http://exempt.test/", "a.test:/exempt/?", "[/exempt/]", "a:1/exempt/"],
    *["a.test?/exempt/", "a.test#/exempt/", "a.test ", "a.test /exempt/a", "a.test\t?", "a..test", ".", "a.test.", "a.test:x", "a.test:80:90", ":80"],
    *['a.test"', "<a.test>", "{exempt}", "a|b", "a^b", "a`b", "$host", "$http_host", "é.test?", "\xff?", "\x01", "*", "_", "_?", "_ /exempt/"],
]
TARGETS = ["/", "/a?b=/exempt/c", "/a#/exempt/b", "//exempt.test/exempt/a", "/http://exempt.test/exempt/a", "/@exempt.test/exempt/"]
ABSOLUTE = ["http://a.test/", "http://a.test?x=1", "http://a.test?/exempt/a", "http://a.test#/exempt/a", "http://a.test:80/a"]


@pytest.mark.parametrize("which", ["front", "plain"])
@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_no_host_moves_the_target(request, application, which, host):
    """Who has used up the quota gets nothing through, whatever stands in `Host`: neither to another path nor to another host."""
    port = request.getfixturevalue(which).port
    credential = b"authorization: Token " + fresh_token().encode()
    with Client(port) as caller:
        assert caller.statuses(5, "/", ("authorization", credential.split(b": ")[1])) == {200: 5}
    mark = len(application.seen)
    line = b"host: " + host.encode("latin-1")
    for target in [*TARGETS, *ABSOLUTE]:
        for version in (b"1.1", b"1.0"):
            reply = send(port, b"GET " + target.encode() + b" HTTP/" + version, line, credential)
            assert reply.status in (400, 403, 404, 429, 500, 503), (target, version)
    assert [(seen.target, seen.values("host")) for seen in application.seen[mark:]] == []


@pytest.mark.parametrize("which", ["front", "plain"])
def test_nor_does_one_in_http2(request, application, which):
    """There the host is `:authority`, and a `Host` beside it is another one."""
    port = request.getfixturevalue(which).http2_port
    credential = token(fresh_token())

    def send(target: str, host: str, *headers: tuple[str, str]) -> int:
        pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", host), (":path", target)]
        with Http2Connection(port, source="127.0.0.1") as caller:
            caller.queue([[*pseudo, credential, *headers]])
            caller.flush()
            return caller.replies()[0].status

    assert [send("/a?b", "a.test") for _ in range(6)] == [200] * 5 + [429 if which == "front" else 403]
    mark = len(application.seen)
    for target in [*TARGETS, "a", "*", "?x", "http://exempt.test/exempt/a"]:
        for host in HOSTS:
            assert send(target, host) in (0, 400, 403, 404, 429, 500, 503), (target, host)
        for host in ("exempt.test", "exempt.test?", "a.test"):
            assert send(target, "a.test", ("host", host)) in (0, 400, 403, 429), (target, host)
    assert [(seen.target, seen.values("host")) for seen in application.seen[mark:]] == []


@pytest.mark.parametrize("which", ["front", "plain"])
def test_the_exempt_is_exempt(request, which):
    """Else the tests above would show nothing."""
    port = request.getfixturevalue(which).port
    credential = token(fresh_token())
    with Client(port) as caller:
        assert caller.statuses(9, "/exempt/a?b", credential) == {200: 9}
        assert caller.statuses(9, "/", credential, ("host", "exempt.test:80")) == {200: 9}
        assert caller.statuses(5, "/", credential) == {200: 5}


def test_who_names_no_host_is_judged(plain, front, application):
    """In HTTP/1.0. Neither the service nor the application is told one."""
    for port in (plain.port, front.port):
        credential = b"authorization: Token " + fresh_token().encode()
        mark = len(application.seen)
        statuses = [send(port, b"GET /a HTTP/1.0", credential).status for _ in range(7)]
        assert statuses[:5] == [200] * 5 and set(statuses[5:]) <= {403, 429}
        assert [(seen.target, seen.values("host")) for seen in application.seen[mark:]] == [("/a", [])] * 5


def test_what_is_judged_is_what_is_served(start, application):
    """The target's host chooses the server, and so the backend. With the ConfigMap no other can stand in `Host`; without it, that one is
    judged and told to the application, which docs/kubernetes.md warns of."""
    credential = b"authorization: Token " + fresh_token().encode()
    lines = (f"GET http://{LIMITED}/ HTTP/1.1".encode(), b"host: exempt.test", credential)
    mark = len(application.seen)
    assert send(start(host=LIMITED).port, *lines).status == 400
    assert send(start(host=LIMITED).port, lines[0], b"host: Limited.test:8080", credential).status == 200
    assert send(start(host=LIMITED, data={}).port, *lines).status == 200
    assert [seen.values("host") for seen in application.seen[mark:]] == [["Limited.test:8080"], ["exempt.test"]]


# -- what its own settings change ------------------------------------------------------------------------------------------


def test_auth_method_is_refused_and_the_log_says_why(start):
    front = start(annotations={"auth-method": "GET"})
    front.service.expect_error("the original request is not known")
    with Client(front.port) as caller:
        assert caller.send("/").status == 503
    assert "auth-method, which must be left out" in front.service.log()


@pytest.mark.parametrize(("more", "hops"), [({}, None), ({"compute-full-forwarded-for": "true"}, 2)], ids=["one address", "the list"])
def test_behind_a_proxy_of_its_own(start, more, hops):
    """ingress-nginx tells one address, or all of them; then the service must trust one hop more."""
    front = start(more={"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8"} | more, hops=hops)
    with Client(front.port, "127.0.0.1") as balancer:
        for client in ("198.51.100.1", "198.51.100.2"):
            statuses = [balancer.send("/", ("x-forwarded-for", f"203.0.113.{n}, {client}")).status for n in range(7)]
            assert statuses == [200] * 5 + [429] * 2


def test_a_proxy_that_may_be_anybody_is_believed(start):
    """`use-forwarded-headers` without `proxy-real-ip-cidr`: a client chooses its address. docs/kubernetes.md warns of it."""
    front = start(more={"use-forwarded-headers": "true"})
    with Client(front.port) as caller:
        statuses = [caller.send("/", ("x-forwarded-for", f"198.51.100.{n}")).status for n in range(9)]
    assert statuses == [200] * 9
