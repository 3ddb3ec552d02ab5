"""Whatever bytes a client sends, it gets an answer, and the next one too."""

from __future__ import annotations

import random

import pytest

from harness import http2
from harness.client import Client, Connection, encode, fresh_address, fresh_token, token

POLL = "/api/v2/jobs/?ids_only=1"


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    """Every worker scope and credential source of the default policy, and headers on the way back."""
    return open_shared_gate({"response": {"ratelimit_headers": "draft"}})


# Each is answered by the application, and counted for the client that sent it.
ODD_TARGETS = {
    "60 KB of path": "/" + "a" * 60_000,
    "60 KB of slashes": "/" * 60_000,
    "60 KB of dot segments": "/a/.." * 12_000,
    "60 KB of encoded dots": "/%2e%2e" * 8_500,
    "1,000 parameters": "/api/v2/jobs/?" + "&".join(f"p{i}={i}" for i in range(1000)),
    "1,000 times one parameter": "/api/v2/jobs/?" + "&".join(["ids_only=0"] * 1000),
    "60 KB of ampersands": "/api/v2/jobs/?" + "&" * 60_000,
    "60 KB of percent signs": "/?" + "%" * 60_000,
    "60 KB of a name": f"{POLL}&processing_service_name=" + "x" * 60_000,
    "percent and nothing": "/%",
    "percent and one digit": "/api/%2",
    "percent and no digits": "/%zz/%-1/%%%",
    "an encoded NUL": "/api/v2/jobs%00/?ids_only=1%00",
    "encoded bytes that are not UTF-8": "/%ff%fe?%80=%c3%28",
    "overlong dots": "/%c0%ae%c0%ae/api",
    "climbing above the root": "/../../../../etc/passwd",
    "question marks": "/????ids_only=1",
    "equals signs": "/?===&=&==",
    "an empty query": "/?",
    "a semicolon": "/api/v2/jobs;a=b/?ids_only=1;x=2",
    "line breaks, encoded": "/%0d%0aset-cookie:%20a=b?%0d%0a=%0a",
}

ODD_HEADERS = {
    "bytes that are not UTF-8": [("x-junk", b"\xff\xfe\x80\xc3(")],
    "a secret that is not UTF-8": [("authorization", b"Token \xff\xfe\x80")],
    "an agent that is not UTF-8": [("user-agent", bytes(range(0x80, 0x100)))],
    "a cookie that is not UTF-8": [("cookie", b"sessionid=\xff\xfe; \x80=\x81")],
    "an empty Authorization": [("authorization", "")],
    "a scheme alone": [("authorization", "Token")],
    "a scheme and spaces": [("authorization", "Token      ")],
    "an unknown scheme": [("authorization", "Basic dXNlcjpwYXNz")],
    "three words": [("authorization", "Token a b c")],
    "commas": [("authorization", ", ,,Token")],
    "a NUL, spelled": [("authorization", "Token %00")],
    "a huge secret": [("authorization", "Token " + "s" * 60_000)],
    "a huge cookie": [("cookie", "a=" + "b" * 60_000)],
    "10,000 cookies": [("cookie", "; ".join(["a=b"] * 10_000))],
    "broken cookies": [("cookie", ';;;=;=;;sessionid;sessionid=;==;"')],
    "cookies apart": [("cookie", "sessionid=a")] * 20,
    "empty values": [("x-a", ""), ("user-agent", ""), ("accept", ""), ("cookie", "")],
    "80 headers": [(f"x-{i}", "v" * 100) for i in range(80)],
    "one name 80 times": [("x-same", str(i)) for i in range(80)],
    "a host that is none": [("host", "%%%:99999999")],
    "an empty host": [("host", "")],
    "tabs": [("authorization", "\tToken\t\ta\t")],
}


@pytest.mark.parametrize("target", ODD_TARGETS.values(), ids=ODD_TARGETS.keys())
def test_odd_targets_are_answered_and_counted(gate, target):
    before = gate.decisions("user", "allowed")
    with Client(gate.port) as caller:
        reply = caller.send(target, token(fresh_token()))
        assert reply.status == 200
        assert reply.from_application
    assert gate.decisions("user", "allowed") == before + 1


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS.keys())
@pytest.mark.parametrize("target", ["/", POLL], ids=["page", "poll"])
def test_odd_headers_are_answered_and_counted(gate, headers, target):
    before = gate.decisions("user", "allowed")
    with Client(gate.port) as caller:
        reply = caller.send(target, *headers)
        assert reply.status == 200
        assert reply.from_application
    assert gate.decisions("user", "allowed") == before + 1


