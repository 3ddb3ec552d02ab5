"""Applications say how they have read a request; the gate must not have read it more leniently.

Each spelling of the corpus (`corpus.spellings`) goes through a real front to a real application, which says which page was
reached, with which method, parameters, headers, cookies and host, and whose credential it believes. The gate says under which
scopes it has counted the request. If the application has done what a scope limits, the request must have been counted there; if
the gate has exempted it, the application must have done what is exempt. What is spelled plainly must agree exactly. That the
gate counts where the application does nothing is allowed otherwise; so is a refusal.

`corpus/known.yaml` lists the disagreements that are known, each with its reason. Any other fails, and so does one that is listed
and no longer occurs.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from corpus import known
from corpus.applications import COMMANDS, application, users
from corpus.fronts import FRONTS, Ports, front
from corpus.run import Result, run, told
from corpus.spellings import corpus, extract

# Each application gets the whole corpus through the gate alone, each front sends the whole of it to one or two applications; the
# others have an extract.
WHOLE = {
    "inline": ["django"],
    "inline, %2F kept": ["express"],
    "inline, only %2F unescaped": ["php"],
    "inline, nothing normalised": list(COMMANDS),
    "nginx": ["django"],
    "ingress-nginx": ["django"],
    "Caddy": ["flask"],
    "Traefik": ["django"],
    "ext_authz": ["express", "fastapi"],
}

_results: dict[tuple[str, str], Result] = {}  # by front and application


@pytest.fixture(scope="module")
def applications(tmp_path_factory) -> Iterator[dict[str, int]]:
    """Their ports."""
    servers = {name: application(name, tmp_path_factory.mktemp(name)) for name in COMMANDS}
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        list(pool.map(stack.enter_context, servers.values()))
        yield {name: server.port for name, server in servers.items()}


@pytest.fixture(scope="module", params=FRONTS)
def through(request, tmp_path_factory, applications) -> Iterator[tuple[str, Ports]]:
    with front(request.param, applications, tmp_path_factory.mktemp) as port:
        yield request.param, port


@pytest.mark.parametrize("app", list(COMMANDS))
def test_application_and_gate_agree(through, app):
    name, port = through
    spellings = corpus(users(app))
    result = run(port(app), spellings if app in WHOLE[name] else extract(spellings))
    _results[name, app] = result
    unknown = known.unknown(result.disagreements, name, app)
    if unknown:
        pytest.fail("disagreements that corpus/known.yaml does not list:\n" + known.told(unknown), pytrace=False)


def test_what_the_gate_counts_in_vain(record_property):
    """For a person to read: it is allowed."""
    record_property("summary", told(_results.values()))


def test_what_is_listed_occurs():
    stale = known.stale({pair: result.disagreements for pair, result in _results.items()})
    if stale:
        pytest.fail("listed in corpus/known.yaml, but they agree:\n" + "\n".join(stale), pytrace=False)
