"""`peers`: one limit for many proxies, counted in Redis, by what there is for that.

Everything runs here, on loopback: one Envoy with one worker, one Traefik with one core, one Redis, Limitador's service. The
contenders:

* Envoy without a filter, and Traefik without a middleware, each replying by itself: what the others are compared with (Envoy by
  its filter for faults, since its `ratelimit` does nothing where the route replies);
* Tollgate with its counters in Redis, by `envoy/redis.yaml`'s way;
* Envoy's `ratelimit` filter, which asks Limitador, with its counters in Redis or, for one proxy alone, in memory;
* Traefik's RateLimit middleware with its counters in Redis.

All have one limit, by client address. Round by round each is loaded for a second by one connection, and for a second by many, by
a thousand clients whom it lets through. Then one client of a quota of 30 an hour sends as much as it can, by many connections.
CPU is apart for the proxy, Redis and the service. What is added is the difference to the same proxy alone in the same round.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from bench import listeners, load, places, processes, requests, results
from bench.envoy import Envoy
from bench.redis import IN_REDIS, Redis, cluster
from bench.services import Limitador, Traefik

_CLIENTS = 1_000
_QUOTA = 30
_ENOUGH = 1_000_000_000  # an hour: nobody uses it up
_DECIDED_WITHOUT = "wasmcustom.tollgate.redis_failures_total"


@dataclass(frozen=True)
class Contender:
    """Who is measured, and where it stands."""

    name: str
    title: str
    port: int
    proxy: int  # process
    quota_port: int | None = None  # with a quota of 30; None where there is no limit
    service: int | None = None  # process, if there is one
    is_in_redis: bool = False
    baseline: str | None = None


@dataclass
class Samples:
    """A contender's, each a value per round."""

    moments: dict[int, list[dict]] = field(default_factory=dict)  # by connections
    admitted: list[int] = field(default_factory=list)


def tollgate(name: str, per_hour: int) -> dict:
    policy = {
        "scopes": {"all": {"rate": f"{per_hour}/h", "key": "address"}},
        "store": {"redis": IN_REDIS | {"prefix": f"{name}:"}},
    }
    return listeners.tollgate(name, places.tollgate_wasm(), policy)


def serve(stack: ExitStack, redis: Redis) -> tuple[list[Contender], Envoy]:
    """Starts all that can be had, and says what cannot."""
    directory = places.OUT / "peers"
    filters = {"none": [], "tollgate": [tollgate("peer", _ENOUGH)], "tollgate-quota": [tollgate("peer-quota", _QUOTA)]}
    services: dict[str, Limitador] = {}
    clusters = [cluster(redis.port)]
    if places.LIMITADOR.exists():
        for name, port in (("limitador-redis", redis.port), ("limitador-memory", None)):
            for suffix, per_hour in (("", _ENOUGH), ("-quota", _QUOTA)):
                service = stack.enter_context(Limitador(directory, name + suffix, per_hour, port))
                services[service.name] = service
                filters[service.name] = [service.filter()]
                clusters.append(service.cluster())
    else:
        results.progress("Limitador is left out: it could not be built")
    # Envoy's own filter asks only about requests that are to go somewhere.
    served = [listeners.listener(name, chain, towards="redis") for name, chain in filters.items()]
    envoy = stack.enter_context(Envoy(directory, served, workers=1, clusters=clusters))

    def in_envoy(name: str, title: str, *, is_in_redis: bool) -> Contender:
        service = services[name].pid if name in services else None
        ports = envoy.ports[name], envoy.ports[f"{name}-quota"]
        return Contender(name, title, ports[0], envoy.pid, ports[1], service, is_in_redis, "none")

    found = [Contender("none", "Envoy alone", envoy.ports["none"], envoy.pid)]
    found.append(in_envoy("tollgate", "Tollgate, in Redis", is_in_redis=True))
    if services:
        found.append(in_envoy("limitador-redis", "Envoy's ratelimit, Limitador, in Redis", is_in_redis=True))
        found.append(in_envoy("limitador-memory", "Envoy's ratelimit, Limitador, in memory", is_in_redis=False))
    if places.TRAEFIK.exists():
        traefik = stack.enter_context(Traefik(directory, {"limited": _ENOUGH, "quota": _QUOTA}, redis.port))
        ports = traefik.ports
        found.append(Contender("traefik", "Traefik alone", ports["traefik"], traefik.pid))
        title = "Traefik's RateLimit, in Redis"
        found.append(
            Contender("traefik-redis", title, ports["limited"], traefik.pid, ports["quota"], None, True, "traefik")
        )
    else:
        results.progress("Traefik is left out: it could not be installed")
    return found, envoy


