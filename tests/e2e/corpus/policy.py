"""The policy of the gate, with one scope for each thing that an application can understand, and what each scope is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Nobody is denied here. What matters is under which scopes a request falls.
_PLENTY = {"rate": "1000000/d", "algorithm": "token_bucket"}
# The scope with the fewest requests left is the one whose standing a reply tells.
_CREDENTIAL = {"rate": "50000/d"}


def _everybody(match: dict) -> dict:
    return _PLENTY | {"key": "global", "match": match}


POLICY = {
    "client": {
        "credential": {
            "from": [
                {"header": "authorization", "schemes": ["Token", "Bearer", "Basic"]},
                {"header": "x-api-key"},
                {"cookie": "sessionid"},
            ],
            "trust": "any",
        }
    },
    "exempt": [{"path": ["/static/**", "/healthz"]}, {"host": "cheap.example"}, {"query": {"probe": "yes"}}],
    "scopes": {
        "all": _PLENTY | {"key": "global"},
        "jobs": _everybody({"path": "/api/v2/jobs/"}),
        "poll": _everybody({"path": "/api/v2/jobs/", "query": {"ids_only": {"not": ["false", "0"]}}}),
        "job": _everybody({"path": "/api/v2/jobs/*"}),
        "login": _everybody({"path": "/api/auth/login"}),
        "search": _everybody({"path": "/search/*"}),
        "files": _everybody({"path": "/files/**"}),
        "closed": _everybody({"not": {"path": "/public/**"}}),
        "export": _everybody({"query": {"kind": "export"}}),
        "delete": _everybody({"method": "DELETE"}),
        "host": _everybody({"host": "api.example"}),
        "header": _everybody({"header": {"x-plan": "free"}}),
        "cookie": _everybody({"cookie": {"plan": "free"}}),
        "key": _PLENTY | {"key": {"header": "x-api-key"}},
        "anonymous": _PLENTY | {"key": "address", "match": {"client": "anonymous"}},
        "credential": _CREDENTIAL | {"key": "credential"},
    },
    "response": {"ratelimit_headers": "draft"},
}


@dataclass(frozen=True)
class Understood:
    """What an application says of a request that has reached one of its pages."""

    route: str
    method: str
    host: str | None
    user: str | None
    parameters: dict[str, str | None]
    headers: dict[str, str | None]
    cookies: dict[str, str | None]

    def is_true(self, parameter: str) -> bool:
        """As the applications have it that Tollgate was made for."""
        value = self.parameters[parameter]
        return value is not None and value.lower() not in ("false", "0")

    def is_for(self, host: str) -> bool:
        name = (self.host or "").lower()
        return name.partition(":")[0].rstrip(".") == host


# Whether the application does what the scope limits.
LIMITED: dict[str, Callable[[Understood], bool]] = {
    "jobs": lambda app: app.route == "jobs",
    "poll": lambda app: app.route == "jobs" and app.is_true("ids_only"),
    "job": lambda app: app.route == "job",
    "login": lambda app: app.route == "login",
    "search": lambda app: app.route == "search",
    "files": lambda app: app.route == "files",
    "closed": lambda app: app.route != "public",
    "export": lambda app: app.parameters["kind"] == "export",
    "delete": lambda app: app.method == "DELETE",
    "host": lambda app: app.is_for("api.example"),
    "header": lambda app: app.headers["x-plan"] == "free",
    "cookie": lambda app: app.cookies["plan"] == "free",
    "key": lambda app: bool(app.headers["x-api-key"]),
}


def is_exempt(app: Understood) -> bool:
    """Whether the application does what the policy exempts."""
    return app.route in ("static", "healthz") or app.is_for("cheap.example") or app.parameters["probe"] == "yes"
