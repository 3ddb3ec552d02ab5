"""What a request costs that a limiter looks at: CPU and latency beside the same server without a limit.

Round by round each is loaded for a second by one connection, and for a second by many, by a thousand clients whom it lets through.
Limiters are then loaded by one client, new in each round, that never stops: nearly all of its requests are denied. Neighbours in time are
compared: what is added is the difference to the same server alone in the same round.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import load, processes, requests, results
from bench.peers.contender import Contender, Door
from bench.redis import Redis

_CLIENTS = 1_000
# Who has nothing to do but timers uses less than this in a hundredth of a second.
_REST = 200_000  # nanoseconds


@dataclass
class Samples:
    """A contender's, each a value per round."""

    moments: dict[str, list[dict]] = field(default_factory=dict)


def used(one: Contender, redis: Redis) -> dict[str, int]:
    """Nanoseconds of CPU that each has used, once all of them rest."""

    def now() -> dict[str, int]:
        return {
            "server": one.cpu(),
            "redis": processes.cpu_of_process(redis.pid) if one.in_redis else 0,
            "service": sum(processes.cpu_of_process(pid) for pid in one.services),
        }

    before = now()
    for _ in range(100):
        time.sleep(0.01)
        after = now()
        if sum(after.values()) - sum(before.values()) < _REST:
            return after
        before = after
    return before


def template(directory: Path, door: Door) -> Path:
    """The poll that all other measurements have, too; at this door."""
    first, _, rest = requests.POLL.partition("\n")
    name = door.path.strip("/").partition("?")[0].replace("/", "-")
    path = first.split()[1] if "?" in door.path else door.path
    return requests.write(directory, f"peers-{name}", f"GET {path} HTTP/1.1\n{rest}")


def moment(
    one: Contender, redis: Redis, clients: load.Clients, connections: int, seconds: int, *, denied: bool = False
) -> dict:
    """One contender under load. Raises unless the replies were what they should be."""
    door = one.quota if denied else one.plenty
    assert door
    before = used(one, redis)
    counted = load.drive(door.port, clients, seconds=seconds, connections=connections)
    after = used(one, redis)
    if denied and not counted.refused:
        raise RuntimeError(f"{one.title}: nobody was refused")
    if not denied and counted.refused:
        raise RuntimeError(f"{one.title}: {counted.refused} of {counted.requests} requests were refused")
    micros = {name: (after[name] - before[name]) / counted.requests / 1e3 for name in after}
    return micros | {"p50": counted.p50, "p99": counted.p99, "per_second": counted.per_second}


def measure(everyone: list[Contender], redis: Redis, directory: Path, options: Namespace) -> dict[str, Samples]:
    samples = {one.name: Samples({"1": [], "many": [], "denied": []}) for one in everyone}
    seconds, many = options.seconds, options.connections
    clients = {one.name: load.Clients(template(directory, one.plenty), _CLIENTS) for one in everyone}
    for one in everyone:
        # Everything warms up. It does not count.
        moment(one, redis, clients[one.name], many, seconds)
    for number in range(options.rounds):
        shift = number % len(everyone)
        for one in everyone[shift:] + everyone[:shift]:
            moments = samples[one.name].moments
            moments["1"].append(moment(one, redis, clients[one.name], 1, seconds))
            moments["many"].append(moment(one, redis, clients[one.name], many, seconds))
            if one.quota:
                abuser = load.Clients(template(directory, one.quota), 1, first=5_000_000 + number)
                moments["denied"].append(moment(one, redis, abuser, many, seconds, denied=True))
        results.progress(f"cost: round {number + 1} of {options.rounds}")
    return samples


def summary(one: Contender, kind: str, samples: dict[str, Samples]) -> dict | None:
    """A contender's spreads over the rounds, of one kind of moment."""
    mine = samples[one.name].moments[kind]
    if not mine:
        return None
    made = {name: results.spread([sample[name] for sample in mine]) for name in ("server", "per_second", "p50", "p99")}
    # What Redis and the service take besides.
    made["beside"] = results.spread([sample["redis"] + sample["service"] for sample in mine])
    if one.is_limiter:
        # A denial is compared with a request that is let through by the same server without a limit.
        bare = samples[one.alone].moments["many" if kind == "denied" else kind]

        def against(of: Callable[[dict, dict], float]) -> dict[str, float]:
            return results.spread([of(own, other) for own, other in zip(mine, bare, strict=True)])

        made["to_alone"] = against(lambda own, other: own["server"] / other["server"])
        made["added_p50"] = against(lambda own, other: own["p50"] - other["p50"])
        made["added_p99"] = against(lambda own, other: own["p99"] - other["p99"])
    return made


def run(everyone: list[Contender], redis: Redis, directory: Path, options: Namespace) -> list[dict]:
    """A line of the table for each contender."""
    samples = measure(everyone, redis, directory, options)
    rows = []
    for one in everyone:
        row = {"name": one.name, "title": one.title, "is_limiter": one.is_limiter}
        row["has_beside"] = one.in_redis or bool(one.services)
        rows.append(row | {kind: summary(one, kind, samples) for kind in samples[one.name].moments})
    return rows
