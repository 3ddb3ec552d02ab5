"""What a request costs that the application does not answer. If it did not even begin to, it is the proxy's own 503, which is
nobody's fault; if it may have seen the request, the charge stays, or a guesser would hang up before it is told."""

from __future__ import annotations

from harness.client import Client
from harness.layouts import layout
from harness.upstream import RESET, held, told

QUOTA = 5
POLICY = {"scopes": {"met": {"rate": f"{QUOTA}/h", "key": "address", "count": {"status": ["2xx"]}}}}


def test_an_application_that_is_down_is_nobodys_fault(open_gate, unreachable_port):
    with Client(open_gate(POLICY, upstream_port=unreachable_port).port) as caller:
        assert caller.statuses(4 * QUOTA) == {503: 4 * QUOTA}


def test_an_application_that_never_answers_may_have_done_it(open_gate, application):
    config = layout(POLICY, upstream_port=application.port, route={"timeout": "0.1s"})
    with Client(open_gate(config=config).port) as caller:
        assert caller.statuses(QUOTA + 2, "/", held("never")) == {504: QUOTA, 429: 2}
    application.release("never")


def test_an_application_that_breaks_off_may_have_done_it(open_gate):
    with Client(open_gate(POLICY).port) as caller:
        assert caller.statuses(QUOTA + 2, "/", RESET) == {503: QUOTA, 429: 2}


def test_an_answer_is_judged_by_its_status(open_gate):
    with Client(open_gate(POLICY).port) as caller:
        assert caller.statuses(3 * QUOTA, "/", *told(503)) == {503: 3 * QUOTA}
        assert caller.statuses(QUOTA + 1) == {200: QUOTA, 429: 1}
