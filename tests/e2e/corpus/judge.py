"""One request to one application by way of one front, and whether gate and application agree about it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from corpus.policy import LIMITED, Understood, is_exempt
from corpus.spellings import Spelling
from harness.client import Client, Reply, encode

_NAMES = re.compile(r'"([\w/]+)";q=')
_STANDING = re.compile(r'"credential";r=(\d+);')


@dataclass(frozen=True)
class Outcome:
    """`understood`: None if the request has reached no page of the application. `scopes`: under which the gate has counted it,
    and `left`: what its credential has left, if it has one."""

    status: int
    understood: Understood | None
    scopes: frozenset[str]
    left: int | None

    @property
    def believed(self) -> bool:
        """The application believes somebody's credential, and the gate has not counted the request as an anonymous one."""
        return bool(self.understood and self.understood.user and "anonymous" not in self.scopes)


class Caller:
    """Sends spellings to one application by way of one front."""

    def __init__(self, port: int) -> None:
        self._client = Client(port)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_exc) -> None:
        self._client.close()

    def send(self, spelling: Spelling) -> Outcome:
        request = encode(spelling.target, spelling.method, spelling.headers, spelling.body)
        return _outcome(self._reply(request, spelling.method))

    def _reply(self, request: bytes, method: str) -> Reply | None:
        """None if the front hangs up instead. It may also have hung up after the answer before, so there is a second try."""
        for _ in range(2):
            try:
                return self._client.send_raw(request, method)
            except (ConnectionError, OSError) as error:
                if isinstance(error, TimeoutError):
                    raise
                self._client.close()
        return None


def _outcome(reply: Reply | None) -> Outcome:
    if reply is None:
        return Outcome(0, None, frozenset(), None)
    facts = json.loads(reply.headers["x-understood"] or "null")
    policy, limit = reply.headers["ratelimit-policy"], reply.headers["ratelimit"]
    if facts:
        policy, limit = policy or facts["quota"]["ratelimit-policy"], limit or facts["quota"]["ratelimit"]
    left = _STANDING.search(limit or "")
    understood = facts and Understood(**{name: facts[name] for name in Understood.__dataclass_fields__})
    return Outcome(reply.status, understood, frozenset(_NAMES.findall(policy or "")), int(left[1]) if left else None)


def disagreements(outcome: Outcome, *, exactly: bool = False) -> list[str]:
    """In what the gate has been more lenient than it should be, seeing what the application does. `exactly`: or stricter."""
    app, scopes = outcome.understood, outcome.scopes
    if app is None:
        return ["is not understood"] if exactly else []
    if not scopes:
        return [] if is_exempt(app) else [f"exempts {app.route}"]
    found = [f"misses {scope}" for scope, holds in LIMITED.items() if holds(app) and scope not in scopes]
    if exactly:
        found += [f"counts {scope}" for scope in overcounted(outcome)]
        found += ["does not exempt"] if is_exempt(app) else []
        found += ["takes it for anonymous"] if app.user and "anonymous" in scopes else []
    return found


def overcounted(outcome: Outcome) -> list[str]:
    """The scopes under which the gate has counted the request although the application does nothing of the kind."""
    app = outcome.understood
    if app is None:
        return [scope for scope in LIMITED if scope in outcome.scopes and scope != "closed"]
    return [scope for scope in LIMITED if scope in outcome.scopes and not LIMITED[scope](app)]
