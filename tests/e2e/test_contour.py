"""`kubernetes/contour`: its resources, and what Contour makes of them in a real Envoy: one that asks the service, and one that has another
Envoy with Tollgate behind it (`kubernetes/between`)."""

from __future__ import annotations

import json

import pytest
import yaml

from harness import contour, shipped
from harness.client import Client, fresh_address, fresh_token, token
from harness.kubernetes import manifests
from harness.places import repo_path
from harness.pod import BETWEEN, Volume, listeners, sockets
from harness.pod import config as pod_config
from harness.resources import unknown

pytestmark = pytest.mark.only("filter", because="kubernetes/ ships the filter")


# -- the resources ---------------------------------------------------------------------------------------------------------

# Their fields, since there is no schema to be had where these tests run. (They were held against the CRDs of Contour's main branch of
# August 2026 by hand.)
_SERVICES = [{"name": str, "port": int}]
_FIELDS = {
    "ExtensionService": {"protocol": str, "services": _SERVICES},
    "HTTPProxy": {
        "virtualhost": {
            "fqdn": str,
            "tls": {"secretName": str},
            "authorization": {
                "serviceType": str,
                "extensionRef": {"apiVersion": str, "name": str, "namespace": str},
                "responseTimeout": str,
                "failOpen": bool,
                "httpSettings": {"allowedAuthorizationHeaders": [{"exact": str}]},
            },
        },
        "routes": [{"services": _SERVICES}],
    },
}
_VERSIONS = {"ExtensionService": "projectcontour.io/v1alpha1", "HTTPProxy": "projectcontour.io/v1"}


def asked() -> tuple[dict, dict]:
    extension, proxy = manifests("kubernetes", "contour", "asked.yaml")
    return extension, proxy


@pytest.mark.parametrize("file", ["asked.yaml", "between.yaml"])
def test_each_has_no_field_but_these(file):
    for resource in manifests("kubernetes", "contour", file):
        assert resource["apiVersion"] == _VERSIONS[resource["kind"]]
        assert unknown(resource["spec"], _FIELDS[resource["kind"]]) == []
        assert set(resource["metadata"]) == {"name", "namespace"}


def test_the_page_knows_each_file():
    text = repo_path("docs", "kubernetes.md").read_text()
    for file in repo_path("kubernetes", "contour").iterdir():
        assert f"../kubernetes/contour/{file.name}" in text


def test_they_fit_the_service_and_what_stands_between():
    extension, proxy = asked()
    service = yaml.safe_load(repo_path("kubernetes", "base", "service.yaml").read_text())
    named = {(service["metadata"]["name"], port["port"]) for port in service["spec"]["ports"]}
    assert {(one["name"], one["port"]) for one in extension["spec"]["services"]} <= named
    assert proxy["spec"]["virtualhost"]["authorization"]["serviceType"] == "http"
    [between] = manifests("kubernetes", "contour", "between.yaml")
    [to] = between["spec"]["routes"][0]["services"]
    [gate] = sockets(yaml.safe_load((BETWEEN / "listeners.yaml").read_text()), "0.0.0.0")
    assert (to["name"], to["port"]) == (service["metadata"]["name"], gate["port_value"])
    kustomization = yaml.safe_load((BETWEEN / "kustomization.yaml").read_text())
    assert between["metadata"]["namespace"] == extension["metadata"]["namespace"] == kustomization["namespace"]


# -- Contour asks ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ask(open_gate, application):
    """→ a function that starts the service and a Contour that asks it; → both."""

    def start(policy: dict, *, fail_open: bool = False, service=None):
        config = policy | {"request": {"from": "ext_authz"}, "client": {"credential": {"trust": "any"}}}
        service = open_gate(config=shipped.authz(config))
        extension, proxy = asked()
        proxy["spec"]["virtualhost"]["authorization"]["failOpen"] = fail_open
        made = contour.config(proxy, extension=extension, service=service.port, port=application.port)
        return service, open_gate(config=made)

    return start


POLICY = {
    "exempt": [{"path": "/exempt/**"}, {"host": "exempt.test"}],
    "scopes": {"all": {"rate": "5/h", "key": ["credential", "address"]}},
    "response": {"ratelimit_headers": "draft"},
}


def test_exactly_the_quota_passes_and_then_429(ask, application):
    _, front = ask(POLICY)
    mark = len(application.seen)
    with Client(front.port) as caller:
        assert caller.statuses(9, "/a?b=1") == {200: 5, 429: 4}
        denied = caller.send("/")
    assert [seen.target for seen in application.seen[mark:]] == ["/a?b=1"] * 5
    assert 1 <= denied.retry_after <= 3600
    assert denied.headers["ratelimit"].startswith('"all";r=0;')
    assert denied.headers["x-tollgate"].startswith('denied;scope="all"'), "the client sees the note, as docs/kubernetes.md says"
    assert json.loads(denied.body)["detail"].startswith("Request was throttled.")
    with Client(front.port) as other:
        assert other.send("/").status == 200, "each address is a client of its own"
        credential = token(fresh_token())
        assert other.statuses(6, "/", credential) == {200: 5, 429: 1}, "and each credential"


