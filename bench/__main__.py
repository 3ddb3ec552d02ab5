"""The command line of `scripts/bench`, which has put everything in place."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

from bench import authz, contention, cpu, hostile, memory, micro, peers, plot, redis, replay, report

_MODES = {
    "cpu": cpu.run,
    "contention": contention.run,
    "memory": memory.run,
    "hostile": hostile.run,
    "authz": authz.run,
    "redis": redis.run,
    "peers": peers.run,
    "replay": replay.run,
    "micro": micro.run,
    "plot": plot.run,
    "report": report.run,
}


def main() -> None:
    parser = ArgumentParser(prog="scripts/bench")
    parser.add_argument("mode", choices=list(_MODES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", action="append")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--part", choices=["windows", "cost"])
    parser.add_argument("--no-drf", action="store_true")
    options = parser.parse_args()
    # What is started is stopped by context managers: an exception reaches them, a signal would not.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: sys.exit(128 + caught))
    _MODES[options.mode](options)


main()
