"""Real Redis servers of the tests' own, on ports of their own, and what they can be made to suffer."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from harness import ports, processes

_PATIENCE = 30.0  # seconds; only a hang ends here


class RedisError(Exception):
    """Redis has answered with an error."""


def others() -> list[str]:
    """The programs that `scripts/test` has installed besides the machine's own redis-server."""
    return [path for path in os.environ.get("TOLLGATE_REDIS_SERVERS", "").split(":") if path]


class Redis:
    """A running server. `with Redis(directory) as redis:` – it answers on entry, and is stopped on exit."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        password: str | None = None,
        tls: dict | None = None,
        program: str = "redis-server",
    ) -> None:
        """`arguments`: more of its command line. `tls`: the paths `cert`, `key` and `ca`; it then speaks nothing else.
        `program`: another server than the machine's own, one of `others`."""
        self._program = program
        self._directory = directory
        self._arguments = arguments
        self._password = password
        self._tls = tls
        self.port = ports.reserve()
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Redis:
        self.start()
        return self

    def __exit__(self, *_exc) -> None:
        self.kill()

    def start(self) -> None:
        """Starts it, on the same port as before, with nothing in it."""
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(self._answers, self._process)

    def _command(self) -> list[str]:
        port = ["--port", str(self.port)]
        if self._tls:
            port = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            port += ["--tls-cert-file", self._tls["cert"], "--tls-key-file", self._tls["key"], "--tls-ca-cert-file", self._tls["ca"]]
        command = [self._program, "--bind", "127.0.0.1", *port, "--dir", str(self._directory), "--save", ""]
        command += ["--unixsocket", "socket", *self._arguments]
        if self._password:
            command += ["--requirepass", self._password]
        return command

    def kill(self) -> None:
        """Ends it at once, with all that it holds."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """It neither runs nor closes its connections."""
        processes.pause(self._process)

    def go_on(self) -> None:
        processes.resume(self._process)

    def command(self, *words: str | bytes, password: str | None = None):
        """→ a string, number, list or None; raises `RedisError`."""
        password = password or self._password
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(str(self._directory / "socket"))
            if password:
                connection.sendall(_encode("AUTH", password))
            connection.sendall(_encode(*words))
            with connection.makefile("rb") as replies:
                if password:
                    _read(replies)
                return _read(replies)

    def keys(self) -> list[str]:
        return self.command("KEYS", "*")

    def connections(self) -> int:
        """How many it has accepted so far."""
        info = dict(line.split(":", 1) for line in self.command("INFO").splitlines() if ":" in line)
        return int(info["total_connections_received"])

    def _answers(self) -> bool:
        try:
            return self.command("PING") == "PONG"
        except (OSError, RedisError):
            return False


class Sentinel(Redis):
    """Watches a master that it calls `shared`, and its replicas."""

    def __init__(self, directory: Path, master: int) -> None:
        super().__init__(directory)
        self._file = directory / "sentinel.conf"
        self._file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {directory}\nunixsocket {directory}/socket\n"
            f"sentinel monitor shared 127.0.0.1 {master} 1\nsentinel failover-timeout shared 3000\n"
        )

    def _command(self) -> list[str]:
        return [self._program, str(self._file), "--sentinel"]

    def fail_over(self) -> None:
        """Makes a replica the master."""
        until(lambda: self._answer("SENTINEL", "FAILOVER", "shared") == "OK")

    def _answer(self, *words: str):
        # As long as it has not heard of a replica, there is none for it.
        try:
            return self.command(*words)
        except RedisError:
            return None


def until(holds: Callable[[], bool], process: subprocess.Popen | None = None) -> None:
    """Waits until it holds; raises if the process ends before."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"redis-server ended with {process.returncode} (Debian: apt-get install redis-server)")
        if time.monotonic() > deadline:
            raise RuntimeError("waited in vain for Redis")
        time.sleep(0.02)


def _encode(*words: str | bytes) -> bytes:
    raw = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)


def _read(replies):
    line = replies.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("the connection has ended")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        raise RedisError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else replies.read(int(rest) + 2)[:-2].decode("latin-1")
    if kind == b"*":
        return [_read(replies) for _ in range(int(rest))]
    return rest
