"""Who is compared with whom."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from bench import listeners, places

# The default policy, as it stands: a credential counts once the application has accepted it, as it has at the first request.
DEFAULT_POLICY: dict = {}

# The same, but any credential counts.
TRUSTING = {
    "client": {
        "credential": {
            "from": [{"header": "authorization", "schemes": ["Token"]}],
            "trust": "any",
        }
    }
}


def _redirects_count() -> dict:
    """The default policy, but a poll that is answered with a redirect counts like any other: no answer is looked at."""
    policy = json.loads((places.ROOT / "src/config/default.json").read_text())
    del policy["scopes"]["worker"]["count"]
    return policy


# As little as a limiter could read.
_LUA = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path")
  local authorization = headers:get("authorization")
end
"""

# So many clients that the default policy's 30 polls a minute suffice for all requests of a run, and so few that the default
# table has room for all: each of them has a record as a credential and, from before it was proved, one as an address.
MANY = 10_000


@dataclass(frozen=True)
class Contender:
    """One bar of the chart."""

    name: str
    title: str
    request: str  # `poll` or `anonymous`
    filters: list[dict] = field(default_factory=list)
    denies: bool = False
    clients: int = MANY
    per_minute: int | None = None  # what a client may send in a minute; None if nobody asks
    baseline: str | None = "none-poll"  # the contender whose CPU is subtracted; None if there is none


def in_envoy(wasm: Path, against: Path | None) -> list[Contender]:
    """All that run inside Envoy. `against`: another build of Tollgate, to be measured in the same rounds."""
    empty, floor = places.EMPTY_WASM, places.FLOOR_WASM
    found = [
        Contender("none-poll", "no filter, poll", "poll", baseline=None),
        Contender("none-anonymous", "no filter, anonymous", "anonymous", baseline=None),
        Contender("empty", "empty SDK filter", "poll", [listeners.wasm("empty", empty, "")]),
        Contender("bare-429", "SDK filter: bare 429", "poll", [listeners.wasm("bare", empty, "deny")], denies=True),
        Contender("floor", "floor: the calls only", "poll", [listeners.wasm("floor", floor, "calls")]),
        Contender(
            "floor-denied", "floor: those of a denial", "poll", [listeners.wasm("floor-429", floor, "calls, deny")], denies=True
        ),
        Contender("module-empty", "empty module", "poll", [listeners.empty_module("empty")]),
        Contender("module-floor", "module, floor: the calls only", "poll", [listeners.empty_module("calls")]),
        Contender(
            "module-floor-denied", "module, floor: those of a denial", "poll", [listeners.empty_module("calls, deny")], denies=True
        ),
        Contender("lua", "Lua: reads 2 headers", "poll", [listeners.lua(_LUA)]),
        Contender("local", "local_ratelimit by address", "poll", [listeners.local_ratelimit(600)], per_minute=600),
        *_tollgate("tollgate", "Tollgate", wasm),
        *_tollgate("module", "Tollgate's module", None),
    ]
    if against:
        found += _tollgate("other", f"Tollgate ({against.stem})", against)
    return found


def _tollgate(name: str, title: str, wasm: Path | None) -> list[Contender]:
    """Under the default policy, each with counters of its own: the filter in this file, or the module."""

    def contender(case: str, what: str, request: str = "poll", policy: dict | None = None, **more) -> Contender:
        wanted = DEFAULT_POLICY if policy is None else policy
        of_its_own = f"{name}-{case}"
        filters = [listeners.tollgate(of_its_own, wasm, wanted) if wasm else listeners.module(of_its_own, wanted)]
        return Contender(f"{name}-{case}", f"{title}: {what}", request, filters, **more)

    return [
        contender("anonymous", "anonymous, allowed", "anonymous", per_minute=60, baseline="none-anonymous"),
        contender("poll", "worker poll, allowed", per_minute=30),
        contender("trusting", "the same, any credential counts", policy=TRUSTING, per_minute=30),
        contender("redirects", "the same, redirects count, too", policy=_redirects_count(), per_minute=30),
        contender("logged", "the same, the log is told of all", policy={"access_log": "all"}, per_minute=30),
        contender("denied", "worker poll, denied", denies=True, clients=1),
        contender("unlogged", "denied, the log is told nothing", policy={"access_log": "off"}, denies=True, clients=1),
    ]
