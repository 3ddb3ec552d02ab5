"""A corpus, sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from corpus.judge import Caller, disagreements, overcounted
from corpus.spellings import Spelling


@dataclass(frozen=True)
class Disagreement:
    spelling: Spelling
    what: str


@dataclass
class Result:
    requests: int = 0
    understood: int = 0
    overcounted: Counter[str] = field(default_factory=Counter)
    disagreements: list[Disagreement] = field(default_factory=list)


def run(port: int, spellings: Iterable[Spelling]) -> Result:
    """Sends all of these through the front at this port."""
    result = Result()
    with Caller(port) as caller:
        standings = _Standings(caller)
        for spelling in spellings:
            before = standings.before(spelling)
            outcome = caller.send(spelling)
            found = disagreements(outcome, exactly=not spelling.unusual)
            if before is not None and outcome.believed and before - standings.after(spelling) < 2:
                # Counted as this credential, the request and the usual one behind it have used up two.
                found.append("counts another client")
            result.requests += 1
            result.understood += outcome.understood is not None
            result.overcounted.update(overcounted(outcome))
            result.disagreements += [Disagreement(spelling, what) for what in found]
    return result


def told(results: Iterable[Result]) -> str:
    """How much was sent, and what the gate has counted although no application did anything of the kind."""
    results = list(results)
    overcounted = sum((result.overcounted for result in results), Counter())
    requests, understood = sum(result.requests for result in results), sum(result.understood for result in results)
    scopes = ", ".join(f"{scope} {times}" for scope, times in overcounted.most_common()) or "nothing"
    return f"{requests} requests, of which {understood} reached a page; counted in vain: {scopes}"


class _Standings:
    """What a spelling's credential has left, told to a request that presents it as usual. (That is one request more: what it
    is told after one spelling holds before the next.)"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._left: dict[tuple, int] = {}

    def before(self, spelling: Spelling) -> int | None:
        if spelling.credential is None:
            return None
        left = self._left.pop(spelling.credential, None)
        return self.after(spelling) if left is None else left

    def after(self, spelling: Spelling) -> int:
        usual = Spelling((), spelling.target, headers=(spelling.credential,))
        left = self._caller.send(usual).left
        assert left is not None, f"the gate does not count the usual {spelling.credential}"
        self._left[spelling.credential] = left
        return left
