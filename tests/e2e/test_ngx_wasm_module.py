"""Nothing stands in the way of ngx_wasm_module, nginx's own host for filters, which no package registry has: here is one that behaves
as it does, see `harness.ngx_wasm`."""

from __future__ import annotations

import json
import re

import pytest

from harness.ngx_wasm import Worker, Zone
from harness.places import repo_path

pytestmark = pytest.mark.only("filter", because="nginx loads the filter, and has no other way to do so")

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


# -- the host's habits -------------------------------------------------------------------------------------------------


def spelled(name: str) -> tuple[str, ...]:
    return (name, name.upper(), name.title())


@pytest.mark.parametrize("name", [*spelled("authorization"), *spelled("x-api-key"), *spelled("cookie"), *spelled("user-agent")])
def test_a_header_has_any_spelling(wasm, name):
    key, value = {
        "authorization": ("credential", "Token secret"),
        "cookie": ({"cookie": "shop"}, "shop=one"),
    }.get(name.lower(), ({"header": name.lower()}, "one"))
    policy = {"scopes": {"all": {"rate": "2/h", "key": key}}, "client": {"credential": {"trust": "any"}}}
    if key != "credential":
        policy.pop("client")
    worker = Worker(wasm, json.dumps(policy), Zone())
    statuses = [worker.request("/", (name, value), address=f"192.0.2.{n}").status for n in range(3)]
    assert statuses == [200, 200, 429]


TARGETS = {
    "/files/a%3Fb/download": "/files/*/download",
    "/open/..%2fhealthz": "/open/**",
    "/a/../limited": "/limited",
    "/%6cimited": "/limited",
    "//limited": "/limited",
    "/limited?x=1": "/limited",
}


@pytest.mark.parametrize("target", list(TARGETS))
def test_the_target_is_the_one_that_was_sent(wasm, target):
    """nginx's own is decoded, and the application gets the one that was sent."""
    match = {"path": TARGETS[target]}
    worker = Worker(wasm, json.dumps({"scopes": {"all": {"rate": "2/h", "key": "address", "match": match}}}), Zone())
    assert [worker.request(target, address="192.0.2.1").status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("limited", ["/v1/jobs", "/api/jobs"])
def test_a_rewritten_target_is_judged_by_both(wasm, limited):
    scope = {"rate": "2/h", "key": "address", "match": {"path": limited, "query": {"all": "1"}}}
    worker = Worker(wasm, json.dumps({"scopes": {"all": scope}}), Zone())
    statuses = [worker.request("/v1/jobs?all=1", address="192.0.2.1", rewritten="/api/jobs?all=1").status for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_an_exemption_is_by_what_was_sent(wasm):
    policy = {"exempt": [{"path": "/healthz"}], "scopes": {"all": {"rate": "2/h", "key": "address"}}}
    worker = Worker(wasm, json.dumps(policy), Zone())
    assert [worker.request("/healthz", address="192.0.2.1").status for _ in range(3)] == [200] * 3
    assert [worker.request("/open/..%2fhealthz", address="192.0.2.1").status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("number", [90, 95, 96, 99, 100, 101, 300])
@pytest.mark.parametrize("length", [1, 7_000])
def test_too_many_headers_are_refused(wasm, number, length):
    """The host leaves out those behind the hundredth, and writes over the end of the buffer."""
    worker = Worker(wasm, "", Zone())
    many = [(f"X-{index}", "") for index in range(number - 5)]  # and four of nginx's own, and Host
    for _ in range(20):
        answer = worker.request("/" + "x" * length, *many, address="192.0.2.1")
        assert answer.status == (200 if number < 100 else 431)
    assert worker.request("/", address="192.0.2.2").status == 200
    assert worker.panics == 0


@pytest.mark.parametrize("copied", [-8, -1, 0, 1, 300, 5_000])
@pytest.mark.parametrize("told", [-1_000, -8, -1, 0, 1, 300, 5_000, 1_000_000])
def test_an_entry_may_change_its_length_while_it_is_read(wasm, copied, told):
    zone = Zone()
    worker = Worker(wasm, "", zone)
    statuses = []
    for number in range(90):
        # One read in three; a charge that is decided on such bytes cannot be written.
        zone.grows = (copied, told) if number % 3 == 2 else (0, 0)
        statuses.append(worker.request("/", address="192.0.2.1").status)
    zone.grows = (0, 0)
    assert worker.panics == 0
    assert set(statuses) <= {200, 429}
    assert worker.request("/", address="192.0.2.1").status in (200, 429)


def test_it_logs_no_errors(wasm):
    worker = Worker(wasm, "", Zone())
    for status in (200, 201, 301, 404, 500):
        worker.request(POLL, ("authorization", "Token secret"), address="192.0.2.1", status=status)
    assert worker.errors == []


@pytest.mark.parametrize(("answered", "proves"), [("0.001", True), ("-, 0.002", True), (None, False), ("-", False), ("0.001, -", False)])
def test_an_answer_of_nginx_itself_proves_nothing(wasm, answered, proves):
    """A file, a `return`, a page for an error."""
    worker = Worker(wasm, "", Zone())
    token = ("Authorization", "Token secret")
    assert worker.request("/api/", token, address="192.0.2.1", answered=answered).status == 200
    # A proved credential has quota of its own, and its first request has cost the address nothing.
    statuses = [worker.request("/", address="192.0.2.1").status for _ in range(60)]
    assert statuses == ([200] * 60 if proves else [200] * 59 + [429])
    assert worker.request("/api/", token, address="192.0.2.1", answered=answered).status == (200 if proves else 429)


REFUSED = {
    "redis": ('{ "store": { "redis": { "cluster": "redis", "secret": "%s" } } }' % ("0123456789abcdef" * 4), "store.redis", "auth_request"),
    "redis with a secret of the environment": (
        '{ "store": { "redis": { "cluster": "redis", "secret": { "environment_variable": "SECRET" } } } }',
        "store.redis",
        "auth_request",
    ),
    "a claim": ('{ "scopes": { "x": { "rate": "1/s", "key": { "jwt_claim": "sub" } } } }', "scopes.x.key", "credential"),
    "a claim within": (
        '{ "scopes": { "x": { "rate": "1/s", "key": { "all": ["address", { "jwt_claim": "sub" }] } } } }',
        "scopes.x.key",
        "credential",
    ),
}


@pytest.mark.parametrize(("policy", "field", "instead"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused(wasm, policy, field, instead):
    worker = Worker(wasm, policy, Zone())
    assert not worker.accepted
    [said] = worker.log
    assert said.startswith(f"the configuration is refused: {field}: ")
    assert instead in said


def test_a_full_zone_evicts_and_nothing_breaks(wasm):
    worker = Worker(wasm, "", Zone(room=8))
    for number in range(200):
        assert worker.request("/", address=f"192.0.2.{number}").status == 200
    assert worker.panics == 0
