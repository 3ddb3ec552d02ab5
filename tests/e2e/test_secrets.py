"""A credential stays where it is: it is not found in what is stored of clients, the log, the metrics or any reply, in no spelling."""

from __future__ import annotations

import base64
import json

import pytest

from harness import http2, shipped
from harness.adapter import ADAPTER, FILTER
from harness.client import Client, Reply, fresh_address
from harness.envoy import Gate
from harness.http2 import Http2Reply
from harness.peek import Peek, add_peek
from harness.upstream import told

CAPACITY = 1024
POLICY = {
    "client": {
        "credential": {
            "from": [
                {"header": "authorization", "schemes": ["Token", "Bearer"]},
                {"header": "x-api-key"},
                {"cookie": "sessionid"},
            ]
        }
    },
    "scopes": {
        "anon": {"rate": "10/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "3/h", "key": "credential"},
        "bucket": {"rate": "10/h", "algorithm": "token_bucket", "key": {"all": ["credential", "address"]}},
        "shop": {"rate": "10/h", "key": {"cookie": "sessionid"}},
        "tenant": {"rate": "10/h", "key": {"header": "x-api-key"}},
        "worker": {"rate": "10/h", "key": {"query": "key"}},
        "failed": {"rate": "2/h", "key": ["credential", "address"], "count": {"status": [401]}},
    },
    "response": {"ratelimit_headers": "draft", "body": "problem"},
    "store": {"capacity": CAPACITY},
}

# Long, and unlike anything that stands in a log by chance.
SECRETS = {
    "a token": "Zq7vT0kenXw5RmPd2LhB",
    "a refused token": "Wn4cRefus3dKy8TzVb6J",
    "a broken token": "Gf9xBr0k3n,Hs2DqNw7M",
    "an API key": "Pk5tAp1K3yQj8XvCz3Ls",
    "a session": "Ym6bS3ss10nDw1FkHr4T",
    "a cookie's part": "Vc8nC00k13Lp7GxJt2Qs",
    "a parameter": "Xd3wPar4mTb9MzKf5Rh",
}


def spellings(secret: str) -> dict[str, bytes]:
    """As which the secret, or a good part of it, could turn up."""
    raw = secret.encode()
    parts = {f"bytes {i}…": raw[i : i + 8] for i in range(len(raw) - 7)}
    parts |= {f"hex of {name}": part.hex().encode() for name, part in parts.items()}
    parts["reversed"] = raw[::-1]
    for offset in range(3):
        # Of whatever it is embedded in; the first and last characters depend on what stands around it.
        coded = base64.b64encode(b"\0" * offset + raw).rstrip(b"=")
        parts[f"base64 at {offset}"] = coded[4:-2]
        parts[f"base64url at {offset}"] = coded[4:-2].translate(bytes.maketrans(b"+/", b"-_"))
    return parts


def found(place: bytes) -> list[str]:
    """The secrets that stand in it."""
    place = place.lower()
    return [
        f"{name}, {spelling}"
        for name, secret in SECRETS.items()
        for spelling, part in spellings(secret).items()
        if part.lower() in place
    ]


def told_of(reply: Reply | Http2Reply) -> bytes:
    return repr(list(reply.headers.items())).encode() + reply.body


def traffic(gate: Gate) -> list[bytes]:
    """Requests with each secret in its place, those that are let through, refused and denied. → all the replies."""
    ways = {
        "a token": [[("authorization", "Token {}")], [("authorization", "Bearer {}")]],
        "a refused token": [[("authorization", "Token {}"), *told(401)]],
        "a broken token": [[("authorization", f"{scheme}{{}} x")] for scheme in ("Token ", "Basic ", "")],
        "an API key": [[("x-api-key", "{}"), *told(500)], [("x-api-key", "{}")]],
        "a session": [[("cookie", "a=b; sessionid={}")], [("cookie", "sessionid={}"), *told(401)]],
        "a cookie's part": [[("cookie", 'sessionid="{}')], [("cookie", "{}")]],
        "a parameter": [[]],
    }
    grpc = ("content-type", "application/grpc")
    replies: list[Reply | Http2Reply] = []
    for name, request in ((name, request) for name, requests in ways.items() for request in requests):
        target = f"/page?key={SECRETS[name]}" if name == "a parameter" else "/page"
        headers = [(field, value.format(SECRETS[name])) for field, value in request]
        address = fresh_address()
        with Client(gate.port, address) as caller, http2.Http2Connection(gate.port, source=address) as other:
            replies += [caller.send(target, *headers) for _ in range(5)]
            replies += [caller.send(target, *headers, grpc) for _ in range(2)]
            replies += [other.send(target, *headers)]
    statuses = {reply.status for reply in replies}
    assert {200, 401, 429, 500} <= statuses
    return [told_of(reply) for reply in replies]


def test_no_credential_leaves_the_gate(tmp_path, application):
    config = shipped.inline(application.port, json.dumps(POLICY))
    add_peek(config)
    with Gate(tmp_path, config=config) as gate:
        gate.set_log_level(ADAPTER.component, "trace")
        replies = traffic(gate)
        gate.set_log_level(ADAPTER.component, "warning")
        # A module's memory is Envoy's, which has every request in it anyway.
        shared = Peek(gate, CAPACITY).dump() if ADAPTER is FILTER else {}
        assert len(shared) > 10 or ADAPTER is not FILTER
        pages = [gate.admin(page) for page in ("/stats", "/stats/prometheus", "/config_dump", "/clusters")]
    log = gate.log()  # ended, and so written to the end

    assert found(b"".join(name.encode() + value for name, value in shared.items())) == []
    assert found(b"\n".join(replies)) == []
    assert found(log.encode()) == []
    for page in pages:
        assert found(page.encode()) == []
    # The log had all to say that there is: of the filter's calls, and a line of the access log for each request.
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert len(lines) == len(replies)
    assert {line["path"] for line in lines} == {"/page"}
    assert ADAPTER.calls in log


@pytest.mark.neither
def test_the_search_would_find_them():
    """In each spelling, within other things."""
    for name, secret in SECRETS.items():
        raw = secret.encode()
        for leak in (
            raw,
            raw[3:12],
            raw.hex().encode(),
            raw[::-1],
            *(base64.b64encode(b"x" * offset + raw + b"yz") for offset in range(4)),
        ):
            assert any(line.startswith(name) for line in found(b"before" + leak + b"after")), leak
