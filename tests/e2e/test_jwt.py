"""`jwt_claim`: a claim of the token that Envoy's own `jwt_authn` filter has verified, and of no other."""

from __future__ import annotations

import itertools
import json

import pytest
import yaml

from harness.adapter import ADAPTER, FILTER
from harness.client import Client, Header, fresh_token
from harness.jwt import authentication, bearer, jwt_authn, provider
from harness.layouts import layout
from harness.places import repo_path

QUOTA = 3

_serial = itertools.count(1)


def verifying(*, required: bool, payload: str = "jwt_payload") -> list[dict]:
    """What stands in front of Tollgate: for the module the filter besides that docs/native.md shows. `payload`: the name under which a
    token's payload is kept."""
    first = jwt_authn(required=required, payload=payload)
    if ADAPTER is FILTER:
        return [first]
    blocks = repo_path("docs", "native.md").read_text().split("```yaml\n")[1:]
    [shown] = [yaml.safe_load(text) for text in (block.partition("```")[0] for block in blocks) if "jwt_authn" in text]
    _, handing_over, _ = shown
    # The page says `jwt_payload`, and that another name goes there.
    return [first, json.loads(json.dumps(handing_over).replace("jwt_authn:jwt_payload", f"jwt_authn:{payload}"))]


def on(path: str, key) -> dict:
    return {"rate": f"{QUOTA}/h", "key": key, "match": {"path": path}}


POLICY = {
    "scopes": {
        "sub": on("/sub", {"jwt_claim": "sub"}),
        "number": on("/number", {"jwt_claim": "account"}),
        "nested": on("/nested", {"jwt_claim": ["realm_access", "client"]}),
        "dotted": on("/dotted", {"jwt_claim": ["realm_access.client"]}),
        "uri": on("/uri", {"jwt_claim": "https://api.test/tenant"}),
        "deep": on("/deep", [{"jwt_claim": ["a", "b", "c"]}, "address"]),
        "both": on("/both", {"all": [{"jwt_claim": "sub"}, {"jwt_claim": "azp"}]}),
        "else": on("/else", [{"jwt_claim": "sub"}, "address"]),
    }
}
DENIED_LAST = {200: QUOTA, 429: 1}


@pytest.fixture(scope="module")
def strict(open_shared_gate, application):
    config = layout(POLICY, upstream_port=application.port, before=verifying(required=True))
    return open_shared_gate(config=config)


@pytest.fixture(scope="module")
def lenient(open_shared_gate, application):
    config = layout(POLICY, upstream_port=application.port, before=verifying(required=False))
    return open_shared_gate(config=config)


FORGED = {
    "another key": {"key": b"some other key"},
    "no signature": {"algorithm": "none"},
    "another issuer": {"iss": "https://elsewhere.test"},
    "expired": {"expires_in": -3600},
}


def statuses(gate, target: str, *tokens: Header) -> list[int]:
    """Each token from an address of its own."""
    found = []
    for credential in tokens:
        with Client(gate.port) as caller:
            found.append(caller.send(target, credential).status)
    return found


def test_all_tokens_of_one_subject_share_a_counter(strict):
    one, other = fresh_token(), fresh_token()
    assert statuses(strict, "/sub", *(bearer(sub=one) for _ in range(QUOTA + 2))) == [200] * QUOTA + [429] * 2
    assert statuses(strict, "/sub", *(bearer(sub=other) for _ in range(QUOTA + 1))) == [200] * QUOTA + [429]


def test_one_token_is_counted_once_for_each_request(strict):
    """Its first request is that of a new credential, too; what is counted by its claim does not move."""
    with Client(strict.port) as caller:
        assert caller.statuses(QUOTA + 1, "/sub", bearer(sub=fresh_token())) == DENIED_LAST


@pytest.mark.parametrize("forgery", FORGED.values(), ids=FORGED.keys())
def test_what_is_not_verified_spends_nothing(strict, application, forgery):
    victim, mark = fresh_token(), len(application.seen)
    assert statuses(strict, "/sub", *(bearer(sub=victim, **forgery) for _ in range(QUOTA + 1))) == [401] * (QUOTA + 1)
    assert len(application.seen) == mark
    with Client(strict.port) as caller:
        assert caller.statuses(QUOTA + 1, "/sub", bearer(sub=victim)) == DENIED_LAST


