"""The disagreements that are known, each with its reason: `known.yaml`.

An entry is about all spellings that have one of its names in `unusual`, sent to one of its `applications` through one of its
`fronts` (where it names none: to any, through any). It must occur with each name in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from corpus.run import Disagreement


@dataclass(frozen=True)
class Known:
    because: str
    what: tuple[str, ...]
    unusual: tuple[str, ...]
    applications: tuple[str, ...] = ()
    fronts: tuple[str, ...] = ()

    def is_about(self, front: str, application: str) -> bool:
        return front in (self.fronts or (front,)) and application in (self.applications or (application,))

    def covers(self, one: Disagreement) -> bool:
        return one.what in self.what and any(name in self.unusual for name in one.spelling.unusual)


def load() -> list[Known]:
    entries = yaml.safe_load(Path(__file__).with_name("known.yaml").read_text()) or []
    return [Known(**{name: tuple(value) if isinstance(value, list) else value for name, value in one.items()}) for one in entries]


def unknown(found: list[Disagreement], front: str, application: str) -> list[Disagreement]:
    """Those that are not listed."""
    entries = [entry for entry in load() if entry.is_about(front, application)]
    return [one for one in found if not any(entry.covers(one) for entry in entries)]


def stale(found: dict[tuple[str, str], list[Disagreement]]) -> list[str]:
    """What is listed and has not occurred, of all that was found. The names are those of front and application. An entry counts
    only if all that it names was tried."""
    return [f"  {line}" for entry in load() for line in _stale(entry, found)]


def _stale(entry: Known, found: dict[tuple[str, str], list[Disagreement]]) -> Iterator[str]:
    occurred = [
        (front, application, one)
        for (front, application), several in found.items()
        if entry.is_about(front, application)
        for one in several
        if entry.covers(one)
    ]
    tried_fronts, tried_applications = {front for front, _ in found}, {application for _, application in found}
    if not set(entry.fronts) <= tried_fronts or not set(entry.applications) <= tried_applications:
        return
    for name in set(entry.fronts) - {front for front, _, _ in occurred}:
        yield f"{entry}: not through {name}"
    for name in set(entry.applications) - {application for _, application, _ in occurred}:
        yield f"{entry}: not in {name}"
    for name in set(entry.what) - {one.what for _, _, one in occurred}:
        yield f"{entry}: never {name}"
    for name in set(entry.unusual) - {name for _, _, one in occurred for name in one.spelling.unusual}:
        yield f"{entry}: not with {name}"


def told(unknown: Iterable[Disagreement]) -> str:
    """By kind, with a few examples of each."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for one in unknown:
        kinds[f"{one.what}: {' and '.join(one.spelling.unusual) or 'plain'}"].append(str(one.spelling))
    lines = []
    for kind, examples in sorted(kinds.items()):
        lines += [f"  {kind} ({len(examples)})", *(f"      {example[:200]}" for example in examples[:3])]
    return "\n".join(lines)
