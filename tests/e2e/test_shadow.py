"""A scope in shadow mode changes nothing for anybody, also when it is over its limit."""

from __future__ import annotations

import json
import re

import pytest

from harness import http2
from harness.client import Client, fresh_address, fresh_token, token
from harness.places import repo_path
from harness.upstream import told


def readme_policy() -> dict:
    """The example in README.md that has a scope in shadow mode."""
    documents = re.findall(r"```json\n(.*?)```", repo_path("README.md").read_text(), re.DOTALL)
    [policy] = [policy for policy in map(json.loads, documents) if "search" in policy["scopes"]]
    assert policy["scopes"]["search"]["mode"] == "shadow"
    return policy


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    """1,080 requests within one minute, from 60 addresses: `search` is over its 1,000 a minute."""
    gate = open_shared_gate(readme_policy(), workers=2)
    for _ in range(60):
        searches = http2.request("/api/search/", *told(404))
        assert http2.burst(gate.port, searches, times=18, connections=1, source=fresh_address()) == {404: 18}
    assert gate.decisions("search", "shadowed") > 0
    assert gate.decisions("search", "denied") == 0
    return gate


def test_first_tokens_cost_their_address_nothing(gate):
    """Seventy of them behind one address, which alone may make sixty requests a minute."""
    with Client(gate.port) as caller:
        statuses = [caller.send("/api/search/", token(fresh_token())).status for _ in range(70)]
        assert statuses == [200] * 70
