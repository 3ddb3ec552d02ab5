"""`redis`: what a request costs whose counters are in Redis.

One Envoy with one worker, and one Redis. Contenders: no filter; Tollgate with counters in Envoy, and in Redis, as a filter and as a module; a module that puts each request aside and asks nobody.
For each number of connections, round by round, each is loaded for a moment. CPU is that of Envoy's worker and, apart, that of Redis; latencies are wrk's. The median of the rounds counts.
"""

from __future__ import annotations

import json
import socket
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import yaml

from bench import listeners, load, places, processes, requests, results
from bench.contenders import Contender
from bench.cpu import idle
from bench.envoy import Envoy

_CONNECTIONS = [1, 16, 64, 256]
_CLIENTS = 1_000
_STORE = r"(wasm|dynamicmodules)custom\.tollgate\.redis_"

# The default policy's scopes, with quotas that nobody uses up: all requests are to be charged.
_SCOPES = {
    "anon": {"rate": "1000000/min", "match": {"client": "anonymous"}, "key": "address"},
    "user": {"rate": "1000000/min", "key": ["credential", "address"]},
    "worker": {
        "rate": "1000000/min",
        "match": {"method": "GET", "path": "/api/v2/jobs/", "any": [{"query": {"ids_only": True}}]},
        "key": ["credential", {"query": "processing_service_name"}],
    },
}
_POLICY = {"client": {"credential": {"trust": "any"}}, "scopes": _SCOPES}
# So long a wait that nobody is decided without Redis, however busy the machine is.
IN_REDIS = {"cluster": "redis", "timeout": "10s", "secret": "0123456789abcdef0123456789abcdef"}


def contenders(port: int) -> list[Contender]:
    """`port`: that of Redis."""
    shared = _POLICY | {"store": {"redis": IN_REDIS | {"url": f"redis://127.0.0.1:{port}"}}}
    wasm = places.tollgate_wasm()
    return [
        Contender("none", "no filter", "poll", baseline=None),
        Contender("local", "counters in Envoy", "poll", [listeners.tollgate("local", wasm, _POLICY)], baseline="none"),
        Contender("redis", "in Redis", "poll", [listeners.tollgate("redis", wasm, shared)], baseline="none"),
        Contender("floor", "module, floor: it waits", "poll", [listeners.empty_module("calls, wait")], baseline="none"),
        Contender("module", "module: in Envoy", "poll", [listeners.module("module", _POLICY)], baseline="none"),
        Contender("module-redis", "module: in Redis", "poll", [listeners.module("module-redis", shared)], baseline="none"),
    ]


def cluster(port: int) -> dict:
    """What `envoy/redis.yaml` has besides the filter: the way to Redis."""
    shipped = yaml.safe_load((places.ROOT / "envoy/redis.yaml").read_text())
    [found] = [cluster for cluster in shipped["static_resources"]["clusters"] if cluster["name"] == "redis"]
    [endpoint] = found["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoint["endpoint"]["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": port}
    options = found["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
    frames = options["http_filters"][0]["typed_config"]["config"]["vm_config"]
    frames["code"]["local"]["filename"] = str(places.ROOT / "target/tollgate-frames.wasm")
    return found


class Redis(processes.Child):
    """A Redis of the benchmark's own."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(directory), "--save", ""]
        super().__init__(command, directory / "redis.log")

    def cpu(self) -> int:
        """Nanoseconds of CPU that it has used."""
        return processes.cpu_of_thread(self.pid, self.pid)


def moment(envoy: Envoy, redis: Redis, one: Contender, clients: load.Clients, connections: int, seconds: int) -> dict:
    """One contender under load. Raises unless every request was let through, and by Redis where there is one."""
    before = envoy.stats(_STORE)
    cpu, redis_cpu = idle(envoy), redis.cpu()
    counted = load.drive(envoy.ports[one.name], clients, seconds=seconds, connections=connections)
    cpu, redis_cpu = idle(envoy) - cpu, redis.cpu() - redis_cpu
    after = envoy.stats(_STORE)
    more = {name: after[name] - before.get(name, 0) for name in after}
    failed = {name: value for name, value in more.items() if "_failures_" in name and value}
    if counted.refused or failed:
        raise RuntimeError(f"{one.title}: {counted.refused} requests were refused, {failed} decided without Redis")
    return {
        "micros": cpu / counted.requests / 1e3,
        "redis_micros": redis_cpu / counted.requests / 1e3,
        "p50": counted.p50,
        "p99": counted.p99,
        "batch": counted.requests / max(1, sum(by for name, by in more.items() if name.endswith("exchanges_total"))),
        "per_second": counted.per_second,
    }


def run(options: Namespace) -> None:
    rounds = options.rounds or (1 if options.quick else 7)
    seconds = max(1, round(options.seconds or 1))
    directory = places.OUT / "redis"
    directory.mkdir(parents=True, exist_ok=True)
    rows = []
    clients = load.Clients(requests.template(directory, "poll"), _CLIENTS)
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(directory))
        everyone = contenders(redis.port)
        served = [listeners.listener(one.name, one.filters) for one in everyone]
        envoy = stack.enter_context(Envoy(directory, served, workers=1, clusters=[cluster(redis.port)]))
        for connections in _CONNECTIONS:
            samples: dict[str, list[dict]] = {one.name: [] for one in everyone}
            for number in range(rounds + 1):
                for one in everyone:
                    sample = moment(envoy, redis, one, clients, connections, seconds)
                    # The first round warms up.
                    if number:
                        samples[one.name].append(sample)
            for one in everyone:
                mine, bare = samples[one.name], samples["none"]
                row = {"name": one.name, "title": one.title, "connections": connections}
                row |= {kind: median(sample[kind] for sample in mine) for kind in mine[0]}
                row["to_none"] = median(a["micros"] / b["micros"] for a, b in zip(mine, bare, strict=True))
                row["added_p50"] = median(a["p50"] - b["p50"] for a, b in zip(mine, bare, strict=True))
                rows.append(row)
            results.progress(f"{connections} connections: done")
    options.connections = " ".join(map(str, _CONNECTIONS))
    results.save("redis", options, {"rounds": rounds, "seconds": seconds}, rows)
    print(json.dumps(rows) if options.only else results.redis_table(rows))
