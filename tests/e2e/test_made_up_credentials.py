"""Made-up credentials buy nothing, whatever a real Django REST framework takes for a credential, and where everybody is answered:
no address gets past its ceiling, and none past `anon` where the application refuses what it does not know."""

from __future__ import annotations

import base64
import json
import itertools
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from harness import processes
from harness.client import Client, fresh_token
from harness.places import repo_path

ANON, CEILING = 60, 90
ATTEMPTS = 120

CLASSES = {
    "tokens alone": ["token"],
    "DRF's default": ["session", "basic"],
    "everything": ["token", "session", "basic"],
}

PAGES = ["/", "/api/v2/public/"]



def basic(password: str) -> tuple[str, str]:
    return ("authorization", "Basic " + base64.b64encode(f"alice:{password}".encode()).decode())


# What an attacker sends, with something new in each request; `app` has what is true.
PLACES = {
    "a token": lambda _, new: [("authorization", f"Token {new}")],
    "a bearer": lambda _, new: [("authorization", f"Bearer {new}")],
    "a name and password": lambda _, new: [basic(new)],
    "a session": lambda _, new: [("cookie", f"sessionid={new}")],
    "a key": lambda _, new: [("x-api-key", new)],
    "a true session, and a bearer": lambda app, new: [
        ("cookie", f"sessionid={app.session}"),
        ("authorization", f"Bearer {new}"),
    ],
    "a true name and password, and a session": lambda app, new: [
        ("authorization", f"Basic {app.basic}"),
        ("cookie", f"sessionid={new}"),
    ],
    "a true token, and a session": lambda app, new: [
        ("authorization", f"Token {app.token}"),
        ("cookie", f"sessionid={new}"),
    ],
    "a true session, as Django reads it, and one as others do": lambda app, new: [
        ("cookie", f"sessionid={new}; sessionid\xa0={app.session}".encode("latin-1")),
    ],
}

# A policy that looks for credentials wherever there could be one, and lets each prove itself anywhere.
EVERYWHERE = {
    "client": {
        "credential": {
            "from": [
                {"header": "authorization", "schemes": ["Token", "Bearer", "Basic"]},
                {"header": "x-api-key"},
                {"cookie": "sessionid"},
            ]
        }
    },
    "scopes": {
        "anon": {"rate": f"{ANON}/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "300/h", "key": ["credential", "address"]},
        "address": {"rate": f"{CEILING}/h", "key": "address"},
    },
}


@pytest.fixture(scope="module", params=CLASSES.values(), ids=CLASSES.keys())
def app(request) -> Iterator[SimpleNamespace]:
    """The application, a process of its own: its port, and its user's credentials."""
    command = [sys.executable, str(repo_path("tests", "e2e", "harness", "drf_app.py")), *request.param]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield SimpleNamespace(classes=request.param, **json.loads(process.stdout.readline()))
        finally:
            processes.end(process)


@pytest.fixture(scope="module", params=["the default policy", "credentials everywhere"])
def gate(request, open_shared_gate, app):
    config = None if request.param == "the default policy" else EVERYWHERE
    return SimpleNamespace(is_default=config is None, port=open_shared_gate(config, upstream_port=app.port, workers=2).port)


def passed(gate, app, page: str, place: str) -> int:
    with Client(gate.port) as attacker:
        sent = (attacker.send(page, *PLACES[place](app, fresh_token())).status for _ in range(ATTEMPTS))
        return sum(status != 429 for status in sent)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("place", PLACES)
def test_no_address_gets_past_its_ceiling(gate, app, page, place):
    admitted = passed(gate, app, page, place)
    if not gate.is_default:
        assert admitted <= CEILING
    elif app.classes == ["token"] and place != "a true token, and a session":
        # Its own ceiling is higher than what is tried here; but this application refuses each token that it does not know.
        assert admitted <= ANON


def test_two_credentials_never_make_two_clients(gate, app):
    """A true one beside a made-up one proves neither, and is charged as what it is."""
    if gate.is_default:
        pytest.skip("it knows of one place for a credential")
    for name in PLACES:
        if name.startswith("a true"):
            assert passed(gate, app, "/api/v2/public/", name) <= ANON, name


def in_some_case(text: str, number: int) -> str:
    """The text with other letters in capitals for each number."""
    letters = itertools.count()
    return "".join(
        letter.upper() if letter.isalpha() and number >> next(letters) % 7 & 1 else letter for letter in text
    )


def in_some_base64(text: str, number: int) -> str:
    """The same bytes for each number: with more padding, with foreign characters, with other bits where none count."""
    digits = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    text, padding = text.rstrip("="), text.count("=")
    last = digits[digits.index(text[-1]) | number % 4 if padding == 1 else digits.index(text[-1]) | number % 16]
    place = number % len(text)
    return text[:place] + "~" * (number % 3) + text[place:-1] + last + "=" * (padding + number % 2)


SPELLINGS = {
    "token": lambda app, number: ("authorization", f"Token {in_some_case(app.token, number)}"),
    "basic": lambda app, number: ("authorization", f"Basic {in_some_base64(app.basic, number)}"),
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_one_credential_is_one_client_however_the_application_lets_it_be_spelt(open_shared_gate, app, kind):
    if kind not in app.classes:
        pytest.skip("this application has no such credentials")
    scopes = {
        "anon": {"rate": "1000/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "30/h", "key": "credential"},
    }
    gate = open_shared_gate(EVERYWHERE | {"scopes": scopes}, upstream_port=app.port)
    spelt = {SPELLINGS[kind](app, number) for number in range(90)}
    assert len(spelt) > 40
    with Client(gate.port) as user:
        statuses = Counter(user.send("/api/v2/me/", header).status for header in spelt)
    assert statuses == {200: 30, 429: len(spelt) - 30}
