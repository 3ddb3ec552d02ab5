"""Ending a child process: asked to, and if it does not, made to."""

from __future__ import annotations

import subprocess


def end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
