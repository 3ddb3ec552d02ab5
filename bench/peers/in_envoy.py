"""Limiters in Envoy: Tollgate as a Wasm filter, Envoy's own, one in Lua, and those that Envoy's `ratelimit` filter asks.

Each has two listeners, `NAME-quota` and `NAME-plenty`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

from bench import listeners, places
from bench.apps.job import QUOTAS, WINDOW
from bench.envoy import Envoy
from bench.peers.contender import Contender, Door, Setting, left_out, threads_of
from bench.redis import IN_REDIS, cluster
from bench.services import Limitador

# As one writes it: a window of fixed length, which begins with a client's first request. Each worker has a table of its own.
_LUA = """\
local QUOTA, WINDOW, ROOM = %d, %d, 100000
local clients, known = {}, 0
function envoy_on_request(handle)
  local now = handle:timestamp() / 1000
  local address = handle:headers():get("x-forwarded-for")
  local mine = clients[address]
  if not mine or now - mine.since >= WINDOW then
    if not mine then known = known + 1 end
    if known > ROOM then clients, known = {}, 1 end
    mine = { since = now, count = 0 }
    clients[address] = mine
  end
  if mine.count >= QUOTA then
    handle:respond({ [":status"] = "429", ["retry-after"] = tostring(math.ceil(mine.since + WINDOW - now)) }, "")
    return
  end
  mine.count = mine.count + 1
end
"""


@dataclass
class _Found:
    """A limiter, by its filters: one for each of the job's quotas."""

    name: str
    title: str
    filters: dict[str, list[dict]]
    in_redis: bool = False
    services: dict[str, Limitador] = field(default_factory=dict)

    @property
    def served(self) -> list[dict]:
        # Envoy's own filter asks only about requests that are to go somewhere.
        return [listeners.listener(f"{self.name}-{last}", chain, towards="redis") for last, chain in self.filters.items()]


def policy(quota: int, more: dict | None = None, store: dict | None = None) -> dict:
    """The job, in Tollgate's words."""
    scope = {"rate": f"{quota}/{WINDOW}s", "key": "address"} | (more or {})
    return {"scopes": {"all": scope}} | ({"store": {"redis": store}} if store else {})


def _tollgate() -> list[_Found]:
    def found(name: str, title: str, more: dict | None = None, *, in_redis: bool = False) -> _Found:
        def chain(last: str, quota: int) -> list[dict]:
            store = IN_REDIS | {"prefix": f"{name}-{last}:"} if in_redis else None
            return [listeners.tollgate(f"{name}-{last}", places.tollgate_wasm(), policy(quota, more, store))]

        return _Found(name, title, {last: chain(last, quota) for last, quota in QUOTAS.items()}, in_redis)

    return [
        found("tollgate", "Tollgate"),
        found("tollgate-bucket", "Tollgate, token bucket", {"algorithm": "token_bucket"}),
        found("tollgate-redis", "Tollgate, Redis", in_redis=True),
    ]


def _limitador(stack: ExitStack, setting: Setting) -> list[_Found]:
    if not places.LIMITADOR.exists():
        left_out("Envoy's ratelimit filter with Limitador", "bench/limitador could not be built")
        return []
    found = []
    for store, redis in (("memory", None), ("redis", setting.redis)):
        name = f"limitador-{store}"
        services = {
            last: stack.enter_context(Limitador(setting.directory, f"{name}-{last}", quota, WINDOW, redis))
            for last, quota in QUOTAS.items()
        }
        title = "Envoy's ratelimit, Limitador" + (", Redis" if redis else "")
        filters = {last: [service.filter()] for last, service in services.items()}
        found.append(_Found(name, title, filters, redis is not None, services))
    return found


def serve(stack: ExitStack, setting: Setting) -> list[Contender]:
    everyone = [
        *_tollgate(),
        _Found(
            "local",
            "Envoy's local_ratelimit",
            {last: [listeners.local_ratelimit(quota, WINDOW, tells=True)] for last, quota in QUOTAS.items()},
        ),
        _Found("lua", "Lua in Envoy", {last: [listeners.lua(_LUA % (quota, WINDOW))] for last, quota in QUOTAS.items()}),
        *_limitador(stack, setting),
    ]
    left_out("Envoy's ratelimit filter with Envoy's own service", "that is in no package registry")
    served = [listeners.listener("envoy", [], towards="redis"), *(one for found in everyone for one in found.served)]
    clusters = [cluster(setting.redis)]
    clusters += [service.cluster() for found in everyone for service in found.services.values()]
    envoy = stack.enter_context(Envoy(setting.directory, served, workers=setting.workers, clusters=clusters))
    alone = Contender("envoy", "Envoy alone", "envoy", threads_of(envoy), Door(envoy.ports["envoy"]))
    return [alone, *(contender(found, envoy) for found in everyone)]


def contender(found: _Found, envoy: Envoy) -> Contender:
    quota, plenty = (Door(envoy.ports[f"{found.name}-{last}"]) for last in ("quota", "plenty"))
    services = tuple(service.pid for service in found.services.values())
    return Contender(found.name, found.title, "envoy", threads_of(envoy), plenty, quota, found.in_redis, services)
