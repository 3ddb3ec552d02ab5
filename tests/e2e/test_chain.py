"""Traefik or nginx in front, a real Django behind, and Envoy with the filter between the two, as `compose/` ships it: one trusted hop,
and the default policy."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from harness import compose, ports
from harness.client import Client, Header, fresh_address, fresh_token, token
from harness.envoy import Gate
from harness.waiting import until

ANON, POLLS = 60, 30  # a minute, of the default policy's `anon` and `worker`
ROOT, JOBS = "/api/v2/", "/api/v2/jobs"
SECRET = "of-this-test-and-long-enough"


@contextmanager
def chain(
    tmp_path_factory, name: str, application: int, *, hops: str | None = None, behind: bool = False
) -> Iterator[tuple[int, Gate]]:
    """→ the front's port, and Envoy. `hops`: so many are trusted. `behind`: a balancer of our own stands before the front."""
    config = compose.between(application, hops=hops)
    with Gate(tmp_path_factory.mktemp("envoy"), config=config, environment={compose.TOKEN: SECRET}) as envoy:
        with compose.front(name, tmp_path_factory.mktemp("front"), envoy.port, behind=behind) as front:
            yield front.port, envoy


@pytest.fixture(scope="module", params=compose.FRONTS)
def front(request, tmp_path_factory, django) -> Iterator[int]:
    with chain(tmp_path_factory, request.param, django) as (port, _):
        yield port


@pytest.fixture(scope="module", params=compose.FRONTS)
def seen(request, tmp_path_factory, application) -> Iterator[int]:
    """The same with an application that remembers what has reached it."""
    with chain(tmp_path_factory, request.param, application.port) as (port, _):
        yield port


def poll(session: requests.Session, front: int, number: int, path: str = JOBS) -> requests.Response:
    return session.get(f"http://127.0.0.1:{front}{path}", params={"ids_only": 1, "limit": number + 1}, timeout=30)


def worker(value: str) -> requests.Session:
    session = requests.Session()
    session.headers["authorization"] = f"Token {value}"
    return session


# -- who the client is -------------------------------------------------------------------------------------------------


def test_two_clients_are_two(front):
    with Client(front) as one, Client(front) as other:
        assert one.statuses(ANON + 1, ROOT) == {200: ANON, 429: 1}
        assert other.statuses(ANON + 1, ROOT) == {200: ANON, 429: 1}


@pytest.mark.parametrize("name", compose.FRONTS)
def test_without_the_trusted_hop_they_are_one(tmp_path_factory, django, name):
    """As envoy/inline.yaml is shipped. So the number counts, and the log says which one to set."""
    with chain(tmp_path_factory, name, django, hops="0") as (front, envoy):

        def call(target: str, *headers: Header) -> int:
            with Client(front) as client:
                return client.send(target, *headers).status

        # What the log says needs a hundred requests of one of the two workers, and those that are denied do not count.
        known = token(fresh_token())
        assert Counter(call(f"{JOBS}/", known) for _ in range(250)) == {200: 250}
        until(lambda: "xff_num_trusted_hops" in envoy.log())
        statuses = Counter(call(ROOT) for _ in range(ANON + 40))
        assert statuses[200] <= ANON and statuses[200] + statuses[429] == ANON + 40


def forged(number: int) -> dict[str, list[Header]]:
    """What a client writes to be another one in each of its requests."""
    other = f"203.0.113.{number % 250 + 1}"
    return {
        "an address": [("X-Forwarded-For", other)],
        "a list": [("X-Forwarded-For", f"{other}, 10.0.0.1, {other}")],
        "two": [("X-Forwarded-For", other), ("X-Forwarded-For", f"{other}, {other}")],
        "an empty one": [("X-Forwarded-For", "")],
        "no address": [("X-Forwarded-For", f"unknown-{number}")],
        "and the proxy is told to drop it": [("X-Forwarded-For", other), ("Connection", "X-Forwarded-For")],
        "the proxy is told to drop its own": [("Connection", "keep-alive, X-Forwarded-For, X-Real-Ip")],
        "with an underscore": [("X_Forwarded_For", other)],
        "others": [("X-Real-Ip", other), ("Forwarded", f"for={other}"), ("True-Client-Ip", other)],
        "Envoy's": [("X-Envoy-External-Address", other), ("X-Envoy-Internal", "true"), ("X-Original-Forwarded-For", other)],
    }


