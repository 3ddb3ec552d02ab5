"""Bottle, under Waitress."""

from __future__ import annotations

import sys

import waitress
from bottle import Bottle, request, response
from told import HEADER, METHODS, told, user_of, user_of_jwt

app = Bottle()

ROUTES = {
    "jobs": "/api/v2/jobs/",
    "job": "/api/v2/jobs/<name>/",
    "login": "/api/auth/login",
    "search": "/search/<name>",
    "files": "/files/<name:path>",
    "static": "/static/<name:path>",
    "public": "/public/<name:path>",
    "healthz": "/healthz",
}


def user() -> str | None:
    if request.auth:
        return user_of("basic", ":".join(part or "" for part in request.auth))
    scheme, _, secret = request.get_header("authorization", "").partition(" ")
    if scheme.lower() == "token":
        return user_of("token", secret)
    if scheme.lower() == "bearer":
        return user_of_jwt(secret)
    return user_of("key", request.get_header("x-api-key")) or user_of("session", request.get_cookie("sessionid"))


def page(route: str):
    def answer(**_parts):
        facts = told(
            route,
            request.method,
            request.path,
            request.urlparts.netloc,
            user(),
            parameter=request.query.get,
            header=request.get_header,
            cookie=request.get_cookie,
        )
        response.set_header(HEADER, facts)
        return "{}"

    return answer


for name, rule in ROUTES.items():
    app.route(rule, METHODS, page(name))

if __name__ == "__main__":
    waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=4, _quiet=True)
