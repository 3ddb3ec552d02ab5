"""Who is compared, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import processes, results


@dataclass(frozen=True)
class Door:
    """Where requests go."""

    port: int
    path: str = "/api/v2/jobs/?limit=1&ids_only=1"


@dataclass(frozen=True)
class Contender:
    """One limiter, or one server without any."""

    name: str
    title: str
    alone: str  # the server without a limit, with whom it is compared; its own name if it is one
    cpu: Callable[[], int]  # nanoseconds that the server itself has used
    plenty: Door  # without a limit, or with one that nobody reaches
    quota: Door | None = None  # with the job's quota; None where there is no limit
    in_redis: bool = False
    services: tuple[int, ...] = ()  # processes that the server asks

    @property
    def is_limiter(self) -> bool:
        return self.quota is not None


@dataclass(frozen=True)
class Setting:
    """What all servers of one deployment share."""

    directory: Path
    redis: int  # port
    # 1: one process or worker thread. 2: as it is deployed on this machine, by default or by its documentation's advice.
    workers: int


def threads_of(child: processes.Child) -> Callable[[], int]:
    """CPU to the nanosecond, of a program whose threads stay, with its children."""
    return lambda: sum(processes.cpu_of_process(pid) for pid in processes.family(child.pid))


def family_of(child: processes.Child) -> Callable[[], int]:
    """CPU to the kernel's tick, of a program whose threads come and go, with its children."""
    return lambda: processes.cpu_of_processes(processes.family(child.pid))


_said: set[str] = set()


def left_out(who: str, why: str) -> None:
    """Says so, once for all deployments."""
    if who not in _said:
        results.progress(f"{who}: left out, {why}")
    _said.add(who)
