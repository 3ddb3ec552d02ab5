"""A gRPC application, as far as a proxy sees it: each call is answered with the gRPC status that it asks for, in the place that it
asks for."""

from __future__ import annotations

import socketserver
import threading

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

Header = tuple[str, str]

CALL: Header = ("content-type", "application/grpc")


def called(status: int, *, trailers_only: bool = False) -> list[Header]:
    """The headers of a call by which it says what it wants to be answered: headers first and this status in the trailers after
    them, or this status in headers that are all there is."""
    return [CALL, ("x-answer-grpc-status", str(status)), ("x-answer-in", "headers" if trailers_only else "trailers")]


class GrpcApplication(socketserver.ThreadingTCPServer):
    """`with GrpcApplication() as app:`; `app.calls` is how many have come."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.port: int = self.server_address[1]
        self.calls = 0
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> GrpcApplication:
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

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

    def handle_error(self, *_args) -> None:
        """That a connection is broken off is for its test to notice."""


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
