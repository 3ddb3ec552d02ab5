"""What limiters let through, and what they tell: each with one process or worker, and then, for the race, as it is deployed."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from dataclasses import dataclass, field
from statistics import median

from bench import results
from bench.apps.job import QUOTA, WINDOW
from bench.peers import behaviour, judge
from bench.peers.behaviour import Wait
from bench.peers.clients import Lateness, Reply
from bench.peers.contender import Contender

# So many are watched at the same time: the machine has to be on time.
_COHORT = 8
_TRIALS = 6
# Seconds between the requests of those who wait as told: at once, over half of a window, and over most of it.
_GAPS = [0.0, WINDOW / QUOTA / 2, WINDOW / QUOTA * 0.8]
# Later than this, and a client's volley is no longer on its side of the edge.
_LATE = 0.25


@dataclass
class Seen:
    """What was seen of one limiter."""

    steady: list[Reply] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)  # of several trials
    waits: list[Wait] = field(default_factory=list)
    told: tuple[str, float] | None = None
    knocked: float | None = None


async def _behave(one: Contender, number: int, seen: Seen) -> None:
    """All but the race, all at the same time, each by a client of its own."""
    door = one.quota
    assert door
    await asyncio.sleep(number * WINDOW / _COHORT / 2)
    every = [
        behaviour.steady(door),
        behaviour.edge_of_first(door),
        behaviour.edge_of_clock(door),
        behaviour.edge_found(door),
        behaviour.pulses(door, WINDOW / 2),
        behaviour.pulses(door, WINDOW / 4),
        behaviour.knocks(door),
        *(behaviour.waits_as_told(door, gap) for gap in _GAPS),
    ]
    steady, first, clock, found, half, quarter, knocked, *waited = await asyncio.gather(*every)
    seen.steady = steady
    seen.most |= {
        "steady": judge.most_in_a_window(steady, WINDOW),
        "edge": max(judge.most_in_a_window(replies, WINDOW) for replies in (first, clock, found)),
        "pulses": max(judge.most_in_a_window(replies, WINDOW) for replies in (half, quarter)),
    }
    seen.knocked, knocks = knocked
    # What somebody is told who has used up all at once.
    seen.told = next((reply.told for reply in knocks if not reply.admitted), None)
    seen.waits = [wait for waits, _ in waited for wait in waits]


async def _race(one: Contender, connections: int) -> list[int]:
    assert one.quota
    return [judge.most_in_a_window(await behaviour.at_once(one.quota, connections), WINDOW) for _ in range(_TRIALS)]


async def watch(single: list[Contender], deployed: list[Contender], connections: int) -> dict[str, Seen]:
    """By name. `single`: with one worker each, `deployed`: the same as they are deployed."""
    limiters = [one for one in single if one.is_limiter]
    seen = {one.name: Seen() for one in limiters}
    # Neighbours are alike: who is watched together is spread over the list.
    groups = -(-len(limiters) // _COHORT)
    for group in range(groups):
        cohort = limiters[group::groups]
        results.progress(f"windows: {group + 1} of {groups}, {', '.join(one.name for one in cohort)}")
        await asyncio.gather(*(_behave(one, number, seen[one.name]) for number, one in enumerate(cohort)))
    if Lateness.most > _LATE:
        results.progress(f"this machine was late by up to {Lateness.most:.2f} s: limiters may look better than they are")
    results.progress(f"{connections} connections at once")
    for where, contenders in (("at_once", single), ("deployed", deployed)):
        for one in contenders:
            if one.is_limiter:
                trials = await _race(one, connections)
                seen[one.name].most[where], seen[one.name].least[where] = max(trials), min(trials)
    return seen


def row(one: Contender, seen: Seen) -> dict:
    """A line of the table."""
    start = min(reply.sent for reply in seen.steady)
    due = (behaviour.STEADY_WINDOWS - 1) * QUOTA
    waits = seen.waits
    return {
        "name": one.name,
        "title": one.title,
        "in_redis": one.in_redis,
        "most": seen.most,
        "least": seen.least,
        "kept": max(seen.most.values()) <= QUOTA,
        # What somebody gets in the end who never stops, after the first window.
        "let_in": judge.admitted_after(seen.steady, start + WINDOW) / due,
        "knocked": seen.knocked,
        "told_by": seen.told[0] if seen.told else None,
        "told": seen.told[1] if seen.told else None,
        "waits": len(waits),
        "got_in": sum(wait.got_in for wait in waits),
        "waited": median(wait.seconds for wait in waits) if waits else None,
    }


def run(single: list[Contender], deployed: list[Contender], options: Namespace) -> list[dict]:
    seen = asyncio.run(watch(single, deployed, options.connections))
    return [row(one, seen[one.name]) for one in single if one.is_limiter]
