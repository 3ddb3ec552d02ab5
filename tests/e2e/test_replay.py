"""`tollgate replay` over the logs that real proxies write: it decides as the gate did live, request by request."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import asking, shipped
from harness.client import Client, fresh_address, fresh_token, token
from harness.envoy import Gate
from harness.places import cli_path, repo_path
from harness.upstream import told

INLINE = {
    "exempt": [{"path": "/healthz"}],
    "client": {"credential": {"from": [{"header": "authorization", "schemes": ["Token"]}], "proof": {"path": "/api/**"}}},
    "scopes": {
        "anon": {"rate": "9/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": ["3/h", "60/d"], "match": {"path": "/api/jobs"}, "key": ["credential", "address"]},
        "login": {
            "rate": "2/h",
            "key": "address",
            "match": {"method": "POST", "path": "/api/login"},
            "count": {"status": [401]},
        },
        "bucket": {"rate": "1/h", "algorithm": "token_bucket", "burst": 4, "key": "address", "match": {"path": "/bucket/**"}},
        "shadow": {"rate": "20/h", "key": "global", "mode": "shadow", "match": {"path": "/api/**"}},
        "address": {"rate": "18/h", "key": "address"},
    },
}

ASKED = {
    "client": {"credential": {"from": [], "trust": "any"}},
    "scopes": {
        "login": {"rate": "3/h", "key": "address", "match": {"method": "POST", "path": "/api/login"}},
        "search": {"rate": "9/h", "key": "address", "match": {"query": {"q": {"present": True}}}},
        "curl": {"rate": "4/h", "key": "address", "match": {"path": "/a b/*"}},
        "address": {"rate": "30/h", "key": "address"},
    },
}


def replay(directory: Path, policy: dict, log: Path, *options: str) -> tuple[dict, list[str]]:
    """→ the report, and what was decided about each line, in the order of lines."""
    (directory / "policy.json").write_text(json.dumps(policy))
    each = directory / "decisions"
    command = [cli_path(), "replay", directory / "policy.json", log, "--format", "json", "--decisions", each, *options]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    rows = sorted((json.loads(line) for line in each.read_text().splitlines()), key=lambda row: row["line"])
    return json.loads(done.stdout), [row["decision"] for row in rows]


def with_hashed_credential(config: dict, key: str, directory: Path) -> None:
    """`envoy/log-credential.lua` in front of the filter, and its field in the log, as the file itself says."""
    lua = repo_path("envoy", "log-credential.lua").read_text()
    assert 'KEY = "change me"' in lua
    (directory / "log-credential.lua").write_text(lua.replace("change me", key))
    shown = [line[2:] for line in lua.splitlines() if line.startswith("--   ")]
    [hashing] = yaml.safe_load("\n".join(shown[:-1]))
    hashing["typed_config"]["default_source_code"]["filename"] = str(directory / "log-credential.lua")
    manager = shipped._find(config, "http_filters")[0]
    manager["http_filters"].insert(0, hashing)
    [fields] = [entry["json_format"] for entry in shipped._find(config, "json_format")]
    fields |= yaml.safe_load(shown[-1])


def test_envoy(tmp_path, application):
    """Credentials that are proved and some that never are, answers that do not count, buckets, a shadow: all as it was live."""
    config = shipped.inline(application.port, json.dumps(INLINE))
    with_hashed_credential(config, key := "k" * 70, tmp_path)
    rng = random.Random(7)
    addresses = [fresh_address() for _ in range(3)]
    good, bad = [fresh_token() for _ in range(4)], [fresh_token() for _ in range(3)]
    live, presented = [], []
    # One worker: what it logs stands in the order in which it was asked.
    with Gate(tmp_path, config=config, workers=1) as gate:
        callers = [Client(gate.port, address) for address in addresses]
        for _ in range(400):
            secret = rng.choice([None, *good, *bad])
            method, path = rng.choice(
                [("GET", "/"), ("GET", "/api/jobs"), ("POST", "/api/login"), ("GET", "/bucket/%61"), ("GET", "/healthz")]
            )
            status = 401 if secret in bad or (path == "/api/login" and rng.random() < 0.5) else rng.choice([200, 204, 404, 503])
            headers = [*told(status), *([token(secret)] if secret else [])]
            live.append(rng.choice(callers).send(path, *headers, method=method).status)
            presented.append(secret)
        for caller in callers:
            caller.close()
        counted = {
            scope: [gate.decisions(scope, "allowed"), gate.decisions(scope, "denied") + gate.decisions(scope, "shadowed")]
            for scope in INLINE["scopes"]
        }
    lines = [line for line in gate.log().splitlines() if line.startswith("{")]
    assert [json.loads(line)["status"] for line in lines] == live
    hashed = [json.loads(line)["credential"] for line in lines]
    assert hashed == [
        secret and hmac.new(key.encode(), f"Token {secret}".encode(), hashlib.sha256).hexdigest()[:32] for secret in presented
    ]

    (tmp_path / "access.log").write_text("\n".join(lines) + "\n")
    report, decided = replay(tmp_path, INLINE, tmp_path / "access.log")
    assert [decision == "denied" for decision in decided] == [status == 429 for status in live]
    assert report["files"][0]["format"] == "envoy-json"
    assert (report["requests"], report["unattributed"], report["skipped"]) == (400, 0, 0)
    assert report["denied"] == report["logged_denied"] == report["denied_both"] == live.count(429) > 50
    assert {name: [scope["allowed"], scope["denied"]] for name, scope in report["scopes"].items()} == counted
    assert all(allowed and denied for allowed, denied in counted.values()), counted


def nginx(directory: Path, service: int, application: int) -> asking.Server:
    return asking.nginx(directory, service, application, extra=f"    access_log {directory}/own.log;")


def caddy(directory: Path, service: int, application: int) -> asking.Server:
    server = asking.caddy(directory, service, application)
    file = directory / "Caddyfile"
    logs = f"\n\tlog {{\n\t\toutput file {directory}/own.log\n\t}}\n"
    text, logs_found = re.subn(r"(?s)\n\tlog \{.*?\n\t\}\n", lambda _: logs, file.read_text())
    assert logs_found == 1
    file.write_text(text)
    return server


def traefik(directory: Path, service: int, application: int, kind: str = "common") -> asking.Server:
    server = asking.traefik(directory, service, application)
    file = directory / "traefik.yaml"
    static = yaml.safe_load(file.read_text()) | {"accessLog": {"filePath": f"{directory}/own.log", "format": kind}}
    file.write_text(yaml.safe_dump(static))
    return server


def traefik_json(directory: Path, service: int, application: int) -> asking.Server:
    return traefik(directory, service, application, "json")


def is_of(address: str, line: str) -> bool:
    return re.search(rf"{re.escape(address)}(?!\d)", line) is not None


# Who asks, how its log is called, what its format is called, and the policy: the logs as they are by default, and as they are shipped, which
# leave the query out.
WITHOUT_QUERY = ASKED | {"scopes": {name: scope for name, scope in ASKED["scopes"].items() if name != "search"}}
LOGS = {
    "nginx": (nginx, "nginx", "own.log", "combined", ASKED),
    "caddy": (caddy, "caddy", "own.log", "caddy", ASKED),
    "traefik": (traefik, "traefik", "own.log", "traefik", ASKED),
    "traefik-json": (traefik_json, "traefik", "own.log", "traefik-json", ASKED),
    "nginx-shipped": (asking.nginx, "nginx", "access.log", "json", WITHOUT_QUERY),
    "caddy-shipped": (asking.caddy, "caddy", "caddy.log", "caddy", WITHOUT_QUERY),
    "traefik-shipped": (asking.traefik, "traefik", "traefik.log", "traefik-json", WITHOUT_QUERY),
    "envoy-shipped": (asking.envoy, "envoy", "envoy.log", "envoy-json", WITHOUT_QUERY),
}


@pytest.mark.only("filter", because="it is about the logs of those who ask")
@pytest.mark.parametrize("which", list(LOGS))
def test_proxies_that_ask(tmp_path, application, which):
    rng = random.Random(11)
    start, name, file, format_, policy = LOGS[which]
    policy = asking.policy_for(name, policy)
    for directory in ("gate", "proxy"):
        (tmp_path / directory).mkdir()
    live = []
    with Gate(tmp_path / "gate", config=shipped.authz(policy)) as gate:
        with start(tmp_path / "proxy", gate.port, application.port) as proxy:
            callers = {address: Client(proxy.port, address) for address in (fresh_address() for _ in range(3))}
            for number in range(200):
                method, target = rng.choice(
                    [
                        ("GET", "/"),
                        ("POST", "/api/login"),
                        ("GET", f"/search?q=%22{number}%22"),
                        ("GET", f"/a%20b/{number}"),
                        ("GET", f"/x/../a%20b/{number}"),
                    ]
                )
                address = rng.choice(list(callers))
                reply = callers[address].send(target, ("user-agent", 'say "hi" \\'), method=method)
                live.append((address, reply.status == 429))
            for caller in callers.values():
                caller.close()
    assert {denied for _, denied in live} == {True, False}
    lines = (tmp_path / "proxy" / file).read_text().splitlines()
    if file in ("caddy.log", "envoy.log"):  # which have other lines, too
        lines = [line for line in lines if "handled request" in line or line.startswith('{"bytes_sent"')]
    # Traefik was asked whether it was ready.
    lines = [line for line in lines if not (line.startswith("127.0.0.1 ") or '"ClientHost":"127.0.0.1"' in line)]
    log = tmp_path / "access.log"
    log.write_text("\n".join(lines) + "\n")
    report, decided = replay(tmp_path, policy, log)
    # A proxy writes a line once it has answered: on one connection before the next request is read, but lines of two connections may
    # change places.
    for address in callers:
        of_address = [decision == "denied" for decision, line in zip(decided, lines, strict=True) if is_of(address, line)]
        assert of_address == [denied for whose, denied in live if whose == address]
    assert report["files"][0]["format"] == format_
    assert (report["requests"], report["unattributed"], report["skipped"]) == (200, 0, 0)
    assert report["denied"] == report["denied_both"] == sum(denied for _, denied in live)


@pytest.mark.only("filter", because="kubernetes/ ships the filter")
def test_the_service_s_own_log_where_ingress_nginx_asks(tmp_path, application):
    """It has `url` in place of host and path: that of what was asked about, and not the service's own."""
    scopes = {
        "all": {"rate": "4/h", "key": "address", "match": {"path": "/api/**"}},
        "other": {"rate": "2/h", "key": "address", "match": {"host": "other.test"}},
    }
    policy = asking.policy_for("ingress-nginx", WITHOUT_QUERY | {"scopes": scopes})
    config = shipped.authz(policy)
    for directory in ("gate", "proxy"):
        (tmp_path / directory).mkdir()
    live = []
    [logs] = [logs for logs in shipped._find(config, "access_log") if logs["access_log"][0].get("filter")]
    del logs["access_log"][0]["filter"]
    with Gate(tmp_path / "gate", config=config) as gate:
        with asking.ASKING["ingress-nginx"][0](tmp_path / "proxy", gate.port, application.port) as proxy:
            with Client(proxy.port, fresh_address()) as caller:
                for target in ["/api/a?x=1", "/", "/api/b", "/api/c", "/b", "/api/d", "/api/e", "/api/f"]:
                    live.append(caller.send(target).status == 429)
                for _ in range(3):
                    live.append(caller.send("/", ("host", "other.test")).status == 429)
    lines = [line for line in gate.log().splitlines() if line.startswith("{")]
    assert len(lines) == len(live)
    log = tmp_path / "access.log"
    log.write_text("\n".join(lines) + "\n")
    report, decided = replay(tmp_path, policy, log)
    assert [decision == "denied" for decision in decided] == live
    assert live == [False] * 6 + [True] * 2 + [False] * 2 + [True]
