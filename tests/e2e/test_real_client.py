"""An everyday client that minds `Retry-After` gets every answer, and does not hammer."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

CALLS = 16
QUOTA = 5


def test_requests_with_retry_gets_every_answer(open_gate, application):
    gate = open_gate({"scopes": {"poll": {"rate": f"{QUOTA}/s", "key": "credential"}}})
    retry = Retry(total=CALLS, status_forcelist=[429], respect_retry_after_header=True, backoff_factor=0)
    mark = len(application.seen)

    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.headers["authorization"] = "Token worker-7"
        url = f"http://127.0.0.1:{gate.port}/api/v2/jobs/"
        replies = [session.get(url, params={"ids_only": 1, "n": n}, timeout=30) for n in range(CALLS)]

    assert [r.status_code for r in replies] == [200] * CALLS
    assert len(application.seen) - mark == CALLS
    # The client polls as fast as it can, so it is told to wait; and each time it waits a whole window, after which the
    # whole quota is there again. A client that asked again too early would be denied more often than this.
    denials = gate.decisions("poll", "denied")
    assert 1 <= denials <= (CALLS - 1) // QUOTA
    assert sum(len(r.raw.retries.history) for r in replies) == denials
