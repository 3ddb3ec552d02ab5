"""A policy that does not check is refused when Envoy loads it, and the log says which field is wrong and why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness import bootstrap
from harness.adapter import ADAPTER
from harness.client import Client
from harness.envoy import run_config, try_start


def scope(**fields) -> dict:
    return {"scopes": {"x": {"rate": "1/min", "key": "address"} | fields}}


def match(**fields) -> dict:
    return scope(match=fields)


def credential(**fields) -> dict:
    return {"client": {"credential": fields}}


# Policy, the path of the field that is wrong, and something that its reason has to say.
REFUSED = {
    "not JSON": ("{", "", "JSON|EOF"),
    "no object": ("[]", "", "object"),
    "half a character": ('{"scopes": "\\ud800"}', "", "."),
    "unknown field": ({"scope": {}}, "scope", "unknown|expected"),
    "unknown field of a scope": (scope(ratio="1/s"), r"scopes\.x\.ratio", "unknown|expected"),
    "unknown field of a match": (match(paths="/"), r"scopes\.x\.match\.paths", "unknown|expected"),
    "unknown field of the response": ({"response": {"code": 429}}, r"response\.code", "unknown|expected"),
    "a window that is none": (
        scope(rate="30/fortnight"),
        r"scopes\.x\.rate",
        "`30/fortnight`.*window must be",
    ),
    "a rate that DRF would misread": (scope(rate="60/month"), r"scopes\.x\.rate", "60/month"),
    "a rate without a window": (scope(rate="60"), r"scopes\.x\.rate", "60"),
    "a negative quota": (scope(rate="-1/s"), r"scopes\.x\.rate", "-1/s"),
    "no rate": ({"scopes": {"x": {"key": "address"}}}, r"scopes\.x", "rate"),
    "no rates": (scope(rate=[]), r"scopes\.x\.rate", "."),
    "the second rate": (scope(rate=["1/s", "2/eon"]), r"scopes\.x\.rate", "2/eon"),
    "an unknown key": (scope(key="ip"), r"scopes\.x\.key", "`ip`.*address"),
    "an unknown algorithm": (scope(algorithm="leaky"), r"scopes\.x\.algorithm", "sliding_window"),
    "an unknown mode": (scope(mode="observe"), r"scopes\.x\.mode", "shadow"),
    "a cost that is none": (scope(cost="two"), r"scopes\.x\.cost", "."),
    "a client that is none": (match(client="robot"), r"scopes\.x\.match\.client", "anonymous"),
    "a network that is none": (match(address="10.0.0.0/33"), r"scopes\.x\.match\.address", "10.0.0.0/33"),
    "a prefix too long": (
        {"client": {"address": {"ipv4_prefix": 33}}},
        r"client\.address\.ipv4_prefix",
        "32",
    ),
    "an exemption gone wrong": (
        {"exempt": [{"path": "/a"}, {"pth": "/b"}]},
        r"exempt.*1.*pth",
        "unknown|expected",
    ),
    "a status that is none": ({"response": {"status": 99}}, r"response\.status", "99|status"),
    "a body that is none": ({"response": {"body": "html"}}, r"response\.body", "drf"),
    "headers that are none": (
        {"response": {"ratelimit_headers": "on"}},
        r"response\.ratelimit_headers",
        "draft",
    ),
    "no capacity": ({"store": {"capacity": 0}}, r"store\.capacity", "."),
    "a trust that is none": (credential(trust="me"), r"client\.credential\.trust", "`upstream`"),
    "a span that is none": (credential(trust_for="1 fortnight"), r"client\.credential\.trust_for", "span"),
    "a proof that is none": (credential(proof={"pth": "/"}), r"client\.credential\.proof\.pth", "unknown|expected"),
    "a proof of nothing": (credential(trust="any", proof={}), r"client\.credential\.proof", "no meaning"),
    "a status that does not exist": (scope(count={"status": [401, 600]}), r"scopes\.x\.count\.status.*1", "599"),
    "a class that does not exist": (scope(count={"status": ["6xx"]}), r"scopes\.x\.count\.status", "5xx"),
    "an HTTP status for gRPC": (scope(count={"grpc": [401]}), r"scopes\.x\.count\.grpc", "UNAUTHENTICATED"),
    "a gRPC status for HTTP": (scope(count={"status": ["UNAVAILABLE"]}), r"scopes\.x\.count\.status", "grpc"),
    "a count that is none": (scope(count="most"), r"scopes\.x\.count", "`all`"),
    "a claim without a name": (scope(key={"jwt_claim": ""}), r"scopes\.x\.key", "claim"),
    "a crawler without a name": ({"client": {"bots": {"acme": [""]}}}, r"client\.bots", "name"),
    "a crawler of two families": ({"client": {"bots": {"a": "Crawl", "b": "crawl"}}}, r"client\.bots", "two families"),
    "an authz service that waits for proofs": ({"request": {"from": "forwarded"}}, r"client\.credential\.trust", '"any"'),
    "a claim inside another": (scope(key={"jwt_claim": "realm_access.client"}), r"scopes\.x\.key\.jwt_claim", "write a list"),
    "a match of nothing": (match(any=[]), r"scopes\.x\.match\.any", "can never match"),
    "a host of nothing": (match(host="."), r"scopes\.x\.match\.host", "example.com"),
    "a host in letters": (match(host="b\u00fccher.example"), r"scopes\.x\.match\.host", "xn--"),
    "a network with a sign": (match(address="10.0.0.0/+8"), r"scopes\.x\.match\.address", "10.0.0.0/8"),
    "a template": (match(path="/jobs/{id}"), r"scopes\.x\.match\.path", r"write `\*`"),
    "a placeholder": (match(path="/jobs/:id"), r"scopes\.x\.match\.path", r"write `\*`"),
    "an address of Redis": (
        {"store": {"redis": {"cluster": "redis://:hunter2@redis:6379", "secret": "x" * 32}}},
        r"store\.redis\.cluster",
        "not an address",
    ),
    "an address for all of Redis": ({"store": {"redis": "redis://:hunter2@redis:6379"}}, r"store\.redis", "object"),
    "redis": ({"store": {"redis": {"cluster": "c", "secret": "short"}}}, r"store\.redis\.secret", "openssl rand"),
}


@pytest.mark.parametrize(("policy", "path", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_validation_names_the_field(tmp_path, policy, path, reason):
    code, log = try_start(tmp_path, policy, "--mode", "validate")
    assert code != 0
    assert "panicked" not in log
    assert any(re.search(f"{path}.*({reason})", line) for line in ADAPTER.errors(log)), "\n".join(ADAPTER.errors(log) or [log])
    assert not any("hunter2" in line for line in ADAPTER.errors(log))


@pytest.mark.parametrize("name", ["not JSON", "a window that is none", "redis"])
def test_envoy_does_not_start(tmp_path, name):
    policy, path, reason = REFUSED[name]
    code, log = try_start(tmp_path, policy)  # returns only because Envoy gives up
    assert code != 0
    assert any(re.search(f"{path}.*({reason})", line) for line in ADAPTER.errors(log)), log[-4000:]


def validate_struct(directory: Path, kind: str, policy: dict) -> tuple[int, str]:
    """What Envoy says of a policy that does not come as a string."""
    config = bootstrap.bootstrap(
        listeners=[bootstrap.listener(policy, upstream=False, trusted_hops=0)], lds=None, upstream_port=None, http2=False
    )
    [chain] = config["static_resources"]["listeners"][0]["filter_chains"]
    plugin = chain["filters"][0]["typed_config"]["http_filters"][0]["typed_config"]
    name = {"type_url": "type.googleapis.com/policy"} if kind.endswith("TypedStruct") else {}
    ADAPTER.set_configuration(plugin, {"@type": f"type.googleapis.com/{kind}", "value": policy} | name)
    return run_config(directory, config, "--mode", "validate")


@pytest.mark.only("filter", because="to a module Envoy hands it over as JSON")
@pytest.mark.parametrize("kind", ["google.protobuf.Struct", "xds.type.v3.TypedStruct"])
def test_a_struct_is_told_from_bad_json(tmp_path, kind):
    """Envoy hands it over as a protobuf message. The refusal says what to write instead."""
    code, log = validate_struct(tmp_path, kind, scope())
    assert code != 0
    [error] = ADAPTER.errors(log)
    assert "a protobuf message" in error and "google.protobuf.StringValue" in error, error


@pytest.mark.only("module", because="to a filter Envoy hands it over as a protobuf message")
@pytest.mark.parametrize("kind", ["google.protobuf.Struct", "xds.type.v3.TypedStruct"])
def test_a_struct_is_read(tmp_path, kind):
    assert validate_struct(tmp_path, kind, scope())[0] == 0
    code, log = validate_struct(tmp_path, kind, scope(rate="1/fortnight"))
    assert code != 0 and "scopes.x.rate: `1/fortnight`" in log


def test_a_reason_stays_short(tmp_path):
    """An error quotes what was written, but not a megabyte of it."""
    code, log = try_start(tmp_path, scope(rate="9" * 100_000), "--mode", "validate")
    assert code != 0
    assert all(len(line) < 2_000 for line in ADAPTER.errors(log))


EVERYTHING = {
    "client": {
        "address": {"ipv4_prefix": 24, "ipv6_prefix": 56},
        "credential": {
            "from": [{"header": "authorization", "schemes": ["Token", "Bearer"]}, {"cookie": "sid"}],
            "trust": "upstream",
            "trust_for": "12h",
            "proof": {"path": "/api/**", "not": {"method": "OPTIONS"}},
        },
        "bots": {"acme": ["AcmeCrawler", "acme-images"], "initech": "InitechFetch"},
    },
    "exempt": [{"path": "/healthz"}, {"address": "10.0.0.0/8"}],
    "scopes": {
        "anon": {"rate": "60/min", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": ["20/s", "300/min"], "key": ["credential", "address"]},
        "worker": {
            "rate": "30/min",
            "key": ["credential", {"query": "processing_service_name"}],
            "match": {
                "method": "GET",
                "path": "/api/v2/jobs/",
                "any": [{"query": {"ids_only": True}}, {"query": {"incomplete_only": True}}],
            },
        },
        "result": {
            "rate": "120/min",
            "key": ["credential", "address"],
            "mode": "shadow",
            "match": {"method": "POST", "path": "/api/v2/jobs/*/result/"},
        },
        "rest": {
            "rate": "100/300s",
            "algorithm": "token_bucket",
            "burst": 20,
            "cost": 2,
            "key": {"all": ["address", {"header": "x-tenant"}, {"cookie": "shop"}]},
            "match": {
                "host": ["a.test", "b.test"],
                "not": {"path": ["/static/**", "/favicon.ico"]},
                "header": {"user-agent": {"contains": "bot"}},
                "cookie": {"shop": ["one", "two"]},
                "client": "authenticated",
                "address": ["192.0.2.0/24", "2001:db8::/32"],
            },
        },
        "login": {"rate": "5/min", "key": "address", "count": {"status": [401, "5xx"], "grpc": ["UNAUTHENTICATED", 7]}},
        "found": {"rate": "500/min", "key": "address", "count": {"not": {"status": ["3xx", 404], "grpc": "NOT_FOUND"}}},
        "bots": {"rate": "30/min", "key": "bot", "match": {"client": "bot"}, "count": "all"},
        "tenant": {"rate": "30/min", "key": [{"jwt_claim": "sub"}, {"jwt_claim": ["realm", "client"]}, "credential"]},
        "all": {"rate": "1000/s", "key": "global", "mode": "off"},
    },
    "response": {"status": 429, "body": "drf", "ratelimit_headers": "draft"},
    "store": {"capacity": 65536, "redis": None},
    "mode": "enforce",
}


@pytest.mark.parametrize(
    "policy",
    [None, "", {}, EVERYTHING, json.dumps(EVERYTHING, indent=2)],
    ids=["none", "empty", "{}", "all", "long"],
)
def test_a_good_policy_is_accepted(tmp_path, policy):
    code, log = try_start(tmp_path, policy, "--mode", "validate")
    assert code == 0, log[-4000:]
    assert not ADAPTER.errors(log)


def test_the_whole_grammar_serves(open_gate):
    with Client(open_gate(EVERYTHING).port) as caller:
        assert caller.send("/healthz").status == 200
        assert caller.send("/api/v2/jobs/").headers["ratelimit"]
