"""A host that behaves as ngx_wasm_module does where that differs from Envoy, and offers only what it offers.

It is no nginx: which callbacks are called, in what order and with what, is taken from that module's source (April 2025).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from wasmtime import Engine, Func, Instance, Linker, Module, Store

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

OK, NOT_FOUND, CAS_MISMATCH = 0, 1, 8
_PLUGIN_CONFIGURATION = 7
_REQUEST_HEADERS, _RESPONSE_HEADERS = 0, 2
_MONOTONIC = 1
_ROOT = 1

Headers = list[tuple[bytes, bytes]]


@dataclass
class Zone:
    """The shared zone `*`. A missing entry has version 0, and each write counts one up."""

    entries: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)

    def set(self, name: bytes, value: bytes, version: int) -> int:
        assert b"/" not in name, "it would select another zone"
        current = self.entries.get(name, (b"", 0))[1]
        if version != current:
            return CAS_MISMATCH
        self.entries[name] = (value, current + 1)
        return OK


@dataclass
class Answer:
    """What became of a request: passed on to the application, or answered with this."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Worker:
    """One of nginx's workers: it loads the filter, and keeps one instance of it."""

    def __init__(self, wasm: Path, policy: str, zone: Zone) -> None:
        self._store, self._zone, self._policy = Store(Engine()), zone, policy.encode()
        self.log: list[str] = []
        self.now_millis = 1_000_000
        self._contexts = _ROOT
        module = Module.from_file(self._store.engine, str(wasm))
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

    def request(self, target: str, *headers: tuple[str, str], address: str, host: str = "a.test", status: int = 200) -> Answer:
        """A request, which the application would answer with this status."""
        self._contexts += 1
        context = self._contexts
        pairs = [(":path", target), (":method", "GET"), (":scheme", "http"), (":authority", "server.internal:80")]
        self._request: Headers = [(n.encode(), v.encode()) for n, v in [*pairs, ("host", host), *headers]]
        self._address, self._answer, self._response = address, None, [(b":status", str(status).encode())]
        self._call("proxy_on_context_create", context, _ROOT)
        action = self._call("proxy_on_request_headers", context, len(self._request), 0)
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
        pairs = self._map(kind)
        block = struct.pack("<I", len(pairs)) + b"".join(struct.pack("<II", len(n), len(v)) for n, v in pairs)
        return self._give(block + b"".join(n + b"\0" + v + b"\0" for n, v in pairs), data, length)

    def _proxy_get_header_map_value(self, kind: int, name: int, size: int, data: int, length: int) -> int:
        values = [value for found, value in self._map(kind) if found == self._read(name, size).lower()]
        return self._give(values[0], data, length) if values else NOT_FOUND

    def _proxy_replace_header_map_value(self, kind: int, name: int, name_size: int, value: int, size: int) -> int:
        wanted, pairs = self._read(name, name_size), self._map(kind)
        pairs[:] = [pair for pair in pairs if pair[0] != wanted] + [(wanted, self._read(value, size))]
        return OK

    def _proxy_get_property(self, path: int, size: int, data: int, length: int) -> int:
        wanted = self._read(path, size)
        assert wanted != b"plugin_name", "it crashes the worker"
        return self._give(self._address.encode(), data, length) if wanted == b"source\0address" else NOT_FOUND

    def _proxy_get_shared_data(self, key: int, size: int, data: int, length: int, version: int) -> int:
        found = self._zone.entries.get(self._read(key, size))
        if found is None:
            return NOT_FOUND
        self._write(version, struct.pack("<I", found[1]))
        return self._give(found[0], data, length)

    def _proxy_set_shared_data(self, key: int, key_size: int, value: int, size: int, version: int) -> int:
        return self._zone.set(self._read(key, key_size), self._read(value, size), version & 0xFFFF_FFFF)

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
        return {_REQUEST_HEADERS: self._request, _RESPONSE_HEADERS: self._response}[kind]

    def _read(self, at: int, size: int) -> bytes:
        return bytes(self._memory.read(self._store, at & 0xFFFF_FFFF, (at & 0xFFFF_FFFF) + size)) if size else b""

    def _write(self, at: int, data: bytes) -> None:
        self._memory.write(self._store, data, at & 0xFFFF_FFFF)

    def _give(self, value: bytes, data: int, length: int) -> int:
        at = self._call("malloc", len(value)) if value else 0
        self._write(at, value)
        self._write(data, struct.pack("<I", at & 0xFFFF_FFFF))
        self._write(length, struct.pack("<I", len(value)))
        return OK


def _pairs(block: bytes) -> Iterable[tuple[bytes, bytes]]:
    [count] = struct.unpack_from("<I", block)
    at = 4 + 8 * count
    for index in range(count):
        name, value = struct.unpack_from("<II", block, 4 + 8 * index)
        yield block[at : at + name], block[at + name + 1 : at + name + 1 + value]
        at += name + value + 2
