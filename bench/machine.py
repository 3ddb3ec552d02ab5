"""The machine's name, for the record: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from bench import places


def describe() -> dict[str, str]:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "virtual": "yes" if "hypervisor" in Path("/proc/cpuinfo").read_text() else "no",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "?",
        "kernel": platform.release(),
        "envoy": _version([places.envoy(), "--version"], r"/(\d+\.\d+\.\d+)/"),
        "wrk": _version(["wrk", "--version"], r"wrk (?:debian/)?(\S+)"),
        "wasm_bytes": str(places.tollgate_wasm().stat().st_size),
    }


def servers() -> dict[str, str]:
    """The versions of the other servers that are compared, as far as they are there. Python's are in bench/requirements*.txt."""
    asked = {
        "nginx": (["nginx", "-v"], r"nginx/(\S+)"),
        "HAProxy": (["haproxy", "-v"], r"version (\d[\d.]*)"),
        "Traefik": ([str(places.TRAEFIK), "version"], r"Version:\s*(\S+)"),
        "Redis": (["redis-server", "--version"], r"v=(\S+)"),
    }
    return {name: _version(*how) for name, how in asked.items() if shutil.which(how[0][0])}


def _version(command: list[str], pattern: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "?"
