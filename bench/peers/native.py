"""Tollgate as a native module of Envoy, where it has been built. It has an Envoy of its own: what it does is kept from the others."""

from __future__ import annotations

import copy
import json
from contextlib import ExitStack

import yaml

from bench import listeners, places
from bench.apps.job import QUOTAS
from bench.envoy import Envoy
from bench.peers.contender import Contender, Door, Setting, left_out, threads_of
from bench.peers.in_envoy import policy
from bench.redis import IN_REDIS, cluster


def serve(stack: ExitStack, setting: Setting) -> list[Contender]:
    if not (places.NATIVE_CONFIG.exists() and places.NATIVE_MODULE.exists()):
        left_out("Tollgate's native module", "it has not been built")
        return []
    url = {name: value for name, value in IN_REDIS.items() if name != "cluster"}
    url["url"] = f"redis://127.0.0.1:{setting.redis}"
    found = []
    for name, title, store in (("native", "Tollgate, native module", None), ("native-redis", "Tollgate, native, Redis", url)):
        filters = {}
        for last, quota in QUOTAS.items():
            mine = {"prefix": f"{name}-{last}:"} | store if store else None
            filters[f"{name}-{last}"] = [shipped(policy(quota, store=mine), table=f"{name}-{last}")]
        try:
            found.append(_one(stack, setting, name, title, filters, in_redis=bool(store)))
        except (RuntimeError, OSError) as error:
            # One of the two can be there before the other.
            left_out(title, f"Envoy does not start with it: {_reason(str(error))}")
    return found


def _reason(log: str) -> str:
    """Why the module has refused its policy, if that is what happened."""
    lines = log.splitlines()
    return next((line for line in lines if "refused" in line), lines[-1])


def _one(
    stack: ExitStack, setting: Setting, name: str, title: str, filters: dict[str, list[dict]], *, in_redis: bool
) -> Contender:
    served = [listeners.listener(one, chain, towards="redis") for one, chain in filters.items()]
    directory = setting.directory / name
    envoy = stack.enter_context(Envoy(directory, served, workers=setting.workers, clusters=[cluster(setting.redis)]))
    quota, plenty = (Door(envoy.ports[f"{name}-{last}"]) for last in ("quota", "plenty"))
    return Contender(name, title, "envoy", threads_of(envoy), plenty, quota, in_redis)


def shipped(wanted: dict, *, table: str) -> dict:
    """The filter as envoy/native.yaml has it, with this policy, and counters of its own."""
    wanted = wanted | {"store": wanted.get("store", {}) | {"name": table}}
    [found] = _modules(yaml.safe_load(places.NATIVE_CONFIG.read_text()))
    made = copy.deepcopy(found)
    made["typed_config"]["filter_config"] = {
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": json.dumps(wanted),
    }
    return made


def _modules(node) -> list[dict]:
    """Every HTTP filter below `node` that is Tollgate's module."""
    if isinstance(node, dict):
        config = node.get("typed_config")
        if isinstance(config, dict) and config.get("@type", "").endswith(".DynamicModuleFilter"):
            return [node] if config.get("filter_name") == "tollgate" else []
        return [found for child in node.values() for found in _modules(child)]
    return [found for child in node for found in _modules(child)] if isinstance(node, list) else []
