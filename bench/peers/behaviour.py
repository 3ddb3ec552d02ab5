"""How clients behave, each for so long as it takes to tell a limiter's ways: some windows of real time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bench.apps.job import QUOTA, WINDOW
from bench.peers.clients import Connection, Reply, ask, newcomer, now, until, wall_boundary
from bench.peers.contender import Door

# Before and after a boundary. A limiter's clock and ours are the same; the way from one to the other takes a little.
_BEFORE, _AFTER = 0.4, 0.2
STEADY_WINDOWS = 5
_PATIENCE = 20.0  # seconds


async def volley(door: Door, address: str, size: int) -> list[Reply]:
    """So many at the same time."""
    return list(await asyncio.gather(*(ask(door, address) for _ in range(size))))


async def until_denied(door: Door, address: str, gap: float = 0.0) -> list[Reply]:
    """One after the other; the last one is denied, unless three quotas are not enough."""
    replies: list[Reply] = []
    while len(replies) < 3 * QUOTA and (not replies or replies[-1].admitted):
        replies.append(await ask(door, address))
        await asyncio.sleep(gap if replies[-1].admitted else 0)
    return replies


async def steady(door: Door) -> list[Reply]:
    """Four times as fast as allowed, without regard for the answers."""
    address, start, every = newcomer(), now(), WINDOW / QUOTA / 4
    asked = []
    for number in range(round(STEADY_WINDOWS * WINDOW / every)):
        await until(start + number * every)
        asked.append(asyncio.create_task(ask(door, address)))
    return list(await asyncio.gather(*asked))


async def pulses(door: Door, every: float, windows: float = 4, address: str | None = None) -> list[Reply]:
    """Takes what it gets, and stops at the first denial; again and again."""
    address, start = address or newcomer(), now()
    replies = []
    for number in range(round(windows * WINDOW / every)):
        await until(start + number * every)
        replies += await until_denied(door, address)
    return replies


async def edge_of_first(door: Door) -> list[Reply]:
    """Half before, half after the end of a window that begins with a client's first request."""
    address = newcomer()
    first = await ask(door, address)
    return [first, *await _around(door, address, first.received + WINDOW)]


async def edge_of_clock(door: Door) -> list[Reply]:
    """The same where windows are those of the wall clock."""
    return await _around(door, newcomer(), wall_boundary(WINDOW, after=now() + 2 * _BEFORE))


async def edge_found(door: Door) -> list[Reply]:
    """The same where a client has to find out when windows end: by knocking until it is let in."""
    address = newcomer()
    replies = await until_denied(door, address)
    end = now() + 2 * WINDOW
    while not replies[-1].admitted and now() < end:
        await asyncio.sleep(_AFTER)
        replies.append(await ask(door, address))
    return replies + await _around(door, address, replies[-1].received - _AFTER + WINDOW)


async def _around(door: Door, address: str, boundary: float) -> list[Reply]:
    await until(boundary - _BEFORE)
    replies = await volley(door, address, QUOTA)
    await until(boundary + _AFTER)
    replies += await volley(door, address, QUOTA)
    await asyncio.sleep(WINDOW / 10)
    return replies + await pulses(door, WINDOW / 10, 0.8, address)


async def at_once(door: Door, connections: int, each: int = 3) -> list[Reply]:
    """Many connections of one client, all open before the first request is sent; each asks a few times."""
    address = newcomer()
    go = asyncio.Event()
    opened = asyncio.Semaphore(0)

    async def one() -> list[Reply]:
        async with Connection(door, address, stays=True) as connection:
            opened.release()
            await go.wait()
            return [await connection.ask() for _ in range(each)]

    asking = [asyncio.create_task(one()) for _ in range(connections)]
    for _ in range(connections):
        await asyncio.wait_for(opened.acquire(), _PATIENCE)
    # Servers take note of their connections meanwhile.
    await asyncio.sleep(0.05)
    go.set()
    return [reply for replies in await asyncio.gather(*asking) for reply in replies]


@dataclass(frozen=True)
class Wait:
    """What a client was told when it was denied, and whether it got in when it had waited so long."""

    told: str  # the header field
    seconds: float
    got_in: bool


async def waits_as_told(door: Door, gap: float, windows: float = 4) -> tuple[list[Wait], list[Reply]]:
    """Asks until it is denied, waits exactly as long as it is told, asks again; over and over. What it is told when it has waited
    in vain it does, too, but that is not counted. `gap`: seconds between the requests until it is denied."""
    address, end = newcomer(), now() + windows * WINDOW
    waits: list[Wait] = []
    replies = await until_denied(door, address, gap)
    while now() < end and (told := replies[-1].told) and not replies[-1].admitted:
        name, seconds = told
        if seconds > 2 * WINDOW:
            return [*waits, Wait(name, seconds, got_in=False)], replies
        again = await _waits(door, address, replies[-1], seconds)
        waits.append(Wait(name, seconds, again.admitted))
        while not again.admitted and now() < end:
            replies.append(again)
            # Told to come at once, and denied: it would go on without end.
            again = await _waits(door, address, again, max(0.2, again.told[1] if again.told else 1))
        replies.append(again)
        if again.admitted:
            replies += await until_denied(door, address, gap)
    return waits, replies


async def _waits(door: Door, address: str, denied: Reply, seconds: float) -> Reply:
    await until(denied.received + seconds)
    return await ask(door, address)


async def knocks(door: Door, every: float = 0.5, windows: float = 4) -> tuple[float | None, list[Reply]]:
    """Uses up its quota at once, and then knocks without regard for what it is told. → seconds from the first request until it is let
    in again; None if it never was."""
    address = newcomer()
    replies = await until_denied(door, address)
    start = replies[0].sent
    while now() < start + windows * WINDOW:
        await asyncio.sleep(every)
        replies.append(await ask(door, address))
        if replies[-1].admitted:
            return replies[-1].received - start, replies
    return None, replies
