"""However a poll is spelled, it is a poll. The plain spelling uses up the scope, then another spelling tries.

Twice: with an Envoy that normalises nothing, so that the filter stands alone, and with the shipped configuration.
"""

from __future__ import annotations

import pytest

from harness import http2, shipped
from harness.client import Client, fresh_address, fresh_token, token

POLL = "/api/v2/jobs/?ids_only=1"

PATHS = [
    "/api/v2/jobs",
    "/api/v2/jobs//",
    "//api/v2/jobs/",
    "/api//v2///jobs/",
    "/./api/v2/jobs/",
    "/.//api/v2/jobs/",
    "/api/./v2/jobs/.",
    "/api/v2/jobs/./",
    "/api/v2/x/../jobs/",
    "/api/v2/x/y/../../jobs/",
    "/x/../api/v2/jobs/",
    "/../../api/v2/jobs/",
    "/api/v2/jobs/x/..",
    "/api/v2//.//jobs//.",
    "/api/v2//x//../..//jobs/",  # only if dots are resolved before slashes are merged, as Envoy does
    "/%61pi/v2/jobs/",
    "/api/v2/%6Aobs/",
    "/api/v2/%6aob%73",
    "/%61%70%69%2f%76%32%2F%6a%6f%62%73",
    "/api%2Fv2%2fjobs/",
    "/api/v2/jobs%2F",
    "/%2Fapi/v2/jobs",
    "/api/v2/%2e/jobs/",
    "/api/v2/x/%2e%2e/jobs/",
    "/api/v2/x/.%2E/jobs/",
    "/api/v2/x/%2E./jobs/",
    "/api/v2/x%2f..%2Fjobs",
    "/api/v2/x%2f%2e%2e%2Fjobs",
    "/api\\v2\\jobs\\",
    "/api/v2/x\\..\\jobs",
    "/api%5Cv2%5cjobs",
    "/api/v2/jobs/%23/..",
    "/api/v2/%3F/../jobs",
    "/API/V2/JOBS/",
    "/Api/v2/%4Aobs",
    "/api/v2/jobs.json",
    "/api/v2/jobs.api/",
    "/api/v2/jobs%2Ejson",
    "/api/v2/jobs;a=1",
    "/api;x/v2/jobs/",
    "/static/..;/api/v2/jobs/",
    "/api/v2/jobs%20",
    "/api/v2/jobs%0a/",
    "/api/v2/jobs%ff",
    "/api/v2/%256Aobs/",
    "/x/..;/../api;/v2/jobs",
    "http://gate.test/api/v2/jobs/",
    "http://elsewhere.test:8080//api/v2/./jobs",
]

QUERIES = [
    *(f"ids_only={truth}" for truth in ["true", "True", "TRUE", "t", "T", "yes", "Y", "on", "ON"]),
    *(f"ids_only{value}" for value in ["", "=", "=2", "=x", "=no", "=00", "=%200", "=false%00", "=0%ff"]),
    *(f"{name}=1" for name in ["ids_only[]", "[ids_only]", "ids.only", "ids+only", "ids[only", "IDS_Only", "ids_only%00"]),
    "a=1;ids_only=1",
    "incomplete_only=1",
    "incomplete_only=true&ids_only=false",
    "limit=10&ids_only=1&offset=5",
    "ids_only=1&limit=10",
    "&ids_only=1",
    "&&&ids_only=1&&",
    "=&ids_only=1",
    "ids_only=0&ids_only=1",
    "ids_only=1&ids_only=0",
    "ids_only=&ids_only=1",
    "ids_only&ids_only=1",
    "ids_only=1&ids_only",
    "ids%5Fonly=1",
    "ids%5fonly=%31",
    "%69%64%73_only=%74rue",
    "i%64s_only=o%6E",
    "ids_only=%31&%",
    "a=b=c&ids_only=1",
    "a=?&ids_only=1",
    "a+b=c+d&ids_only=1",
    "&".join(f"x{i}={i}" for i in range(1000)) + "&ids_only=1",
    "x=" + "y" * 30_000 + "&ids_only=1",
    # The credential counts, so a new service name is no new client.
    f"ids_only=1&processing_service_name={fresh_token()}",
]


@pytest.fixture(scope="module", params=["alone", "as shipped"])
def gate(request, open_shared_gate, application):
    if request.param == "as shipped":
        return open_shared_gate(config=shipped.inline(application.port))
    return open_shared_gate()


@pytest.fixture
def spent(gate):
    """A worker that has used up its polls. → the client and its credential."""
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        assert caller.statuses(30, POLL, credential) == {200: 30}
        yield caller, credential


def denied_as_worker(gate, application, send) -> bool:
    """Whether `send()` was denied by the worker scope, and the application left alone."""
    before, mark = gate.decisions("worker", "denied"), len(application.seen)
    status = send().status
    return (status, gate.decisions("worker", "denied") - before, len(application.seen) - mark) == (429, 1, 0)


@pytest.mark.parametrize("path", PATHS)
def test_paths(gate, application, spent, path):
    caller, credential = spent
    assert denied_as_worker(gate, application, lambda: caller.send(f"{path}?ids_only=1", credential))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_queries(gate, application, spent, query):
    caller, credential = spent
    assert denied_as_worker(gate, application, lambda: caller.send(f"/api/v2/jobs/?{query}", credential))


