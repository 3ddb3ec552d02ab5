"""A registry that has the images of one OCI image layout, to be pulled over plain HTTP on loopback. It takes nothing in."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

_ROUTE = re.compile(r"/v2/(?P<name>[a-z0-9/._-]+)/(?P<kind>manifests|blobs)/(?P<reference>[A-Za-z0-9:._-]+)")
_TAG = "org.opencontainers.image.ref.name"


class Registry:
    """`with Registry(layout) as registry:` – `registry.host` is what stands before the name of an image, whatever that name is."""

    def __init__(self, layout: Path) -> None:
        self._layout = layout
        self.asked: list[str] = []

    def __enter__(self) -> Registry:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.asked.append(self.path)
                media_type, body = registry._find(self.path)
                self.send_response(404 if body is None else 200)
                body = body or b'{"errors":[{"code":"NOT_FOUND"}]}'
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_args) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def _find(self, path: str) -> tuple[str, bytes | None]:
        """→ media type and body"""
        if path == "/v2/":
            return "application/json", b"{}"
        if not (route := _ROUTE.fullmatch(path)):
            return "application/json", None
        digest, media_type = route["reference"], "application/octet-stream"
        if route["kind"] == "manifests":
            for manifest in json.loads((self._layout / "index.json").read_text())["manifests"]:
                if digest in (manifest["digest"], manifest.get("annotations", {}).get(_TAG)):
                    digest, media_type = manifest["digest"], manifest["mediaType"]
                    break
            else:
                return media_type, None
        blob = self._layout / "blobs" / digest.replace(":", "/")
        return media_type, blob.read_bytes() if blob.is_file() else None
