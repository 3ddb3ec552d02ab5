"""The dashboard and the rules: a real Prometheus collects from real Envoys, and every expression finds what it is about."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import yaml

from harness import ports, shipped
from harness.asking import program
from harness.client import Client, fresh_address, fresh_token, token
from harness.envoy import Gate
from harness.places import repo_path
from harness.prometheus import HINT, Prometheus
from harness.redis import Redis
from harness.waiting import until

_DASHBOARD = json.loads(repo_path("grafana", "tollgate.json").read_text())
_RULES = yaml.safe_load(repo_path("prometheus", "tollgate.rules.yml").read_text())
_ALL_RULES = [rule for group in _RULES["groups"] for rule in group["rules"]]
_RECORDS = [rule for rule in _ALL_RULES if "record" in rule]
_ALERTS = {rule["alert"]: rule for rule in _ALL_RULES if "alert" in rule}

# What cannot be made to happen here. Of these alerts it is shown that each of their parts finds something.
_NOT_PROVOKED = {
    "TollgateScopeDeniesMore": "a week would have to pass",
    "TollgateShadowScopeDeniesNobody": "a week would have to pass",
    "TollgateCountersUnreachable": "Envoy would have to refuse access to its shared data",
    "TollgateCountersContended": "a hundred races in a row would have to be lost",
    "TollgateCountersCorrupt": "something would have to write into the counters",
    "TollgateFilterRestarted": "the filter would have to crash",
    "TollgateModuleFailed": "the module would have to fail",
}

# What the panels may be of: those that are in every Grafana.
_CORE_PANELS = {"row", "timeseries", "stat", "table"}


# -- what promtool says ------------------------------------------------------------------------------------------------------


@pytest.mark.neither
@pytest.mark.parametrize(
    ("what", "files"),
    [
        ("check config", ["prometheus.yml"]),
        ("check rules", ["tollgate.rules.yml"]),
        ("test rules", ["tollgate.rules.test.yml", "tollgate.week.test.yml"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_promtool(what, files):
    command = [program("promtool", HINT), *what.split(), *files]
    done = subprocess.run(command, cwd=repo_path("prometheus"), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.neither
def test_each_alert_is_tried_and_explained():
    tried = [yaml.safe_load(file.read_text()) for file in repo_path("prometheus").glob("*.test.yml")]
    fires = {
        case["alertname"]
        for file in tried
        for test in file["tests"]
        for case in test.get("alert_rule_test", [])
        if case["exp_alerts"]
    }
    assert fires == _ALERTS.keys()
    headings = re.findall(r"^#+ (.+)$", repo_path("docs", "operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for name, alert in _ALERTS.items():
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        file, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert (file, anchor) == ("docs/operations.md", name.lower())
        assert anchor in anchors


# -- the dashboard as a file -------------------------------------------------------------------------------------------------


def _panels() -> list[dict]:
    return [*_DASHBOARD["panels"], *[inner for panel in _DASHBOARD["panels"] for inner in panel.get("panels", [])]]


@pytest.mark.neither
def test_the_dashboard_imports_anywhere():
    """No Prometheus of ours is named in it, no plugin that would have to be installed, nothing that is twice there."""
    panels = _panels()
    variables = {variable["name"]: variable for variable in _DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "policy", "scope"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert _DASHBOARD["id"] is None and _DASHBOARD["schemaVersion"] >= 39
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert {panel["type"] for panel in panels} == _CORE_PANELS
    ours = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == ours and all(target["datasource"] == ours for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert panel["description"].endswith((".", ")")) and len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(_DASHBOARD))) - {"__rate_interval", "__range", "__all"}
    assert used == variables.keys()


@pytest.mark.neither
def test_panels_do_not_lie_on_each_other():
    taken = set()
    for panel in _DASHBOARD["panels"]:
        x, y, w, h = (panel["gridPos"][name] for name in "xywh")
        places = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert x + w <= 24 and not places & taken, panel["title"]
        taken |= places


def _expressions() -> dict[str, str]:
    """Each expression, and how what it finds is named."""
    targets = {target["expr"]: target["legendFormat"] for panel in _panels() for target in panel.get("targets", [])}
    return targets | {one["expr"]: one["titleFormat"] for one in _DASHBOARD["annotations"]["list"] if "expr" in one}


@pytest.mark.neither
def test_what_is_shown_is_told_of():
    """Each metric of ours in the dashboard and the rules stands in the README, and each of the README's in the dashboard."""
    table = re.findall(r"^\| `tollgate_.*?\|", repo_path("README.md").read_text(), re.MULTILINE)
    told = set(re.findall(r"`(tollgate_\w+)", "\n".join(table)))
    shown = "\n".join([*_expressions(), *[rule["expr"] for rule in _ALL_RULES]])
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"(?<![:\w])tollgate_\w+", shown)}
    assert named == told


