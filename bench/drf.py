"""Django REST framework behind gunicorn, with a real Redis: what answers the same poll where there is no Tollgate."""

from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from bench import places, processes
from bench.contenders import Contender

# What the proxy in front of it costs comes on top, so nothing is subtracted.
CONTENDER = Contender("drf-denied", "DRF + Redis: worker poll, denied", "poll", denies=True, clients=1, baseline=None)

_PATIENCE = 30.0  # seconds


class Django:
    """gunicorn and its Redis. `with Django(directory) as django:` – ready on entry."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()

    def __enter__(self) -> Django:
        with self._stack:
            redis_port = _free_port()
            self._redis = self._stack.enter_context(
                processes.Child(_redis_command(redis_port, self._directory), self._directory / "redis.log")
            )
            self._gunicorn = self._stack.enter_context(self._serve(redis_port))
            self._until_ready()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exc) -> None:
        self._stack.__exit__(*exc)

    def cpu(self) -> int:
        """Nanoseconds that gunicorn's processes and Redis have used."""
        return processes.cpu_of_processes([*processes.family(self._gunicorn.pid), self._redis.pid])

    def _serve(self, redis_port: int) -> processes.Child:
        # The socket is made here and handed on: no port can be taken meanwhile.
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = listening.getsockname()[1]
        with listening:
            number = listening.fileno()
            command = [str(places.DJANGO_PYTHON), "-m", "gunicorn", "--bind", f"fd://{number}", "--log-level", "warning"]
            # Threads, because only such workers keep connections open.
            command += ["--workers", str(os.cpu_count()), "--threads", "4", "bench.django_app:application"]
            environment = os.environ | {"BENCH_REDIS": f"redis://127.0.0.1:{redis_port}/0"}
            log = self._directory / "gunicorn.log"
            return processes.Child(command, log, pass_fds=[number], env=environment, cwd=places.ROOT)

    def _until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/jobs/", timeout=5).close()
                return
            except urllib.error.HTTPError as error:
                raise RuntimeError(f"Django answers {error.code}:\n{self._gunicorn.log()[-3000:]}") from None
            except OSError:
                self._redis.check()
                self._gunicorn.check()
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)


def _redis_command(port: int, directory: Path) -> list[str]:
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)]
    return [*command, "--save", "", "--appendonly", "no", "--daemonize", "no"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
