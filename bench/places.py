"""Where things lie. `scripts/bench` has put them there."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "target/bench"
SCRIPTS = ROOT / "bench"
EMPTY_WASM = OUT / "empty-filter.wasm"
FLOOR_WASM = OUT / "floor.wasm"
EMPTY_MODULE = OUT / "empty-module.so"
LIMITADOR = OUT / "limitador-service"
NATIVE_CONFIG = ROOT / "envoy/native.yaml"
NATIVE_MODULE = ROOT / "target/libtollgate.so"
TRAEFIK = ROOT / "target/venv/bin/traefik"
NODE_MODULES = OUT / "express/node_modules"
DJANGO_PYTHON = OUT / "venv/bin/python"


def envoy() -> str:
    return os.environ["TOLLGATE_ENVOY"]


def tollgate_wasm() -> Path:
    return Path(os.environ.get("TOLLGATE_WASM") or ROOT / "target/tollgate.wasm")
