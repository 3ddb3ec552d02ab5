"""A pod of `kubernetes/`, as an Envoy on this machine: its files as shipped, in directories that are replaced as Kubernetes replaces those of
a ConfigMap."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from harness import ports
from harness.places import repo_path, wasm_path

BASE, REDIS, BETWEEN = (repo_path("kubernetes", name) for name in ("base", "redis", "between"))


class Volume:
    """A ConfigMap's directory: `file` → `..data/file`, `..data` → a directory with a time for a name. An update is a new such directory,
    and a new `..data` that is moved over the old one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._versions = 0
        directory.mkdir()

    def put(self, **files: str) -> None:
        self._versions += 1
        version = self.directory / f"..{self._versions}"
        version.mkdir()
        for name, text in files.items():
            (version / f"{name}.yaml").write_text(text)
        data = self.directory / "..data_tmp"
        data.symlink_to(version.name)
        data.replace(self.directory / "..data")
        for name in files:
            link = self.directory / f"{name}.yaml"
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}.yaml")


def here(text: str, directory: Path) -> str:
    """A file as shipped, with this machine's paths and ports of loopback."""
    text = text.replace("/etc/tollgate-filter", str(wasm_path().parent)).replace("/etc/tollgate", str(directory))
    return re.sub(r"address: 0\.0\.0\.0, port_value: \d+", "address: 127.0.0.1, port_value: 0", text)


def listeners(directory: Path, *changes: tuple[str, str], folder: Path = BASE) -> str:
    text = (folder / "listeners.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return here(text, directory)


def config(volume: Volume, folder: Path = BASE) -> dict:
    """Envoy's own settings, its admin interface where the listener for operations looks for it."""
    made = yaml.safe_load(here((folder / "envoy.yaml").read_text(), volume.directory))
    port = ports.reserve()
    for socket in sockets(made, "127.0.0.1"):
        if socket["port_value"] == 9901:
            socket["port_value"] = port
    return made


def sockets(node, address: str) -> list[dict]:
    """Those of this address, wherever they stand in the configuration."""
    if isinstance(node, list):
        return [found for inner in node for found in sockets(inner, address)]
    if not isinstance(node, dict):
        return []
    found = [node["socket_address"]] if node.get("socket_address", {}).get("address") == address else []
    return found + [more for inner in node.values() for more in sockets(inner, address)]
