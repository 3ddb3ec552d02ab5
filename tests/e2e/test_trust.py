"""A credential is a client of its own once the application has answered one of its requests with a success. Until then
its requests are its address's."""

from __future__ import annotations

import time

import pytest

from harness.client import Client, Reply, fresh_token, token
from harness.layouts import layout, typed
from harness.quota import applying, standing
from harness.upstream import RESET, told

ANON, USER = 60, 100  # quotas; nothing comes back within the test

POLICY = {
    "client": {
        "credential": {"from": [{"header": "authorization", "schemes": ["Token"]}, {"cookie": "sessionid"}]},
    },
    "exempt": [{"path": "/healthz"}],
    "scopes": {
        "anon": {"rate": f"{ANON}/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": f"{USER}/h", "key": ["credential", "address"]},
    },
    "response": {"ratelimit_headers": "draft"},
}


def trusting(**how) -> dict:
    """The policy, with a `client.credential` of its own."""
    return POLICY | {"client": {"credential": {"from": [{"header": "authorization", "schemes": ["Token"]}]} | how}}


def is_trusted(reply: Reply) -> bool:
    """Whether the request was counted for its credential, and not for its address as anonymous: since it is known, or
    since its answer has just proved it."""
    assert applying(reply) in ({"user"}, {"user", "anon"})
    return applying(reply) == {"user"}


def knows(caller: Client, credential: tuple[str, str]) -> bool:
    """Whether the credential is known to be accepted. The question proves nothing; of an unknown one it costs the address
    a request."""
    return is_trusted(caller.send("/", credential, *told(404)))


@pytest.fixture(scope="module")
def gate(open_shared_gate):
    return open_shared_gate(POLICY, workers=4)


@pytest.fixture
def caller(gate):
    with Client(gate.port) as client:
        yield client


SUCCESSES = {
    "200": told(200),
    "201": told(201),
    "204": told(204),
    "206": told(206),
    "a gRPC call that began well": [*told(200, grpc_status=0), ("content-type", "application/grpc")],
}

# The application answers none of these to a credential that it accepts, or answers them to any.
NO_SUCCESSES = {
    "302": told(302),
    "400": told(400),
    "401": told(401),
    "403": told(403),
    "404": told(404),
    "500": told(500),
    "503": told(503),
    "no answer": [RESET],
    "a gRPC call that failed": [*told(200, grpc_status=16), ("content-type", "application/grpc")],
}


@pytest.mark.parametrize("headers", SUCCESSES.values(), ids=SUCCESSES.keys())
def test_a_success_proves_a_credential(caller, headers):
    """And its first request is counted once: for the credential."""
    credential = token(fresh_token())
    caller.send("/", credential, *headers)
    assert knows(caller, credential)
    assert standing(caller.send("/", credential)) == ("user", USER - 3)
    assert standing(caller.send()) == ("anon", ANON - 1)


@pytest.mark.parametrize("headers", NO_SUCCESSES.values(), ids=NO_SUCCESSES.keys())
def test_nothing_else_does(caller, headers):
    """And the charge stays with the address."""
    credential = token(fresh_token())
    caller.send("/", credential, *headers)
    assert not knows(caller, credential)
    assert standing(caller.send("/", credential)) == ("user", USER - 1)  # a success, the first that counts for it
    assert standing(caller.send()) == ("anon", ANON - 3)


def test_a_cookie_is_proved_too(caller):
    cookie = ("cookie", f"theme=dark; sessionid={fresh_token()}")
    assert not knows(caller, cookie)
    caller.send("/", cookie)
    assert knows(caller, cookie)


def test_a_proof_counts_wherever_the_credential_calls_from(gate, caller):
    """On every worker, since there are more connections than workers."""
    credential = token(fresh_token())
    caller.send("/", credential)
    for _ in range(16):
        with Client(gate.port) as elsewhere:
            assert is_trusted(elsewhere.send("/", credential))


def test_a_failure_does_not_take_the_proof_away(caller):
    credential = token(fresh_token())
    caller.send("/", credential)
    assert is_trusted(caller.send("/", credential, *told(401)))
    assert is_trusted(caller.send("/", credential))


def test_newcomers_who_are_accepted_cost_their_address_nothing(caller):
    for _ in range(100):
        assert caller.send("/", token(fresh_token())).status == 200
    assert standing(caller.send()) == ("anon", ANON - 1)


def test_newcomers_who_are_not_use_up_their_address(caller):
    answers = [caller.send("/", token(fresh_token()), *told(401)).status for _ in range(ANON + 5)]
    assert answers == [401] * ANON + [429] * 5
    assert caller.send().status == 429


def test_a_denial_proves_nothing(caller):
    """That of a gRPC call comes with the status 200."""
    assert caller.statuses(ANON) == {200: ANON}
    credential, grpc = token(fresh_token()), ("content-type", "application/grpc")
    assert caller.statuses(2, "/", credential) == {429: 2}
    denied = caller.send("/", credential, grpc)
    assert (denied.status, denied.headers["grpc-status"]) == (200, "8")
    assert caller.send("/", credential).status == 429