BROKEN_AUTHORIZATION = [
    "",
    "Token",
    "Token ",
    "Basic YTpi",
    "Token a b",
    "Digest x=y",
    "Token\xa0a",
    "abc",
    ",",
]


@pytest.mark.parametrize("value", BROKEN_AUTHORIZATION)
def test_a_broken_authorization_is_anonymous(gate, value):
    with Client(gate.port) as caller:
        assert caller.statuses(61, "/", ("authorization", value)) == {200: 60, 429: 1}
        assert caller.send("/").status == 429


# Envoy may refuse these itself; the filter sees at least some of them, such as a CONNECT without a path.
RAW = {
    "CONNECT": b"CONNECT gate.test:443 HTTP/1.1\r\nhost: gate.test:443\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nhost: gate.test\r\n\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nhost: gate.test\r\n\r\n",
    "an unknown method": b"GRAB / HTTP/1.1\r\nhost: gate.test\r\n\r\n",
    "an absolute target": b"GET http://gate.test/api/v2/jobs/?ids_only=1 HTTP/1.1\r\nhost: gate.test\r\n\r\n",
    "an absolute target without a path": b"GET http://gate.test?ids_only=1 HTTP/1.1\r\nhost: gate.test\r\n\r\n",
    "a target without a slash": b"GET api/v2/jobs HTTP/1.1\r\nhost: gate.test\r\n\r\n",
    "a fragment": b"GET /api/v2/jobs/#?ids_only=1 HTTP/1.1\r\nhost: gate.test\r\n\r\n",
    "bytes in the target": b"GET /\xff\xfe?\x80 HTTP/1.1\r\nhost: gate.test\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    "a WebSocket": b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "a control byte": b"GET / HTTP/1.1\r\nhost: a\r\nx-a: \x01\x02\r\n\r\n",
    "200 KB of headers": b"GET / HTTP/1.1\r\nhost: a\r\nx-a: " + b"a" * 200_000 + b"\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW.keys())
def test_what_is_hardly_http_is_answered_too(gate, data):
    connection = Connection(gate.port, source=fresh_address())
    try:
        connection.send(data)
        assert 200 <= connection.reply().status < 600
    finally:
        connection.close()
    with Client(gate.port) as caller:
        assert caller.send().status == 200


HTTP_2_TARGETS = ["/\xff\xfe", "*", "", "no/slash", "/a b", "/#x", "http://gate.test/", "/\x7f", "//"]


@pytest.mark.parametrize("target", HTTP_2_TARGETS)
def test_odd_http_2_targets_are_answered(gate, target):
    with http2.Http2Connection(gate.port, source=fresh_address()) as caller:
        status = caller.send(target, ("x-bytes", "\xff\x80"), ("authorization", "Token \xff")).status
    assert status in (200, 400, http2.NO_REPLY)  # the last two are Envoy's own refusals
    with Client(gate.port) as caller:
        assert caller.send().status == 200


def test_bytes_in_an_http_2_path_are_counted(gate):
    """HTTP/2 carries bytes that HTTP/1.1 refuses."""
    before = gate.decisions("user", "allowed")
    with http2.Http2Connection(gate.port, source=fresh_address()) as caller:
        assert caller.send("/\xff\xfe?\x80=\xc3(", ("authorization", "Token \xff")).status == 200
    assert gate.decisions("user", "allowed") == before + 1


def test_random_bytes(gate):
    """Seeded: the same thousand requests every time."""
    bytes_allowed = [b for b in range(0x21, 0x100) if b != 0x7F]
    chance = random.Random(20)

    def noise(longest: int) -> bytes:
        alphabet = chance.choice([b"%/.2eEfF5cC", b"&=+;%ids_only1", bytes(bytes_allowed)])
        return bytes(chance.choices(alphabet, k=chance.randrange(longest)))

    for _ in range(1000):
        target = b"/" + bytes(b for b in noise(200) if b < 0x7F and b != ord("#"))
        headers = [
            ("authorization", chance.choice([b"", b"Token ", b"bearer ", noise(8)]) + noise(50)),
            ("cookie", b"sessionid=" + noise(50) + b"; " + noise(50)),
            ("x-forwarded-for", noise(40)),
            (b"content-type", chance.choice([b"application/grpc", noise(20)])),
        ]
        method = chance.choice(["GET", "HEAD", "POST"])
        with Client(gate.port) as caller:
            assert caller.send_raw(encode(target, method, headers), method).status in (200, 429)
