"""Who has a record. With the filter, what stands in Envoy's shared data, read through a listener of its own with the filter of
`tests/peek`. A module's memory cannot be looked into like that: of it the console tells."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from harness import bootstrap, http2
from harness.adapter import ADAPTER, FILTER
from harness.envoy import Gate
from harness.places import repo_path
from harness.waiting import until

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
_WAYS = 8  # records in a cell
_LISTED = 1000  # the most that the console lists
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


def add_peek(config: dict) -> None:
    """Gives a bootstrap the listener that `Peek` asks."""
    listeners = config["static_resources"]["listeners"]
    if ADAPTER is FILTER:
        listener = bootstrap.listener(None, upstream=False, trusted_hops=0)
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager["stat_prefix"] = listener["name"] = "peek"
        manager["http_filters"][0]["typed_config"] = FILTER.plugin("peek", None, wasm=peek_wasm())
        listeners.append(listener)
    elif not any(listener["name"] == "console" for listener in listeners):
        listeners.append(bootstrap.console({}))


class Peek:
    """Asks a gate whose bootstrap is a `layout(…, peek=True)`."""

    def __init__(self, gate: Gate, capacity: int) -> None:
        """`capacity`: the policy's `store.capacity`."""
        self._capacity = capacity
        self._gate = gate
        if ADAPTER is not FILTER:
            until(lambda: gate.console("/v1/policies")[1]["policies"])

    def dump(self) -> dict[str, bytes]:
        """Every entry of Tollgate's in shared data, by its name."""
        names = [*_OTHERS, *map(_cell, range(-(-self._capacity // _WAYS)))]
        dump = {}
        with http2.Http2Connection(self._gate.port_of("peek"), source="127.0.0.1") as caller:
            for start in range(0, len(names), 500):
                some = names[start : start + 500]
                caller.queue([http2.request(f"/{name}") for name in some])
                caller.flush()
                for name, reply in zip(some, caller.replies(), strict=True):
                    assert reply.status in (200, 404)
                    if reply.status == 200:
                        dump[name] = reply.body
        return dump

    def clients(self) -> set[str]:
        """The fingerprints of all who have a record, in hexadecimal."""
        if ADAPTER is FILTER:
            cells = [value for name, value in self.dump().items() if name not in _OTHERS]
            return {fingerprint.hex() for cell in cells for fingerprint in _fingerprints(cell)}
        told = self._gate.console(f"/v1/clients?limit={_LISTED}")[1]
        assert told["complete"] and len(told["clients"]) < _LISTED, told
        return {client["client"] for client in told["clients"]}


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
