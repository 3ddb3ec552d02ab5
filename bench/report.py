"""`report`: puts the tables of what was measured into BENCHMARKS.md, between its markers. The words around them are written
by hand and stay."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable

from bench import peers, places, results

_TABLES: dict[str, Callable] = {
    "cpu": results.cpu_table,
    "contention": results.contention_table,
    "memory": results.memory_table,
    "hostile": results.hostile_table,
    "authz": results.authz_table,
    "redis": results.redis_table,
    "peers-windows": peers.tables.windows,
    "peers-cost": peers.tables.cost,
    "replay": results.replay_table,
}


def section(mode: str) -> str | None:
    """A mode's table, and on which machine it was made."""
    if mode == "micro":
        return micro()
    saved = results.saved(mode)
    if not saved:
        return None
    machine = saved["machine"]
    what = f"{machine['cpu']}, {machine['cores']} cores{' (virtual)' if machine['virtual'] == 'yes' else ''}"
    what += f", {machine['memory']}, Linux {machine['kernel']}, Envoy {machine['envoy']}, wrk {machine['wrk']}"
    what += f", tollgate.wasm of {int(machine['wasm_bytes']):,} bytes"
    settings = ", ".join(f"{name} {value}" for name, value in saved["settings"].items())
    return f"{_TABLES[mode](saved['rows'])}\n\n{saved['made']}: {what}; {settings}."


def micro() -> str | None:
    """What callgrind has counted last, and criterion measured."""
    saved = results.saved("micro")
    tables = [f"{results.micro_table(saved['rows'])}\n\n{saved['made']}: {saved['machine']}, {saved['valgrind']}." if saved else None]
    tables.append(times())
    return "\n\n".join(filter(None, tables)) or None


def times() -> str | None:
    files = sorted((places.ROOT / "target/criterion").glob("*/*/new/estimates.json"))
    rows = []
    for file in files:
        named = json.loads((file.parent / "benchmark.json").read_text())["full_id"]
        nanos = json.loads(file.read_text())["median"]["point_estimate"]
        rows.append([named.replace("/", ": "), f"{nanos:,.0f}" if nanos >= 100 else f"{nanos:.1f}"])
    return results.table(["natively", "ns"], rows) if rows else None


def run(_options: Namespace) -> None:
    file = places.ROOT / "BENCHMARKS.md"
    words = file.read_text()
    for mode in (*_TABLES, "micro"):
        made = section(mode)
        if made is None:
            continue
        marked = re.compile(rf"(<!-- bench: {mode} -->\n).*?(<!-- end -->)", re.DOTALL)
        words, found = marked.subn(lambda match: f"{match[1]}\n{made}\n\n{match[2]}", words)
        print(f"{mode}: {'written' if found else 'BENCHMARKS.md has no place for it'}")
    file.write_text(words)
