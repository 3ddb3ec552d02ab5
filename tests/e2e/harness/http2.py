"""HTTP/2 in the clear, with prior knowledge: many requests at once on one connection, and spellings that a polite
library would put right."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

Header = tuple[str, str]

# Stands for a status where there is none: Envoy ended the stream or the connection over what it was sent.
NO_REPLY = 0


@dataclass
class Http2Reply:
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.headers.get(":status", NO_REPLY))


def request(target: str, *headers: Header, method: str = "GET") -> list[Header]:
    """The header list of a request, exactly as given."""
    pseudo = [(":method", method), (":scheme", "http"), (":authority", "gate.test"), (":path", target)]
    return [*pseudo, *headers]


class Http2Connection:
    def __init__(self, port: int, *, source: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))
        # Only what is received is checked: what is sent may be as odd as the test wants it.
        config = H2Configuration(
            header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._h2 = H2Connection(config)
        self._h2.initiate_connection()
        self._open: dict[int, Http2Reply] = {}

    def queue(self, requests: Sequence[list[Header]]) -> None:
        """Encodes requests, so that `flush` has nothing left to do but to send."""
        for headers in requests:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, headers, end_stream=True)
            self._open[stream] = Http2Reply()

    def flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())

    def replies(self) -> list[Http2Reply]:
        """Reads until each queued request has its reply, or will have none; in the order of the requests."""
        waiting = set(self._open)
        while waiting:
            data = self._socket.recv(65536)
            if not data:
                break
            for event in self._h2.receive_data(data):
                stream = getattr(event, "stream_id", None)
                if isinstance(event, ResponseReceived | TrailersReceived):
                    self._open[stream].headers.update(event.headers)
                elif isinstance(event, DataReceived):
                    self._open[stream].body += event.data
                    self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, ConnectionTerminated) and event.error_code:
                    waiting.clear()  # Envoy keeps the socket open for another second
                elif isinstance(event, StreamReset | StreamEnded):
                    waiting.discard(stream)
            self.flush()
        replies = list(self._open.values())
        self._open = {}
        return replies

    def give_up(self) -> None:
        """Resets every stream that has no reply yet."""
        for stream in self._open:
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        self._open = {}
        self.flush()

    def send(self, target: str, *headers: Header, method: str = "GET") -> Http2Reply:
        self.queue([request(target, *headers, method=method)])
        self.flush()
        return self.replies()[0]

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Http2Connection:
        return self

    def __exit__(self, *_exc) -> None:
        self.close()


def burst(port: int, headers: list[Header], *, times: int, connections: int, source: str) -> Counter[int]:
    """Every connection sends its `times` requests in one piece, before any reply is read: Envoy's workers then decide
    in parallel as fast as they can, however slow this interpreter is. → how often each status came back."""
    callers = [Http2Connection(port, source=source) for _ in range(connections)]
    try:
        for caller in callers:
            caller.queue([headers] * times)
        for caller in callers:
            caller.flush()
        return Counter(reply.status for caller in callers for reply in caller.replies())
    finally:
        for caller in callers:
            caller.close()
