"""`contention`: whether exactly the quota is admitted, however many workers race for it.

For each number of workers a fresh Envoy; in it, for each number of keys, several trials with keys that nobody has used.
A window is an hour, so nothing comes back within a trial, and one trial is one window. The clients count: a trial ends
only when each key has been asked for twice its quota and more, so what is admitted has to be keys × quota, exactly.
"""

from __future__ import annotations

import itertools
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import listeners, load, places, requests, results
from bench.envoy import Envoy

_WORKERS = [1, 2, 4, 8]
# Room for every key of every trial: what gives way at a full table is another question, see `memory`.
_CAPACITY = 1 << 22
_STORE = r"(wasm|dynamicmodules)custom\.tollgate\.store_"

_REQUEST = """\
GET /{path} HTTP/1.1
Host: api.example.org
X-Key: <token>
X-Forwarded-For: 192.0.2.1

"""


@dataclass(frozen=True)
class Case:
    """So many keys with so large a quota. Up to 64 a window is an exact log, above it a log of 65 steps."""

    name: str
    keys: int
    quota: int
    seconds: int


_CASES = [
    Case("one", 1, 60, 1),
    Case("one-large", 1, 10_000, 2),
    Case("ten", 10, 1_000, 2),
    Case("ten-thousand", 10_000, 6, 15),
]


def policy() -> dict:
    def scope(case: Case) -> dict:
        return {"rate": f"{case.quota}/h", "key": {"header": "x-key"}, "match": {"path": f"/{case.name}"}}

    return {"scopes": {case.name: scope(case) for case in _CASES}, "store": {"capacity": _CAPACITY}}


def trial(envoy: Envoy, case: Case, number: int, template: Path, connections: int) -> load.Counted:
    """One window of one case: loads until there is nothing left to admit."""
    # Keys by number, a stretch of them for each trial.
    clients = load.Clients(template, case.keys, first=number * 1_000_000, report="x-key")
    seconds = case.seconds
    while True:
        counted = load.drive(envoy.ports["gate"], clients, seconds=seconds, connections=connections, threads=2)
        if counted.requests > 2.5 * case.keys * case.quota:
            return counted
        # Too short for this machine: what was in flight at the end is unknown, so all over again with fresh keys.
        seconds *= 2
        clients = load.Clients(template, case.keys, first=clients.first + 100_000, report="x-key")


def measure(envoy: Envoy, case: Case, workers: int, number: int, directory: Path, options: Namespace) -> dict:
    """All trials of one case with so many workers."""
    template = requests.write(directory, case.name, _REQUEST.replace("{path}", case.name))
    before = envoy.stats(_STORE)
    trials = [
        trial(envoy, case, number * 100 + index, template, options.connections) for index in range(options.rounds)
    ]
    after = envoy.stats(_STORE)
    events = {name.rpartition("store_")[2].removesuffix("_total"): after[name] - before.get(name, 0) for name in after}
    ratios = [counted.admitted / (case.keys * case.quota) for counted in trials]
    total = sum(counted.requests for counted in trials)
    # The replies say whose they are: each key has had exactly its quota, not one more and another less.
    exact = all(
        counted.admitted == case.keys * case.quota
        and counted.values == case.keys
        and counted.most == counted.least == case.quota
        for counted in trials
    )
    return {
        "workers": workers,
        "keys": case.keys,
        "quota": case.quota,
        "windows": len(trials),
        "requests": total,
        "least": min(ratios),
        "most": max(ratios),
        "exact": exact,
        "lost_races": events.get("lost_races", 0),
        "gave_up": events.get("contended", 0),
        "per_second": median(counted.per_second for counted in trials),
        "p99_micros": median(counted.p99 for counted in trials),
    }


def run(options: Namespace) -> None:
    options.rounds = options.rounds or (1 if options.quick else 3)
    directory = places.OUT / "contention"
    rows = []
    gates = {
        "filter": listeners.tollgate("tollgate", places.tollgate_wasm(), policy()),
        "module": listeners.module("tollgate", policy()),
    }
    for (adapter, gate), workers in itertools.product(gates.items(), _WORKERS):
        with Envoy(directory, [listeners.listener("gate", [gate], echo="x-key")], workers=workers) as envoy:
            for number, case in enumerate(_CASES):
                rows.append({"adapter": adapter} | measure(envoy, case, workers, number, directory, options))
                exact = "exact" if rows[-1]["exact"] else "NOT EXACT"
                results.progress(f"{adapter}, {workers} workers, {case.keys} keys: {exact}")
    results.save("contention", options, {"windows": options.rounds}, rows)
    print(results.contention_table(rows))
    if not all(row["exact"] for row in rows):
        raise SystemExit("not exactly the quota was admitted")
