"""A server for connections of which a test says what becomes of each."""

from __future__ import annotations

import socketserver
import threading
from typing import Self


class Listener(socketserver.ThreadingTCPServer):
    """`with Listener() as server:` listens at `server.port`. `finish_request`, which is for those who derive from it, has a thread
    for each connection."""

    # Proxies connect in advance, and may never say anything.
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_args) -> None:
        """That a connection is broken off is for its test to notice."""
