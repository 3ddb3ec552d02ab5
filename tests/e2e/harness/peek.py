"""What stands in Envoy's shared data, read through a listener of its own with the filter of `tests/peek`."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from harness import http2
from harness.envoy import Gate
from harness.places import repo_path

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
_WAYS = 8  # records in a cell
_OTHERS = [f"tollgate.v2.{name}" for name in ("secret", "capacity", "told", "absence")]

# With the toolchain that the scripts found, whichever that is.
_BUILD = """
source scripts/lib.sh
ensure_wasm_target
cd tests/peek
"${WASM_CARGO[@]}" build --release --locked --quiet --target-dir "$ROOT/target/peek" "${WASM_FLAGS[@]}"
"""


@functools.cache
def peek_wasm() -> Path:
    """Compiles the filter that shows shared data."""
    subprocess.run(["bash", "-euo", "pipefail", "-c", _BUILD], cwd=repo_path(), check=True, stdin=subprocess.DEVNULL)
    return repo_path("target/peek/wasm32-unknown-unknown/release/tollgate_peek.wasm")


class Peek:
    """Reads the shared data of a gate whose bootstrap is a `layout(…, peek=True)`."""

    def __init__(self, gate: Gate, capacity: int) -> None:
        """`capacity`: the policy's `store.capacity`."""
        self._capacity = capacity
        self._port = gate.port_of("peek")

    def dump(self) -> dict[str, bytes]:
        """Every entry of Tollgate's that there is, by its name."""
        names = [*_OTHERS, *map(_cell, range(-(-self._capacity // _WAYS)))]
        dump = {}
        with http2.Http2Connection(self._port, source="127.0.0.1") as caller:
            for start in range(0, len(names), 500):
                some = names[start : start + 500]
                caller.queue([http2.request(f"/{name}") for name in some])
                caller.flush()
                for name, reply in zip(some, caller.replies(), strict=True):
                    assert reply.status in (200, 404)
                    if reply.status == 200:
                        dump[name] = reply.body
        return dump

    def clients(self) -> set[bytes]:
        """The fingerprints of all who have a record."""
        cells = [value for name, value in self.dump().items() if name not in _OTHERS]
        return {fingerprint for cell in cells for fingerprint in _fingerprints(cell)}


def _cell(number: int) -> str:
    """As `src/store/shared.rs` names it."""
    return "tollgate.v2." + "".join(_DIGITS[number >> shift & 63] for shift in (18, 12, 6, 0))


def _fingerprints(cell: bytes) -> list[bytes]:
    """As `src/store/cell.rs` writes them: a fingerprint, the length of the counters and a checksum in 4 bytes each, and the
    counters."""
    found = []
    while cell:
        length = int.from_bytes(cell[16:20], "little")
        assert len(cell) >= 24 + length
        found.append(cell[:16])
        cell = cell[24 + length :]
    return found
