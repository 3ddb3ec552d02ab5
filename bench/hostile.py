"""`hostile`: what the worst requests cost that strangers can send, beside what Envoy takes for them without a filter.

As in `cpu`, all stand ready in one Envoy with one worker, and each has its moment in every round. Each request has two listeners: one
with Tollgate and one without a filter. The policy asks about everything there is to read, and lets everybody through.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from bench import cpu, listeners, load, places, requests, results
from bench.contenders import Contender
from bench.envoy import Envoy

# Envoy takes 60 KiB of headers, unless it is told otherwise.
_LONGEST = 57_000

_RATE = "4000000000/min"
POLICY = {
    "exempt": [{"path": ["/static/**", "/favicon.ico"]}, {"query": {"probe": True}}],
    "scopes": {
        "user": {"rate": _RATE, "key": ["credential", "address"]},
        "login": {"rate": _RATE, "key": "address", "match": {"method": "POST", "path": ["/login", "/api/**/login"]}},
        "export": {"rate": _RATE, "key": "address", "match": {"path": "/**/*.{csv,pdf}"}},
        "search": {"rate": _RATE, "key": {"query": "q"}, "match": {"query": {"q": {"present": True}, "page": {"not": "1"}}}},
        "all": {
            "rate": _RATE,
            "key": "address",
            "match": {
                "any": [{"query": {"all": True}}, {"query": {"limit": "0"}}, {"cookie": {"beta": "1"}}, {"cookie": {"plan": "a"}}]
            },
        },
        "bots": {"rate": _RATE, "key": "bot", "match": {"client": "bot"}},
    },
}


def _long(text: str, length: int = _LONGEST) -> str:
    return (text * (length // len(text) + 1))[:length]


def _get(target: str, *headers: str) -> str:
    return "\n".join([f"GET {target} HTTP/1.1", "Host: api.example.org", *headers, "", ""])


_PAGE = "/api/v2/captures/?deployment=91&limit=20&offset=40"
ORDINARY = "ordinary"

# By name, what it is and how it goes over the wire.
REQUESTS = {
    ORDINARY: ("an ordinary request", requests.ANONYMOUS),
    "forwarded-for": ("57 KB of commas in X-Forwarded-For", _get(_PAGE, f"X-Forwarded-For: {_long(',')}")),
    "segments": ("a path of 57 KB, /a/a/a…", _get(_long("/a"))),
    "encoded-twice": ("a path of 57 KB, /a%252f…", _get(_long("/a%252f"))),
    "readings": ("a path of 1 KB with 8 readings", _get(_long("/a;b%2fc%5cd", 1_000))),
    "long-readings": ("a path of 2 KB with 4 readings", _get(_long("/a;b%2fc", 2_000))),
    "separators": ("a query of 57 KB, &&&…", _get(f"/?{_long('&')}")),
    "parameters": ("a query of 57 KB, a&a&…", _get(f"/?{_long('a&')}")),
    "long-parameters": ("1,000 parameters of 57 bytes", _get(f"/?{_long('%6cimi' + 'y' * 50 + '&')}")),
    "values": ("1,000 values in several readings", _get(f"/?{_long('limit=+%ff%00' + 'y' * 43 + '&')}")),
    "value": ("a value of 57 KB in several readings", _get(f"/?limit=%20{_long('a%ff')}")),
    "cookies": ("57 KB of cookies, a=b;…", _get(_PAGE, f"Cookie: {_long('a=b;')}")),
    "charsets": ("57 KB of charsets", _get(_PAGE, f"Content-Type: {_long('charset=utf-8;')}")),
    "user-agent": ("57 KB of words in User-Agent", _get(_PAGE, f"User-Agent: {_long('google-site-verificatio ')}")),
    "credential": ("a token of 57 KB", _get(_PAGE, f"Authorization: Token {_long('a')}")),
}


def measure(directory: Path, options: Namespace) -> dict[str, list[float]]:
    """What a request costs, a value for each round, by its name and `-bare` or `-judged`."""
    wasm = places.tollgate_wasm()
    chosen = {name: text for name, (_, text) in REQUESTS.items() if not options.only or name in {ORDINARY, *options.only}}
    pairs = [(name, kind) for name in chosen for kind in ("bare", "judged")]
    filters = {"bare": [], "judged": [listeners.tollgate("hostile", wasm, POLICY)]}
    served = [listeners.listener(f"{name}-{kind}", filters[kind]) for name, kind in pairs]
    with Envoy(directory, served, workers=1) as envoy, ExitStack() as stack:
        found = []
        for name, kind in pairs:
            template = requests.write(directory, name, chosen[name])
            contender = Contender(f"{name}-{kind}", REQUESTS[name][0], name, clients=1)
            tap = load.Tap(envoy.ports[contender.name], load.Clients(template, 1), connections=options.connections)
            found.append(cpu.Target(contender, stack.enter_context(tap)))
        for target in found:
            cpu.warm_up(envoy, target)
        samples: dict[str, list[float]] = {target.contender.name: [] for target in found}
        for number in range(options.rounds):
            shift = number % len(found)
            for target in found[shift:] + found[:shift]:
                samples[target.contender.name].append(cpu.moment(envoy, target, options.seconds))
            if (number + 1) % 10 == 0:
                results.progress(f"round {number + 1} of {options.rounds}")
    return samples


def summary(samples: dict[str, list[float]]) -> list[dict]:
    """A row for each request."""
    rows = []
    for name, (title, _) in REQUESTS.items():
        if f"{name}-bare" not in samples:
            continue
        bare, judged = samples[f"{name}-bare"], samples[f"{name}-judged"]
        added = results.spread([one - other for one, other in zip(judged, bare)])
        shares = results.spread([(one - other) / other for one, other in zip(judged, bare)])
        rows.append({"name": name, "title": title, "bare": results.spread(bare), "added": added, "share": shares})
    ordinary = next(row["added"]["median"] for row in rows if row["name"] == ORDINARY)
    for row in rows:
        row["to_ordinary"] = row["added"]["median"] / ordinary
    return rows


def run(options: Namespace) -> None:
    options.rounds = options.rounds or (3 if options.quick else 40)
    options.seconds = options.seconds or 0.3
    options.connections = min(options.connections, 16)
    rows = summary(measure(places.OUT / "hostile", options))
    results.save("hostile", options, {"rounds": options.rounds, "seconds": options.seconds}, rows)
    print(results.hostile_table(rows))
