"""Child processes that never outlive us, and what the kernel says about them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_TICK = 1e9 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PATIENCE = 10.0  # seconds


class Child:
    """A running program. `with Child(…)`: stopped on the way out, whichever way that is."""

    def __init__(self, command: list[str], log: Path, **options) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **options
            )
        self.pid = self._process.pid

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_exc) -> None:
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raises, with the end of its log, if the program has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"it ended with {self._process.returncode}:\n{self.log()[-3000:]}")

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


def cpu_of_processes(pids: list[int]) -> int:
    """Nanoseconds of CPU that these processes have used, in user space and in the kernel."""
    total = 0.0
    for pid in pids:
        # The name stands in parentheses and may hold spaces; what counts comes after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) * _TICK
    return int(total)


def cpu_of_thread(pid: int, thread: int) -> int:
    """The same for one thread, to the nanosecond."""
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])


def cpu_of_process(pid: int) -> int:
    """The same for all threads of a process that it has now."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += cpu_of_thread(pid, int(task.name))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
    return total


def threads(pid: int, name: str) -> list[int]:
    """The threads whose names start so."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sorted(int(task.name) for task in tasks if (task / "comm").read_text().startswith(name))


def resident_bytes(pid: int) -> int:
    """Memory that is really there."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def cpu_of_machine() -> tuple[int, int]:
    """Nanoseconds that all cores together were busy, and in all."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return int((sum(fields) - idle) * _TICK), int(sum(fields) * _TICK)
