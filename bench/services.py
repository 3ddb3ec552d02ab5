"""What others run besides the proxy: Limitador's service for Envoy's `ratelimit` filter, and Traefik."""

from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from bench import places, processes

_PATIENCE = 30.0  # seconds
_TYPES = "type.googleapis.com/envoy.extensions"


class Limitador(processes.Child):
    """bench/limitador, with one limit for each client address. `redis`: the port of its Redis; without one it counts in memory."""

    def __init__(self, directory: Path, name: str, per_hour: int, redis: int | None) -> None:
        self.name = name
        command = [str(places.LIMITADOR), str(per_hour), "3600"]
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


class Traefik(processes.Child):
    """It replies by itself, on a port with nothing in front, and on others with its RateLimit middleware. Like the Envoy that it is
    compared with, it uses one core."""

    def __init__(self, directory: Path, limits: dict[str, int], redis: int) -> None:
        """`limits`: by name, what a client address may send in an hour, and all of it at once."""
        names = ["traefik", *limits]
        self.ports = dict(zip(names, _free_ports(len(names))))
        # What a client says about its address is believed, as in the Envoy here.
        points = {
            name: {"address": f"127.0.0.1:{port}", "forwardedHeaders": {"trustedIPs": ["127.0.0.0/8"]}}
            for name, port in self.ports.items()
        }
        routers = {name: {"entryPoints": [name], "rule": "PathPrefix(`/`)", "service": "ping@internal"} for name in names}
        middlewares = {}
        for name, per_hour in limits.items():
            routers[name]["middlewares"] = [name]
            middlewares[name] = {
                "rateLimit": {
                    "average": per_hour,
                    "period": "1h",
                    "burst": per_hour,
                    "sourceCriterion": {"ipStrategy": {"depth": 1}},
                    "redis": {"endpoints": [f"127.0.0.1:{redis}"]},
                }
            }
        dynamic = directory / "traefik-dynamic.yaml"
        dynamic.write_text(yaml.safe_dump({"http": {"routers": routers, "middlewares": middlewares}}))
        static = {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "ERROR"},
            "ping": {"manualRouting": True},
            "entryPoints": points,
            "providers": {"file": {"filename": str(dynamic)}},
        }
        file = directory / "traefik.yaml"
        file.write_text(yaml.safe_dump(static))
        command = [str(places.TRAEFIK), f"--configFile={file}"]
        super().__init__(command, directory / "traefik.log", env=os.environ | {"GOMAXPROCS": "1"})
        try:
            until(lambda: all(map(_answers, self.ports.values())), self)
        except BaseException:
            self.__exit__()
            raise


def until(holds, child: processes.Child) -> None:
    """Waits for it; raises, with its log, if the program ends before or does not get there."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        child.check()
        if time.monotonic() > deadline:
            raise RuntimeError(f"it does not get ready:\n{child.log()[-3000:]}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"x-forwarded-for": "192.0.2.1"})
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        # Somebody may have asked before; until it has its routes, it answers 404.
        return error.code == 429
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
