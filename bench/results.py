"""What was measured, as JSON and as tables."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from statistics import median, quantiles
from typing import Any

from bench import machine, places


def spread(values: list[float]) -> dict[str, float]:
    """The median; the quarters around it; and the tenth from below: the quiet rounds' value. What else a machine does can
    only make a round slower, so where it does much, the quiet rounds tell more about the program itself."""
    if len(values) < 2:
        return dict.fromkeys(("quiet", "low", "median", "high"), values[0])
    twentieths = quantiles(values, n=20, method="inclusive")
    return {"quiet": twentieths[1], "low": twentieths[4], "median": median(values), "high": twentieths[14]}


def save(mode: str, options: Namespace, settings: dict, rows: Any) -> None:
    """A mode's result, with all that it takes to judge it. What is no full measurement goes to a file of its own, and into no
    report."""
    name = f"{mode}-quick" if options.quick else f"{mode}-part" if options.only else mode
    document = {"mode": mode, "made": time.strftime("%Y-%m-%d"), "machine": machine.describe()}
    document |= {"settings": settings | {"connections": options.connections}, "rows": rows}
    file = places.OUT / f"{name}.json"
    file.write_text(json.dumps(document, indent=2) + "\n")
    progress(f"written: {file.relative_to(places.ROOT)}")


def saved(mode: str) -> dict | None:
    file = places.OUT / f"{mode}.json"
    return json.loads(file.read_text()) if file.exists() else None


def progress(text: str) -> None:
    """For the one who waits; on stderr, so that the tables can be piped."""
    print(text, file=sys.stderr, flush=True)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table that reads as text and as Markdown: the first column to the left, numbers to the right."""
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]

    def line(cells: list[str]) -> str:
        first, *rest = (cell.rjust(width) for cell, width in zip(cells, widths))
        return "| " + " | ".join([first.strip().ljust(widths[0]), *rest]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def cpu_table(rows: list[dict]) -> str:
    head = ["CPU per request, µs", "median", "quarters", "added", "quarters", "to empty", "quiet", "added", "to empty"]

    def cells(row: dict) -> list[str]:
        micros, added, ratio = row["micros"], row.get("added"), row.get("to_empty")
        cells = [row["title"], f"{micros['median']:.1f}", f"{micros['low']:.1f}–{micros['high']:.1f}"]
        if not added:
            return [*cells, "", "", "", f"{micros['quiet']:.1f}", "", ""]
        cells += [f"{added['median']:+.1f}", f"{added['low']:+.1f}–{added['high']:+.1f}", f"{ratio['median']:.2f}×"]
        return [*cells, f"{micros['quiet']:.1f}", f"{added['quiet']:+.1f}", f"{ratio['quiet']:.2f}×"]

    return table(head, [cells(row) for row in rows])


def hostile_table(rows: list[dict]) -> str:
    head = ["CPU per request, µs", "Envoy alone", "added", "quarters", "to Envoy", "to ordinary"]

    def cells(row: dict) -> list[str]:
        bare, added = row["bare"], row["added"]
        cells = [row["title"], f"{bare['median']:.0f}", f"{added['median']:+.0f}", f"{added['low']:+.0f}–{added['high']:+.0f}"]
        return [*cells, f"{row['share']['median']:.2f}×", f"{row['to_ordinary']:.1f}×"]

    return table(head, [cells(row) for row in rows])


def contention_table(rows: list[dict]) -> str:
    head = ["adapter", "workers", "keys", "quota", "windows", "requests", "admitted / quota", "races lost", "gave up", "req/s"]

    def cells(row: dict) -> list[str]:
        least, most = f"{row['least']:.6f}", f"{row['most']:.6f}"
        exact = "1.00 exactly" if row["exact"] else f"{least}–{most} !"
        share = row["lost_races"] / row["requests"]
        return [
            row["adapter"],
            str(row["workers"]),
            f"{row['keys']:,}",
            f"{row['quota']:,}",
            str(row["windows"]),
            f"{row['requests']:,}",
            exact,
            f"{row['lost_races']:,} ({share:.2%})",
            str(row["gave_up"]),
            f"{row['per_second']:,.0f}",
        ]

    return table(head, [cells(row) for row in rows])


def redis_table(rows: list[dict]) -> str:
    head = ["counters", "connections", "Envoy, µs", "to no filter", "Redis, µs", "batch", "median, ms", "added, ms", "99%, ms", "req/s"]

    def cells(row: dict) -> list[str]:
        in_redis = row["name"].endswith("redis")
        return [
            row["title"],
            str(row["connections"]),
            f"{row['micros']:.1f}",
            f"{row['to_none']:.2f}×",
            f"{row['redis_micros']:.1f}" if in_redis else "",
            f"{row['batch']:.1f}" if in_redis else "",
            f"{row['p50'] / 1e3:.2f}",
            f"{row['added_p50'] / 1e3:+.2f}" if row["name"] != "none" else "",
            f"{row['p99'] / 1e3:.2f}",
            f"{row['per_second']:,.0f}",
        ]

    return table(head, [cells(row) for row in rows])


def replay_table(rows: list[dict]) -> str:
    head = ["reading a log", "lines/s", "quarters", "CPU per line, µs", "memory, MiB"]

    def cells(row: dict) -> list[str]:
        per_second = row["per_second"]
        return [
            row["title"],
            f"{per_second['median']:,.0f}",
            f"{per_second['low']:,.0f}–{per_second['high']:,.0f}",
            f"{row['micros']['median']:.1f}",
            f"{row['bytes'] / 2**20:.0f}",
        ]

    return table(head, [cells(row) for row in rows])


def memory_table(rows: dict) -> str:
    envoy, native = rows["envoy"], rows["native"]
    last = envoy["curve"][-1]

    def at(comparison: dict) -> list[str]:
        ratio = comparison["ratio"]
        quarters = f"{ratio['low']:.2f}–{ratio['high']:.2f}"
        return [f"{comparison['full']:.1f} µs, {comparison['room']:.1f} µs", f"{ratio['median']:.2f}× ({quarters})"]

    lines = [
        ["distinct clients through Envoy", f"{last['clients']:,}", ""],
        ["Envoy's memory before, after, MiB", f"{envoy['curve'][0]['bytes'] / 2**20:.1f}", f"{last['bytes'] / 2**20:.1f}"],
        ["growth once the table was full, KiB", f"{envoy['growth_at_capacity'] / 2**10:.0f}", ""],
        ["the abuser: admitted before, after", str(envoy["abuser"]["admitted_before"]), str(envoy["abuser"]["admitted_after"])],
        ["a new client: at a full table, at one with room", *at(envoy["new"])],
        ["a returning client: the same", *at(envoy["returning"])],
        ["distinct clients through the native store", f"{native[-1]['clients']:,}", ""],
        ["bytes in its cells at a tenth, at the end", f"{native[0]['bytes']:,}", f"{native[-1]['bytes']:,}"],
        ["ns per charge at a tenth, at the end", f"{native[0]['nanos_per_charge']:,}", f"{native[-1]['nanos_per_charge']:,}"],
    ]
    return table(["memory", "", ""], lines)


def micro_table(rows: list[dict]) -> str:
    head = ["instructions per request", "headers as a list", "code, KB", "as a block", "code, KB"]

    def cells(row: dict, form: str) -> list[str]:
        return [f"{row[form]:,}", f"{row[f'{form}_code'] / 1024:.1f}"]

    return table(head, [[row["title"], *cells(row, "list"), *cells(row, "block")] for row in rows])


def authz_table(rows: list[dict]) -> str:
    head = ["through nginx", "req/s", "quarters", "p99 of many, ms", "p50 of one, µs", "added", "p99 of one, µs"]

    def cells(row: dict) -> list[str]:
        per_second = row["per_second"]
        return [
            row["title"],
            f"{per_second['median']:,.0f}",
            f"{per_second['low']:,.0f}–{per_second['high']:,.0f}",
            f"{row['full_p99'] / 1000:.1f}",
            f"{row['empty_p50']:.0f}",
            f"{row['added_p50']:+.0f}" if row["added_p50"] else "",
            f"{row['empty_p99']:.0f}",
        ]

    return table(head, [cells(row) for row in rows])
