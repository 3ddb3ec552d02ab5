"""Limiters of other proxies: nginx, HAProxy, Traefik. Each proxy answers by itself, and believes what a client says about its address, as
behind a load balancer."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack

import yaml

from bench import nginx, places, processes
from bench.apps.job import QUOTAS, WINDOW
from bench.peers.contender import Contender, Door, Setting, left_out, threads_of
from bench.services import until

# `limit_req` looks before a file is served, but not before `return`.
_NGINX = """\
    server {{
        listen 127.0.0.1:{port};
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Forwarded-For;
        location / {{
            {limit}
            empty_gif;
        }}
    }}
"""

# The limiter that its makers' examples have: it counts what it denies, too.
_HAPROXY_RATE = """\
    stick-table type ip size 100k expire 30s store http_req_rate({window}s)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {quota} }}
"""

# The same with a counter of its own, which counts what is let through.
_HAPROXY_ADMITTED = """\
    stick-table type ip size 100k expire 30s store gpc0,gpc0_rate({window}s)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_gpc0_rate(0) ge {quota} }}
    http-request sc-inc-gpc0(0)
"""

_HAPROXY_FRONTEND = """\
frontend {name}
    bind 127.0.0.1:{port}
    http-request set-src hdr(x-forwarded-for)
{limit}    http-request return status 200 content-type text/plain string "ok"
"""

_HAPROXY = """\
global
    nbthread {workers}
