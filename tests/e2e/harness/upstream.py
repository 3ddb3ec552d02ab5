"""The application behind the gate: it answers 200, or as the request itself says, and remembers what reached it."""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass

from harness.web import Quiet, WebServer

http.client._MAXHEADERS = 1000  # the proxies let more than 100 pass, so their application has to

Header = tuple[str, str]

RESET: Header = ("x-answer", "reset")  # the connection is closed without an answer
_WITHOUT_BODY = {"101", "204", "304"}


def told(status: int, grpc_status: int | None = None) -> list[Header]:
    """The request's headers by which it says what it wants to be answered."""
    grpc = [] if grpc_status is None else [("x-answer-grpc-status", str(grpc_status))]
    return [("x-answer", str(status)), *grpc]


def redirected(path: str, status: int = 302) -> list[Header]:
    """Asked for any other path it answers that it is to be found there; asked for this one, as it is told."""
    return chained([path], status)


def chained(paths: list[str], status: int = 302) -> list[Header]:
    """The same, by way of these paths to the last of them."""
    return [("x-redirect", ",".join(paths)), ("x-redirect-status", str(status))]


def held(name: str) -> Header:
    """The answer waits until `Upstream.release(name)`."""
    return ("x-held", name)


@dataclass(frozen=True)
class Seen:
    """One request as the application got it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n.lower() == name.lower()]


class _Handler(Quiet):
    wbufsize = -1  # one packet per reply: two would wait for each other (Nagle and the delayed acknowledgement)
    server: Upstream

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if "chunked" in self.headers.get("transfer-encoding", ""):
            body = self._chunks()
        target = self.requestline.split(" ")[1]  # `self.path` is tidied up
        self.server.seen.append(Seen(self.command, target, tuple(self.headers.items()), body))
        if name := self.headers.get("x-held"):
            self.server.turn(name).wait(timeout=60)
        wanted = self.headers.get("x-answer", "200")
        if wanted == "reset":
            self.close_connection = True
            return
        grpc_status = self.headers.get("x-answer-grpc-status")
        if place := self._next_place(target):
            wanted = self.headers["x-redirect-status"]
        reply = b"" if wanted in _WITHOUT_BODY or grpc_status else b"hello from the application\n"
        self.send_response(int(wanted))
        if place:
            self.send_header("location", f"http://{self.headers['host']}{place}")
        if wanted == "101":
            self.send_header("connection", "upgrade")
            self.send_header("upgrade", "websocket")
        self.send_header("content-type", "application/grpc" if grpc_status else "text/plain")
        if grpc_status:
            self.send_header("grpc-status", grpc_status)
        if wanted not in _WITHOUT_BODY:
            self.send_header("content-length", str(len(reply)))
        self.send_header("x-application", "yes")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply)
        if wanted == "101":
            self._echo()

    def _next_place(self, target: str) -> str | None:
        """Where the request is redirected to; None where it is to be answered."""
        places = [place for place in self.headers.get("x-redirect", "").split(",") if place]
        if target not in places:
            return places[0] if places else None
        return next(iter(places[places.index(target) + 1 :]), None)

    def _echo(self) -> None:
        """What is left of the connection is a socket that says what it hears."""
        self.close_connection = True
        self.wfile.flush()
        while heard := self.rfile.read1(65536):
            self.wfile.write(heard)
            self.wfile.flush()

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def __getattr__(self, name: str):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)


class Upstream(WebServer):
    """`with Upstream() as app:`; `app.seen` is every request so far, oldest first."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.seen: list[Seen] = []
        self._turns: dict[str, threading.Event] = {}

    def turn(self, name: str) -> threading.Event:
        """When it has come, requests `held(name)` are answered."""
        return self._turns.setdefault(name, threading.Event())

    def release(self, name: str) -> None:
        """Lets the answers to requests `held(name)` go, those to come as well."""
        self.turn(name).set()

    def arrived(self, name: str) -> int:
        """How many requests `held(name)` have come in so far."""
        return sum(seen.values("x-held") == [name] for seen in list(self.seen))