# -- a real Prometheus -------------------------------------------------------------------------------------------------------

_POLICY = {
    "client": {"credential": {"from": [{"header": "authorization", "schemes": ["Token"]}], "new_per_address": "1/h"}},
    "exempt": [{"path": "/health"}],
    "scopes": {
        "strict": {"rate": "5/h", "key": "address"},
        "quiet": {"rate": "1/h", "key": "address", "mode": "shadow"},
        "user": {"rate": "100/h", "key": "credential"},
    },
    # So small that a few hundred clients find no room.
    "store": {"capacity": 64},
}
_SECOND = {"scopes": {"all": {"rate": "100000/h", "key": "address"}}, "store": {"name": "inner", "capacity": 64}}
_IN_REDIS = {"scopes": {"shared": {"rate": "1000/h", "key": "address"}}}
_ASKED = {
    "request": {"from": "forwarded"},
    "client": {"credential": {"trust": "any"}},
    "scopes": {"asked": {"rate": "1000/h", "key": "address"}},
}


@dataclass(frozen=True)
class World:
    prometheus: Prometheus
    inline: Gate
    with_redis: Gate
    service: Gate
    redis: Redis


def _with_metrics_listener(config: dict) -> int:
    """The listener that prometheus.yml shows for a Prometheus elsewhere. → its port"""
    text = repo_path("prometheus", "prometheus.yml").read_text()
    shown = re.search(r"(?m)^#   listeners:\n(?:#.*\n)+", text)[0]
    example = yaml.safe_load(re.sub(r"(?m)^#   ", "", shown))
    [listener], [cluster] = example["listeners"], example["clusters"]
    admin, metrics = ports.reserve(), ports.reserve()
    config["admin"]["address"]["socket_address"]["port_value"] = admin
    listener["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": metrics}
    [locality] = cluster["load_assignment"]["endpoints"]
    locality["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] = admin
    config["static_resources"]["listeners"].append(listener)
    config["static_resources"]["clusters"].append(cluster)
    return metrics


@pytest.fixture(scope="module")
def world(tmp_path_factory, application) -> Iterator[World]:
    """Traffic of all kinds, as it is met by two policies in one Envoy, by one with a Redis that is taken away, and by an authz service."""
    directory = tmp_path_factory.mktemp
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(directory("redis"), "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"))
        config = shipped.inline(application.port, json.dumps(_POLICY))
        shipped.add_policy(config, "second", json.dumps(_SECOND))
        metrics = _with_metrics_listener(config)
        inline = stack.enter_context(Gate(directory("inline"), config=config))
        with_redis = stack.enter_context(
            Gate(directory("with_redis"), config=shipped.redis([redis.port], _IN_REDIS, upstream_port=application.port))
        )
        service = stack.enter_context(Gate(directory("service"), config=shipped.authz(_ASKED)))
        targets = [f"127.0.0.1:{metrics}", with_redis.admin_address, service.admin_address]
        prometheus = stack.enter_context(Prometheus(directory("prometheus"), targets))
        # What comes before the first look is no increase.
        until(lambda: prometheus.values("sum(up)") == [3.0])
        made = World(prometheus, inline, with_redis, service, redis)
        _traffic(made)
        yield made


def _traffic(world: World) -> None:
    prometheus = world.prometheus
    with Client(world.inline.port) as caller:
        assert caller.statuses(200) == {200: 5, 429: 195}
        assert caller.statuses(3, "/health") == {200: 3}
    address = fresh_address()
    with Client(world.inline.port, address) as caller:
        # The second one from this address can prove nothing.
        assert {caller.send("/", token(fresh_token())).status for _ in range(2)} == {200}
    for _ in range(400):
        with Client(world.inline.port, fresh_address()) as caller:
            assert caller.send("/").status == 200
    with Client(world.service.port) as caller:
        assert caller.statuses(50) == {400: 50}
    with Client(world.with_redis.port) as caller:
        assert caller.statuses(50) == {200: 50}
        until(lambda: prometheus.values("sum(tollgate_redis_exchanges_total) >= 50"))
        world.redis.kill()
        # A new client each time: who is known to be denied is not asked about.
        until(lambda: caller.send("/").status == 200 and prometheus.values("sum(tollgate_redis_failures_total) > 50"))
    # Of everything there are two looks now, and the rules have been worked out. Envoy adds up times every five seconds, and those
    # of the application it shows from the first one on.
    with Client(world.inline.port) as caller:
        until(lambda: caller.send("/health").status == 200 and prometheus.values(_seen("envoy_cluster_upstream_rq_time_count")))
    for expression in (
        'sum(increase(tollgate_requests_total{decision="malformed"}[10m])) > 40',
        "sum(increase(tollgate_store_evicted_total[10m])) > 100",
        "sum(increase(tollgate_redis_failures_total[10m])) > 20",
        _seen("envoy_http_downstream_rq_time_count"),
        _seen("tollgate_redis_requests_per_exchange_count"),
        "sum(tollgate_redis_workers_without) > 0",
        "sum(job_policy_scope:tollgate_scope_denied:increase1h) > 150",
        'ALERTS{alertname="TollgateCountersEvicted",alertstate="firing"}',
    ):
        until(lambda expression=expression: prometheus.values(expression))


