"""A registry that has the images of one OCI image layout, to be pulled over plain HTTP on loopback. It takes nothing in."""

from __future__ import annotations

import json
import re
from pathlib import Path

from harness.web import Quiet, WebServer

_ROUTE = re.compile(r"/v2/(?P<name>[a-z0-9/._-]+)/(?P<kind>manifests|blobs)/(?P<reference>[A-Za-z0-9:._-]+)")
_TAG = "org.opencontainers.image.ref.name"


class _Handler(Quiet):
    server: Registry

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        media_type, body = self.server.find(self.path)
        self.send_response(404 if body is None else 200)
        body = body or b'{"errors":[{"code":"NOT_FOUND"}]}'
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET


class Registry(WebServer):
    """`with Registry(layout) as registry:` – `registry.host` is what stands before the name of an image, whatever that name is."""

    def __init__(self, layout: Path) -> None:
        super().__init__(_Handler)
        self._layout = layout
        self.asked: list[str] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def find(self, path: str) -> tuple[str, bytes | None]:
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
