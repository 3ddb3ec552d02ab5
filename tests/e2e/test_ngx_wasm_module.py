"""Nothing stands in the way of ngx_wasm_module, nginx's own host for filters, which no package registry has: here is one that behaves
as it does, see `harness.ngx_wasm`."""

from __future__ import annotations

import json
import re

import pytest

from harness.ngx_wasm import Worker, Zone
from harness.places import repo_path

POLL = "/api/v2/jobs/?ids_only=1"


@pytest.fixture(scope="module")
def wasm():
    file = repo_path("target", "tollgate-nginx.wasm")
    assert file.exists(), "build it: scripts/build --nginx"
    return file


def test_workers_share_their_counters(wasm):
    zone = Zone()
    workers = [Worker(wasm, "", zone) for _ in range(2)]
    assert all(worker.accepted for worker in workers)
    answers = [workers[number % 2].request("/", address="192.0.2.1") for number in range(61)]
    assert [answer.status for answer in answers] == [200] * 60 + [429]
    denied = answers[-1]
    assert denied.headers == {"content-type": "application/json", "retry-after": "60"}
    assert json.loads(denied.body) == {"detail": "Request was throttled. Expected available in 60 seconds."}
    assert workers[0].request("/", address="2001:db8::1").status == 200


def test_no_update_is_lost_or_written_blindly(wasm):
    """Every entry was inserted once and then replaced at the version that was read: 60 writes of one cell, not fewer."""
    zone = Zone()
    worker = Worker(wasm, "", zone)
    agreed = dict(zone.entries)
    assert all(version == 1 for _, version in agreed.values())
    for _ in range(60):
        worker.request("/", address="192.0.2.1")
    changed = {name: version for name, (_, version) in zone.entries.items() if zone.entries[name] != agreed.get(name)}
    assert list(changed.values()) == [60]


def test_time_passes(wasm):
    worker = Worker(wasm, '{ "scopes": { "all": { "rate": "2/s", "key": "address" } } }', Zone())
    assert [worker.request("/", address="192.0.2.1").status for _ in range(3)] == [200, 200, 429]
    worker.now_millis += 999
    assert worker.request("/", address="192.0.2.1").status == 429
    worker.now_millis += 1
    assert worker.request("/", address="192.0.2.1").status == 200


def test_the_host_is_the_clients(wasm):
    """`:authority` is the server's own name there."""
    scope = '{ "rate": "2/h", "key": "address", "match": { "host": "limited.test" } }'
    worker = Worker(wasm, f'{{ "scopes": {{ "host": {scope} }} }}', Zone())
    hosts = ["limited.test", "other.test", "limited.test:8080", "LIMITED.test", "other.test"]
    assert [worker.request("/", address="192.0.2.1", host=host).status for host in hosts] == [200, 200, 200, 429, 200]


def test_a_credential_proves_itself(wasm):
    worker = Worker(wasm, '{ "response": { "ratelimit_headers": "draft" } }', Zone())
    token = ("authorization", "Token secret")
    first = worker.request(POLL, token, address="192.0.2.1")
    assert first.headers["ratelimit"].startswith('"worker";r=29')  # since its answer is a success
    answers = [worker.request(POLL, token, address="192.0.2.1") for _ in range(30)]
    assert [answer.status for answer in answers] == [200] * 29 + [429]
    assert answers[0].headers["ratelimit"].startswith('"worker"')


def test_a_policy_that_does_not_check_is_refused(wasm):
    worker = Worker(wasm, '{ "mode": "on" }', Zone())
    assert not worker.accepted
    assert worker.log == ["the configuration is refused: mode: `on`: expected `enforce`, `shadow` or `off`"]


def test_the_policy_that_is_shown_fits(wasm):
    conf = repo_path("nginx", "ngx_wasm_module.conf").read_text()
    [policy] = re.findall(r"proxy_wasm tollgate '([^']*)';", conf)
    assert len(policy) <= 4000
    assert Worker(wasm, policy, Zone()).accepted
    capacity = json.loads(policy)["store"]["capacity"]
    [size] = re.findall(r"shm_kv \* (\d+)m;", conf)
    assert int(size) * 1000 >= 0.95 * capacity, "1 MB for each 1,000 clients"
