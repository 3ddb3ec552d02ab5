"""What can be done to a child process, by its own handle."""

from __future__ import annotations

import os
import signal
import subprocess


def end(process: subprocess.Popen) -> None:
    """It is asked to end, and if it does not, made to."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def pause(process: subprocess.Popen) -> None:
    """It hangs, and keeps its connections. When this returns, none of its threads runs any more: a signal alone takes a
    while to stop them all."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)


def resume(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGCONT)