defaults
    mode http
    timeout client 30s
    timeout connect 5s
    timeout server 30s
{frontends}"""


def serve_nginx(stack: ExitStack, setting: Setting) -> list[Contender]:
    if not shutil.which(nginx.program()):
        left_out("nginx", "it is not installed")
        return []
    # Its rates are by the second or minute. A burst of one less: the first request is none of the burst.
    zones, limits = "", {"none": ""}
    for last, quota in QUOTAS.items():
        zones += f"limit_req_zone $binary_remote_addr zone={last}:10m rate={quota // WINDOW}r/s;\n"
        limits[last] = f"limit_req zone={last} burst={quota - 1} nodelay; limit_req_status 429;"
    ports = dict(zip(limits, nginx.free_ports(len(limits))))
    servers = zones + "".join(_NGINX.format(port=ports[name], limit=limit) for name, limit in limits.items())
    child = stack.enter_context(nginx.Nginx(setting.directory / "nginx", servers, ports["none"], setting.workers))
    alone = Contender("nginx", "nginx alone", "nginx", threads_of(child), Door(ports["none"]))
    doors = Door(ports["plenty"]), Door(ports["quota"])
    return [alone, Contender("limit_req", "nginx limit_req", "nginx", threads_of(child), *doors)]


class _HAProxy(processes.Child):
    def __init__(self, setting: Setting, limits: dict[str, str]) -> None:
        self.ports = dict(zip(limits, nginx.free_ports(len(limits))))
        frontends = "".join(
            _HAPROXY_FRONTEND.format(name=name, port=self.ports[name], limit=limit) for name, limit in limits.items()
        )
        file = setting.directory / "haproxy.cfg"
        file.write_text(_HAPROXY.format(workers=setting.workers, frontends=frontends))
        super().__init__([_haproxy(), "-f", str(file), "-db"], setting.directory / "haproxy.log")
        _ready(self, [self.ports["none"]])


def _haproxy() -> str:
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin") or "haproxy"


def serve_haproxy(stack: ExitStack, setting: Setting) -> list[Contender]:
    if not shutil.which(_haproxy()):
        left_out("HAProxy", "it is not installed")
        return []
    limits = {"none": ""}
    for last, quota in QUOTAS.items():
        limits[f"rate-{last}"] = _HAPROXY_RATE.format(window=WINDOW, quota=quota)
        limits[f"admitted-{last}"] = _HAPROXY_ADMITTED.format(window=WINDOW, quota=quota)
    child = stack.enter_context(_HAProxy(setting, limits))

    def limiter(name: str, title: str) -> Contender:
        doors = Door(child.ports[f"{name}-plenty"]), Door(child.ports[f"{name}-quota"])
        return Contender(f"haproxy-{name}", title, "haproxy", threads_of(child), *doors)

    return [
        Contender("haproxy", "HAProxy alone", "haproxy", threads_of(child), Door(child.ports["none"])),
        limiter("rate", "HAProxy http_req_rate"),
        limiter("admitted", "HAProxy gpc0_rate of what passes"),
    ]


class _Traefik(processes.Child):
    """On one port with nothing in front, and on others with its RateLimit middleware."""

    def __init__(self, setting: Setting, limits: dict[str, tuple[int, bool]]) -> None:
        """`limits`: by name, the quota, and whether it is counted in Redis."""
        names = ["none", *limits]
        self.ports = dict(zip(names, nginx.free_ports(len(names))))
        points = {
            name: {"address": f"127.0.0.1:{port}", "forwardedHeaders": {"trustedIPs": ["127.0.0.0/8"]}}
            for name, port in self.ports.items()
        }
        routers = {name: {"entryPoints": [name], "rule": "PathPrefix(`/`)", "service": "ping@internal"} for name in names}
        middlewares = {}
        for name, (quota, in_redis) in limits.items():
            routers[name]["middlewares"] = [name]
            limit = {"average": quota, "period": f"{WINDOW}s", "burst": quota}
            limit["sourceCriterion"] = {"ipStrategy": {"depth": 1}}
            if in_redis:
                limit["redis"] = {"endpoints": [f"127.0.0.1:{setting.redis}"]}
            middlewares[name] = {"rateLimit": limit}
        dynamic, static = setting.directory / "traefik-dynamic.yaml", setting.directory / "traefik.yaml"
        dynamic.write_text(yaml.safe_dump({"http": {"routers": routers, "middlewares": middlewares}}))
        said = {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "ERROR"},
            "ping": {"manualRouting": True},
            "entryPoints": points,
            "providers": {"file": {"filename": str(dynamic)}},
        }
        static.write_text(yaml.safe_dump(said))
        # As many cores as the others have.
        environment = os.environ | {"GOMAXPROCS": str(setting.workers)}
        super().__init__([str(places.TRAEFIK), f"--configFile={static}"], setting.directory / "traefik.log", env=environment)
        _ready(self, list(self.ports.values()))


def serve_traefik(stack: ExitStack, setting: Setting) -> list[Contender]:
    if not places.TRAEFIK.exists():
        left_out("Traefik", "it could not be installed")
        return []
    limits = {}
    for last, quota in QUOTAS.items():
        limits |= {f"traefik-memory-{last}": (quota, False), f"traefik-redis-{last}": (quota, True)}
    child = stack.enter_context(_Traefik(setting, limits))

    def limiter(name: str, title: str, *, in_redis: bool) -> Contender:
        doors = Door(child.ports[f"{name}-plenty"]), Door(child.ports[f"{name}-quota"])
        return Contender(name, title, "traefik", threads_of(child), *doors, in_redis)

    return [
        Contender("traefik", "Traefik alone", "traefik", threads_of(child), Door(child.ports["none"])),
        limiter("traefik-memory", "Traefik RateLimit", in_redis=False),
        limiter("traefik-redis", "Traefik RateLimit, Redis", in_redis=True),
    ]


def serve_caddy(_stack: ExitStack, _setting: Setting) -> list[Contender]:
    caddy = shutil.which("caddy")
    if not caddy:
        left_out("Caddy", "it is not installed, and the one that Debian has comes without a rate limit")
        return []
    modules = subprocess.run([caddy, "list-modules"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    why = "it has no rate limit of its own, only by a plugin that wants a build of its own"
    if "rate_limit" in modules:
        why = "this one has a plugin for a rate limit, which nothing here knows how to set up"
    left_out("Caddy", why)
    return []


def _ready(child: processes.Child, ports: list[int]) -> None:
    """Waits until it answers on all of them; stops it if it does not."""
    try:
        until(lambda: all(map(_answers, ports)), child)
    except BaseException:
        child.__exit__()
        raise


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
