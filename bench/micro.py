"""`micro`: how many instructions a request takes in the core, natively, by callgrind. They do not depend on what else the
machine does: the same build takes the same, to the instruction."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import time
from argparse import Namespace
from pathlib import Path

from bench import places, results

_KINDS = {
    "poll": "worker poll, allowed",
    "anonymous": "anonymous, allowed",
    "denied": "worker poll, denied",
}
_FORMS = ["list", "block"]

# A first run, in which the table fills, credentials become known, and are noted for as long as they will be. What lies between it
# and a longer one are so many requests more, and nothing of start-up.
_SETTLED = 5_000


def run(options: Namespace) -> None:
    if not (valgrind := shutil.which("valgrind")):
        results.progress("instructions are not counted: valgrind is missing (Debian: apt-get install valgrind)")
        return
    more = 1_000 if options.quick else 10_000
    program = Path(os.environ.get("CARGO_TARGET_DIR") or places.ROOT / "target") / "release/examples/poll"
    rows = []
    for kind, title in _KINDS.items():
        counts = {form: _instructions(valgrind, [str(program), kind, form], more) for form in _FORMS}
        rows.append({"name": kind, "title": title, **counts})
    version = subprocess.run([valgrind, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    document = {"mode": "micro", "made": time.strftime("%Y-%m-%d"), "machine": platform.machine(), "valgrind": version, "rows": rows}
    file = places.OUT / ("micro-quick.json" if options.quick else "micro.json")
    file.write_text(json.dumps(document, indent=2) + "\n")
    print(results.micro_table(rows))


def _instructions(valgrind: str, command: list[str], more: int) -> int:
    """For one of `more` requests that come behind those of a first run. What callgrind has seen of the second stays in
    target/bench, for callgrind_annotate."""
    out = places.OUT / f"callgrind.{command[1]}.{command[2]}.out"

    def count(requests: int) -> int:
        run = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", *command, str(requests)]
        done = subprocess.run(run, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(run)} ended with {done.returncode}:\n{done.stderr}")
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])

    return round((count(_SETTLED + more) - count(_SETTLED)) / more)
