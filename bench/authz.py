"""`authz`: what it costs nginx to ask Tollgate's authz service, beside nginx's own limit_req, and beside no limit at all.

Everything runs here, on loopback: the load, an nginx with one worker, the authz service with one, and an application that
answers at once. Requests per second are counted with many connections, when the machine is full; latency with one, when it is
empty. The contenders take turns, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import json
import re
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml

from bench import load, nginx, places, requests, results
from bench.envoy import Envoy


@dataclass(frozen=True)
class Contender:
    name: str
    title: str
    server: str
    denies: bool = False

    @property
    def clients(self) -> int:
        return 1 if self.denies else 10_000


_CONTENDERS = [
    Contender("plain", "nginx alone", "plain"),
    Contender("limit_req", "limit_req: allowed", "limit_req"),
    Contender("tollgate", "asks Tollgate: allowed", "tollgate"),
    Contender("limit_req-denied", "limit_req: denied", "limit_req-denied", denies=True),
    Contender("tollgate-denied", "asks Tollgate: denied", "tollgate", denies=True),
]


def service(directory: Path, *, denying_address: str) -> Envoy:
    """The shipped authz service, with rates that the load keeps to, but for one address."""
    config = yaml.safe_load((places.ROOT / "envoy/authz.yaml").read_text())
    [listener] = [one for one in config["static_resources"]["listeners"] if one["name"] == "authz"]
    [plugin] = _find(listener, "vm_config")
    policy = json.loads(plugin["configuration"]["value"])
    for scope in policy["scopes"].values():
        scope["rate"] = re.sub("/min$", "/s", scope["rate"])
    policy["scopes"]["denied"] = {"rate": "0/min", "key": "address", "match": {"address": denying_address}}
    plugin["configuration"]["value"] = json.dumps(policy)
    plugin["vm_config"]["code"]["local"]["filename"] = str(places.tollgate_wasm())
    listener["address"]["socket_address"]["port_value"] = 0
    return Envoy(directory, [listener], workers=1)


def drive(contender: Contender, port: int, template: Path, *, seconds: int, connections: int) -> load.Counted:
    clients = load.Clients(template, contender.clients, first=10_000_000 if contender.denies else 0)
    counted = load.drive(port, clients, seconds=seconds, connections=connections)
    # The first request of a limit_req that denies passes.
    expected = counted.requests - 1 if contender.denies else 0
    if not (expected <= counted.refused <= (counted.requests if contender.denies else 0)):
        raise RuntimeError(f"{contender.name}: {counted.refused} of {counted.requests} were refused")
    return counted


def run(options: Namespace) -> None:
    rounds = options.rounds or (1 if options.quick else 9)
    seconds = int(options.seconds or (1 if options.quick else 3))
    directory = places.OUT / "authz"
    template = requests.template(directory, "poll")
    seen: dict[str, list[tuple[load.Counted, load.Counted]]] = {contender.name: [] for contender in _CONTENDERS}
    [application_port] = nginx.free_ports(1)
    # Of client 10,000,001, see clients.lua.
    with (
        nginx.application(directory / "application", application_port),
        service(directory / "service", denying_address="10.152.150.129") as gate,
    ):
        proxy, ports = nginx.proxies(directory / "proxies", application_port, gate.ports["authz"])
        with proxy:
            for number in range(rounds):
                for step in range(len(_CONTENDERS)):
                    contender = _CONTENDERS[(number + step) % len(_CONTENDERS)]
                    port = ports[contender.server]
                    full = drive(contender, port, template, seconds=seconds, connections=options.connections)
                    empty = drive(contender, port, template, seconds=1, connections=1)
                    seen[contender.name].append((full, empty))
                results.progress(f"round {number + 1} of {rounds}")
    rows = [_row(contender, seen[contender.name], seen["plain"]) for contender in _CONTENDERS]
    results.save("authz", options, {"rounds": rounds, "seconds": seconds}, rows)
    print(results.authz_table(rows))


def _row(contender: Contender, seen: list, plain: list) -> dict:
    return {
        "title": contender.title,
        "per_second": results.spread([full.per_second for full, _ in seen]),
        "full_p99": median(full.p99 for full, _ in seen),
        "empty_p50": median(empty.p50 for _, empty in seen),
        "empty_p99": median(empty.p99 for _, empty in seen),
        "added_p50": median(own.p50 - other.p50 for (_, own), (_, other) in zip(seen, plain)),
    }


def _find(node, key: str) -> list[dict]:
    """Every dictionary below `node` that has `key`."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    here = [node] if isinstance(node, dict) and key in node else []
    return here + [found for child in children for found in _find(child, key)]
