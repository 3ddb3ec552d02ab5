"""A gRPC application, as far as a proxy sees it: each call is answered with the gRPC status that it asks for, in the place that it
asks for."""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from harness.listener import Listener

Header = tuple[str, str]

CALL: Header = ("content-type", "application/grpc")


def called(status: int, *, trailers_only: bool = False) -> list[Header]:
    """The headers of a call by which it says what it wants to be answered: headers first and this status in the trailers after
    them, or this status in headers that are all there is."""
    return [CALL, ("x-answer-grpc-status", str(status)), ("x-answer-in", "headers" if trailers_only else "trailers")]


class GrpcApplication(Listener):
    """`with GrpcApplication() as app:`; `app.calls` is how many have come."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def finish_request(self, connection, _address) -> None:
        h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        h2.initiate_connection()
        wanted: dict[int, dict[str, str]] = {}
        connection.sendall(h2.data_to_send())
        while data := connection.recv(65536):
            for event in h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    wanted[event.stream_id] = dict(event.headers)
                elif isinstance(event, StreamEnded):
                    self.calls += 1
                    _answer(h2, event.stream_id, wanted.pop(event.stream_id))
            connection.sendall(h2.data_to_send())


def _answer(h2: H2Connection, stream: int, wanted: dict[str, str]) -> None:
    status = ("grpc-status", wanted.get("x-answer-grpc-status", "0"))
    headers = [(":status", "200"), CALL, ("x-application", "yes")]
    if wanted.get("x-answer-in") == "headers":
        h2.send_headers(stream, [*headers, status], end_stream=True)
        return
    h2.send_headers(stream, headers)
    if status[1] == "0":
        h2.send_data(stream, b"\0\0\0\0\0")  # an empty message
    h2.send_headers(stream, [status], end_stream=True)
