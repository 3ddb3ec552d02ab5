"""Ports on loopback, for whoever has to know his port before he listens on it.

A server that is not told one is better: it listens on port 0, and says which it was given.
"""

from __future__ import annotations

import socket

_held: list[socket.socket] = []


def reserve() -> int:
    """A port that nobody has. It stays the tests' own to their end; until a server of theirs listens there, it refuses connections.

    A socket stays bound to it and never listens. So the kernel gives the port to nobody else, neither to another run of the
    tests nor for a connection; a server that sets `SO_REUSEADDR`, as all do here, can listen there nevertheless, and again
    after it was killed.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return held.getsockname()[1]
