"""However a credential or a service name is written, it is one client; and what is none does not make many."""

from __future__ import annotations

import json

import pytest

from harness import http2, shipped
from harness.client import Client, fresh_address, fresh_token, token

POLL = "/api/v2/jobs/?ids_only=1"


# The default scopes, for an application that takes more than tokens.
POLICY = {
    "client": {
        "credential": {
            "from": [{"header": "authorization", "schemes": ["Token", "Bearer"]}, {"cookie": "sessionid"}],
        },
    },
}


@pytest.fixture(scope="module", params=["alone", "as shipped"])
def gate(request, open_shared_gate, application):
    if request.param == "as shipped":
        return open_shared_gate(config=shipped.inline(application.port, json.dumps(POLICY)))
    return open_shared_gate(POLICY)


@pytest.fixture
def caller(gate):
    with Client(gate.port) as client:
        yield client


AUTHORIZATIONS = {
    "lower case": [("authorization", "token {}")],
    "upper case": [("authorization", "TOKEN {}")],
    "mixed case": [("authorization", "tOkEn {}")],
    "the header's name in capitals": [("AUTHORIZATION", "Token {}")],
    "two spaces": [("authorization", "Token  {}")],
    "a tab": [("authorization", "Token\t{}")],
    "space around": [("authorization", "   Token {}  \t")],
    "another scheme": [("authorization", "Bearer {}")],
    "another scheme in lower case": [("authorization", "bearer {}")],
    "with a cookie": [("authorization", "Token {}"), ("cookie", "sessionid=new")],
    "after a cookie": [("cookie", "sessionid=new"), ("authorization", "Token {}")],
    "with junk": [("authorization", "Token {}"), ("x-authorization", "Token new"), ("x-api-key", "new")],
}


@pytest.mark.parametrize("headers", AUTHORIZATIONS.values(), ids=AUTHORIZATIONS.keys())
def test_one_secret_is_one_client(caller, headers):
    secret = fresh_token()
    assert caller.statuses(30, POLL, token(secret)) == {200: 30}
    assert caller.send(POLL, *((name, value.format(secret)) for name, value in headers)).status == 429
    assert caller.send(POLL, token(secret + "x")).status == 200


COOKIES = {
    "first of several": [("cookie", "sessionid={}; a=b")],
    "last of several": [("cookie", "a=b; c=d; sessionid={}")],
    "no space": [("cookie", "a=b;sessionid={}")],
    "more space": [("cookie", "a=b ;   sessionid={} ; c")],
    "a closing semicolon": [("cookie", "sessionid={};")],
    "quoted": [("cookie", 'sessionid="{}"')],
    "twice": [("cookie", "sessionid={}; sessionid={}")],
    "in the second header": [("cookie", "a=b"), ("cookie", "sessionid={}")],
    "in both headers": [("cookie", "sessionid={}"), ("cookie", "x=y; sessionid={}")],
    "next to another name": [("cookie", "SESSIONID=new; sessionid={}; xsessionid=new")],
}


@pytest.mark.parametrize("headers", COOKIES.values(), ids=COOKIES.keys())
def test_one_cookie_is_one_client(caller, headers):
    secret = fresh_token()
    assert caller.statuses(30, POLL, ("cookie", f"sessionid={secret}")) == {200: 30}
    assert caller.send(POLL, *((name, value.format(secret, secret)) for name, value in headers)).status == 429
    assert caller.send(POLL, ("cookie", f"sessionid={secret}x")).status == 200


def test_cookie_crumbs_of_http_2(gate, caller):
    """HTTP/2 may send each cookie in a header of its own."""
    secret = fresh_token()
    assert caller.statuses(30, POLL, ("cookie", f"sessionid={secret}")) == {200: 30}
    with http2.Http2Connection(gate.port, source=fresh_address()) as other:
        crumbs = [("cookie", "a=b"), ("cookie", f"sessionid={secret}"), ("cookie", "c=d")]
        assert other.send(POLL, *crumbs).status == 429


# Each is different in every request, and none may make a new client of the same address.
NO_CREDENTIAL = {
    "two secrets": lambda i: [token(f"real-{i}"), token(f"other-{i}")],
    "one real, one new": lambda i: [token("real"), token(f"new-{i}")],
    "one new, one real": lambda i: [token(f"new-{i}"), token("real")],
    # Envoy joins headers of this name, and the application gets `Token a,Token a`, which is no secret either.
    "one secret twice": lambda i: [token(f"new-{i}"), token(f"new-{i}")],
    "one secret in two schemes": lambda i: [token(f"new-{i}"), ("authorization", f"Bearer new-{i}")],
    "joined by a comma": lambda i: [("authorization", f"Token real, Token new-{i}")],
    "a secret of two words": lambda i: [("authorization", f"Token new {i}")],
    "an unknown scheme": lambda i: [("authorization", f"Basic new{i}")],
    "a new scheme": lambda i: [("authorization", f"Token{i} real")],
    "no scheme": lambda i: [("authorization", f"new-{i}")],
    "two sessions": lambda i: [("cookie", f"sessionid=real; sessionid=new-{i}")],
    "two sessions in two headers": lambda i: [("cookie", "sessionid=real"), ("cookie", f"sessionid=new-{i}")],
    "a cookie of another name": lambda i: [("cookie", f"session={i}; sessionid{i}=new")],
    "an agent": lambda i: [("user-agent", f"agent/{i}")],
    "a host": lambda i: [("host", f"gate-{i}.test")],
    "a query": lambda i: [("x-api-key", f"{i}"), ("x-request-id", f"{i}")],
}


@pytest.mark.parametrize("headers", NO_CREDENTIAL.values(), ids=NO_CREDENTIAL.keys())
def test_what_is_no_credential_makes_no_client(caller, headers):
    statuses = [caller.send(f"/page/{i}?n={i}", *headers(i)).status for i in range(61)]
    assert statuses == [200] * 60 + [429]


SERVICES = [
    "processing_service_name=a%20b%2B{}",
    "processing_service_name=%61+b%2b{}",
    "processing%5Fservice_name=a+b%2B{}",
    "%70rocessing_service_name=a+%62%2B{}",
    "processing_service_name=a+b%2B{}&x=y",
    "&&processing_service_name=a+b%2B{}&",
    "processing_service_name=a+b%2B{}&processing_service_name=a%20b%2B{}",
    # The last one counts, as in Django.
    "processing_service_name=&processing_service_name=a+b%2B{}",
    "processing_service_name=new&processing_service_name=a+b%2B{}",
]


@pytest.mark.parametrize("query", SERVICES)
def test_one_service_is_one_client(gate, caller, query):
    """Anonymous workers are counted by the name of their service: `a b+…` here, in which `+` is a space."""
    secret = fresh_token()
    plain = f"{POLL}&processing_service_name=a+b%2B{secret}"
    assert caller.statuses(30, plain) == {200: 30}
    with Client(gate.port) as elsewhere:
        assert elsewhere.send(f"/api/v2/jobs/?{query.format(secret, secret)}&ids_only=1").status == 429
        assert elsewhere.send(f"{plain}x").status == 200
