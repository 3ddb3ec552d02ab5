"""The applications, each in the server that people run it in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import jwt
from itsdangerous import URLSafeTimedSerializer

from harness import ports
from harness.asking import Server, program
from harness.places import repo_path

KEY = "a key of thirty-two bytes or more, for tests alone"
_APPS = Path(__file__).parent / "apps"


def users(name: str) -> dict[str, str]:
    """A secret of each kind. The application believes each; a user's name is the kind of his secret."""
    secrets = {
        "token": "TokenOf" + name.replace("-", ""),
        "jwt": jwt.encode({"sub": "jwt", "of": name}, KEY, algorithm="HS256"),
        "basic": f"{name}:a~>>???pass",  # in base64 it has a `+` and a `/`
        "session": f"SessionOf{name}",
        "key": f"key-of-{name}",
    }
    if name == "flask":  # it signs its sessions
        signer = {"key_derivation": "hmac", "digest_method": "sha1"}
        signed = URLSafeTimedSerializer(KEY, salt="cookie-session", signer_kwargs=signer)
        secrets["session"] = signed.dumps({"user": "session"})
    return secrets


def _gunicorn(application: str) -> Callable[[int], list[str]]:
    options = ["--worker-class", "gthread", "--threads", "4", "--keep-alive", "600", "--graceful-timeout", "1"]
    return lambda port: _python("-m", "gunicorn", *options, "--bind", f"127.0.0.1:{port}", application)


def _uvicorn(application: str, parser: str) -> Callable[[int], list[str]]:
    options = ["--http", parser, "--no-access-log", "--timeout-keep-alive", "600"]
    return lambda port: _python("-m", "uvicorn", *options, "--port", str(port), application)


def _own(file: str) -> Callable[[int], list[str]]:
    return lambda port: _python(str(_APPS / file), str(port))


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _express(port: int) -> list[str]:
    return [program("node", "Debian's package nodejs"), str(_APPS / "express" / "app.js"), str(port)]


def _php(port: int) -> list[str]:
    quiet = ["-d", "error_reporting=0"]
    return [program("php", "Debian's package php-cli"), *quiet, "-S", f"127.0.0.1:{port}", str(_APPS / "app.php")]


def _sinatra(port: int) -> list[str]:
    return ["/usr/bin/ruby", str(_APPS / "sinatra_app.rb"), str(port)]


COMMANDS: dict[str, Callable[[int], list[str]]] = {
    "django": _gunicorn("django_app:wsgi"),
    "django-asgi": _uvicorn("django_app:asgi", "h11"),
    "flask": _gunicorn("flask_app:app"),
    "fastapi": _uvicorn("fastapi_app:app", "httptools"),
    "tornado": _own("tornado_app.py"),
    "bottle": _own("bottle_app.py"),
    "aiohttp": _own("aiohttp_app.py"),
    "express": _express,
    "php": _php,
    "sinatra": _sinatra,
}


def application(name: str, directory: Path) -> Server:
    """Not started yet, but its port is known."""
    env = os.environ | {
        "CORPUS_USERS": json.dumps(users(name)),
        "CORPUS_KEY": KEY,
        "PYTHONPATH": str(_APPS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NODE_PATH": str(repo_path("target", "node_modules")),
        "TMPDIR": str(directory),
    }
    port = ports.reserve()
    return Server(port, COMMANDS[name](port), directory / f"{name}.log", env)
