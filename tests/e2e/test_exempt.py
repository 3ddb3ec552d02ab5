"""`exempt` beside credentials that are not proved yet: what is free for some is not free for others."""

from __future__ import annotations

import pytest

from harness.client import Client, fresh_address, fresh_token, token
from harness.layouts import layout
from harness.peek import Peek
from harness.upstream import told

USER = 5
CAPACITY = 1024

ANONYMOUS_IS_FREE = {
    "exempt": [{"client": "anonymous"}],
    "scopes": {"user": {"rate": f"{USER}/h", "key": "credential"}},
}


def test_who_is_free_as_anonymous_is_limited_once_known(open_gate):
    """A true credential gets its quota, its first request included; and whoever has none, or a made-up one, is free."""
    gate = open_gate(ANONYMOUS_IS_FREE, workers=2)
    user = token(fresh_token())
    with Client(gate.port) as caller:
        assert caller.statuses(USER + 3, "/", user) == {200: USER, 429: 3}
        assert caller.statuses(3 * USER) == {200: 3 * USER}
        made_up = token(fresh_token())
        assert caller.statuses(3 * USER, "/", made_up, *told(401)) == {401: 3 * USER}


FREE = {
    "exempt": [{"path": "/healthz"}],
    "scopes": {
        "anon": {"rate": "5/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "5/h", "key": "credential"},
    },
}


def test_what_is_there_for_everybody_proves_nothing(open_gate):
    """Else whoever asks for it would have as many credentials as it likes."""
    gate = open_gate(FREE)
    credentials = [token(fresh_token()) for _ in range(10)]
    with Client(gate.port) as caller:
        assert [caller.send("/healthz", credential).status for credential in credentials] == [200] * 10
        statuses = [caller.send("/", credential, *told(401)).status for credential in credentials]
        assert statuses == [401] * 5 + [429] * 5


OFF = {"mode": "off"}
EXEMPT = {"exempt": [{"path": "/**"}]}
SCOPES_OFF = {
    "scopes": {
        "anon": {"rate": "60/min", "match": {"client": "anonymous"}, "key": "address", "mode": "off"},
        "user": {"rate": "300/min", "key": ["credential", "address"], "mode": "off"},
    }
}


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(OFF, id="mode off"),
        pytest.param(SCOPES_OFF, id="scopes off"),
        pytest.param(EXEMPT, id="all exempt"),
    ],
)
def test_where_nothing_is_limited_nothing_is_kept(open_gate, application, policy):
    """No client leaves a record, whatever it presents and however often it calls."""
    policy = policy | {"store": {"capacity": CAPACITY}}
    gate = open_gate(config=layout(policy, upstream_port=application.port, peek=True))
    table = Peek(gate, CAPACITY)
    for _ in range(5):
        with Client(gate.port, fresh_address()) as caller:
            assert caller.statuses(3) == {200: 3}
            assert caller.statuses(3, "/", token(fresh_token())) == {200: 3}
            assert caller.statuses(3, "/", token(fresh_token()), *told(401)) == {401: 3}
    assert table.clients() == set()
