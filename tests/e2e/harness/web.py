"""A web server on loopback that runs while it is entered."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self


class WebServer(ThreadingHTTPServer):
    """`with WebServer(Handler) as server:` listens at `server.port`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.port: int = self.server_port
        # A short poll only makes stopping quick; requests do not wait for it.
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_args) -> None:
        """That a request is aborted is for its test to notice."""


class Quiet(BaseHTTPRequestHandler):
    """Keeps its connections, and says nothing of requests."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_args) -> None:
        pass
