"""Fixtures: the application, and gates in front of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from harness import ports, processes
from harness.adapter import ADAPTER, FILTER, MODULE
from harness.envoy import Gate
from harness.places import repo_path
from harness.redis import Redis
from harness.upstream import Upstream

OpenGate = Callable[..., Gate]


@pytest.fixture(scope="session")
def application() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def django() -> Iterator[int]:
    """The port of harness/django_app.py, a process of its own."""
    command = [sys.executable, str(repo_path("tests", "e2e", "harness", "django_app.py"))]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            processes.end(process)


def _gates(tmp_path_factory: pytest.TempPathFactory, application: Upstream) -> Iterator[OpenGate]:
    """→ a function that starts a gate in front of the application; they stop when the fixture ends."""
    with ExitStack() as stack:

        def start(policy=None, **options) -> Gate:
            options.setdefault("upstream_port", application.port)
            return stack.enter_context(Gate(tmp_path_factory.mktemp("gate"), policy, **options))

        yield start


@pytest.fixture
def open_gate(tmp_path_factory, application) -> Iterator[OpenGate]:
    """For a gate of the test's own."""
    yield from _gates(tmp_path_factory, application)


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """A Redis without a password, for the tests of one file."""
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def open_shared_gate(tmp_path_factory, application) -> Iterator[OpenGate]:
    """For a gate that a module's tests share; each test calls from an address and with credentials of its own."""
    yield from _gates(tmp_path_factory, application)


@pytest.fixture
def unreachable_port() -> int:
    """A port that refuses connections."""
    return ports.reserve()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is not for this adapter. What touches no adapter runs once, with the filter."""
    wanted, left_out = [], []
    for item in items:
        (wanted if _is_wanted(item) else left_out).append(item)
    items[:] = wanted
    config.hook.pytest_deselected(items=left_out)


def _is_wanted(item: pytest.Item) -> bool:
    if item.get_closest_marker("neither"):
        return ADAPTER is FILTER
    marker = item.get_closest_marker("only")
    return marker is None or _wants(ADAPTER.name, *marker.args, **marker.kwargs)


def _wants(chosen: str, adapter: str, *, because: str) -> bool:
    """`@pytest.mark.only("filter", because="…")`"""
    if adapter not in (FILTER.name, MODULE.name) or not because:
        raise pytest.UsageError(f"only({adapter!r}, because={because!r}) names no adapter, or no reason")
    return adapter == chosen


def pytest_report_header() -> str:
    return f"adapter: {ADAPTER.name}"


def pytest_terminal_summary(terminalreporter) -> None:
    """What a test wants to be read even where it passes: `record_property("summary", …)`."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    for report in reports:
        for name, value in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {value}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for gate in Gate.running:
            report.sections.append(("Envoy's log, its end", gate.log()[-4000:]))