def test_everything_at_once(gate, application, spent):
    caller, credential = spent
    target = "//API/x%2f..//v2/%6aobs%2F?&ids_only=0&x&ids%5Fonly=%79"
    assert denied_as_worker(gate, application, lambda: caller.send(target, credential, method="HEAD"))


@pytest.mark.parametrize("charset", ["utf-7", '"UTF-7"', "utf-8; charset=utf-7"])
def test_a_query_in_another_charset(gate, application, spent, charset):
    caller, credential = spent
    kind = ("content-type", f"text/plain; charset={charset}")
    target = "/api/v2/jobs/?+AGk-ds_only=1"
    assert denied_as_worker(gate, application, lambda: caller.send(target, credential, kind))


@pytest.mark.parametrize("name", ["x-http-method-override", "X-HTTP-Method", "x-method-override"])
def test_a_method_that_is_overridden(gate, application, spent, name):
    caller, credential = spent
    override = (name, "get")
    assert denied_as_worker(gate, application, lambda: caller.send(POLL, credential, override, method="POST"))
    target = f"{POLL}&_method=GET"
    assert denied_as_worker(gate, application, lambda: caller.send(target, credential, method="POST"))


@pytest.mark.parametrize(
    "target", ["/api/v2/jobs/7/?ids_only=1", "/api/v2/jobs/?ids_only=0", "/", "/x/api/v2/jobs?ids_only=1"]
)
def test_what_is_another_resource_passes(spent, target):
    caller, credential = spent
    assert caller.send(target, credential).status == 200


def test_another_client_passes(spent):
    caller, _ = spent
    assert caller.send(POLL, token(fresh_token())).status == 200


def test_head_is_a_get(gate, application, spent):
    caller, credential = spent
    assert denied_as_worker(gate, application, lambda: caller.send(POLL, credential, method="HEAD"))


@pytest.mark.parametrize("method", ["GET", "get", "Get", "HEAD", "head"])
def test_methods_over_http_2(gate, application, spent, method):
    """Over HTTP/1.1 Envoy itself refuses methods that it does not know; HTTP/2 carries any."""
    _, credential = spent
    with http2.Http2Connection(gate.port, source=fresh_address()) as caller:
        assert denied_as_worker(gate, application, lambda: caller.send(POLL, credential, method=method))


@pytest.mark.parametrize("target", [f"{POLL}#x", "/api/v2/jobs/#?ids_only=1"])
def test_a_fragment_does_not_help(gate, application, spent, target):
    """Envoy may refuse it; what counts is that it does not reach the application as a poll that was not counted."""
    caller, credential = spent
    mark = len(application.seen)
    status = caller.send(target, credential).status
    assert status in (400, 429)
    assert len(application.seen) == mark


EXEMPT = {
    "exempt": [{"path": ["/static/**", "/healthz"]}, {"query": {"probe": "yes"}}],
    "scopes": {"all": {"rate": "2/h", "key": "credential", "match": {"not": {"path": "/public/**"}}}},
}

ESCAPES = [
    "/static/../api/v2/jobs",
    "/static/%2e%2e/api/v2/jobs",
    "/static/..%2fapi/v2/jobs",
    "/static%2f..%2fapi%2fv2%2fjobs",
    "/static/..%5Capi/v2/jobs",
    "/static/..\\api/v2/jobs",
    "//static//..//api/v2/jobs",
    "/static/x/../../api/v2/jobs",
    "/public/../api/v2/jobs",
    "/public/..%2Fapi/v2/jobs",
    "/public%2F..%2Fapi/v2/jobs",
    "/healthz/../api/v2/jobs",
    "/healthz%2f..%2fapi/v2/jobs",
    "/healthz/..%5Capi/v2/jobs",
    "/static/..;/api/v2/jobs",
    "/static/%2e%2e;a=1/api/v2/jobs",
    "/public/..;/api/v2/jobs",
    "/static/%252e%252e/api/v2/jobs",
    "/healthz.json",
    "/healthz;a=1",
    "/healthz%20",
    "/STATIC/x",
    "/api/v2/jobs?probe=yes&probe=no",
    "/api/v2/jobs?probe=no&probe=yes",
    "/api/v2/jobs?probe=YES",
]


@pytest.fixture(scope="module")
def lenient(open_shared_gate):
    return open_shared_gate(EXEMPT)


@pytest.mark.parametrize("target", ESCAPES)
def test_an_exemption_cannot_be_borrowed(lenient, target):
    """What some server may read as another resource is not exempt because one reading of it would be."""
    with Client(lenient.port) as caller:
        assert caller.statuses(5, target, token(fresh_token())) == {200: 2, 429: 3}


@pytest.mark.parametrize(
    "target", ["/static/app.js", "/static/a;v=1", "/static/a/../b.js", "/healthz", "//healthz/", "/public/%61", "/?probe=yes"]
)
def test_what_is_exempt_is(lenient, target):
    with Client(lenient.port) as caller:
        assert caller.statuses(5, target, token(fresh_token())) == {200: 5}


def test_there_is_one_host(open_gate):
    """HTTP/2 has the host as `:authority`; a `host` beside it is not another one to the filter."""
    scopes = {"host": {"rate": "2/h", "key": "address", "match": {"host": "limited.test"}}}
    gate = open_gate({"scopes": scopes})
    asked = http2.request("/", ("host", "other.test"))
    asked[2] = (":authority", "limited.test")
    statuses = http2.burst(gate.port, asked, times=3, connections=1, source=fresh_address())
    assert statuses == {200: 2, 429: 1}
