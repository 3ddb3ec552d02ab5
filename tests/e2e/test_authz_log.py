"""The log of the proxy that asks names scope and client, as the service's own does: with the configurations that are shipped."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness import ports, shipped
from harness.asking import ASKING, nginx, policy_for
from harness.client import Client, Connection, fresh_address, fresh_token, token
from harness.envoy import Gate
from harness.upstream import redirected

# One more than the first is denied; the second says of each but the first that it would.
POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {
        "all": {"rate": "2/h", "key": "address"},
        "strict": {"rate": "1/h", "key": "address", "mode": "shadow"},
    },
}

Line = tuple[int, str, str | None]


def _told_by_caddy(line: dict) -> Line | None:
    if "handled request" not in line["msg"]:
        return None
    [note] = line["resp_headers"].get("X-Tollgate", [None])
    return line["status"], line["request"]["uri"], note


def _told_by_traefik(line: dict) -> Line | None:
    if line["ClientHost"] == "127.0.0.1":  # the harness, which has asked whether it was ready
        return None
    note = line.get("downstream_X-Tollgate") or line.get("request_X-Tollgate")
    return line["DownstreamStatus"], line["RequestPath"], note


# In which file of the proxy's directory the access log is, and what a line of it tells.
_NGINX = ("access.log", lambda line: (int(line["status"]), line["path"], line["tollgate"] or None))
LOGS = {
    "nginx": _NGINX,
    "ingress-nginx": _NGINX,
    "caddy": ("caddy.log", _told_by_caddy),
    "traefik": ("traefik.log", _told_by_traefik),
    "envoy": ("envoy.log", lambda line: (line["status"], line["path"], line["tollgate"])),
}


def _objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _lines(name: str, directory: Path) -> list[Line]:
    file, told = LOGS[name]
    found = [told(line) for line in _objects((directory / file).read_text())]
    return sorted((line for line in found if line), key=lambda line: line[1] or "")


def _noted(note: str | None) -> dict[str, str] | None:
    """The note, by the names that the service's own log has for the same."""
    if note is None:
        return None
    decision, *parameters = note.split(";")
    told = {name: value.strip('"') for name, value in (parameter.split("=") for parameter in parameters)}
    told = {"client_id" if name == "client" else name: value for name, value in told.items()}
    return {"decision": decision} | told


def _decided(line: dict) -> dict[str, str]:
    """The same of a line of the service's own log."""
    names = ["decision", "scope", "shadow", "client_id", "wait", "remaining"]
    return {name: line[name] for name in names if line[name] is not None}


def _logged(directory: Path) -> str:
    """All that was written there."""
    return "".join(file.read_text(errors="replace") for file in sorted(directory.rglob("*")) if file.is_file())


@pytest.fixture
def places(tmp_path) -> tuple[Path, Path]:
    """Where the service is, and where the proxy."""
    for name in ("service", "proxy"):
        (tmp_path / name).mkdir()
    return tmp_path / "service", tmp_path / "proxy"


@pytest.mark.parametrize("which", ["limited", "all"])
@pytest.mark.parametrize("name", list(ASKING))
def test_it_says_what_the_service_has_decided(places, application, name, which):
    """Of three requests one passes, one passes that a scope in shadow mode would deny, and one is denied."""
    service_place, proxy_place = places
    policy = policy_for(name, POLICY | {"access_log": which})
    secret = fresh_token()
    forged = ("X-Tollgate", "forged")
    # This takes headers out of a message, but not the service's note.
    hop_by_hop = ("Connection", "keep-alive, X-Tollgate")
    private = [token(secret), ("x-api-key", secret), ("cookie", f"sessionid={secret}"), ("referer", f"http://a.test/?{secret}")]
    with Gate(service_place, config=shipped.authz(policy)) as service:
        with ASKING[name][0](proxy_place, service.port, application.port) as proxy, Client(proxy.port, fresh_address()) as caller:
            replies = [
                caller.send(f"/{path}%20x?token={secret}", *private, forged, *redirected(f"/there?code={secret}"), *connection)
                for path, connection in [("a", []), ("b", [hop_by_hop]), ("c", [])]
            ]
    assert [reply.status for reply in replies] == [302, 302, 429]
    lines = _lines(name, proxy_place)
    assert [(status, path) for status, path, _ in lines] == [(302, "/a%20x"), (302, "/b%20x"), (429, "/c%20x")]

    shadowed = {"decision": "allowed", "scope": "all", "shadow": "strict", "remaining": "0"}
    denied = shadowed | {"decision": "denied", "wait": "3600"}
    first = {"decision": "allowed", "scope": "all", "remaining": "1"}
    notes = [_noted(note) for _, _, note in lines]
    assert [note and {key: value for key, value in note.items() if key != "client_id"} for note in notes] == {
        "limited": [None, shadowed, denied],
        "all": [first, shadowed, denied],
    }[which]
    # The service logs no more than denials and what it notes. It is the same client there.
    assert [note for note in notes if note] == [
        _decided(line) for line in _objects(service.log()) if line["client"] == caller.address
    ]
    [client] = {note["client_id"] for note in notes if note}
    assert re.fullmatch("[0-9a-f]{32}", client)

    for place in places:
        assert secret not in _logged(place), place
        assert "forged" not in _logged(place), place
    if name in ("nginx", "ingress-nginx", "envoy"):
        assert not any("x-tollgate" in map(str.lower, reply.headers) for reply in replies), "clients do not get it"


# What clients send, or say that they send, and is no request, or none that nginx asks about.
ODD = [
    b"GET /old?SECRET\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b'GET /a"b\\c?SECRET HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n',
    b"GET /\x01?SECRET HTTP/1.1\r\nhost: a.test\r\n\r\n",
    b'GET /?SECRET HTTP/1.1\r\nhost: a"b\\c\r\nconnection: close\r\n\r\n',
    b"GET http://user:SECRET@a.test/?SECRET HTTP/1.1\r\nhost: a.test\r\n\r\n",
    b"GET ?SECRET HTTP/1.1\r\nhost: a.test\r\n\r\n",
    "GET /ä?SECRET HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n".encode(),
    b"GET /\xff?SECRET HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n",
    b'WHAT" /?SECRET HTTP/1.1\r\n\r\n',
    b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
]


@pytest.mark.neither
def test_each_line_of_nginx_is_json(places, application):
    """Whatever is sent, and when there is no service either."""
    service_place, proxy_place = places
    with nginx(proxy_place, ports.reserve(), application.port) as proxy:
        for odd in ODD:
            connection = Connection(proxy.port)
            connection.send(odd)
            connection.receive(1 << 20)  # until it is closed
            connection.close()
    text = (proxy_place / "access.log").read_bytes()
    lines = [json.loads(line.decode(errors="surrogateescape")) for line in text.splitlines()]
    assert len(lines) == len(ODD)
    assert {line["status"] for line in lines} == {"400", "503"}
    assert {line["tollgate"] for line in lines} == {""}
    assert b"SECRET" not in text
