"""`scripts/run`, as a newcomer starts it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from harness import processes
from harness.envoy import Gate
from harness.places import repo_path
from harness.waiting import until


class Run:
    """It runs while this is entered. What it says stands in `log_file`, Envoy's log among it."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.log_file = directory / "run.log"
        self._arguments = arguments

    def __enter__(self) -> Run:
        command = [str(repo_path("scripts", "run")), "--port", "0", *self._arguments]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=os.environ)
        try:
            until(lambda: "\nStop:  Ctrl-C" in self.log() or self._process.poll() is not None)
            assert self._process.poll() is None, self.log()
        except BaseException:
            processes.end(self._process)
            raise
        return self

    def __exit__(self, *_exc) -> None:
        processes.end(self._process)
        assert "\nStopped." in self.log(), self.log()[-2000:]

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def port(self) -> int:
        return self._said(r"Tollgate (?:serves|answers) +http://127\.0\.0\.1:(\d+)$")

    def port_of(self, listener: str) -> int:
        return self._said(rf" +{listener} +http://127\.0\.0\.1:(\d+)/")

    console = Gate.console

    def _said(self, line: str) -> int:
        return int(re.search(rf"(?m)^{line}", self.log())[1])
