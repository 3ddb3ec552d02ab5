"""What each application answers to a request: how it has read it. It stands in a header."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

HEADER = "X-Understood"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

USERS: dict[str, str] = json.loads(os.environ["CORPUS_USERS"])
KEY = os.environ["CORPUS_KEY"]

_PARAMETERS = ["ids_only", "kind", "probe"]
_HEADERS = ["x-plan", "x-api-key"]
_COOKIES = ["plan"]
# What the gate says of the request, where its front tells it to the application and not to the client.
_QUOTA = ["ratelimit-policy", "ratelimit"]

Get = Callable[[str], "str | None"]


def told(
    route: str, method: str, path: str, host: str | None, user: str | None, *, parameter: Get, header: Get, cookie: Get
) -> str:
    """The last three are what the framework itself gives for a name."""
    facts = {"route": route, "method": method, "path": path, "host": host, "user": user or None}
    for kind, names, get in [
        ("parameters", _PARAMETERS, parameter),
        ("headers", _HEADERS, header),
        ("cookies", _COOKIES, cookie),
        ("quota", _QUOTA, header),
    ]:
        facts[kind] = {name: get(name) for name in names}
    return json.dumps(facts)


def user_of(kind: str, secret: str | None) -> str | None:
    """Whose secret of this kind it is: a look-up, as in a table."""
    return kind if secret is not None and secret == USERS[kind] else None


def user_of_jwt(token: str | None) -> str | None:
    import jwt

    try:
        return jwt.decode(token or "", KEY, algorithms=["HS256"])["sub"]
    except jwt.PyJWTError:
        return None
