"""A web server on loopback that has a few files."""

from __future__ import annotations

from harness.web import Quiet, WebServer


class _Handler(Quiet):
    server: Files

    def do_GET(self) -> None:
        body = self.server.contents.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")


class Files(WebServer):
    """`with Files({path: contents}) as files:` – on `files.port`"""

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__(_Handler)
        self.contents = contents
