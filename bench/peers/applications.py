"""Limiters of Python's web frameworks, each behind the server that its documentation names: gunicorn, with threads, or uvicorn."""

from __future__ import annotations

import os
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack

from bench import nginx, places, processes
from bench.peers.contender import Contender, Door, Setting, family_of, left_out
from bench.services import until

_THREADS = 4


class _Server(processes.Child):
    """`module`: below bench.apps. `path`: what answers once it is ready."""

    def __init__(self, setting: Setting, module: str, path: str, command: list[str]) -> None:
        [self.port] = nginx.free_ports(1)
        environment = os.environ | {"BENCH_REDIS": f"redis://127.0.0.1:{setting.redis}/0"}
        filled = [part.format(port=self.port, workers=setting.workers) for part in command]
        command = [str(places.DJANGO_PYTHON), "-m", *filled, f"bench.apps.{module}:application"]
        super().__init__(command, setting.directory / f"{module}.log", env=environment, cwd=places.ROOT)
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


_GUNICORN = ["gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "warning", "--workers", "{workers}"]
# Threads, because only such workers keep connections open.
_GUNICORN += ["--threads", str(_THREADS)]
# (It is not handed a socket: it would take that for one of Unix, and answer each request 40 ms late.)
_UVICORN = ["uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning", "--no-access-log", "--workers", "{workers}"]
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


def serve(stack: ExitStack, setting: Setting) -> list[Contender]:
    if not _installed():
        left_out("Python's limiters", "bench/requirements-limiters.txt could not be installed")
        return []
    django = stack.enter_context(_Server(setting, "django_limits", "/drf/none", _GUNICORN))
    flask = stack.enter_context(_Server(setting, "flask_limits", "/flask/none", _GUNICORN))
    fastapi = stack.enter_context(_Server(setting, "fastapi_limits", "/fastapi/none", _UVICORN))

    def alone(name: str, title: str, server: _Server) -> Contender:
        return Contender(name, title, name, family_of(server), Door(server.port, f"/{name}/none"))

    def limiter(name: str, title: str, without: str, server: _Server) -> Contender:
        plenty, quota = (Door(server.port, f"/{name}/{last}") for last in ("plenty", "quota"))
        return Contender(name, title, without, family_of(server), plenty, quota, name.endswith("-redis"))

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
