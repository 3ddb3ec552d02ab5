"""A running Envoy, and what it says about itself."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from pathlib import Path

from bench import listeners, places, processes

_PATIENCE = 60.0  # seconds


class Envoy(processes.Child):
    """`with Envoy(directory, [listener, …], workers=1) as envoy:` – ready on entry."""

    def __init__(self, directory: Path, served: list[dict], *, workers: int, clusters: list[dict] | None = None) -> None:
        """`clusters`: where its filters call, such as `bench.redis.cluster`."""
        directory.mkdir(parents=True, exist_ok=True)
        config, self._admin_file = directory / "envoy.json", directory / "admin"
        config.write_text(json.dumps(listeners.bootstrap(served, clusters)))
        command = [places.envoy(), "-c", str(config), "--concurrency", str(workers), "--disable-hot-restart"]
        command += ["--admin-address-path", str(self._admin_file), "--log-level", "warning"]
        self._served = len(served)
        self._workers = workers
        # There it finds the module, for those that name it.
        os.environ["ENVOY_DYNAMIC_MODULES_SEARCH_PATH"] = str(places.NATIVE_MODULE.parent)
        super().__init__(command, directory / "envoy.log")

    def __enter__(self) -> Envoy:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not self._is_ready():
                self.check()
                if time.monotonic() > deadline:
                    raise RuntimeError(f"Envoy does not get ready:\n{self.log()[-3000:]}")
                time.sleep(0.05)
            self.ports = self._ports()
            # Envoy's workers, and the one thread of the module.
            self._threads = [one for name in ("wrk:worker_", "tollgate") for one in processes.threads(self.pid, name)]
        except BaseException:
            self.__exit__()
            raise
        return self

    def worker_cpu(self) -> int:
        """Nanoseconds of CPU that the threads which serve requests have used."""
        return sum(processes.cpu_of_thread(self.pid, thread) for thread in self._threads)

    def resident_bytes(self) -> int:
        return processes.resident_bytes(self.pid)

    def admin(self, path: str) -> str:
        address = self._admin_file.read_text().strip()
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as reply:
            return reply.read().decode()

    def stats(self, beginning: str) -> dict[str, int]:
        """Counters and gauges whose names begin so. Filters of several listeners share theirs."""
        lines = self.admin(f"/stats?filter=^{beginning}").splitlines()
        pairs = (line.rpartition(": ") for line in lines)
        return {name: int(value) for name, _, value in pairs if value.isdigit()}

    def _is_ready(self) -> bool:
        try:
            created = self.stats("listener_manager.listener_create_success")
            return self.admin("/ready").strip() == "LIVE" and sum(created.values()) >= self._served * self._workers
        except OSError:
            return False

    def _ports(self) -> dict[str, int]:
        statuses = json.loads(self.admin("/listeners?format=json"))["listener_statuses"]
        addresses = {found["name"]: found["local_address"] for found in statuses}
        # A listener inside Envoy has no port.
        return {name: found["socket_address"]["port_value"] for name, found in addresses.items() if "socket_address" in found}