@pytest.mark.parametrize("forgery", FORGED.values(), ids=FORGED.keys())
def test_what_is_let_through_unverified_has_no_claim(lenient, forgery):
    """Then the scope does not apply, or the next part of its key counts."""
    victim = fresh_token()
    forged = bearer(sub=victim, **forgery)
    with Client(lenient.port) as caller:
        assert caller.statuses(QUOTA + 1, "/sub", forged) == {200: QUOTA + 1}
        assert caller.statuses(QUOTA + 1, "/else", forged) == DENIED_LAST
        assert caller.statuses(QUOTA + 1, "/else", bearer(sub=victim)) == DENIED_LAST


def test_no_token_no_claim(lenient):
    with Client(lenient.port) as caller:
        assert caller.statuses(QUOTA + 1, "/sub") == {200: QUOTA + 1}
        assert caller.statuses(QUOTA + 1, "/sub", bearer()) == {200: QUOTA + 1}
        assert caller.statuses(QUOTA + 1, "/else") == DENIED_LAST


def test_headers_are_no_claims(lenient):
    """Where a proxy would put them, a client can put them too."""
    with Client(lenient.port) as caller:
        for number in range(QUOTA + 1):
            forged = [(name, f"victim-{number}") for name in ("sub", "x-jwt-sub", "x-jwt-payload", "jwt_payload")]
            assert caller.send("/else", *forged).status == (200 if number < QUOTA else 429)


def test_a_claim_may_be_a_number(strict):
    account = next(_serial) + 1_000_000
    tokens = [bearer(account=account) for _ in range(QUOTA + 1)]
    assert statuses(strict, "/number", *tokens) == [200] * QUOTA + [429]
    assert statuses(strict, "/number", bearer(account=-account), bearer(account=account + 0.5)) == [200] * 2


def test_claims_combine(strict):
    subject = fresh_token()
    app = [bearer(sub=subject, azp="app") for _ in range(QUOTA + 1)]
    assert statuses(strict, "/both", *app) == [200] * QUOTA + [429]
    assert statuses(strict, "/both", bearer(sub=subject, azp="shop")) == [200]
    assert statuses(strict, "/both", *(bearer(sub=subject) for _ in range(QUOTA + 1))) == [200] * (QUOTA + 1)


def test_a_claim_inside_another(strict):
    one, other = fresh_token(), fresh_token()
    tokens = [bearer(realm_access={"client": one, "roles": [str(number)]}) for number in range(QUOTA + 1)]
    assert statuses(strict, "/nested", *tokens) == [200] * QUOTA + [429]
    assert statuses(strict, "/nested", bearer(realm_access={"client": other})) == [200]
    # Neither its outer claim, nor one of the whole name, nor one that stands elsewhere.
    for claims in ({"realm_access": one}, {"realm_access.client": one}, {"client": one}, {"realm_access": {"x": {"client": one}}}):
        assert statuses(strict, "/nested", *(bearer(**claims) for _ in range(QUOTA + 1))) == [200] * (QUOTA + 1)


def test_a_claim_with_a_dot_in_its_name(strict):
    for target, name in (("/dotted", "realm_access.client"), ("/uri", "https://api.test/tenant")):
        one = fresh_token()
        assert statuses(strict, target, *(bearer(**{name: one}) for _ in range(QUOTA + 1))) == [200] * QUOTA + [429]
        assert statuses(strict, target, bearer(**{name: fresh_token()})) == [200]
    nested = [bearer(realm_access={"client": "x"}) for _ in range(QUOTA + 1)]
    assert statuses(strict, "/dotted", *nested) == [200] * (QUOTA + 1)


