"""The corpus: requests, and what is unusual about each. It is the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from corpus import credentials, headers, paths, queries
from harness.client import Header

# Of each change to a path so many results are in the corpus, or one in so many.
_RESULTS, _ONE_IN = 6, 12
_PAIRS = 200
_PATHS_WITH_QUERIES = 80


@dataclass(frozen=True)
class Spelling:
    """`unusual`: the names of what was done to it; a request that is spelled plainly has none. `credential`: where it presents a
    credential in another spelling, the usual one."""

    unusual: tuple[str, ...]
    target: bytes
    method: str = "GET"
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    credential: Header | None = None

    def __str__(self) -> str:
        fields = [f"{name}: {value}" if isinstance(name, str) else repr(name) for name, value in self.headers]
        return " | ".join([f"{self.method} {self.target!r}", *fields, *([repr(self.body)] if self.body else [])])


def corpus(users: dict[str, str]) -> list[Spelling]:
    """All of it, for an application with these secrets."""
    return [*_plain(users), *_paths(), *_pairs(), *_queries(), *_paths_with_queries(), *_headers(), *_credentials(users)]


def extract(spellings: Iterable[Spelling]) -> list[Spelling]:
    """The plain ones, and one of each other kind."""
    seen: set[tuple[str, ...]] = {("pair",)}
    return [one for one in spellings if not one.unusual or not (_kind(one) in seen or seen.add(_kind(one)))]


def _kind(spelling: Spelling) -> tuple[str, ...]:
    return spelling.unusual if len(spelling.unusual) == 1 else ("pair",)


def _plain(users: dict[str, str]) -> Iterator[Spelling]:
    for target in paths.PLAIN + queries.PLAIN:
        yield Spelling((), target)
    for plain in headers.PLAIN:
        yield Spelling((), b"/api/v2/jobs/", headers=plain)
    for method, target in [("POST", b"/api/v2/jobs/"), ("PUT", b"/api/v2/jobs/7/"), ("DELETE", b"/api/v2/jobs/7/")]:
        yield Spelling((), target, method=method)
    for _, header in credentials.plain(users):
        yield Spelling((), b"/api/v2/jobs/", headers=(header,))


def _paths() -> Iterator[Spelling]:
    for change in paths.CHANGES:
        results = list(dict.fromkeys(target for base in paths.PLAIN for target in change.of(base)))
        wanted = min(len(results), max(_RESULTS, len(results) // _ONE_IN))
        for target in random.Random(change.name).sample(results, wanted):
            yield Spelling((change.name,), target)


def _pairs() -> Iterator[Spelling]:
    """Two changes to one path; a sample, since there are too many."""
    rng = random.Random("pairs")
    for _ in range(_PAIRS):
        base = rng.choice(paths.PLAIN)
        first, second = rng.sample(paths.CHANGES, 2)
        found = [twice for once in first.of(base) if b"://" not in once for twice in second.of(once)]
        if found:
            yield Spelling((first.name, second.name), rng.choice(found))


def _queries() -> Iterator[Spelling]:
    for name, query, beside in queries.spelled():
        yield Spelling((name,), b"/api/v2/jobs/?" + query, headers=beside)


def _paths_with_queries() -> Iterator[Spelling]:
    """A poll by another path, with its parameter in another form; a sample, too."""
    rng = random.Random("paths with queries")
    spelled = list(queries.spelled())
    for _ in range(_PATHS_WITH_QUERIES):
        change, (name, query, beside) = rng.choice(paths.CHANGES), rng.choice(spelled)
        path = rng.choice(list(change.of(b"/api/v2/jobs/")))
        yield Spelling((change.name, name), path + b"?" + query, headers=beside)


def _headers() -> Iterator[Spelling]:
    for name, fields in headers.spelled():
        yield Spelling((name,), b"/api/v2/jobs/", headers=fields)
    for name, target, fields in headers.TARGETS:
        yield Spelling((name,), target, headers=fields)
    for name, target, fields, body in headers.OVERRIDES:
        yield Spelling((name,), target, method="POST", headers=fields, body=body)


def _credentials(users: dict[str, str]) -> Iterator[Spelling]:
    usual = dict(credentials.plain(users))
    for kind, name, fields in credentials.spelled(users):
        yield Spelling((name,), b"/api/v2/jobs/", headers=fields, credential=usual[kind])
