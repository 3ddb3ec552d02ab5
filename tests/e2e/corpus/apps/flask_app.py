"""Flask, with signed sessions."""

from __future__ import annotations

from flask import Flask, g, request, session
from told import HEADER, KEY, METHODS, told, user_of, user_of_jwt

app = Flask(__name__, static_folder=None)
app.config.update(SECRET_KEY=KEY, SESSION_COOKIE_NAME="sessionid")

ROUTES = {
    "jobs": "/api/v2/jobs/",
    "job": "/api/v2/jobs/<name>/",
    "login": "/api/auth/login",
    "search": "/search/<name>",
    "files": "/files/<path:name>",
    "static": "/static/<path:name>",
    "public": "/public/<path:name>",
    "healthz": "/healthz",
}


def page(route: str):
    def answer(**_parts):
        g.reached = route
        return "{}"

    return answer


for name, rule in ROUTES.items():
    app.add_url_rule(rule, name, page(name), methods=METHODS)


def user() -> str | None:
    given = request.authorization
    if given and given.type == "basic":
        return user_of("basic", f"{given.username}:{given.password}")
    if given and given.token is not None:
        return user_of("token", given.token) if given.type == "token" else user_of_jwt(given.token)
    return user_of("key", request.headers.get("x-api-key")) or session.get("user")


@app.after_request
def telling(response):
    if "reached" in g:
        response.headers[HEADER] = told(
            g.reached,
            request.method,
            request.path,
            request.host,
            user(),
            parameter=request.args.get,
            header=request.headers.get,
            cookie=request.cookies.get,
        )
    return response
