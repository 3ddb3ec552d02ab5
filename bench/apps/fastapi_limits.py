"""A limiter of FastAPI: slowapi, in memory and in Redis.

Paths: `/slowapi-STRATEGY-STORE/quota`, `/slowapi-STRATEGY-STORE/plenty`, and without a limit `/fastapi/none`.
"""

import os

from fastapi import FastAPI, Request, Response
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address

from bench.apps.job import QUOTAS, WINDOW

_REDIS = os.environ["BENCH_REDIS"]
_LIMITERS = {
    "slowapi-fixed-memory": ("fixed-window", "memory://"),
    "slowapi-fixed-redis": ("fixed-window", _REDIS),
    "slowapi-moving-redis": ("moving-window", _REDIS),
}


def limited(name: str, strategy: str, uri: str) -> FastAPI:
    limiter = Limiter(get_remote_address, strategy=strategy, storage_uri=uri, key_prefix=name, headers_enabled=True)
    made = FastAPI()
    made.state.limiter = limiter
    made.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    for last, quota in QUOTAS.items():

        async def view(request: Request, response: Response):
            return {}

        view.__name__ = view.__qualname__ = last
        made.get(f"/{last}")(limiter.limit(f"{quota} per {WINDOW} second")(view))
    return made


application = FastAPI()


@application.get("/fastapi/none")
async def none():
    return {}


for name, (strategy, uri) in _LIMITERS.items():
    application.mount(f"/{name}", limited(name, strategy, uri))
