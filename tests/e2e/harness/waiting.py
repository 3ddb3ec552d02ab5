"""Waiting for what happens elsewhere, where there is no reply to wait for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

_PATIENCE = 60.0  # seconds; only a hang ends here


def until(holds: Callable[[], Any]) -> None:
    """Returns when the condition holds; nothing that a test asserts depends on how long that takes."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
