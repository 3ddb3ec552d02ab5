"""Several authz services that share their counters through a real Redis, each asked by a proxy of its own."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack

import pytest
import yaml

from harness import shipped
from harness.asking import ASKING, policy_for
from harness.client import Client, fresh_token, token
from harness.envoy import Gate
from harness.places import repo_path
from harness.redis import Redis

POLL = "/api/v2/jobs/?ids_only=1"


def _shipped(file: str) -> dict:
    return yaml.safe_load(repo_path("envoy", file).read_text())


def _filter(config: dict) -> dict:
    return _plugin(config, "authz")


def _console(config: dict) -> dict:
    return _plugin(config, "console")


def _plugin(config: dict, name: str) -> dict:
    [listener] = [one for one in config["static_resources"]["listeners"] if one["name"] == name]
    [chain] = listener["filter_chains"]
    [manager] = chain["filters"]
    return manager["typed_config"]["http_filters"][0]["typed_config"]["config"]


@pytest.mark.neither
def test_it_is_the_service_and_the_cluster():
    """What the two files have in common is the same in both."""
    both = _shipped("authz-redis.yaml")
    alone, redis = _shipped("authz.yaml"), _shipped("redis.yaml")
    [cluster] = both["static_resources"].pop("clusters")
    assert [cluster] == [one for one in redis["static_resources"]["clusters"] if one["name"] == "redis"]
    assert both.pop("stats_config") == redis["stats_config"]
    alone.pop("stats_config")
    policy = json.loads(_filter(both)["configuration"]["value"])
    in_redis = [one for one in redis["static_resources"]["listeners"] if one["name"] == "ingress"]
    [chain] = in_redis[0]["filter_chains"]
    inline = chain["filters"][0]["typed_config"]["http_filters"][0]["typed_config"]["config"]["configuration"]["value"]
    assert policy.pop("store") == json.loads(inline)["store"]
    _filter(both)["configuration"]["value"] = ""
    assert _filter(both)["vm_config"].pop("environment_variables") == {
        "host_env_keys": [shipped.SECRET_VARIABLE, shipped.PASSWORD_VARIABLE]
    }
    consoles = [_console(document) for document in (both, alone)]
    assert consoles[0]["vm_config"].pop("environment_variables") == {
        "host_env_keys": [shipped.SECRET_VARIABLE, shipped.PASSWORD_VARIABLE]
    }
    own = json.loads(_filter(alone)["configuration"]["value"])
    _filter(alone)["configuration"]["value"] = ""
    assert policy == own
    assert both == alone


@pytest.mark.parametrize("name", list(ASKING))
def test_two_proxies_that_ask_two_services_share_one_limit(tmp_path, application, name):
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(tmp_path))
        callers = []
        for number in range(2):
            config = shipped.authz_redis([redis.port], policy_for(name, shipped.authz_policy()))
            directory = tmp_path / str(number)
            directory.mkdir()
            service = stack.enter_context(Gate(directory, config=config))
            proxy = stack.enter_context(ASKING[name][0](directory, service.port, application.port))
            callers.append(stack.enter_context(Client(proxy.port)))
        credential = token(fresh_token())
        replies = [callers[number % 2].send(POLL, credential) for number in range(40)]
        assert Counter(reply.status for reply in replies) == {200: 30, 429: 10}
        assert all(reply.status == 200 for reply in replies[:30])
        assert all(0 < reply.retry_after <= 60 for reply in replies[30:])
        redis.kill()
        # Each by counters of its own.
        assert [caller.send("/", credential).status for caller in callers] == [200, 200]