def test_an_exempt_request_proves_nothing(caller):
    """Else whoever asks for what is free would have as many credentials as it likes."""
    credential = token(fresh_token())
    assert caller.send("/healthz", credential).status == 200
    assert not knows(caller, credential)


def test_who_only_claims_to_be_authenticated_is_not_exempt(open_gate):
    gate = open_gate(POLICY | {"exempt": [{"client": "authenticated"}]})
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        for _ in range(2):
            assert not knows(caller, credential)
        assert applying(caller.send("/", credential)) == set()  # accepted, and so exempt
        assert applying(caller.send("/", credential, *told(404))) == set()


def test_an_application_that_is_away_proves_nothing(open_gate, unreachable_port):
    gate = open_gate(POLICY, upstream_port=unreachable_port)
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        replies = [caller.send("/", credential) for _ in range(3)]
    assert [reply.status for reply in replies] == [503] * 3
    assert [standing(reply) for reply in replies] == [("anon", ANON - 1), ("anon", ANON - 2), ("anon", ANON - 3)]


def test_another_filter_that_answers_proves_nothing(open_gate, application):
    """Envoy's CORS filter answers 200 to a preflight request, whoever asks."""
    cors = "envoy.filters.http.cors"
    allowed = typed("filters.http.cors.v3.CorsPolicy", allow_origin_string_match=[{"prefix": "http"}])
    config = layout(
        POLICY,
        upstream_port=application.port,
        after=[{"name": cors, "typed_config": typed("filters.http.cors.v3.Cors")}],
        route_filters={cors: allowed},
    )
    preflight = [("origin", "http://app.test"), ("access-control-request-method", "GET")]
    credential = token(fresh_token())
    with Client(open_gate(config=config).port) as caller:
        reply = caller.send("/", credential, *preflight, method="OPTIONS")
        assert reply.status == 200
        assert not reply.from_application
        assert not knows(caller, credential)


def test_a_direct_response_proves_a_credential(open_gate):
    """Where Envoy itself is the application."""
    credential = token(fresh_token())
    with Client(open_gate(POLICY, upstream_port=None).port) as caller:
        assert standing(caller.send("/", credential)) == ("user", USER - 1)
        assert standing(caller.send()) == ("anon", ANON - 1)


def test_only_a_request_that_can_prove_does(open_gate):
    """For an application with pages that are there for anybody."""
    gate = open_gate(trusting(proof={"path": "/api/**", "not": {"path": "/api/docs/"}}))
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        for target in ("/", "/welcome", "/api/docs/", "/api/docs/?x=/api/me"):
            assert not is_trusted(caller.send(target, credential))
        assert not is_trusted(caller.send("/api/me", credential, *told(401)))
        assert is_trusted(caller.send("/api/me", credential))
        assert is_trusted(caller.send("/", credential))
        assert standing(caller.send()) == ("anon", ANON - 6)  # the five that proved nothing, and this one


def test_a_proof_lasts_as_long_as_it_is_used_with_success(open_gate):
    """Whether or not what it is used for is counted: `/page` falls under no scope once it is trusted."""
    user = POLICY["scopes"]["user"] | {"rate": f"{USER}/s", "match": {"path": "/api/**"}}
    gate = open_gate(trusting(trust_for="4s") | {"scopes": POLICY["scopes"] | {"user": user}})
    ways = [("/api/x", token(fresh_token()), {"user"}), ("/page", token(fresh_token()), set())]

    def trusted(*headers) -> list[bool]:
        with Client(gate.port) as caller:
            answers = [caller.send(target, credential, *headers) for target, credential, _ in ways]
            return [applying(answer) == scopes for answer, (_, _, scopes) in zip(answers, ways, strict=True)]

    refused = told(404)
    assert trusted(*refused) == [False, False]
    assert trusted() == [True, True]
    for _ in range(2):
        time.sleep(2.2)
        assert trusted() == [True, True]
    time.sleep(2.2)
    assert trusted(*refused) == [True, True]
    time.sleep(2.6)  # a proof is noted for an eighth longer than it has to count
    assert trusted(*refused) == [False, False]
    assert trusted() == [True, True]


def test_any_credential_can_be_trusted(open_gate):
    gate = open_gate(trusting(trust="any"))
    with Client(gate.port) as caller:
        for headers in NO_SUCCESSES.values():
            reply = caller.send("/", token(fresh_token()), *headers)
            assert is_trusted(reply)
            assert standing(reply) == ("user", USER - 1)


def test_a_reload_keeps_the_proof(open_gate):
    gate = open_gate(POLICY, watched=True)
    credential = token(fresh_token())
    with Client(gate.port) as caller:
        assert caller.send("/", credential).status == 200
    gate.update(POLICY | {"exempt": []})
    with Client(gate.port) as caller:
        assert knows(caller, credential)
