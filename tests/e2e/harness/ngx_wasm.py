"""A host that behaves as ngx_wasm_module does where that differs from Envoy, and offers only what it offers.

It is no nginx: which callbacks are called, in what order and with what, is taken from that module's source (April 2025). Its habits:

- names of headers come as the client has written them;
- `:path` is nginx's own path, decoded and perhaps rewritten; what the client has sent is the property `request.path`;
- of more than 100 headers the rest is left out, and the buffer for them is measured by others than are written into it;
- an entry of shared data may get another length while it is read;
- entries are found by a CRC-32 of their names; version 0 means that there is none; a null deletes; a full zone evicts in silence;
- the end of a request or response is never told with its headers; time has milliseconds;
- a property that is not known or not supported is not found, and an error is logged for some; `plugin_name` crashes the worker;
- a newline is put behind the body of a local reply;
- after a panic the client gets 500, and the filter is started afresh.
"""

from __future__ import annotations

import functools
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

from wasmtime import Engine, Func, Instance, Linker, Module, Store, Trap, WasmtimeError

# Linked, if a filter imports it; without one of them, that host cannot load the filter at all.
OFFERED = {
    "wasi_snapshot_preview1": "clock_time_get random_get environ_get environ_sizes_get fd_write proc_exit",
    "env": """
        proxy_log proxy_get_log_level proxy_get_current_time_nanoseconds proxy_set_effective_context proxy_done
        proxy_set_tick_period_milliseconds proxy_get_buffer_bytes proxy_set_buffer_bytes proxy_get_header_map_pairs
        proxy_get_header_map_value proxy_set_header_map_pairs proxy_add_header_map_value proxy_replace_header_map_value
        proxy_remove_header_map_value proxy_get_property proxy_set_property proxy_continue_stream proxy_close_stream
        proxy_send_local_response proxy_http_call proxy_grpc_call proxy_grpc_stream proxy_grpc_send proxy_grpc_cancel
        proxy_grpc_close proxy_get_status proxy_get_shared_data proxy_set_shared_data proxy_register_shared_queue
        proxy_resolve_shared_queue proxy_dequeue_shared_queue proxy_enqueue_shared_queue proxy_define_metric
        proxy_get_metric proxy_record_metric proxy_increment_metric proxy_call_foreign_function
    """,
}

OK, NOT_FOUND, CAS_MISMATCH, _INTERNAL_FAILURE = 0, 1, 8, 10
_PLUGIN_CONFIGURATION = 7
_REQUEST_HEADERS, _RESPONSE_HEADERS = 0, 2
_MONOTONIC = 1
_ROOT = 1
_MOST_PAIRS = 100
NOT_SUPPORTED = {b"response.code_details", b"response.flags", b"connection.termination_details", b"node", b"cluster_name", b"route_name"}

Headers = list[tuple[bytes, bytes]]


@dataclass
class Zone:
    """The shared zone `*`. A missing entry has version 0, and each write counts one up. Entries are found by their names' CRC-32."""

    entries: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    # How many entries it has room for; then the one that was used the longest ago has to go.
    room: int | None = None
    # How much longer an entry becomes after memory for it was taken and before it is copied, and again before its length is told.
    grows: tuple[int, int] = (0, 0)

    def get(self, name: bytes) -> tuple[bytes, int] | None:
        key = self._key(name)
        if key in self.entries:
            self.entries[key] = self.entries.pop(key)
        return self.entries.get(key)

    def set(self, name: bytes, value: bytes | None, version: int) -> int:
        key = self._key(name)
        current = self.entries.get(key, (b"", 0))[1]
        if version != current:
            return CAS_MISMATCH
        self.entries.pop(key, None)
        if value is not None:
            if len(self.entries) == self.room:
                self.entries.pop(next(iter(self.entries)))
            self.entries[key] = (value, current + 1)
        return OK

    @staticmethod
    def _key(name: bytes) -> int:
        assert b"/" not in name, "it would select another zone"
        return zlib.crc32(name)


def _nginx_path(target: str) -> str:
    """What nginx makes of a target: decoded once, slashes merged, dot segments resolved, without what stands behind a `#`. The query
    stays as it is."""
    path, mark, query = re.sub(r"^https?://[^/?]*", "", target).partition("#")[0].partition("?")
    segments: list[str] = []
    parts = unquote_to_bytes(path).decode("latin-1").split("/")
    for part in parts:
        if part == "..":
            segments = segments[:-1]
        elif part not in ("", "."):
            segments.append(part)
    ends = "/" if segments and parts[-1] in ("", ".", "..") else ""
    return "/" + "/".join(segments) + ends + mark + query