def used(one: Contender, redis: Redis) -> dict[str, int]:
    """Nanoseconds of CPU that each has used, once all of them rest."""

    def now() -> dict[str, int]:
        found = {"proxy": processes.cpu_of_process(one.proxy), "redis": processes.cpu_of_process(redis.pid)}
        return found | {"service": processes.cpu_of_process(one.service) if one.service else 0}

    # A proxy has timers and other threads, too: rest is where hardly anything moves.
    before = now()
    for _ in range(200):
        time.sleep(0.01)
        after = now()
        if sum(after.values()) - sum(before.values()) < 200_000:
            return after
        before = after
    return before


def moment(one: Contender, redis: Redis, clients: load.Clients, connections: int, seconds: int) -> dict:
    """One contender under load. Raises unless every request was let through."""
    before = used(one, redis)
    counted = load.drive(one.port, clients, seconds=seconds, connections=connections)
    after = used(one, redis)
    if counted.refused:
        raise RuntimeError(f"{one.title}: {counted.refused} of {counted.requests} requests were refused")
    micros = {name: (after[name] - before[name]) / counted.requests / 1e3 for name in after}
    return micros | {"p50": counted.p50, "p99": counted.p99, "per_second": counted.per_second}


def run(options: Namespace) -> None:
    rounds = options.rounds or (1 if options.quick else 9)
    seconds = max(1, round(options.seconds or 1))
    directory = places.OUT / "peers"
    directory.mkdir(parents=True, exist_ok=True)
    template = requests.template(directory, "poll")
    many = load.Clients(template, _CLIENTS)
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(directory))
        everyone, envoy = serve(stack, redis)
        samples = {one.name: Samples({1: [], options.connections: []}) for one in everyone}
        # The first round warms up.
        for number in range(rounds + 1):
            shift = number % len(everyone)
            for one in everyone[shift:] + everyone[:shift]:
                for connections, seen in samples[one.name].moments.items():
                    sample = moment(one, redis, many, connections, seconds)
                    if number:
                        seen.append(sample)
                if one.quota_port and number:
                    # Somebody who has not called before.
                    newcomer = load.Clients(template, 1, first=5_000_000 + number)
                    counted = load.drive(one.quota_port, newcomer, seconds=1, connections=options.connections)
                    if not counted.refused:
                        raise RuntimeError(f"{one.title}: nobody was refused")
                    samples[one.name].admitted.append(counted.admitted)
            results.progress(f"round {number} of {rounds}")
        failed = {name: count for name, count in envoy.stats(_DECIDED_WITHOUT).items() if count}
        if failed:
            raise RuntimeError(f"Tollgate decided without Redis: {failed}")
    rows = [row(one, connections, samples) for connections in (1, options.connections) for one in everyone]
    results.save("peers", options, {"rounds": rounds, "seconds": seconds}, rows)
    print(results.peers_table(rows))


def row(one: Contender, connections: int, samples: dict[str, Samples]) -> dict:
    """A line of the table: spreads over the rounds."""
    mine = samples[one.name].moments[connections]
    made = {"title": one.title, "connections": connections, "is_in_redis": one.is_in_redis, "has_service": bool(one.service)}
    made |= {kind: results.spread([sample[kind] for sample in mine]) for kind in ("proxy", "redis", "service", "per_second")}
    made["p99"] = median(sample["p99"] for sample in mine)
    if one.baseline:
        bare = samples[one.baseline].moments[connections]

        def against(of: Callable[[dict, dict], float]) -> dict[str, float]:
            return results.spread([of(own, other) for own, other in zip(mine, bare, strict=True)])

        made["to_alone"] = against(lambda own, other: own["proxy"] / other["proxy"])
        made["added_p50"] = against(lambda own, other: own["p50"] - other["p50"])
        made["added_p99"] = against(lambda own, other: own["p99"] - other["p99"])
    admitted = samples[one.name].admitted
    if admitted:
        made["admitted"] = {"least": min(admitted), "most": max(admitted)}
    return made
