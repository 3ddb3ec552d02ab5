"""What stands between the client and the applications: each front as it is shipped, with the corpus' policy."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from corpus.policy import POLICY
from harness import asking, shipped
from harness.envoy import Gate

# The ways of an inline Envoy that pass requests on: as it is shipped, and with changes that an operator may have made.
_INLINE: dict[str, dict] = {
    "inline": {},
    "inline, %2F kept": {"path_with_escaped_slashes_action": "KEEP_UNCHANGED"},
    "inline, only %2F unescaped": {"normalize_path": False, "merge_slashes": False},
    "inline, nothing normalised": {
        "normalize_path": False,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    },
}

_ASKING = {"nginx": "nginx", "ingress-nginx": "ingress-nginx", "Caddy": "caddy", "Traefik": "traefik", "ext_authz": "envoy"}

FRONTS = [*_INLINE, *_ASKING]
Ports = Callable[[str], int]


@contextmanager
def front(name: str, applications: dict[str, int], directory: Callable[[str], Path]) -> Iterator[Ports]:
    """→ the port at which the front leads to an application. `applications`: their ports."""
    with ExitStack() as stack:
        if name in _INLINE:
            gate = stack.enter_context(Gate(directory(name), config=_inline(_INLINE[name], applications)))
            yield {app: gate.port_of(app) for app in applications}.__getitem__
            return
        config = shipped.authz(asking.policy_for(_ASKING[name], POLICY))
        service = stack.enter_context(Gate(directory("service"), config=config))
        start, _, _ = asking.ASKING[_ASKING[name]]
        ports: dict[str, int] = {}

        def port(app: str) -> int:
            if app not in ports:
                place = directory(name)
                proxy = start(place, service.port, applications[app])
                if name == "Traefik":
                    _let_application_know(place / "dynamic.yaml")
                ports[app] = stack.enter_context(proxy).port
            return ports[app]

        yield port


def _let_application_know(file: Path) -> None:
    """Traefik does not tell an allowed request's client what the gate has said; so it tells the application."""
    config = yaml.safe_load(file.read_text())
    config["http"]["middlewares"]["tollgate"]["forwardAuth"]["authResponseHeaders"] = ["RateLimit-Policy", "RateLimit"]
    file.write_text(yaml.safe_dump(config))


def _inline(changes: dict, applications: dict[str, int]) -> dict:
    """envoy/inline.yaml with a listener for each application."""
    config = shipped.inline(policy=json.dumps(POLICY))
    resources = config["static_resources"]
    [listener] = [one for one in resources["listeners"] if one["name"] != "console"]
    [cluster] = resources["clusters"]
    resources["listeners"], resources["clusters"] = [], []
    for name, port in applications.items():
        mine = copy.deepcopy(listener)
        manager = mine["filter_chains"][0]["filters"][0]["typed_config"]
        manager |= changes | {"stat_prefix": name}
        [route] = manager["route_config"]["virtual_hosts"][0]["routes"]
        route["route"]["cluster"] = mine["name"] = name
        resources["listeners"].append(mine)
        to = copy.deepcopy(cluster)
        [endpoint] = to["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": port}
        to["name"] = to["load_assignment"]["cluster_name"] = name
        resources["clusters"].append(to)
    return config
