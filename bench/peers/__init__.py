"""`peers`: one job for all that anyone can install to limit requests.

    contender, in_envoy, native, proxies, applications ─► deployment ─► windows (what passes, what is told)
                                                                   └──► cost (CPU, latency)               ─► tables

The job is that of `bench.apps.job`. Each limiter is set up for it as its documentation says. Everything runs here, on loopback.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack

from bench import machine, places, results
from bench.apps.job import QUOTA, WINDOW
from bench.peers import cost, tables, windows
from bench.peers.contender import Setting
from bench.peers.deployment import serve
from bench.redis import Redis

_DEPLOYED = 2  # workers or processes


def run(options: Namespace) -> None:
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = max(1, round(options.seconds or 1))
    directory = places.OUT / "peers"
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(directory))
        single = serve(stack, Setting(directory / "single", redis.port, 1), options.only)
        if options.part != "cost":
            with ExitStack() as more:
                deployed = serve(more, Setting(directory / "deployed", redis.port, _DEPLOYED), options.only)
                rows = windows.run(single, deployed, options)
            settings = {"quota": QUOTA, "window": f"{WINDOW} s", "workers": f"1 and {_DEPLOYED}"} | machine.servers()
            results.save("peers-windows", options, settings, rows)
            print(tables.windows(rows))
        if options.part != "windows":
            rows = cost.run(single, redis, directory, options)
            settings = {"rounds": options.rounds, "seconds": options.seconds} | machine.servers()
            results.save("peers-cost", options, settings, rows)
            print(tables.cost(rows))
