"""Load by wrk: a fixed number of connections, each sending its next request when it has its reply."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench import places

_LUA = places.SCRIPTS / "clients.lua"
_FOREVER = 86_400  # seconds
_TIMEOUT = 10  # seconds; wrk reserves memory for each microsecond of it


@dataclass(frozen=True)
class Clients:
    """Who calls, and what they send. See clients.lua."""

    template: Path
    count: int
    first: int = 0
    report: str | None = None


@dataclass(frozen=True)
class Counted:
    """What wrk has seen."""

    requests: int
    micros: int
    refused: int  # replies that are neither 2xx nor 3xx
    broken: int
    p50: int
    p99: int
    values: int  # of the reported header, how many had a success; the most and the fewest that one had
    most: int
    least: int

    @property
    def per_second(self) -> float:
        return self.requests / self.micros * 1e6

    @property
    def admitted(self) -> int:
        return self.requests - self.refused


def drive(port: int, clients: Clients, *, seconds: int, connections: int, threads: int = 1) -> Counted:
    """Loads for a while. Raises if a connection broke: then the counts say nothing."""
    command = _command(port, clients, seconds, connections, threads)
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    answers = [line[5:] for line in done.stdout.splitlines() if line.startswith("JSON ")]
    if done.returncode != 0 or not answers:
        raise RuntimeError(f"wrk ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    counted = Counted(**json.loads(answers[0]))
    if counted.broken or not counted.requests:
        raise RuntimeError(f"the load ran into errors: {counted}")
    return counted


class Tap:
    """A load that runs only while it is let. `with Tap(…) as tap:` – connected and held on entry; ended on exit."""

    def __init__(self, port: int, clients: Clients, *, connections: int) -> None:
        self._command = _command(port, clients, _FOREVER, connections, 1)

    def __enter__(self) -> Tap:
        # In a session of its own: when a shell ends, the kernel hangs up on its jobs if one of them is held. That it ends
        # with us, whatever ends us, `setpriv` sees to.
        command = ["setpriv", "--pdeathsig", "KILL", *self._command]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._wrk = subprocess.Popen(command, start_new_session=True, **quiet)
        # Its requests are made before it connects.
        time.sleep(0.3)
        self._wrk.send_signal(signal.SIGSTOP)
        return self

    def __exit__(self, *_exc) -> None:
        self._wrk.kill()
        self._wrk.wait()

    def run(self, seconds: float) -> None:
        """Lets it run for so long. What is in flight then is still answered."""
        if self._wrk.poll() is not None:
            raise RuntimeError(f"wrk ended with {self._wrk.returncode}")
        self._wrk.send_signal(signal.SIGCONT)
        time.sleep(seconds)
        self._wrk.send_signal(signal.SIGSTOP)


def _command(port: int, clients: Clients, seconds: int, connections: int, threads: int) -> list[str]:
    command = ["wrk", "--threads", str(threads), "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--timeout", f"{_TIMEOUT}s", "--script", str(_LUA), f"http://127.0.0.1:{port}/", "--"]
    command += [str(clients.template), str(clients.count), str(clients.first)]
    return command + ([clients.report] if clients.report else [])