@pytest.mark.parametrize("how", forged(0))
def test_a_forged_address_changes_nothing(front, how):
    with Client(front) as forger, Client(front) as other:
        statuses = Counter(forger.send(ROOT, *forged(number)[how]).status for number in range(ANON + 5))
        assert statuses == {200: ANON, 429: 5}
        # And nobody else has been charged.
        assert other.statuses(ANON + 1, ROOT) == {200: ANON, 429: 1}


def test_nobody_can_use_up_another_clients_quota(front):
    victim = fresh_address()
    with Client(front) as forger:
        assert forger.statuses(ANON + 1, ROOT, ("X-Forwarded-For", victim)) == {200: ANON, 429: 1}
    with Client(front, victim) as client:
        assert client.statuses(ANON, ROOT) == {200: ANON}


@pytest.mark.parametrize(("name", "hops"), [("traefik", "2"), ("nginx", "1")])
def test_a_balancer_before_the_front(tmp_path_factory, django, name, hops):
    """Which is the test: it appends its client's address to what that has written."""
    with chain(tmp_path_factory, name, django, behind=True, hops=hops) as (front, _), Client(front, "127.0.0.1") as balancer:
        one, other = ("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "198.51.100.2")
        assert balancer.statuses(ANON + 1, ROOT, one) == {200: ANON, 429: 1}
        assert balancer.send(ROOT, ("X-Forwarded-For", "203.0.113.9, 198.51.100.1")).status == 429
        assert balancer.statuses(ANON, ROOT, other) == {200: ANON}


# -- credentials prove themselves --------------------------------------------------------------------------------------


def test_a_worker_polls_30_times_a_minute_and_follows_djangos_redirect(front):
    """More workers of one address than its `anon` could carry: each has proved itself."""
    for _ in range(5):
        with worker(fresh_token()) as session:
            first = poll(session, front, 0)
            assert [seen.status_code for seen in [*first.history, first]] == [301, 200]
            assert first.json() == {"results": [{"id": 1}]}
            assert Counter(poll(session, front, number).status_code for number in range(1, POLLS)) == {200: POLLS - 1}
            assert poll(session, front, POLLS).status_code == 429


@pytest.mark.parametrize("path", [JOBS, JOBS + "/"], ids=["without the slash", "with the slash"])
def test_made_up_tokens_use_up_their_address(front, path):
    target = f"{path}?ids_only=1"
    with Client(front) as attacker:
        statuses = Counter(attacker.send(target, token(f"made-up-{fresh_token()}")).status for _ in range(ANON + 30))
        refused = 301 if path == JOBS else 401
        assert statuses == {refused: ANON, 429: 30}


def test_a_proved_token_is_served_where_its_address_has_used_up_its_quota(front):
    known = token(fresh_token())
    with Client(front) as neighbours:
        assert neighbours.send(f"{JOBS}/", known).status == 200
        neighbours.until_denied(ROOT)
        assert neighbours.send(f"{JOBS}/", known).status == 200


# -- what comes back ---------------------------------------------------------------------------------------------------


def test_the_denial_reaches_the_client_as_it_is(front):
    with Client(front) as client:
        reply = client.until_denied(ROOT)
    assert 0 < reply.retry_after <= 60
    assert reply.headers["content-type"] == "application/json"
    text = f"Request was throttled. Expected available in {reply.retry_after} second{'s' * (reply.retry_after != 1)}."
    assert reply.body.decode() == f'{{"detail":"{text}"}}'


def test_a_denied_request_does_not_reach_the_application(seen, application):
    with Client(seen) as client:
        client.until_denied()
        before = len(application.seen)
        assert client.send(method="POST", body=b"a job's result").status == 429
        assert len(application.seen) == before


def test_what_the_application_sees(seen, application):
    """The client's address is the last but one: DRF's NUM_PROXIES is 2. And scheme and host are the front's to say."""
    with Client(seen) as client:
        lies = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("Host", "api.example")]
        assert client.send("/seen", *lies, body=b"a job's result", method="POST").status == 200
    [request] = [request for request in application.seen if request.target == "/seen"][-1:]
    [addresses] = request.values("x-forwarded-for")
    assert [part.strip() for part in addresses.split(",")][-2] == client.address and "203.0.113.9" not in addresses
    assert request.values("x-forwarded-proto") == ["http"]
    assert request.values("host") == ["api.example"]
    assert request.body == b"a job's result"


