"""The tables of `peers`."""

from __future__ import annotations

from collections.abc import Callable

from bench import results
from bench.apps.job import QUOTA, WINDOW


def windows(rows: list[dict]) -> str:
    """More than the quota is bold, and so is a client that waits in vain or for ever."""
    head = [f"at most {QUOTA} in {WINDOW} s, by address", "steady", "edge", "pulses", "at once", "2 workers"]
    head += ["told, s", "in as told", "knocking: in after, s", "share"]

    def count(row: dict, where: str) -> str:
        most, least = row["most"].get(where), row["least"].get(where)
        if most is None:
            return ""
        words = str(most) if least in (None, most) else f"{least}–{most}"
        return f"**{words}**" if most > QUOTA else words

    def cells(row: dict) -> list[str]:
        counts = [count(row, where) for where in ("steady", "edge", "pulses", "at_once", "deployed")]
        told = "nothing" if row["told"] is None else f"{row['told']:.0f}"
        got_in = f"{row['got_in']} of {row['waits']}" if row["waits"] else ""
        if row["got_in"] < row["waits"]:
            got_in = f"**{got_in}**"
        knocked = "**never**" if row["knocked"] is None else f"{row['knocked']:.1f}"
        return [row["title"], *counts, told, got_in, knocked, f"{row['let_in']:.0%}"]

    return results.table(head, [cells(row) for row in rows])


def cost(rows: list[dict]) -> str:
    """One line for each: allowed over one connection, allowed over many, denied over many."""
    head = ["CPU per request, µs", "one connection", "to alone", "beside", "added, ms"]
    head += ["many", "quarters", "to alone", "beside", "added, ms", "99%: added", "req/s"]
    head += ["denied", "to alone", "beside"]

    def cells(row: dict) -> list[str]:
        one, many, denied = row["1"], row["many"], row["denied"]

        def against(of: dict | None, what: str, write: Callable[[float], str]) -> str:
            return write(of[what]["median"]) if of and row["is_limiter"] else ""

        def beside(of: dict | None) -> str:
            return f"{of['beside']['median']:.1f}" if of and row["has_beside"] else ""

        def ratio(of: dict | None) -> str:
            return against(of, "to_alone", lambda value: f"{value:.2f}×")

        def millis(of: dict, what: str) -> str:
            return against(of, what, lambda value: f"{value / 1e3:+.2f}")

        server = many["server"]
        cells = [row["title"], f"{one['server']['median']:.1f}", ratio(one), beside(one), millis(one, "added_p50")]
        cells += [f"{server['median']:.1f}", f"{server['low']:.1f}–{server['high']:.1f}", ratio(many), beside(many)]
        cells += [millis(many, "added_p50"), millis(many, "added_p99"), f"{many['per_second']['median']:,.0f}"]
        return [*cells, f"{denied['server']['median']:.1f}" if denied else "", ratio(denied), beside(denied)]

    return results.table(head, [cells(row) for row in rows])
