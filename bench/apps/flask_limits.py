"""Limiters of Flask: Flask-Limiter with each strategy of the library `limits`, in memory and in Redis.

Paths: `/flask-STRATEGY-STORE/quota`, `/flask-STRATEGY-STORE/plenty`, and without a limit `/flask/none`.
"""

from __future__ import annotations

import os

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from bench.apps.job import QUOTAS, WINDOW

_STORES = {"memory": "memory://", "redis": os.environ["BENCH_REDIS"]}
_STRATEGIES = {"fixed": "fixed-window", "counter": "sliding-window-counter", "moving": "moving-window"}


def flask(name: str, limiter: Limiter | None) -> Flask:
    made = Flask(name)
    # Behind one proxy, which says who its clients are.
    made.wsgi_app = ProxyFix(made.wsgi_app, x_for=1)

    def answer():
        return {}

    if not limiter:
        made.add_url_rule("/none", "none", answer)
        return made
    limiter.init_app(made)
    for last, quota in QUOTAS.items():
        limited = limiter.limit(f"{quota} per {WINDOW} second")(_named(answer, last))
        made.add_url_rule(f"/{last}", last, limited)
    return made


def _named(answer, name: str):
    """One function for each limit: limits stand with a function's name."""

    def view():
        return answer()

    view.__name__ = view.__qualname__ = name
    return view


mounted = {"/flask": flask("flask", None)}
for strategy, long_name in _STRATEGIES.items():
    for store, uri in _STORES.items():
        name = f"flask-{strategy}-{store}"
        limiter = Limiter(
            get_remote_address, strategy=long_name, storage_uri=uri, key_prefix=name, headers_enabled=True
        )
        mounted[f"/{name}"] = flask(name, limiter)
application = DispatcherMiddleware(Flask("nothing"), mounted)