# -- what is down ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", compose.FRONTS)
def test_while_envoy_is_down_the_front_says_502_and_finds_it_again(tmp_path_factory, django, name):
    port = ports.reserve()

    def envoy() -> Gate:
        config = compose.between(django, port=port)
        return Gate(tmp_path_factory.mktemp("envoy"), config=config, environment={compose.TOKEN: SECRET})

    with envoy() as first, compose.front(name, tmp_path_factory.mktemp("front"), port) as front:
        with Client(front.port) as client:
            assert client.send(ROOT).status == 200
            first.kill()
            assert client.statuses(3, ROOT) == {502: 3}
            with envoy():
                until(lambda: client.send(ROOT).status == 200)


@pytest.mark.parametrize("name", compose.FRONTS)
def test_while_the_application_is_down_envoy_says_503(tmp_path_factory, unreachable_port, name):
    with chain(tmp_path_factory, name, unreachable_port) as (front, _), Client(front) as client:
        reply = client.send(ROOT)
        assert reply.status == 503 and b"upstream connect error" in reply.body
        # Who finds nobody at home is counted like everybody: a crowd that tries again and again does not come all at once.
        assert client.statuses(ANON, ROOT) == {503: ANON - 1, 429: 1}


@pytest.mark.parametrize("name", compose.FRONTS)
def test_while_the_front_is_down_nobody_is_there(tmp_path_factory, django, name):
    """Envoy has no port of its own for the world."""
    with chain(tmp_path_factory, name, django) as (front, _):
        pass
    with socket.socket() as caller:
        assert caller.connect_ex(("127.0.0.1", front)) != 0


# -- where it may not stand between ------------------------------------------------------------------------------------


@pytest.fixture(params=[("traefik", "429"), ("nginx", "403")], ids=compose.FRONTS)
def asking(request, tmp_path_factory, django) -> Iterator[int]:
    """compose.authz.yaml, compose.nginx-authz.yaml: → the front's port."""
    name, status = request.param
    with Gate(tmp_path_factory.mktemp("s"), config=compose.authz(status), environment={compose.TOKEN: SECRET}) as service:
        with compose.asking_front(name, tmp_path_factory.mktemp("front"), service.port, django) as front:
            yield front.port


def test_a_front_that_asks_counts_the_same_clients(asking):
    with Client(asking) as one, Client(asking) as other:
        assert one.statuses(ANON + 1, ROOT, ("X-Forwarded-For", "203.0.113.9")) == {200: ANON, 429: 1}
        assert other.statuses(ANON, ROOT) == {200: ANON}
        denied = other.send(ROOT)
        assert denied.status == 429 and 0 < denied.retry_after <= 60


def test_where_the_front_asks_made_up_tokens_cost_their_address_nothing_but_its_ceiling(asking):
    with Client(asking) as attacker:
        statuses = Counter(attacker.send(f"{JOBS}/", token(f"made-up-{fresh_token()}")).status for _ in range(ANON + 30))
        assert statuses == {401: ANON + 30}


def test_where_the_front_asks_a_poll_without_the_slash_is_two(asking):
    with worker(fresh_token()) as session:
        assert Counter(poll(session, asking, number).status_code for number in range(POLLS // 2)) == {200: POLLS // 2}
        assert poll(session, asking, POLLS).status_code == 429
