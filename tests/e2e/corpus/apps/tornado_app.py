"""Tornado, with its own server."""

from __future__ import annotations

import asyncio
import sys

from told import HEADER, told, user_of, user_of_jwt
from tornado.web import Application, RequestHandler

ROUTES = {
    "jobs": r"/api/v2/jobs/?",
    "job": r"/api/v2/jobs/([^/]+)/?",
    "login": r"/api/auth/login",
    "search": r"/search/([^/]+)",
    "files": r"/files/(.+)",
    "static": r"/static/(.+)",
    "public": r"/public/(.+)",
    "healthz": r"/healthz",
}


class Page(RequestHandler):
    def initialize(self, route: str) -> None:
        self.route = route

    def user(self) -> str | None:
        scheme, _, secret = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "token":
            return user_of("token", secret)
        if scheme.lower() == "bearer":
            return user_of_jwt(secret)
        return user_of("key", self.request.headers.get("x-api-key")) or user_of("session", self.get_cookie("sessionid"))

    def get(self, *_parts) -> None:
        facts = told(
            self.route,
            self.request.method,
            self.request.path,
            self.request.host,
            self.user(),
            parameter=lambda name: self.get_query_argument(name, None),
            header=self.request.headers.get,
            cookie=self.get_cookie,
        )
        self.set_header(HEADER, facts)
        self.write("{}")

    post = put = patch = delete = get


async def main(port: int) -> None:
    app = Application([(rule, Page, {"route": name}) for name, rule in ROUTES.items()])
    app.listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
