"""All contenders of one deployment."""

from __future__ import annotations

from contextlib import ExitStack

from bench.peers import applications, in_envoy, native, proxies
from bench.peers.contender import Contender, Setting

_GROUPS = [
    in_envoy.serve,
    native.serve,
    proxies.serve_nginx,
    proxies.serve_haproxy,
    proxies.serve_traefik,
    proxies.serve_caddy,
    applications.serve_python,
    applications.serve_express,
]


def serve(stack: ExitStack, setting: Setting, only: list[str] | None) -> list[Contender]:
    """Starts all that can be had, and says what cannot. `only`: these, and what they are compared with."""
    setting.directory.mkdir(parents=True, exist_ok=True)
    everyone = [found for group in _GROUPS for found in group(stack, setting)]
    if only:
        if unknown := set(only) - {found.name for found in everyone}:
            raise SystemExit(f"there is no contender {', '.join(sorted(unknown))}; there are {', '.join(one.name for one in everyone)}")
        alone = {found.alone for found in everyone if found.name in only}
        everyone = [found for found in everyone if found.name in only or found.name in alone]
    return everyone
