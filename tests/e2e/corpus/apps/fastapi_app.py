"""FastAPI, with its own classes for credentials."""

from __future__ import annotations

from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBasic, HTTPBearer
from told import HEADER, METHODS, told, user_of, user_of_jwt

app = FastAPI()
basic, bearer = HTTPBasic(auto_error=False), HTTPBearer(auto_error=False)
api_key, cookie = APIKeyHeader(name="x-api-key", auto_error=False), APIKeyCookie(name="sessionid", auto_error=False)

ROUTES = {
    "jobs": "/api/v2/jobs/",
    "job": "/api/v2/jobs/{name}/",
    "login": "/api/auth/login",
    "search": "/search/{name}",
    "files": "/files/{name:path}",
    "static": "/static/{name:path}",
    "public": "/public/{name:path}",
    "healthz": "/healthz",
}


def page(route: str):
    def answer(
        request: Request,
        password=Depends(basic),
        token=Depends(bearer),
        key=Depends(api_key),
        session=Depends(cookie),
    ) -> Response:
        user = (
            (password and user_of("basic", f"{password.username}:{password.password}"))
            or (token and user_of_jwt(token.credentials))
            or user_of("key", key)
            or user_of("session", session)
        )
        facts = told(
            route,
            request.method,
            request.url.path,
            request.headers.get("host"),
            user,
            parameter=request.query_params.get,
            header=request.headers.get,
            cookie=request.cookies.get,
        )
        return Response("{}", headers={HEADER: facts})

    return answer


for name, rule in ROUTES.items():
    app.add_api_route(rule, page(name), methods=METHODS, name=name, include_in_schema=False)
