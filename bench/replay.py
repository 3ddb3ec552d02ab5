"""`replay`: how long `tollgate replay` takes for a log; and goaccess, a common reader of logs, for the same file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from argparse import Namespace
from pathlib import Path

from bench import logs, places, results

_LINES = 2_000_000


def run(options: Namespace) -> None:
    lines = 50_000 if options.quick else _LINES
    rounds = options.rounds or (2 if options.quick else 5)
    combined, envoy = places.OUT / "combined.log", places.OUT / "envoy-json.log"
    logs.write(combined, lines)
    logs.write(envoy, lines // 2, form="json")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or places.ROOT / "target")
    replay = [str(target / "release/tollgate"), "replay", "default"]
    contenders = {
        "`tollgate replay`, nginx' combined": ([*replay, str(combined)], lines),
        "`tollgate replay`, Envoy's JSON": ([*replay, str(envoy)], lines // 2),
    }
    if goaccess := shutil.which("goaccess"):
        report = ["--log-format=COMBINED", "--no-progress", "-o", str(places.OUT / "goaccess.json")]
        contenders["goaccess, nginx' combined"] = ([goaccess, str(combined), *report], lines)
    else:
        results.progress("goaccess is not there: Debian has it")
    taken: dict[str, list[tuple[float, float]]] = {title: [] for title in contenders}
    sizes: dict[str, int] = dict.fromkeys(contenders, 0)
    # In turn, so that what else the machine does meets all alike.
    for number in range(rounds):
        for title, (command, count) in contenders.items():
            seconds, cpu, size = _measure(command)
            taken[title].append((count / seconds, cpu / count * 1e6))
            sizes[title] = max(sizes[title], size)
            results.progress(f"{number + 1} of {rounds}: {title}: {count / seconds:,.0f} lines/s")
    rows = [
        {
            "title": title,
            "per_second": results.spread([rate for rate, _ in measured]),
            "micros": results.spread([micros for _, micros in measured]),
            "bytes": sizes[title],
        }
        for title, measured in taken.items()
    ]
    results.save("replay", options, {"lines": lines, "rounds": rounds}, rows)
    print(results.replay_table(rows))


def _measure(command: list[str]) -> tuple[float, float, int]:
    """→ seconds, seconds of CPU, and the most memory in bytes."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    size = 0
    # What `wait4` tells of memory would be at least our own.
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        size = max(size, int(found[1]) * 1024 if found else 0)
        time.sleep(0.01)
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, size