@dataclass
class Answer:
    """What became of a request: passed on to the application, or answered with this."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


_ENGINE = Engine()


@functools.cache
def _compiled(wasm: Path) -> Module:
    return Module.from_file(_ENGINE, str(wasm))


class Worker:
    """One of nginx's workers: it loads the filter, and keeps one instance of it."""

    def __init__(self, wasm: Path, policy: str, zone: Zone) -> None:
        self._wasm, self._zone, self._policy = wasm, zone, policy.encode()
        self.log: list[str] = []
        # What the host itself logs as an error.
        self.errors: list[str] = []
        self.panics = 0
        self.now_millis = 1_000_000
        self._contexts = _ROOT
        self._in_request = False
        self._start()

    def _start(self) -> None:
        module = _compiled(self._wasm)
        self._store = Store(_ENGINE)
        linker = Linker(self._store.engine)
        for wanted in module.imports:
            assert wanted.name in OFFERED[wanted.module].split(), f"{wanted.module}.{wanted.name} is not offered"
            linker.define(self._store, wanted.module, wanted.name, self._function(wanted.name, wanted.type))
        self._instance: Instance = linker.instantiate(self._store, module)
        self._memory = self._exports["memory"]
        if "_initialize" in self._exports:
            self._call("_initialize")
        self._call("proxy_on_context_create", _ROOT, 0)
        assert self._call("proxy_on_vm_start", _ROOT, 0)
        self.accepted = bool(self._call("proxy_on_configure", _ROOT, len(self._policy)))

    def request(
        self,
        target: str,
        *headers: tuple[str, str],
        address: str,
        host: str = "a.test",
        status: int = 200,
        rewritten: str | None = None,
        answered: str | None = "0.001",
    ) -> Answer:
        """A request, which is answered with this status. `rewritten`: what nginx has made of its target. `answered`: the variable
        `upstream_header_time`, `-` from an application that does not answer, and nothing if nginx itself does."""
        self._contexts += 1
        self._shims: Headers = [
            (b":path", (rewritten or _nginx_path(target)).encode("latin-1")),
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":authority", b"server.internal:80"),
        ]
        self._request: Headers = [(n.encode(), v.encode()) for n, v in [("Host", host), *headers]]
        self._properties = {b"source.address": address.encode(), b"request.path": target.encode()}
        if answered is not None:
            self._properties[b"ngx.upstream_header_time"] = answered.encode()
        self._answer, self._response = None, [(b":status", str(status).encode())]
        self._in_request = True
        try:
            return self._serve(self._contexts, status)
        except (Trap, WasmtimeError):
            self.panics += 1
            self._start()
            return Answer(500, {})
        finally:
            self._in_request = False

    def _serve(self, context: int, status: int) -> Answer:
        self._call("proxy_on_context_create", context, _ROOT)
        action = self._call("proxy_on_request_headers", context, len(self._map(_REQUEST_HEADERS)), 0)
        if self._answer is None:
            assert action == 0, "it waits, and says nothing"
            self._call("proxy_on_response_headers", context, len(self._response), 0)
            told = {name.decode(): value.decode() for name, value in self._response if name != b":status"}
            self._answer = Answer(status, told)
        # Without looking whether they are there: nginx would crash.
        for callback in ("proxy_on_response_body", "proxy_on_done", "proxy_on_log", "proxy_on_delete"):
            self._call(callback, context, *([0, 1] if callback.endswith("body") else []))
        return self._answer

    # -- what the filter calls -----------------------------------------------------------------------------------------

    def _function(self, name: str, kind) -> Func:
        called = getattr(self, f"_{name}", None)

        def call(*arguments: int) -> int:
            assert called is not None, f"{name} is not expected to be called"
            return called(*arguments)

        return Func(self._store, kind, call)

    def _proxy_log(self, _level: int, data: int, size: int) -> int:
        self.log.append(self._read(data, size).decode())
        return OK

    def _proxy_get_log_level(self, level: int) -> int:
        self._write(level, struct.pack("<I", 2))
        return OK

    def _proxy_get_buffer_bytes(self, kind: int, start: int, size: int, data: int, length: int) -> int:
        assert kind == _PLUGIN_CONFIGURATION
        return self._give(self._policy[start : start + (size & 0xFFFF_FFFF)], data, length)

    def _proxy_get_header_map_pairs(self, kind: int, data: int, length: int) -> int:
        assert kind == _REQUEST_HEADERS
        # The client's are measured first, and nginx's own are written first.
        measured = self._request[:_MOST_PAIRS]
        measured = measured + self._shims[: max(1, _MOST_PAIRS - len(measured))]
        size = 4 + sum(8 + len(n) + 1 + len(v) + 1 for n, v in measured)
        pairs = self._map(kind)[:_MOST_PAIRS]
        block = struct.pack("<I", len(pairs)) + b"".join(struct.pack("<II", len(n), len(v)) for n, v in pairs)
        return self._give(block + b"".join(n + b"\0" + v + b"\0" for n, v in pairs), data, length, taken=size, told=size)

    def _proxy_get_header_map_value(self, kind: int, name: int, size: int, data: int, length: int) -> int:
        values = [value for found, value in self._map(kind) if found.lower() == self._read(name, size).lower()]
        return self._give(values[0], data, length) if values else NOT_FOUND

    def _proxy_replace_header_map_value(self, kind: int, name: int, name_size: int, value: int, size: int) -> int:
        wanted, pairs = self._read(name, name_size), self._map(kind)
        pairs[:] = [pair for pair in pairs if pair[0] != wanted] + [(wanted, self._read(value, size))]
        return OK

    def _proxy_get_property(self, path: int, size: int, data: int, length: int) -> int:
        wanted = self._read(path, size).replace(b"\0", b".")
        assert wanted != b"plugin_name", "it crashes the worker"
        if not self._in_request and b"." in wanted:
            self.errors.append("cannot get scoped properties outside of a request")
            return _INTERNAL_FAILURE
        if wanted in NOT_SUPPORTED:
            self.errors.append(f'"{wanted.decode()}" property not supported')
            return NOT_FOUND
        value = self._properties.get(wanted)
        return NOT_FOUND if value is None else self._give(value, data, length)

    def _proxy_get_shared_data(self, key: int, size: int, data: int, length: int, version: int) -> int:
        found = self._zone.get(self._read(key, size))
        if found is None:
            return NOT_FOUND
        self._write(version, struct.pack("<I", found[1]))
        value, (copied, told) = found[0], self._zone.grows
        written = (value + b"\xa5" * copied)[: max(0, len(value) + copied)]
        return self._give(written, data, length, taken=len(value), told=max(0, len(value) + told))

    def _proxy_set_shared_data(self, key: int, key_size: int, value: int, size: int, version: int) -> int:
        data = None if value == 0 else self._read(value, size)
        return self._zone.set(self._read(key, key_size), data, version & 0xFFFF_FFFF)

    def _proxy_define_metric(self, _kind: int, _name: int, _size: int, metric: int) -> int:
        self._write(metric, struct.pack("<I", 1))
        return OK

    def _proxy_increment_metric(self, _metric: int, _by: int) -> int:
        return OK

    def _proxy_send_local_response(self, status: int, _d: int, _ds: int, body: int, size: int, headers: int, block: int, _g: int):
        pairs = _pairs(self._read(headers, block))
        self._answer = Answer(status, {n.decode(): v.decode() for n, v in pairs}, self._read(body, size) + b"\n")
        return OK

    def _clock_time_get(self, clock: int, _precision: int, time: int) -> int:
        assert clock == _MONOTONIC
        self._write(time, struct.pack("<Q", self.now_millis * 1_000_000))
        return OK

    def _random_get(self, data: int, size: int) -> int:
        self._write(data, bytes(id(self) % 251 for _ in range(size)))
        return OK

    # -- memory --------------------------------------------------------------------------------------------------------

    @property
    def _exports(self):
        return self._instance.exports(self._store)

    def _call(self, name: str, *arguments: int):
        return self._exports[name](self._store, *arguments)

    def _map(self, kind: int) -> Headers:
        return self._shims + self._request if kind == _REQUEST_HEADERS else self._response

    def _read(self, at: int, size: int) -> bytes:
        return bytes(self._memory.read(self._store, at & 0xFFFF_FFFF, (at & 0xFFFF_FFFF) + size)) if size else b""

    def _write(self, at: int, data: bytes) -> None:
        self._memory.write(self._store, data, at & 0xFFFF_FFFF)

    def _give(self, value: bytes, data: int, length: int, *, taken: int | None = None, told: int | None = None) -> int:
        at = self._call("malloc", len(value) if taken is None else taken)
        self._write(at, value)
        self._write(data, struct.pack("<I", at & 0xFFFF_FFFF))
        self._write(length, struct.pack("<I", len(value) if told is None else told))
        return OK


def _pairs(block: bytes) -> Iterable[tuple[bytes, bytes]]:
    [count] = struct.unpack_from("<I", block)
    at = 4 + 8 * count
    for index in range(count):
        name, value = struct.unpack_from("<II", block, 4 + 8 * index)
        yield block[at : at + name], block[at + name + 1 : at + name + 1 + value]
        at += name + value + 2
