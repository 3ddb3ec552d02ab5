"""The asking proxy behind another one of one's own, changed as its file says. The test is that other proxy: it appends its client's address
to X-Forwarded-For, and hands everything else on as the client sent it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness import shipped
from harness.asking import ASKING, policy_for
from harness.client import Client, fresh_token, token
from harness.envoy import Gate

_serial = itertools.count(1)


@pytest.fixture(scope="module", params=list(ASKING))
def front(request, tmp_path_factory, application) -> Iterator[Client]:
    policy = shipped.authz_policy()
    policy["scopes"]["host"] = {"rate": "5/min", "key": "credential", "match": {"host": "limited.test"}}
    config = shipped.authz(policy_for(request.param, policy))
    if "nginx" not in request.param:  # which tells one address even so
        shipped.set_trusted_hops(config, 2)
    with ExitStack() as stack:
        service = stack.enter_context(Gate(tmp_path_factory.mktemp("service"), config=config))
        start, _, _ = ASKING[request.param]
        proxy = start(tmp_path_factory.mktemp("proxy"), service.port, application.port, behind=True)
        yield stack.enter_context(Client(stack.enter_context(proxy).port))


@pytest.fixture
def address() -> str:
    return f"198.51.100.{next(_serial)}"


@pytest.mark.parametrize("forged", ["", "203.0.113.{}, ", "unknown, 203.0.113.{}, "], ids=["plain", "forged", "a list"])
def test_each_client_is_counted_by_its_own_address(front, address, forged):
    statuses = [front.send("/", ("X-Forwarded-For", forged.format(n) + address)).status for n in range(61)]
    assert statuses == [200] * 60 + [429]
    assert front.send("/", ("X-Forwarded-For", f"198.51.101.{next(_serial)}")).status == 200


FORGED = [
    ("X-Forwarded-Uri", "/harmless"),
    ("X-Forwarded-Method", "DELETE"),
    ("X-Forwarded-Host", "other.test"),
    ("X-Original-URI", "/harmless"),
    ("X-Original-Method", "DELETE"),
]


def test_what_it_hands_on_is_not_believed(front, address):
    """The proxy in front is trusted with its client's address, and with nothing else that it may have from its client."""
    credential, sent = token(fresh_token()), ("X-Forwarded-For", address)
    for target, host, quota in [("/api/v2/jobs/?ids_only=1", "gate.test", 30), ("/", "limited.test", 5)]:
        plain = [credential, sent, ("host", host)]
        assert front.statuses(quota + 1, target, *plain) == {200: quota, 429: 1}
        for forged in [*([header] for header in FORGED), FORGED[:3], FORGED]:
            assert front.send(target, *plain, *forged).status == 429, forged
