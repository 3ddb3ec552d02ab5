"""`micro`: how many instructions a request takes in the core, and through how much code it goes, natively, by callgrind. They do not depend
on what else the machine does: the same build takes the same, to the instruction."""

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

# A processor fetches code, too, in pieces of so many bytes.
_LINE = 64

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
        row = {"name": kind, "title": title}
        for form in _FORMS:
            row[form], row[f"{form}_code"] = _measured(valgrind, [str(program), kind, form], more)
        rows.append(row)
    version = subprocess.run([valgrind, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    document = {"mode": "micro", "made": time.strftime("%Y-%m-%d"), "machine": platform.machine(), "valgrind": version, "rows": rows}
    file = places.OUT / ("micro-quick.json" if options.quick else "micro.json")
    file.write_text(json.dumps(document, indent=2) + "\n")
    print(results.micro_table(rows))


def _measured(valgrind: str, command: list[str], more: int) -> tuple[int, int]:
    """Instructions of one of `more` requests that come behind those of a first run, and the bytes of code that it goes through. What callgrind
    has seen of the second run stays in target/bench, for callgrind_annotate."""
    out = places.OUT / f"callgrind.{command[1]}.{command[2]}.out"

    def count(requests: int) -> int:
        seen = ["--dump-instr=yes", "--compress-pos=no", f"--callgrind-out-file={out}"]
        run = [valgrind, "--tool=callgrind", *seen, *command, str(requests)]
        done = subprocess.run(run, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(run)} ended with {done.returncode}:\n{done.stderr}")
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])

    first = count(_SETTLED)
    instructions = round((count(_SETTLED + more) - first) / more)
    return instructions, _LINE * len(_lines(out, _SETTLED + more))


def _lines(out: Path, requests: int) -> set[tuple[str, int]]:
    """The lines of code that every request meets, or at least every second one: each by its object and its number there."""
    times: dict[tuple[str, int], int] = {}
    place, is_of_callee = "", False
    for line in out.read_text().splitlines():
        if found := re.fullmatch(r"ob=(\(\d+\)).*", line):
            place = found[1]
        elif found := re.fullmatch(r"(0x[0-9a-f]+) \d+ (\d+)", line):
            if not is_of_callee:
                at = place, int(found[1], 16)
                times[at] = times.get(at, 0) + int(found[2])
        # What stands behind a call is all that the callee has cost.
        is_of_callee = line.startswith("calls=")
    return {(place, at // _LINE) for (place, at), count in times.items() if 2 * count >= requests}
