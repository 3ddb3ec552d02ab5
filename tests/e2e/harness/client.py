"""HTTP/1.1 spoken by hand, so that a test can send any bytes and any header twice."""

from __future__ import annotations

import io
import itertools
import socket
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse

Text = str | bytes
Header = tuple[Text, Text]

_serial = itertools.count(1)


def fresh_address() -> str:
    """A loopback address that no test has called from: a client of its own."""
    high, low = divmod(next(_serial), 250)
    return f"127.1.{high}.{low + 1}"


def fresh_token() -> str:
    """A credential that no test has used."""
    return f"secret-{next(_serial):08d}"


def token(value: str) -> Header:
    return ("authorization", f"Token {value}")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def retry_after(self) -> int:
        return int(self.headers["retry-after"])

    @property
    def from_application(self) -> bool:
        return self.headers["x-application"] == "yes"


def encode(target: Text, method: Text = "GET", headers: Iterable[Header] = (), body: bytes = b"") -> bytes:
    """The request as it goes over the wire; nothing is added but `Host`, and `Content-Length` for a body."""
    fields = list(headers)
    if not any(_raw(name).lower() == b"host" for name, _ in fields):
        fields.insert(0, ("host", "gate.test"))
    if body:
        fields.append(("content-length", str(len(body))))
    lines = [_raw(method) + b" " + _raw(target) + b" HTTP/1.1"]
    lines += [_raw(name) + b": " + _raw(value) for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Connection:
    """One TCP connection."""

    def __init__(self, port: int, *, source: str = "127.0.0.1") -> None:
        host = "::1" if ":" in source else "127.0.0.1"
        self._socket = socket.create_connection((host, port), timeout=30, source_address=(source, 0))
        self._reader = _Reader(self._socket)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reply(self, method: str = "GET") -> Reply:
        response = HTTPResponse(self._reader, method=method)
        response.begin()
        return Reply(response.status, response.msg, response.read())

    def head(self) -> str:
        """The head of a reply after which the connection is another protocol's."""
        lines = []
        while (line := self._reader.readline()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1"))
        return "".join(lines)

    def receive(self, size: int) -> bytes:
        """So many bytes as they come, of a connection that is another protocol's."""
        return self._reader.read(size)

    def close(self) -> None:
        self._socket.close()


class Client:
    """Someone who calls from `address`; keeps its connection as long as the server lets it."""

    def __init__(self, port: int, address: str | None = None) -> None:
        self._port = port
        self.address = address or fresh_address()
        self._connection: Connection | None = None

    def send(self, target: Text = "/", *headers: Header, method: str = "GET", body: bytes = b"") -> Reply:
        return self.send_raw(encode(target, method, headers, body), method)

    def send_raw(self, data: bytes, method: str = "GET") -> Reply:
        if self._connection is None:
            self._connection = Connection(self._port, source=self.address)
        self._connection.send(data)
        reply = self._connection.reply(method)
        if (reply.headers["connection"] or "").lower() == "close":
            self.close()
        return reply

    def statuses(self, times: int, target: Text = "/", *headers: Header, method: str = "GET") -> Counter[int]:
        """How often each status came back from `times` equal requests, one after the other."""
        return Counter(self.send(target, *headers, method=method).status for _ in range(times))

    def until_denied(self, target: Text = "/", *headers: Header, limit: int = 2000) -> Reply:
        """Calls until it is told to wait. For rates so short that a count would depend on the machine's speed."""
        for _ in range(limit):
            if (reply := self.send(target, *headers)).status == 429:
                return reply
        raise AssertionError(f"{limit} requests, and none denied")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exc) -> None:
        self.close()


def in_step(
    ports: int | list[int], request: bytes, *, rounds: int, connections: int, source: str = "127.0.0.1"
) -> Counter[int]:
    """In each round every connection sends `request`, before any reply is read. → how often each status came back.

    With several ports the connections take them in turn.

    (Envoy closes an HTTP/1.1 connection that pipelines while it is answered by local replies, so there is no burst
    with more than one request per connection; `http2.burst` has that.)
    """
    ports = [ports] if isinstance(ports, int) else ports
    callers = [Connection(ports[number % len(ports)], source=source) for number in range(connections)]
    statuses: Counter[int] = Counter()
    try:
        for _ in range(rounds):
            for caller in callers:
                caller.send(request)
            statuses.update(caller.reply().status for caller in callers)
    finally:
        for caller in callers:
            caller.close()
    return statuses


class _Reader(io.BufferedReader):
    """One buffer for all the replies of a connection. `HTTPResponse` would make one for each reply, lose what it had
    read ahead, and close it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(socket.SocketIO(sock, "r"))

    def makefile(self, _mode: str) -> _Reader:
        return self

    def close(self) -> None:
        """The connection closes the socket."""


def _raw(text: Text) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