def _labels_in(template: str) -> set[str]:
    """The labels that a text of Grafana's or Prometheus' fills in."""
    return set(re.findall(r"\{\{ ?(?:with )?(?:\$labels\.)?(\w+) ?\}\}", template)) - {"end"}


def _seen(counter: str) -> str:
    return f"sum(increase({counter}[10m])) > 0"


def _filled_in(expression: str) -> str:
    """An expression of the dashboard as Grafana sends it, but that a week ago is now."""
    filled = expression.replace("$__rate_interval", "10m").replace("$__range", "1h").replace(" offset 1w", "")
    return re.sub(r"\$(job|policy|scope)\b", ".*", filled)


def _labels_of(found: list[tuple[dict, float]]) -> set[str]:
    """Which some series has: a table without a name has no `store`."""
    return {label for labels, _ in found for label in labels}


def _tried(*values: str, expression: str):
    """A module has no virtual machine that could be started again, and a filter nothing else that could fail."""
    of_wasm = pytest.mark.only("filter", because="a metric of Envoy's virtual machines")
    of_module = pytest.mark.only("module", because="a metric of the module's")
    marks = [of_wasm] if "envoy_wasm_" in expression else [of_module] if "panics" in expression else []
    return pytest.param(*values, marks=marks)


@pytest.mark.parametrize(
    ("expression", "name"), [_tried(expression, name, expression=expression) for expression, name in _expressions().items()]
)
def test_each_expression_of_the_dashboard_returns_something(world, expression, name):
    found = world.prometheus.series(_filled_in(expression))
    assert [value for _, value in found if math.isfinite(value)], found
    assert _labels_in(name) <= _labels_of(found)


def test_how_to_choose_a_limit_tells_what_to_ask(world):
    """The part of requests that each scope would deny, as docs/choosing-limits.md asks for it."""
    text = repo_path("docs", "choosing-limits.md").read_text()
    [query] = re.findall(r"```\n(sum by \(scope\).*?)```", text, re.DOTALL)
    found = {labels["scope"]: value for labels, value in world.prometheus.series(query)}
    assert 0 < found["quiet"] < 1


def test_the_dashboards_variables_find_something(world):
    for variable in _DASHBOARD["templating"]["list"]:
        if variable["type"] != "query":
            continue
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()
        assert variable["query"]["query"] == variable["definition"]
        found = world.prometheus.label_values(_filled_in(selector), label)
        assert found == {
            "job": {"tollgate"},
            "policy": {"tollgate", "second"},
            "scope": {"strict", "quiet", "user", "all", "shared", "asked"},
        }[label]


@pytest.mark.parametrize("record", [rule["record"] for rule in _RECORDS])
def test_each_record_is_made(world, record):
    assert world.prometheus.values(record)


@pytest.mark.parametrize("name", [_tried(name, expression=alert["expr"]) for name, alert in _ALERTS.items()])
def test_each_alert_finds_what_it_is_about(world, name):
    expression = _ALERTS[name]["expr"]
    if name in _NOT_PROVOKED:
        assert world.prometheus.values(expression) == []
        # Nothing is filtered away, and the past is now.
        expression = re.sub(r" offset \w+", "", re.sub(r"(?<=\s)(>=|<=|==|!=|>|<)(?=\s)", r"\1 bool", expression))
    found = world.prometheus.series(expression)
    assert found
    words = " ".join(_ALERTS[name]["annotations"].values())
    assert _labels_in(words) <= _labels_of(found)


def test_prometheus_finds_the_rules_well(world):
    rules = world.prometheus.rules()
    assert len(rules) == len(_ALL_RULES)
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