def test_a_claim_further_inside(strict):
    tokens = [bearer(a={"b": {"c": index // (QUOTA + 1)}}) for index in range(2 * (QUOTA + 1))]
    assert statuses(strict, "/deep", *tokens) == ([200] * QUOTA + [429]) * 2


@pytest.mark.parametrize("wrap", [lambda value: [value, "b"], lambda value: [[value], ["b"]], lambda value: [value, 7, True]])
def test_a_claim_may_be_a_list(strict, wrap):
    """Of texts, numbers and truth values; its order counts. (Envoy writes an object's fields in any order.)"""
    one, other = fresh_token(), fresh_token()
    tokens = [bearer(realm_access={"client": wrap(one)}) for _ in range(QUOTA + 1)]
    assert statuses(strict, "/nested", *tokens) == [200] * QUOTA + [429]
    assert statuses(strict, "/nested", bearer(realm_access={"client": wrap(other)})) == [200]
    assert statuses(strict, "/nested", bearer(realm_access={"client": wrap(one)[::-1]})) == [200]


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_claim_of_nothing_is_none(strict, nothing):
    tokens = [bearer(realm_access={"client": nothing}) for _ in range(QUOTA + 1)]
    assert statuses(strict, "/nested", *tokens) == [200] * (QUOTA + 1)


# -- under Istio's name ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_istio(open_shared_gate, application):
    before = verifying(required=False, payload="payload")
    return open_shared_gate(config=layout(POLICY, upstream_port=application.port, before=before))


def test_a_payload_has_istios_name(of_istio):
    one, other = fresh_token(), fresh_token()
    assert statuses(of_istio, "/sub", *(bearer(sub=one) for _ in range(QUOTA + 2))) == [200] * QUOTA + [429] * 2
    assert statuses(of_istio, "/sub", bearer(sub=other)) == [200]
    nested = [bearer(realm_access={"client": one}) for _ in range(QUOTA + 1)]
    assert statuses(of_istio, "/nested", *nested) == [200] * QUOTA + [429]
    account = next(_serial) + 2_000_000
    assert statuses(of_istio, "/number", *(bearer(account=account) for _ in range(QUOTA + 1))) == [200] * QUOTA + [429]


@pytest.mark.parametrize("forgery", FORGED.values(), ids=FORGED.keys())
def test_under_istios_name_what_is_not_verified_has_no_claim(of_istio, forgery):
    victim = fresh_token()
    with Client(of_istio.port) as caller:
        assert caller.statuses(QUOTA + 1, "/sub", bearer(sub=victim, **forgery)) == {200: QUOTA + 1}
        assert caller.statuses(QUOTA + 1, "/else", bearer(sub=victim, **forgery)) == DENIED_LAST
        assert caller.statuses(QUOTA + 1, "/else", ("payload", victim), ("jwt_payload", victim)) == {429: QUOTA + 1}
        assert caller.statuses(QUOTA + 1, "/sub", bearer(sub=victim)) == DENIED_LAST


@pytest.mark.only("filter", because="a module is handed over one payload")
def test_of_two_payloads_the_first_counts_alone(open_gate, application):
    """Two tokens, each verified. What the first does not say, the second cannot add; alone it counts."""
    locations = [{"name": "x-other", "value_prefix": "Bearer "}]
    first, second = provider("jwt_payload"), provider("payload", issuer="https://other.test", from_headers=locations)
    either = {"requires_any": {"requirements": [{"provider_name": "second"}, {"allow_missing_or_failed": {}}]}}
    both = {"requires_all": {"requirements": [{"provider_name": "first"}, {"provider_name": "second"}]}}
    before = authentication({"first": first, "second": second}, {"requires_any": {"requirements": [both, either]}})
    gate = open_gate(config=layout(POLICY, upstream_port=application.port, before=[before]))
    empty = {"none": None, "list": [[], {}], "within": {"deep": [1]}}
    with Client(gate.port) as caller:

        def send(target: str, *tokens: Header) -> int:
            return caller.send(target, *tokens).status

        def other(**claims) -> Header:
            return bearer(iss="https://other.test", header="x-other", **claims)

        one = fresh_token()
        # Both: the first says who it is, whatever the second says.
        told = [send("/sub", bearer(sub=one), other(sub=fresh_token())) for _ in range(QUOTA + 1)]
        assert told == [200] * QUOTA + [429]
        # The first says nothing of it: there is no claim, and the second is not asked.
        for claims in ({}, empty, {"account": None}, empty | {"account": None}):
            for target, name in (("/sub", "sub"), ("/number", "account")):
                told = [send(target, bearer(**claims), other(**{name: "somebody"})) for _ in range(QUOTA + 1)]
                assert told == [200] * (QUOTA + 1), (claims, name)
        # The second alone.
        told = [send("/sub", other(sub="somebody")) for _ in range(QUOTA + 1)]
        assert told == [200] * QUOTA + [429]
