"""The secrets of `envoy/redis.yaml` come from Envoy's environment: they work, and are shown nowhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import shipped
from harness.adapter import ADAPTER
from harness.client import Client, fresh_token, token
from harness.envoy import run_config
from harness.redis import Redis

PASSWORD = "Kq4vPassw0rdXw7RmTd2"
ENVIRONMENT = {shipped.SECRET_VARIABLE: shipped.SECRET, shipped.PASSWORD_VARIABLE: PASSWORD}
POLICY = {"client": {"credential": {"trust": "any"}}, "scopes": {"all": {"rate": "30/h", "key": "credential"}}}


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with Redis(tmp_path_factory.mktemp("redis"), password=PASSWORD) as server:
        yield server


def test_they_are_those_that_could_stand_in_the_policy(redis, open_gate):
    """Two Envoys, of which one has them in its policy, count together."""
    here = shipped.redis([redis.port], POLICY, password=PASSWORD, timeout="5s")
    there = shipped.redis([redis.port], POLICY, with_environment=True, timeout="5s")
    gates = [open_gate(config=here), open_gate(config=there, environment=ENVIRONMENT)]
    credential = token(fresh_token())
    for gate, statuses in zip(gates, ({200: 20}, {200: 10, 429: 10}), strict=True):
        with Client(gate.port) as caller:
            assert caller.statuses(20, "/", credential) == statuses
        failures = gate.admin("/stats?filter=redis.failures").splitlines()
        assert failures and all(line.endswith(": 0") for line in failures), failures

    shown = [PASSWORD in gate.admin("/config_dump") and shipped.SECRET in gate.admin("/config_dump") for gate in gates]
    assert shown == [True, False], "only what stands in the policy"


def test_they_are_shown_nowhere(redis, open_gate):
    config = shipped.redis([redis.port], POLICY, with_environment=True, timeout="5s")
    gate = open_gate(config=config, environment=ENVIRONMENT)
    gate.set_log_level(ADAPTER.component, "trace")
    with Client(gate.port) as caller:
        assert caller.statuses(31, "/", token(fresh_token())) == {200: 30, 429: 1}
    pages = ["/config_dump?include_eds", "/stats", "/stats/prometheus", "/clusters", "/listeners", "/server_info"]
    shown = [gate.admin(page) for page in pages] + [gate.log()]
    assert "TOLLGATE_SECRET" in shown[0] and ADAPTER.calls in shown[-1], "they are told much"
    for page in shown:
        assert PASSWORD not in page and shipped.SECRET not in page


REFUSED = {
    "a secret that is not set": ({shipped.PASSWORD_VARIABLE: PASSWORD}, "secret", "`TOLLGATE_SECRET` is not set"),
    "a password that is not set": ({shipped.SECRET_VARIABLE: shipped.SECRET}, "password", "`TOLLGATE_REDIS_PASSWORD` is not set"),
    "an empty password": (ENVIRONMENT | {shipped.PASSWORD_VARIABLE: ""}, "password", "`TOLLGATE_REDIS_PASSWORD` is empty"),
    "a short secret": (ENVIRONMENT | {shipped.SECRET_VARIABLE: "Zx8sh0rtVq3"}, "secret", "`TOLLGATE_SECRET` has 11 characters"),
}


@pytest.mark.parametrize(("environment", "field", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_envoy_does_not_start_without_them(tmp_path, unreachable_port, environment, field, reason):
    config = shipped.redis([unreachable_port], POLICY, with_environment=True)
    code, log = run_config(tmp_path, config, environment=environment)
    assert code != 0
    assert f"store.redis.{field}.environment_variable: {reason}" in log, log[-4000:]
    assert not any(value in log for value in environment.values() if value)


@pytest.mark.only("filter", because="a module sees all of Envoy's environment")
def test_nor_without_the_filter_seeing_them(tmp_path, unreachable_port):
    """What is set for Envoy, but not listed for the filter."""
    config = shipped.redis([unreachable_port], POLICY, with_environment=True)
    del shipped.vm_config(config)["environment_variables"]
    code, log = run_config(tmp_path, config, environment=ENVIRONMENT)
    assert code != 0
    assert "`TOLLGATE_REDIS_PASSWORD` is not set" in log and "vm_config.environment_variables.host_env_keys" in log, log[-4000:]


@pytest.mark.only("filter", because="a module sees all of Envoy's environment")
def test_a_live_update_may_change_what_the_filter_sees(open_gate):
    gate = open_gate(POLICY, watched=True)
    gate.expect_error("store.redis.secret")
    wanted = POLICY | {"store": {"redis": {"cluster": "c", "secret": {"environment_variable": "SECRET"}}}}

    def seeing(secret: str) -> Callable[[list[dict]], None]:
        def change(filters: list[dict]) -> None:
            machine = filters[0]["typed_config"]["config"]["vm_config"]
            machine["environment_variables"] = {"key_values": {"SECRET": secret, "SECRET2": "x" * 32}}

        return change

    gate.refuse_update(wanted)
    assert "store.redis.secret.environment_variable: `SECRET` is not set" in gate.log()
    gate.update(wanted, seeing(shipped.SECRET))
    gate.refuse_update(wanted, seeing("short"))
    assert "store.redis.secret.environment_variable: `SECRET` has 5 characters" in gate.log()
