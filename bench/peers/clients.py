"""Clients that note when they ask and when they are answered, and what they are told.

All times are of one clock, in seconds. It runs evenly, and differs from the wall clock's by `_WALL`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from bench.peers.contender import Door

now = time.monotonic
_WALL = time.time() - time.monotonic()
_PATIENCE = 20.0  # seconds
_DENIED = 429

# Each client is new, in all of a run: those of the load are 10.…, see clients.lua.
_addresses: Iterator[str] = (f"172.{16 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in itertools.count(1))


def newcomer() -> str:
    return next(_addresses)


@dataclass(frozen=True)
class Reply:
    sent: float
    received: float
    admitted: bool
    headers: dict[str, str]

    @property
    def told(self) -> tuple[str, float] | None:
        """For how many seconds the client is to wait, and which header field says so."""
        for name in ("retry-after", "ratelimit", "ratelimit-reset", "x-ratelimit-reset"):
            value = self.headers.get(name)
            if value and (wait := _seconds(name, value, self.received + _WALL)) is not None:
                return name, wait
        return None


def _seconds(name: str, value: str, wall: float) -> float | None:
    if name == "ratelimit":
        found = re.search(r";\s*t=(\d+)", value)
        return float(found[1]) if found else None
    try:
        number = float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - wall
    # Some say the moment, and not how long it takes.
    return number - wall if number > 1e9 else number


def wall_boundary(every: float, *, after: float) -> float:
    """The first moment after `after` at which the wall clock shows a whole multiple of so many seconds."""
    wall = after + _WALL
    return (wall // every + 1) * every - _WALL


class Lateness:
    """By how many seconds clients came late at most: how far this machine was from doing what was wanted."""

    most = 0.0


async def until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - now()))
    Lateness.most = max(Lateness.most, now() - moment)


class Connection:
    """One connection of one client. `async with Connection(door, address) as it:`."""

    def __init__(self, door: Door, address: str, *, stays: bool = False) -> None:
        self._port = door.port
        keep = "keep-alive" if stays else "close"
        head = f"GET {door.path} HTTP/1.1\r\nHost: api.example.org\r\nX-Forwarded-For: {address}\r\n"
        self._request = f"{head}User-Agent: bench\r\nAccept: */*\r\nConnection: {keep}\r\n\r\n".encode()

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_exc) -> None:
        self._writer.close()

    async def ask(self) -> Reply:
        sent = now()
        self._writer.write(self._request)
        status, headers = await asyncio.wait_for(self._head(), _PATIENCE)
        received = now()
        body = await asyncio.wait_for(self._body(headers), _PATIENCE)
        if status not in (200, _DENIED):
            raise RuntimeError(f"port {self._port} answers {status}: {body[:500]!r}")
        return Reply(sent, received, status == 200, headers)

    async def _head(self) -> tuple[int, dict[str, str]]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.read()
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return body


async def ask(door: Door, address: str) -> Reply:
    """On a connection of its own."""
    async with Connection(door, address) as connection:
        return await connection.ask()
