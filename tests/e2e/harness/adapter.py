"""What carries the gate into Envoy: the filter, which is wasm, or the module, which is native. `TOLLGATE_ADAPTER` says which of the two
the tests run with. In what they differ for whoever configures or watches an Envoy stands here, and for the shipped files in
`harness.as_module`."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from harness.places import module_path, wasm_path

_TYPES = "type.googleapis.com/envoy.extensions"
# How the gate and the console are called in what is shipped and in what the tests make.
_OURS = {"tollgate", "tollgate-console"}
_STRING = "type.googleapis.com/google.protobuf.StringValue"


class Filter:
    """target/tollgate.wasm, in Envoy's virtual machine."""

    name = "filter"
    # What Envoy's names of its metrics begin with.
    metrics = "wasmcustom"
    # As which it writes to Envoy's log.
    component = "wasm"
    # What Envoy itself says when it refuses a configuration.
    refusal = ["Failed to configure base Wasm plugin", "failed to load"]
    # What Envoy's log shows where something has broken.
    alarms = r"Function: proxy_on|Plugin failed|Uncaught RuntimeError"
    # Metrics of Envoy's own that stay at zero: how often the virtual machine had to be started again.
    troubles = ["wasm.tollgate.vm_reload"]
    # What Envoy's log has of each call, if it is told to say all; of a module's it has nothing.
    calls = "[trace][wasm]"
    # What Envoy's environment has to have.
    environment: dict[str, str] = {}

    def plugin(self, name: str, policy: Any, *, wasm: Path | None = None) -> dict:
        """An HTTP filter's `typed_config`. `policy` is a dictionary, or a string that is passed as it is (broken JSON, say), or None
        for no configuration at all. `wasm`: another file than ours."""
        config = {
            "name": name,
            "vm_config": {
                "vm_id": "tollgate",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": str(wasm or wasm_path())}},
            },
            "failure_policy": "FAIL_RELOAD",
        }
        if policy is not None:
            config["configuration"] = _string(policy)
        return {"@type": f"{_TYPES}.filters.http.wasm.v3.Wasm", "config": config}

    def console(self, settings: Any) -> dict:
        """The same for the console: another virtual machine, but the same counters."""
        plugin = self.plugin("tollgate-console", {"console": settings})
        config = plugin["config"]
        config["allow_on_headers_stop_iteration"] = True
        config["vm_config"]["configuration"] = {"@type": _STRING, "value": "console"}
        tokens = settings.get("tokens", {}).values() if isinstance(settings, dict) else []
        if names := [token["environment_variable"] for token in tokens if isinstance(token, dict)]:
            config["vm_config"]["environment_variables"] = {"host_env_keys": names}
        return plugin

    def rename(self, plugin: dict, name: str) -> None:
        plugin["config"]["name"] = name

    def name_of(self, plugin: dict) -> str | None:
        """What an HTTP filter is called, if it is one of ours."""
        return plugin["config"].get("name") if "vm_config" in plugin.get("config", {}) else None

    def set_configuration(self, plugin: dict, value: dict) -> None:
        """Of any type, such as a `Struct`."""
        plugin["config"]["configuration"] = value

    def configuration(self, plugin: dict) -> dict:
        """Where a filter's policy stands, as `value`."""
        return plugin["config"]["configuration"]

    def errors(self, log: str) -> list[str]:
        """What it has logged as errors, without Envoy's prefix."""
        return [line.split("wasm log", 1)[1] for line in log.splitlines() if "[error]" in line and "wasm log" in line]


class Module:
    """target/libtollgate.so, which Envoy loads into itself."""

    name = "module"
    metrics = "dynamicmodulescustom"
    component = "dynamic_modules"
    refusal = ["Failed to initialize dynamic module"]
    alarms = r"Failed to load dynamic module|Unable to load dynamic module"
    # How often it would have brought Envoy down.
    troubles = ["dynamicmodulescustom.tollgate.panics_total.policy.tollgate"]
    calls = ""

    @property
    def environment(self) -> dict[str, str]:
        return {"ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(module_path().parent)}

    def plugin(self, name: str, policy: Any) -> dict:
        plugin = {
            "@type": f"{_TYPES}.filters.http.dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": {"name": "tollgate"},
            "filter_name": name,
        }
        if policy is not None:
            plugin["filter_config"] = _string(policy)
        return plugin

    def console(self, settings: Any) -> dict:
        return self.plugin("tollgate-console", {"console": settings})

    def rename(self, plugin: dict, name: str) -> None:
        plugin["filter_name"] = name

    def name_of(self, plugin: dict) -> str | None:
        return plugin["filter_name"] if "dynamic_module_config" in plugin else None

    def set_configuration(self, plugin: dict, value: dict) -> None:
        plugin["filter_config"] = value

    def configuration(self, plugin: dict) -> dict:
        return plugin["filter_config"]

    def errors(self, log: str) -> list[str]:
        # What Envoy itself says of modules names a file of its source in the brackets.
        return re.findall(r"\[error\]\[dynamic_modules\] \[:\] (.*)", log)


def gates(config: Any, adapter: Filter | Module) -> list[dict]:
    """The HTTP filters in a bootstrap that are the gate, or its console, as `{ name, typed_config }`, in their order."""
    if isinstance(config, dict):
        plugin = config.get("typed_config")
        here = [config] if isinstance(plugin, dict) and adapter.name_of(plugin) in _OURS else []
        return here + [found for value in config.values() for found in gates(value, adapter)]
    if isinstance(config, list):
        return [found for value in config for found in gates(value, adapter)]
    return []


def _string(policy: Any) -> dict:
    return {"@type": _STRING, "value": policy if isinstance(policy, str) else json.dumps(policy)}


FILTER, MODULE = Filter(), Module()
_ALL = {adapter.name: adapter for adapter in (FILTER, MODULE)}


def _chosen() -> Filter | Module:
    name = os.environ.get("TOLLGATE_ADAPTER") or FILTER.name
    if name not in _ALL:
        raise RuntimeError(f"TOLLGATE_ADAPTER={name} is no adapter: it is {' or '.join(_ALL)}")
    return _ALL[name]


ADAPTER = _chosen()
