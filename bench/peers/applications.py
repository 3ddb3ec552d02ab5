"""Limiters of web frameworks: Python's, each behind the server that its documentation names, gunicorn, with threads, or uvicorn; and Express'."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack

from bench import nginx, places, processes
from bench.apps.job import QUOTAS, WINDOW
from bench.peers.contender import Contender, Door, Setting, family_of, left_out
from bench.services import until

_THREADS = 4


class _Server(processes.Child):
    """`command`: with PORT, WORKERS and REDIS for what they are. `path`: what answers once it is ready."""

    def __init__(self, setting: Setting, name: str, path: str, command: list[str]) -> None:
        [self.port] = nginx.free_ports(1)
        redis = f"redis://127.0.0.1:{setting.redis}/0"
        told = {"PORT": str(self.port), "WORKERS": str(setting.workers), "REDIS": redis}
        filled = [told.get(part, part).replace("PORT", told["PORT"]) for part in command]
        environment = os.environ | {"BENCH_REDIS": redis, "NODE_PATH": str(places.NODE_MODULES), "NODE_ENV": "production"}
        super().__init__(filled, setting.directory / f"{name}.log", env=environment, cwd=places.ROOT)
        try:
            until(lambda: self._answers(path), self)
        except BaseException:
            self.__exit__()
            raise

    def _answers(self, path: str) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5).close()
            return True
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path} is answered with {error.code}:\n{self.log()[-3000:]}") from None
        except OSError:
            return False


_PYTHON = [str(places.DJANGO_PYTHON), "-m"]
_GUNICORN = [*_PYTHON, "gunicorn", "--bind", "127.0.0.1:PORT", "--log-level", "warning", "--workers", "WORKERS"]
# Threads, because only such workers keep connections open.
_GUNICORN += ["--threads", str(_THREADS)]
# (It is not handed a socket: it would take that for one of Unix, and answer each request 40 ms late.)
_UVICORN = [*_PYTHON, "uvicorn", "--host", "127.0.0.1", "--port", "PORT", "--workers", "WORKERS"]
_UVICORN += ["--log-level", "warning", "--no-access-log"]
# Behind one proxy, which says who its clients are.
_UVICORN += ["--proxy-headers", "--forwarded-allow-ips", "127.0.0.1"]

_FLASK = {
    "flask-fixed-memory": "Flask-Limiter, fixed window",
    "flask-fixed-redis": "Flask-Limiter, fixed window, Redis",
    "flask-counter-memory": "Flask-Limiter, sliding counter",
    "flask-counter-redis": "Flask-Limiter, sliding counter, Redis",
    "flask-moving-memory": "Flask-Limiter, moving window",
    "flask-moving-redis": "Flask-Limiter, moving window, Redis",
}
_SLOWAPI = {
    "slowapi-fixed-memory": "slowapi, fixed window",
    "slowapi-fixed-redis": "slowapi, fixed window, Redis",
    "slowapi-moving-redis": "slowapi, moving window, Redis",
}


_EXPRESS = {
    "express-memory": "express-rate-limit",
    "express-redis": "express-rate-limit, Redis",
    "flexible-memory": "rate-limiter-flexible",
    "flexible-redis": "rate-limiter-flexible, Redis",
}


def alone(name: str, title: str, server: _Server) -> Contender:
    return Contender(name, title, name, family_of(server), Door(server.port, f"/{name}/none"))


def limiter(name: str, title: str, without: str, server: _Server) -> Contender:
    plenty, quota = (Door(server.port, f"/{name}/{last}") for last in ("plenty", "quota"))
    return Contender(name, title, without, family_of(server), plenty, quota, name.endswith("-redis"))


def serve_express(stack: ExitStack, setting: Setting) -> list[Contender]:
    node = shutil.which("node")
    if not node or not places.NODE_MODULES.exists():
        left_out("Express' limiters", "bench/apps/express/package.json could not be installed")
        return []
    job = json.dumps({"window": WINDOW, "quotas": QUOTAS})
    command = [node, "bench/apps/express/server.js", "PORT", "WORKERS", "REDIS", job]
    server = stack.enter_context(_Server(setting, "express", "/express/none", command))
    found = [limiter(name, title, "express", server) for name, title in _EXPRESS.items()]
    return [alone("express", "Express alone", server), *found]


def serve_python(stack: ExitStack, setting: Setting) -> list[Contender]:
    if not _installed():
        left_out("Python's limiters", "bench/requirements-limiters.txt could not be installed")
        return []

    def start(name: str, path: str, command: list[str]) -> _Server:
        return stack.enter_context(_Server(setting, name, path, [*command, f"bench.apps.{name}_limits:application"]))

    django = start("django", "/drf/none", _GUNICORN)
    flask = start("flask", "/flask/none", _GUNICORN)
    fastapi = start("fastapi", "/fastapi/none", _UVICORN)
    left_out("django-ratelimit in memory", "it refuses caches that processes do not share")
    return [
        alone("drf", "DRF alone", django),
        limiter("drf-memory", "DRF throttle", "drf", django),
        limiter("drf-redis", "DRF throttle, Redis", "drf", django),
        alone("django", "Django alone", django),
        limiter("django-ratelimit-redis", "django-ratelimit, Redis", "django", django),
        alone("flask", "Flask alone", flask),
        *(limiter(name, title, "flask", flask) for name, title in _FLASK.items()),
        alone("fastapi", "FastAPI alone", fastapi),
        *(limiter(name, title, "fastapi", fastapi) for name, title in _SLOWAPI.items()),
    ]


def _installed() -> bool:
    if not places.DJANGO_PYTHON.exists():
        return False
    wanted = "import django_ratelimit, django_redis, flask_limiter, gunicorn, rest_framework, slowapi, uvicorn"
    return not subprocess.run([str(places.DJANGO_PYTHON), "-c", wanted], capture_output=True).returncode