FORGED = [
    [("X-Forwarded-For", "198.51.100.7")],
    [("X-Original-URI", "/exempt/a"), ("X-Original-Method", "GET")],
    [("X-Forwarded-Uri", "/exempt/a"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", "exempt.test")],
    [("X-Original-URL", "http://exempt.test/exempt/a"), ("X-Sent-From", "nginx-ingress-controller")],
    [("X-Envoy-Original-Path", "/exempt/a"), ("X-Envoy-External-Address", "198.51.100.7")],
]


def test_forged_headers_let_nobody_pass(ask, application):
    _, front = ask(POLICY)
    with Client(front.port) as caller:
        assert caller.statuses(5, "/") == {200: 5}
        mark = len(application.seen)
        for forged in FORGED:
            assert caller.send("/", *forged).status == 429, forged
            assert caller.send("/exempt/../a", *forged).status == 429, forged
        assert len(application.seen) == mark
        assert caller.send("/exempt/a").status == 200


@pytest.mark.parametrize("header", [("x-http-method-override", "DELETE"), ("x-api-key", "k1"), ("cookie", "sessionid=s1"), ("user-agent", "a")])
def test_what_the_policy_may_look_at_goes_along(ask, header):
    """Of what Contour does not send there is nothing to be seen: it is not counted."""
    name, value = header
    _, front = ask({"scopes": {"seen": {"rate": "2/h", "key": "address", "match": {"header": {name: value}}}}})
    with Client(front.port) as caller:
        assert caller.statuses(4, "/", header) == {200: 2, 429: 2}
        assert caller.statuses(4, "/") == {200: 4}


@pytest.mark.parametrize(("fail_open", "meanwhile"), [(False, 403), (True, 200)], ids=["closed", "open"])
def test_the_service_is_down(ask, fail_open, meanwhile):
    service, front = ask(POLICY, fail_open=fail_open)
    with Client(front.port) as caller:
        assert caller.send("/").status == 200
        service.kill()
        assert caller.statuses(9) == {meanwhile: 9}


# -- Tollgate stands between -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hops", [0, 1], ids=["at the edge", "behind a balancer"])
def test_between_each_client_is_counted(tmp_path, open_gate, application, hops):
    """By its own address, whatever it writes. With a balancer in front, Contour and what stands behind it each trust one proxy more."""
    volume = Volume(tmp_path / "configuration")
    policy = '{ "scopes": { "all": { "rate": "5/h", "key": "address" } } }'
    volume.put(
        listeners=listeners(
            volume.directory, ("{}\n", policy + "\n"), ("trusted_hops: 1", f"trusted_hops: {hops + 1}"), folder=BETWEEN
        )
    )
    made = pod_config(volume, BETWEEN)
    [upstream] = sockets(made, "application.application.svc.cluster.local")
    upstream |= {"address": "127.0.0.1", "port_value": application.port}
    gate = open_gate(config=made)
    [proxy] = manifests("kubernetes", "contour", "between.yaml")
    front = open_gate(config=contour.config(proxy, port=gate.port_of("ingress"), trusted_hops=hops))
    balancer = fresh_address()
    for number in (1, 2):
        told = f", 198.51.100.{number}" if hops else ""
        with Client(front.port, balancer if hops else None) as caller:
            statuses = [caller.send("/", ("x-forwarded-for", f"203.0.113.{n}{told}")).status for n in range(7)]
        assert statuses == [200] * 5 + [429] * 2


def test_between_a_credential_proves_itself(tmp_path, open_gate, application):
    """The application's answers come by. And its own policy, as shipped, is the default one."""
    volume = Volume(tmp_path / "configuration")
    volume.put(listeners=listeners(volume.directory, folder=BETWEEN))
    made = pod_config(volume, BETWEEN)
    [upstream] = sockets(made, "application.application.svc.cluster.local")
    upstream |= {"address": "127.0.0.1", "port_value": application.port}
    gate = open_gate(config=made)
    [proxy] = manifests("kubernetes", "contour", "between.yaml")
    front = open_gate(config=contour.config(proxy, port=gate.port_of("ingress")))
    with Client(front.port) as caller:
        assert caller.statuses(61) == {200: 60, 429: 1}
        assert caller.send("/api/v2/", token(fresh_token())).status == 429, "made up, it is charged to its address"
    with Client(front.port) as caller:
        credential = token(fresh_token())
        assert caller.send("/api/v2/", credential).status == 200
        assert caller.statuses(31, "/api/v2/jobs/?ids_only=1", credential) == {200: 30, 429: 1}
