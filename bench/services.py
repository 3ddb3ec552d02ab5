"""What others run besides the proxy: Limitador's service for Envoy's `ratelimit` filter."""

from __future__ import annotations

import time
from pathlib import Path

from bench import places, processes

_PATIENCE = 30.0  # seconds
_TYPES = "type.googleapis.com/envoy.extensions"


class Limitador(processes.Child):
    """bench/limitador, with one limit for each client address. `redis`: the port of its Redis; without one it counts in memory."""

    def __init__(self, directory: Path, name: str, quota: int, seconds: int, redis: int | None) -> None:
        self.name = name
        command = [str(places.LIMITADOR), str(quota), str(seconds)]
        super().__init__(command + ([f"redis://127.0.0.1:{redis}"] if redis else []), directory / f"{name}.log")
        try:
            until(lambda: self.log().endswith("\n"), self)
            self._port = int(self.log().split()[0])
        except BaseException:
            self.__exit__()
            raise

    def cluster(self) -> dict:
        """The way to it."""
        options = {"@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}
        address = {"socket_address": {"address": "127.0.0.1", "port_value": self._port}}
        return {
            "name": self.name,
            "type": "STATIC",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
            "load_assignment": {
                "cluster_name": self.name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
        }

    def filter(self) -> dict:
        """Envoy's own filter, which asks it about every request, and decides none without it."""
        config = {
            "@type": f"{_TYPES}.filters.http.ratelimit.v3.RateLimit",
            "domain": "bench",
            "timeout": "10s",
            "failure_mode_deny": True,
            "rate_limit_service": {
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": self.name}},
            },
            "rate_limits": [{"actions": [{"remote_address": {}}]}],
        }
        return {"name": "ratelimit", "typed_config": config}


def until(holds, child: processes.Child) -> None:
    """Waits for it; raises, with its log, if the program ends before or does not get there."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        child.check()
        if time.monotonic() > deadline:
            raise RuntimeError(f"it does not get ready:\n{child.log()[-3000:]}")
        time.sleep(0.05)
