"""`envoy/inline.yaml` and `envoy/native.yaml`, the configurations for production: valid as they stand, and in force as promised."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml

from harness import shipped
from harness.as_module import as_module
from harness.client import Client, fresh_token, token
from harness.envoy import Gate, run_config
from harness.places import repo_path


@pytest.mark.neither
def test_the_modules_has_the_module_for_the_filter_and_is_the_same_else():
    """And it has the label of what goes wrong with Redis, as redis.yaml has it."""
    files = ("inline.yaml", "redis.yaml", "native.yaml")
    inline, redis, native = (yaml.safe_load(repo_path("envoy", file).read_text()) for file in files)
    assert as_module(inline) | {"stats_config": as_module(redis)["stats_config"]} == native


def test_envoy_validates_it(tmp_path):
    code, log = run_config(tmp_path, shipped.inline(), "--mode", "validate")
    assert code == 0, log[-4000:]
    assert "[warning]" not in log and "[error]" not in log, log[-4000:]


def test_it_is_refused_with_a_bad_policy(tmp_path):
    config = shipped.inline(policy='{"scopes": {"x": {"rate": "1/fortnight", "key": "address"}}}')
    code, log = run_config(tmp_path, config, "--mode", "validate")
    assert code != 0
    assert "scopes.x.rate: `1/fortnight`" in log


def test_it_enforces_the_default_policy(tmp_path, application):
    """Denials are labelled in the metrics and told in the access log; secrets in neither."""
    credential = token(secret := fresh_token())
    with Gate(tmp_path, config=shipped.inline(application.port)) as gate:
        with Client(gate.port) as caller:
            polls = [caller.send("/api/v2/jobs/?ids_only=1", credential) for _ in range(31)]
            assert [r.status for r in polls] == [200] * 30 + [429]
            assert caller.statuses(61) == {200: 60, 429: 1}
        metrics = gate.admin("/stats/prometheus")
    denied = [line for line in metrics.splitlines() if line.startswith("tollgate_scope_requests_total{")]
    assert any('scope="worker"' in line and 'decision="denied"' in line and line.endswith(" 1") for line in denied)

    # Envoy keeps its access log back for a while; all of it is there once it has ended.
    lines = [json.loads(line) for line in gate.log().splitlines() if line.startswith("{")]
    told = Counter((line["path"], line["status"], line["details"]) for line in lines)
    assert told == {
        ("/api/v2/jobs/", 200, "via_upstream"): 30,
        ("/api/v2/jobs/", 429, "tollgate_denied{worker}"): 1,
        ("/", 200, "via_upstream"): 60,
        ("/", 429, "tollgate_denied{anon}"): 1,
    }
    assert all((line["retry_after"] is None) == (line["status"] == 200) for line in lines)
    assert secret not in metrics + gate.log()


def test_a_header_has_one_spelling(open_gate, application):
    """WSGI servers read `X_Api_Key` as `X-Api-Key`, Tollgate does not; so that it cannot stand for a credential."""
    policy = """{
        "client": { "credential": { "from": [{ "header": "x-api-key" }] } },
        "scopes": { "all": { "rate": "2/h", "key": "credential" } }
    }"""
    gate = open_gate(config=shipped.inline(application.port, policy))
    with Client(gate.port) as caller:
        key = fresh_token()
        assert caller.statuses(3, "/", ("x-api-key", key)) == {200: 2, 429: 1}
        assert caller.send("/", ("x_api_key", key)).status == 200
    assert not [name for name, _ in application.seen[-1].headers if "api" in name.lower()]


def test_it_normalises_what_the_application_sees(open_gate, application):
    """The application is asked for the same resource that the policy saw."""
    gate = open_gate(config=shipped.inline(application.port))
    with Client(gate.port) as caller:
        for target in ("//api///v2/jobs/", "/api/v2/./x/../jobs/", "/api%2Fv2%2fjobs/", "/api%5Cv2/jobs/"):
            assert caller.send(target).status == 200
            assert application.seen[-1].target == "/api/v2/jobs/"
