"""`cpu`: what a request costs, by contender.

All contenders stand ready in one Envoy with one worker, each with its own listener and its own load, which is held. Round
by round each load is let run for a moment, in an order that moves on. So whatever else the machine does meets all alike, and
neighbours in time are compared. What a request costs is the CPU time that the kernel accounts to Envoy's worker over that
moment, divided by the requests that Envoy counted in it. What a filter adds is the difference to the same request without
a filter in the same round. The median of all rounds counts.
"""

from __future__ import annotations

import re
import time
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import contenders, drf, listeners, load, places, processes, requests, results
from bench.contenders import Contender
from bench.envoy import Envoy

# The share of a client's quota that a run may use up: the rest is for the clients that come a little too often.
_SHARE = 0.75
# Until a client that is to be denied has used up its quota, it is let through. So often at most.
_FIRST = 100
# DRF's throttle is not atomic: of requests at the same time it lets more through.
_FIRST_DRF = 1000


@dataclass
class Target:
    """A contender that is being served."""

    contender: Contender
    tap: load.Tap
    not_before: float = 0.0

    def pace(self, start: float, sent: int) -> None:
        """Keeps clients below their quotas: the next moment waits until those of this one have been given back."""
        if self.contender.per_minute:
            each = sent / self.contender.clients
            self.not_before = start + each * 60 / (self.contender.per_minute * _SHARE)


def replies(envoy: Envoy) -> dict[str, tuple[int, int]]:
    """By listener, how many requests Envoy has let through and refused."""
    found: dict[str, tuple[int, int]] = {}
    for name, value in envoy.stats(r"http\..*\.downstream_rq_[24]xx").items():
        if match := re.fullmatch(r"http\.(.*)\.downstream_rq_([24])xx", name):
            ok, refused = found.get(match[1], (0, 0))
            found[match[1]] = (value, refused) if match[2] == "2" else (ok, value)
    return found


def idle(envoy: Envoy) -> int:
    """Waits until the worker has nothing left to do; returns the CPU time it has used, which is exact only then."""
    before, now = -1, envoy.worker_cpu()
    while before != now:
        time.sleep(0.002)
        before, now = now, envoy.worker_cpu()
    return now


def moment(envoy: Envoy, target: Target, seconds: float) -> float:
    """Microseconds of CPU per request, over one moment. Raises unless the replies were what they should be."""
    contender = target.contender
    time.sleep(max(0.0, target.not_before - time.monotonic()))
    start, ok_before, refused_before = time.monotonic(), *replies(envoy)[contender.name]
    cpu = idle(envoy)
    target.tap.run(seconds)
    cpu = idle(envoy) - cpu
    ok, refused = replies(envoy)[contender.name]
    ok, refused = ok - ok_before, refused - refused_before
    target.pace(start, ok + refused)
    if (ok > _FIRST) if contender.denies else refused:
        raise RuntimeError(f"{contender.title}: {ok} requests were let through, {refused} refused")
    return cpu / (ok + refused) / 1e3


def warm_up(envoy: Envoy, target: Target) -> None:
    """Until each client has called, and for two seconds at least."""
    called = 0
    for number in range(100):
        if number >= 4 and called > 1.2 * target.contender.clients:
            return
        before = sum(replies(envoy)[target.contender.name])
        moment(envoy, target, 0.5)
        called += sum(replies(envoy)[target.contender.name]) - before


def in_envoy(directory: Path, options: Namespace) -> dict[str, list[float]]:
    """What requests cost, by contender, a value for each round."""
    everyone = contenders.in_envoy(places.tollgate_wasm(), options.against)
    chosen = [one for one in everyone if not options.only or one.name in wanted(options.only)]
    served = [listeners.listener(one.name, one.filters) for one in chosen]
    with Envoy(directory, served, workers=1) as envoy, ExitStack() as stack:
        found = []
        for one in chosen:
            clients = load.Clients(requests.template(directory, one.request), one.clients)
            tap = load.Tap(envoy.ports[one.name], clients, connections=options.connections)
            found.append(Target(one, stack.enter_context(tap)))
        # Everything warms up: compilers, caches, counters, proofs of credentials. It does not count.
        for target in found:
            warm_up(envoy, target)
        samples: dict[str, list[float]] = {one.name: [] for one in chosen}
        for number in range(options.rounds):
            shift = number % len(found)
            for target in found[shift:] + found[:shift]:
                samples[target.contender.name].append(moment(envoy, target, options.seconds))
            if (number + 1) % 10 == 0:
                results.progress(f"round {number + 1} of {options.rounds}")
    return samples


def wanted(names: list[str]) -> set[str]:
    """The named ones and those that they are compared with."""
    return {*names, "none-poll", "none-anonymous", "empty"}


def in_django(directory: Path, options: Namespace) -> list[float]:
    """The same for the denied poll that DRF answers. It is so much slower that rounds of a second will do."""
    clients = load.Clients(requests.template(directory, drf.CONTENDER.request), drf.CONTENDER.clients)
    samples = []
    with drf.Django(directory) as django:
        for number in range(1 + max(1, options.rounds // 10)):
            before = django.cpu()
            counted = load.drive(django.port, clients, seconds=1, connections=options.connections)
            if counted.admitted > _FIRST_DRF:
                raise RuntimeError(f"DRF let {counted.admitted} requests through")
            if number:
                samples.append((django.cpu() - before) / counted.requests / 1e3)
    return samples


def summary(samples: dict[str, list[float]]) -> list[dict]:
    """A row for each contender."""
    everyone = [*contenders.in_envoy(places.tollgate_wasm(), Path("other build")), drf.CONTENDER]
    rows = []
    for contender in (one for one in everyone if one.name in samples):
        mine = samples[contender.name]
        row = {"name": contender.name, "title": contender.title, "micros": results.spread(mine)}
        row["samples"] = [round(micros, 3) for micros in mine]
        if contender.baseline:
            bare = samples[contender.baseline]
            row["added"] = results.spread([one - other for one, other in zip(mine, bare)])
            row["added"]["quiet"] = row["micros"]["quiet"] - results.spread(bare)["quiet"]
        rows.append(row)
    floor = next(row["added"] for row in rows if row["name"] == "empty")
    for row in rows:
        if "added" in row:
            row["to_empty"] = {kind: row["added"][kind] / floor[kind] for kind in ("median", "quiet")}
    return rows


def run(options: Namespace) -> None:
    options.rounds = options.rounds or (3 if options.quick else 150)
    options.seconds = options.seconds or 0.1
    directory = places.OUT / "cpu"
    samples = in_envoy(directory, options)
    if not options.no_drf and (not options.only or drf.CONTENDER.name in options.only):
        samples[drf.CONTENDER.name] = in_django(directory, options)
    rows = summary(samples)
    results.save("cpu", options, {"rounds": options.rounds, "seconds": options.seconds}, rows)
    print(results.cpu_table(rows))
