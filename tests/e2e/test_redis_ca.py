"""The file of certificates that Redis' own must be signed by: it is read when a policy comes into force."""

from __future__ import annotations

import subprocess

import pytest

from harness import shipped
from harness.client import Client
from harness.redis import Redis
from harness.waiting import until

pytestmark = pytest.mark.only("module", because="in front of the filter Envoy reads it")

_MAKE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem"
_MAKE += " -subj /CN=redis.internal -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"


def policy(url: str, ca: str, rate: str) -> dict:
    redis = {"url": url, "ca": ca, "secret": shipped.SECRET, "timeout": "5s", "on_failure": "allow"}
    return {"scopes": {"all": {"rate": rate, "key": "global"}}, "store": {"redis": redis}}


def test_a_new_file_is_read_with_the_next_policy(tmp_path, open_gate):
    def renew() -> None:
        subprocess.run(_MAKE.split(), cwd=tmp_path, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    renew()
    cert, key = (str(tmp_path / name) for name in ("cert.pem", "key.pem"))
    with Redis(tmp_path, tls={"cert": cert, "key": key, "ca": cert}) as redis:
        url = f"rediss://127.0.0.1:{redis.port}"
        gate = open_gate(policy(url, cert, "2/h"), watched=True)
        with Client(gate.port) as caller:
            assert caller.statuses(3) == {200: 2, 429: 1}
        redis.kill()
        renew()
        redis.start()
        with Client(gate.port) as caller:
            until(lambda: caller.send("/").status == 200)  # as `on_failure` says; who was denied is so for a second
            assert caller.statuses(3) == {200: 3}
        gate.update(policy(url, cert, "3/h"))
        with Client(gate.port) as caller:
            assert caller.statuses(4) == {200: 3, 429: 1}
