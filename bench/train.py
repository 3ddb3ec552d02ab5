"""What `scripts/build --native --pgo` trains the module by: a real Envoy, with a module that counts which way its code goes, under
requests of many kinds.

What is not met here the compiler takes for rare, and puts out of the way. So the policies here have something of everything, and not only
what the benchmarks measure.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from bench import listeners, load, places, redis, requests
from bench.envoy import Envoy

_SECONDS = 2
_CONNECTIONS = 16

_FORM = """\
POST /api/v2/jobs/17/result/?priority=3&format=json HTTP/1.1
Host: app.example.org:8443
User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36
Content-Type: application/x-www-form-urlencoded
Content-Length: 0
Cookie: theme=dark; sessionid=<token>; plan=free
X-Forwarded-For: <address>
X-Tenant: tenant-<address>
Connection: keep-alive

"""

_CRAWLER = """\
GET /docs/caf%C3%A9/page.html?q=a+b%20c&page=2 HTTP/1.1
Host: www.example.org
User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
X-Forwarded-For: <address>
Connection: keep-alive

"""

_ASKED = """\
GET / HTTP/1.1
Host: gate.internal
X-Forwarded-For: <address>
X-Forwarded-Method: GET
X-Forwarded-Host: app.example.org
X-Forwarded-Uri: /api/v2/captures/?limit=20&offset=40
Authorization: Token <token>
Connection: keep-alive

"""

# Something of everything that a scope can say.
_BROAD = {
    "client": {"credential": {"from": [{"cookie": "sessionid"}, {"header": "authorization", "schemes": ["Token", "Bearer"]}]}},
    "exempt": [{"path": ["/health", "/static/**"], "method": "GET"}],
    "scopes": {
        "user": {"rate": ["20/s", "300/min"], "key": ["credential", "address"]},
        "tenant": {"rate": "600/min", "algorithm": "token_bucket", "burst": 100, "key": [{"header": "x-tenant"}, "address"]},
        "result": {
            "rate": "120/min",
            "key": ["credential", "address"],
            "mode": "shadow",
            "match": {"method": ["POST", "PUT"], "path": "/api/v2/jobs/*/result/"},
        },
        "login": {"rate": "5/min", "key": "address", "match": {"path": "/api/auth/login"}, "count": {"status": [401, 403]}},
        "search": {"rate": "60/min", "key": "address", "match": {"query": {"q": {"present": True}, "page": {"not": "1"}}}},
        "free": {"rate": "900/min", "cost": 3, "key": {"cookie": "sessionid"}, "match": {"cookie": {"plan": "free"}}},
        "host": {"rate": "6000/min", "key": "address", "match": {"host": ["app.example.org", "*.example.org"]}},
        "bots": {"rate": "300/min", "key": "bot", "match": {"client": "bot"}},
        "all": {"rate": "100000/s", "algorithm": "token_bucket", "burst": 200000, "key": "global"},
    },
    "response": {"ratelimit_headers": "draft"},
    "access_log": "all",
}
_NO_LOG = {"access_log": "off"}
_AUTHZ = {"request": {"from": "forwarded"}, "client": {"credential": {"trust": "any"}}}


def policies(redis_port: int) -> dict[str, dict]:
    """Each has a listener of its name."""
    in_redis = redis.IN_REDIS | {"url": f"redis://127.0.0.1:{redis_port}"}
    return {
        "default": {},
        "silent": _NO_LOG,
        "broad": _BROAD,
        "asked": _AUTHZ,
        "redis": {"client": {"credential": {"trust": "any"}}, "store": {"redis": in_redis}},
    }


def main(directory: Path) -> None:
    """`directory` has the module that counts, as `libtollgate.so`."""
    # What is started is stopped by context managers: an exception reaches them, a signal would not.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: sys.exit(128 + caught))
    places.NATIVE_MODULE = directory / "libtollgate.so"
    poll, anonymous = (requests.template(directory, name) for name in ("poll", "anonymous"))
    form, crawler, asked = (
        requests.write(directory, name, text)
        for name, text in (("form", _FORM), ("crawler", _CRAWLER), ("asked", _ASKED))
    )
    with redis.Redis(directory) as shared:
        served = [
            listeners.listener(name, [listeners.module(name, policy)])
            for name, policy in policies(shared.port).items()
        ]
        # Two workers, for whom locks matter.
        with Envoy(directory, served, workers=2) as envoy:
            for name, template, clients in [
                ("default", poll, 10_000),
                ("default", anonymous, 10_000),
                ("default", poll, 1),
                ("silent", poll, 1_000),
                ("silent", poll, 1),
                ("broad", form, 2_000),
                ("broad", crawler, 500),
                ("broad", poll, 2_000),
                ("asked", asked, 2_000),
                ("redis", poll, 2_000),
                ("redis", anonymous, 100),
            ]:
                load.drive(
                    envoy.ports[name], load.Clients(template, clients), seconds=_SECONDS, connections=_CONNECTIONS
                )


if __name__ == "__main__":
    os.environ.setdefault("TOLLGATE_ENVOY", "envoy")
    main(Path(sys.argv[1]).resolve())
