"""Which queries of `/api/v2/jobs/` are polls: the default policy against the application that it is for.

That application asks a function of its own whether a parameter is on, which leaves it to Django's forms. Here is one that
does the same.
"""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

if not settings.configured:
    settings.configure()

from django.forms import BooleanField  # noqa: E402  (needs the settings)
from django.http import QueryDict  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

NAMES = ["ids_only", "incomplete_only"]
VALUES = [
    "", "=", "=1", "=2", "=x", "=true", "=True", "=TRUE", "=t", "=yes", "=no", "=n", "=off", "=None", "=null", "=-0", "=+0",
    "=0", "=00", "=0.0", "=%30", "=%00", "=0%00", "=0%20", "=%200", "=+false", "=0+", "=0,", "=0;", "=0%0a", "=%EF%BC%90", "=%ff0",
    "=false", "=False", "=FALSE", "=fAlSe", "=%66alse", "=falſe", "=fals%C5%BF", "=falsE%20", "==", "=0=", "==0", "=[]", "=0#",
]  # fmt: skip
TWICE = ["", "=", "=0", "=1", "=false", "=x", "=%30"]
OTHERS = ["", "&", "limit=1", "ids=1", "ids_onl=1", "only=1", "xids_only=1", "a=ids_only=1", "ids%5Fonly", "%69ds_only=0", "ids%255Fonly=1"]


def is_on(query: QueryDict, name: str) -> bool:
    """Whether the application takes the parameter for on."""
    if name not in query:
        return False
    value = query[name]  # the last one
    return value == "" or BooleanField(required=False).clean(value)


def is_poll(query: str) -> bool:
    parameters = QueryDict(query.partition("#")[0])
    return any(is_on(parameters, name) for name in NAMES)


def queries() -> list[str]:
    once = [f"{name}{value}" for name in NAMES for value in VALUES]
    twice = [f"ids_only{one}&ids_only{other}" for one, other in itertools.product(TWICE, repeat=2)]
    both = [f"ids_only{one}&incomplete_only{other}" for one, other in itertools.product(TWICE, repeat=2)]
    return [*once, *twice, *both, *OTHERS]


@pytest.fixture(scope="module")
def counted() -> dict[str, bool]:
    """Whether Tollgate counts it as a poll."""
    asked = queries()
    command = ["cargo", "run", "--quiet", "--locked", "--example", "scopes"]
    lines = "".join(f"/api/v2/jobs/?{query}\n" for query in asked)
    done = subprocess.run(command, cwd=ROOT, input=lines.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    answers = done.stdout.decode().splitlines()
    assert len(answers) == len(asked)
    return {query: "worker" in answer.split() for query, answer in zip(asked, answers)}


def test_every_poll_is_counted(counted):
    assert not [query for query, is_counted in counted.items() if is_poll(query) and not is_counted]
    assert sum(map(is_poll, counted)) > 100


def test_nothing_else_is(counted):
    """But for what other servers read otherwise: they take the first one of two, or know no fragment."""
    wrong = {query for query, is_counted in counted.items() if is_counted and not is_poll(query)}
    assert {query for query in wrong if query.count("ids_only") < 2} == {f"{name}=0#" for name in NAMES}
    assert {query for query in wrong if query.count("ids_only") == 2} == {
        f"ids_only{first}&ids_only{last}" for first in ["", "=", "=1", "=x"] for last in ["=0", "=false", "=%30"]
    }
