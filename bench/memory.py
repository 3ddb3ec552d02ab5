"""`memory`: what a flood of clients that never come again does.

Through Envoy: 2 million addresses at a table of the default size. Windows are an hour here, so that nothing expires and the
table stays full. Before it, a client uses up its quota; after it, that client must still be denied. Then requests are
measured at the full table and, moment by moment in turn, at one with room.

Then 10 million through the store alone, natively (examples/flood.rs).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import cpu, listeners, load, places, requests, results
from bench.contenders import Contender
from bench.envoy import Envoy

# The default capacity and, for comparison, one that this load cannot fill.
_CAPACITY = 65_536
_AMPLE = 1 << 24
_ADDRESSES = 1 << 24  # that start with 10, see clients.lua
_RETURNING = 4_000
_PART = 2.0  # seconds of flood between two looks


def policy(capacity: int) -> dict:
    """The default policy by the hour."""
    poll = {"method": "GET", "path": "/api/v2/jobs/", "query": {"ids_only": True}}
    scopes = {
        "anon": {"rate": "60/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "300/h", "key": ["credential", "address"]},
        "worker": {"rate": "30/h", "match": poll, "key": ["credential", {"query": "processing_service_name"}]},
    }
    return {"scopes": scopes, "store": {"capacity": capacity}}


def flood(envoy: Envoy, tap: load.Tap, clients: int) -> list[dict]:
    """Lets newcomers in until so many have called; looks at the memory on the way."""
    curve = [{"clients": 0, "bytes": envoy.resident_bytes(), "micros": None}]
    start = came(envoy, "full")
    while curve[-1]["clients"] < clients:
        before, used = came(envoy, "full"), cpu.idle(envoy)
        tap.run(_PART)
        used = cpu.idle(envoy) - used
        now = came(envoy, "full")
        micros = used / (now - before) / 1e3
        curve.append({"clients": now - start, "bytes": envoy.resident_bytes(), "micros": micros})
        results.progress(f"{now - start:,} clients, {envoy.resident_bytes() / 2**20:.1f} MiB")
    return curve


def came(envoy: Envoy, name: str) -> int:
    return sum(cpu.replies(envoy).get(name, (0, 0)))


def compare(envoy: Envoy, pair: dict[str, load.Tap], moments: int) -> dict:
    """CPU per request at the full table and at the one with room, in turn."""
    targets = {name: cpu.Target(Contender(name, name, "anonymous"), tap) for name, tap in pair.items()}
    micros: dict[str, list[float]] = {name: [] for name in targets}
    for number in range(moments):
        for name in sorted(targets, reverse=bool(number % 2)):
            micros[name].append(cpu.moment(envoy, targets[name], 0.05))
    ratios = [full / room for full, room in zip(micros["full"], micros["room"])]
    return {"full": median(micros["full"]), "room": median(micros["room"]), "ratio": results.spread(ratios)}


def through_envoy(directory: Path, options: Namespace) -> dict:
    page, poll = requests.template(directory, "anonymous"), requests.template(directory, "poll")
    wasm = places.tollgate_wasm()
    served = [
        listeners.listener(name, [listeners.tollgate(name, wasm, policy(capacity))])
        for name, capacity in (("full", _CAPACITY), ("room", _AMPLE))
    ]
    with Envoy(directory, served, workers=1) as envoy, ExitStack() as stack:

        def tap(name: str, clients: load.Clients) -> load.Tap:
            return stack.enter_context(load.Tap(envoy.ports[name], clients, connections=options.connections))

        def knock() -> load.Counted:
            clients = load.Clients(poll, 1, first=_ADDRESSES - 2)
            return load.drive(envoy.ports["full"], clients, seconds=1, connections=1)

        abuser_before = knock()
        # Newcomers have odd numbers as far as the tables are concerned: each table has its own.
        newcomers = {name: tap(name, load.Clients(page, 0)) for name in ("full", "room")}
        curve = flood(envoy, newcomers["full"], 50_000 if options.quick else 2_000_000)
        abuser_after = knock()
        moments = 3 if options.quick else 60
        new = compare(envoy, newcomers, moments)
        known = {name: tap(name, load.Clients(page, _RETURNING, first=_ADDRESSES - 100_000)) for name in newcomers}
        returning = compare(envoy, known, 3 if options.quick else 25)
        stats = envoy.stats("wasmcustom.tollgate.store_")
    if abuser_after.admitted:
        raise SystemExit(f"after the flood the abuser was let through {abuser_after.admitted} times")
    full = next(look for look in curve if look["clients"] >= 4 * _CAPACITY or look is curve[-1])
    return {
        "curve": curve,
        "abuser": {"admitted_before": abuser_before.admitted, "admitted_after": abuser_after.admitted},
        "growth_at_capacity": curve[-1]["bytes"] - full["bytes"],
        "table_bytes": curve[-1]["bytes"] - curve[0]["bytes"],
        "new": new,
        "returning": returning,
        "evicted": sum(value for name, value in stats.items() if name.endswith("evicted_total")),
    }


def native(options: Namespace) -> list[dict]:
    target = Path(os.environ.get("CARGO_TARGET_DIR") or places.ROOT / "target")
    command = [str(target / "release/examples/flood"), "1" if options.quick else "10"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"examples/flood: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(options: Namespace) -> None:
    start = time.monotonic()
    rows = {"native": native(options), "envoy": through_envoy(places.OUT / "memory", options)}
    results.progress(f"took {time.monotonic() - start:.0f} s")
    results.save("memory", options, {"capacity": _CAPACITY}, rows)
    print(results.memory_table(rows))
