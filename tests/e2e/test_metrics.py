"""What is counted for those who run the proxy: each request once, each scope beside it, by the names that Prometheus users expect."""

from __future__ import annotations

import json
import re

from harness import shipped
from harness.client import Client
from harness.envoy import Gate
from harness.waiting import until

_POLICY = {
    "exempt": [{"path": "/health"}],
    "scopes": {
        "all": {"rate": "3/h", "key": "global"},
        "strict": {"rate": "1/h", "key": "global", "mode": "shadow"},
        "other": {"rate": "1/h", "key": "global", "match": {"path": "/other"}},
    },
}


def _gate(directory, application, policy: dict) -> Gate:
    """As it is shipped: the labels come from there."""
    return Gate(directory, config=shipped.inline(application.port, json.dumps(policy)))


def _shown(gate: Gate, name: str) -> dict[tuple[str, ...], int]:
    """The values of a metric that are not 0, as Prometheus is shown them, by the values of its labels, in
    the order of their names."""
    page = gate.admin("/stats/prometheus?filter=tollgate")
    lines = re.findall(rf"^{name}{{(.*)}} (\d+)$", page, re.MULTILINE)
    values = {labels: [value for _, value in sorted(re.findall(r'(\w+)="([^"]*)"', labels))] for labels, _ in lines}
    return {tuple(values[labels]): int(value) for labels, value in lines if value != "0"}


def test_each_request_counts_once_and_each_scope_beside_it(tmp_path, application):
    with _gate(tmp_path, application, _POLICY) as gate:
        with Client(gate.port) as caller:
            assert caller.statuses(5) == {200: 3, 429: 2}
            assert caller.statuses(2, "/health") == {200: 2}
        assert _shown(gate, "tollgate_requests_total") == {
            ("allowed", "tollgate"): 3,
            ("denied", "tollgate"): 2,
            ("exempt", "tollgate"): 2,
        }
        assert _shown(gate, "tollgate_scope_requests_total") == {
            ("allowed", "tollgate", "all"): 3,
            ("denied", "tollgate", "all"): 2,
            ("allowed", "tollgate", "strict"): 1,
            ("shadowed", "tollgate", "strict"): 4,
        }


def test_what_is_enforced_is_told(tmp_path, application):
    with _gate(tmp_path, application, _POLICY) as gate:
        enforced = [("tollgate", "all"), ("tollgate", "other")]
        # It is told once the policy is in force, after a second.
        until(lambda: list(_shown(gate, "tollgate_scope_enforced")) == enforced)
        page = gate.admin("/stats/prometheus?filter=tollgate")
    assert re.search(r'^tollgate_scope_enforced{policy="tollgate",scope="strict"} 0$', page, re.MULTILINE)


def test_what_falls_under_no_scope_is_allowed(tmp_path, application):
    policy = {"scopes": {"some": {"rate": "1/h", "key": "global", "match": {"path": "/some"}}}}
    with _gate(tmp_path, application, policy) as gate:
        with Client(gate.port) as caller:
            assert caller.send("/").status == 200
        assert _shown(gate, "tollgate_requests_total") == {("allowed", "tollgate"): 1}


def test_two_policies_are_told_apart_by_their_names(tmp_path, application):
    config = shipped.inline(application.port, json.dumps(_POLICY))
    other = {"scopes": {"more": {"rate": "1/h", "key": "global"}}}
    shipped.add_policy(config, "second.one", json.dumps(other))
    with Gate(tmp_path, config=config) as gate:
        with Client(gate.port) as caller:
            assert caller.statuses(2) == {200: 1, 429: 1}
        assert _shown(gate, "tollgate_requests_total") == {
            ("allowed", "tollgate"): 2,
            ("allowed", "second_one"): 1,
            ("denied", "second_one"): 1,
        }


def test_each_table_is_told_by_itself(tmp_path, application):
    """A policy whose table has a name, beside one whose table has none: neither hides how full the other is."""
    config = shipped.inline(application.port, json.dumps({"scopes": {"all": {"rate": "9/h", "key": "address"}}, "store": {"capacity": 64}}))
    inner = {"scopes": {"all": {"rate": "9/h", "key": {"header": "x-user"}}}, "store": {"name": "inner.1", "capacity": 128}}
    shipped.add_policy(config, "second", json.dumps(inner))
    with Gate(tmp_path, config=config) as gate:
        with Client(gate.port) as caller:
            for user in range(5):
                caller.send("/", ("x-user", str(user)))

        def told() -> dict[str, str]:
            page = gate.admin("/stats/prometheus?filter=store_c")
            return dict(re.findall(r"^tollgate_store_((?:clients|capacity)\{.*\}) (\d+)$", page, re.MULTILINE))

        of_inner = {'clients{store="inner_1"}': "5", 'capacity{store="inner_1"}': "128"}
        until(lambda: told() == {"clients{}": "1", "capacity{}": "64"} | of_inner)


def test_names_are_as_prometheus_users_expect(tmp_path, application):
    """Counters end in `_total`, nothing else does, and no name is the beginning of another."""
    with _gate(tmp_path, application, _POLICY) as gate:
        page = gate.admin("/stats/prometheus?filter=tollgate")
    types = dict(re.findall(r"^# TYPE (tollgate_\w+) (\w+)$", page, re.MULTILINE))
    assert len(types) >= 10
    assert [name for name, kind in types.items() if name.endswith("_total") != (kind == "counter")] == []
    assert [(one, other) for one in types for other in types if one != other and one.startswith(other)] == []
