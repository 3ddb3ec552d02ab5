"""aiohttp, with its own server."""

from __future__ import annotations

import sys

from aiohttp import BasicAuth, web
from told import HEADER, METHODS, told, user_of, user_of_jwt

ROUTES = {
    "jobs": "/api/v2/jobs/",
    "job": "/api/v2/jobs/{name}/",
    "login": "/api/auth/login",
    "search": "/search/{name}",
    "files": "/files/{name:.+}",
    "static": "/static/{name:.+}",
    "public": "/public/{name:.+}",
    "healthz": "/healthz",
}


def user(request: web.Request) -> str | None:
    given = request.headers.get("authorization", "")
    scheme, _, secret = given.partition(" ")
    if scheme.lower() == "basic":
        try:
            login = BasicAuth.decode(given)
        except ValueError:
            return None
        return user_of("basic", f"{login.login}:{login.password}")
    if scheme.lower() == "token":
        return user_of("token", secret)
    if scheme.lower() == "bearer":
        return user_of_jwt(secret)
    return user_of("key", request.headers.get("x-api-key")) or user_of("session", request.cookies.get("sessionid"))


def page(route: str):
    async def answer(request: web.Request) -> web.Response:
        facts = told(
            route,
            request.method,
            request.path,
            request.host,
            user(request),
            parameter=request.query.get,
            header=request.headers.get,
            cookie=request.cookies.get,
        )
        return web.Response(text="{}", headers={HEADER: facts})

    return answer


app = web.Application()
for name, rule in ROUTES.items():
    for method in METHODS:
        app.router.add_route(method, rule, page(name))

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
