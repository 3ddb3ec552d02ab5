"""The console's page in a real browser, served by a real Envoy: who is limited is seen as it happens, and let through by keyboard."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from harness import chromium, shipped
from harness.client import Client, fresh_address, fresh_token, token
from harness.envoy import Gate
from harness.redis import Redis
from harness.waiting import until

pytestmark = pytest.mark.skipif(
    chromium.path() is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)

HOSTILE = "<img src=http://192.0.2.1/x onerror=document.title='broken'>"
POLICY = {
    "scopes": {
        "anon": {"rate": "3/h", "match": {"client": "anonymous"}, "key": "address"},
        "user": {"rate": "2/h", "key": "credential"},
        "quiet": {"rate": ["1/h", "5/d"], "key": "address", "mode": "shadow", "match": {"query": {"q": {"not": HOSTILE}}}},
    }
}
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def gate(open_shared_gate) -> Gate:
    gate = open_shared_gate(POLICY, console={})
    until(lambda: gate.console("/v1/policies")[1]["policies"])
    return gate


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[chromium.Page]:
    with chromium.Page(tmp_path_factory.mktemp("chromium")) as page:
        yield page


def address_of(gate: Gate) -> str:
    return f"http://127.0.0.1:{gate.port_of('console')}/"


def leave(browser: chromium.Page) -> None:
    """The page of another test looks again and again: its Envoy may be gone."""
    browser.open("about:blank")
    browser.errors.clear()
    browser.requests.clear()


def visit(browser: chromium.Page, gate: Gate, width: int = 1280, *, dark: bool = False) -> None:
    """Returns when the page shows what is in force."""
    leave(browser)
    browser.see(width, 900, dark=dark)
    browser.open(address_of(gate))
    until(lambda: text(browser, ".policy h3") == "tollgate")


@pytest.fixture
def page(browser, gate) -> Iterator[chromium.Page]:
    visit(browser, gate)
    yield browser
    # A style or a script that the policy forbids is an error, too.
    assert browser.errors == []
    asked = {url for url in browser.requests if not url.startswith("data:")}
    assert asked and all(url.startswith(address_of(gate)) for url in asked)
    assert browser.run("[document.images.length, document.title]") == [0, "Tollgate console"]


def text(page: chromium.Page, selector: str) -> str:
    """What the first such element says; nothing if there is none, or it is not shown."""
    return page.run(f"(it => it?.checkVisibility() ? it.innerText : '')(document.querySelector({json.dumps(selector)}))")


def row(page: chromium.Page, client: str, scope: str) -> str:
    """What the list says of a client; nothing if it is not in it."""
    rows = page.run("[...document.querySelectorAll('#clients > tr')].map(row => row.textContent)")
    return next((row for row in rows if client in row and scope in row), "")


def limited(gate: Gate, caller: Client, address: str) -> str:
    """Uses up a client's quota. → its id"""
    assert caller.statuses(4, "/?q=a") == {200: 3, 429: 1}
    [found] = gate.console("/v1/clients/find", {"address": address})[1]["clients"]
    return found["client"]


def focus_by_tab(page: chromium.Page, what: str) -> None:
    """Goes from where the focus is to the next control that is `what`, a condition on `it`, by the Tab key alone."""
    for _ in range(200):
        page.press("Tab")
        if page.run(f"(it => {what})(document.activeElement)"):
            assert page.run("document.activeElement.matches(':focus-visible')")
            assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"no way by Tab to: {what}")


def focus_button(page: chromium.Page, word: str) -> None:
    """One of those of the client that was found."""
    focus_by_tab(page, f"it.closest('#results') && it.textContent === {json.dumps(word)}")


def test_what_is_in_force(page, gate):
    until(lambda: "2 workers" in text(page, ".policy .meta"))
    assert "counters in memory" in text(page, ".policy .meta")
    scopes = page.run("[...document.querySelectorAll('.policy tbody tr')].map(row => row.innerText)")
    assert len(scopes) == 3
    anon, _, quiet = scopes
    assert anon.startswith("anon") and "At most 3 requests in any hour for each address" in anon and "3/h" in anon
    assert quiet.startswith("quiet shadow") and "1/h, 5/d" in quiet and "shadow" not in anon
    # What a policy says is text.
    assert HOSTILE in quiet
    assert "65,536" in text(page, "#room") and text(page, "#nobody-blocked") == "Nobody is blocked."
    # The rates come with the second look.
    until(lambda: "– /s" not in text(page, ".policy .counts"))


def test_nothing_else_is_allowed_to_the_page(gate):
    nonces = set()
    for _ in range(2):
        with urllib.request.urlopen(address_of(gate), timeout=30) as reply:
            policy, body = reply.headers["content-security-policy"], reply.read().decode()
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert directives["default-src"] == directives["form-action"] == directives["frame-ancestors"] == "'none'"
        assert directives["connect-src"] == "'self'"
        nonce = directives["script-src"].removeprefix("'nonce-").removesuffix("'")
        assert body.count(f'nonce="{nonce}"') == 2 and "NONCE" not in body
        nonces.add(nonce)
    assert len(nonces) == 2


def test_a_denied_client_appears_by_itself(page, gate):
    page.run("window.stays = true")
    with Client(gate.port, address := fresh_address()) as caller:
        client = limited(gate, caller, address)
    until(lambda: row(page, client, "anon"))
    said = row(page, client, "anon")
    assert "3 of 3" in said and "in 1 h" in said
    until(lambda: "1 of 1" in row(page, client, "quiet"))
    assert "would wait" in row(page, client, "quiet") and "shadow" in row(page, client, "quiet")
    assert page.run("window.stays"), "without a reload"


def test_what_is_open_stays_open(page, gate):
    """Others come and go in the list meanwhile: focus, selection and what is unfolded stay where they are."""
    with Client(gate.port, address := fresh_address()) as caller:
        client = limited(gate, caller, address)
    look = f"[...document.querySelectorAll('#clients > tr')].find(it => it.textContent.includes({client!r})).querySelector('button')"
    until(lambda: row(page, client, "anon"))
    page.run(f"window.button = {look}; button.focus(); button.click()")
    until(lambda: "anon" in text(page, "#clients .card"))
    with Client(gate.port, address := fresh_address()) as caller:
        other = limited(gate, caller, address)
    until(lambda: row(page, other, "anon"))
    assert page.run("document.activeElement === button && button.isConnected && button.getAttribute('aria-expanded')") == "true"
    assert page.run("document.querySelector('#clients .card .id').textContent") == client
    page.press("Enter")
    until(lambda: not text(page, "#clients .card"))


def test_all_by_keyboard(page, gate):
    """Found by address, pardoned, blocked, unblocked; and each time the client itself notices."""
    with Client(gate.port, address := fresh_address()) as caller:
        client = limited(gate, caller, address)

        focus_by_tab(page, "it.id === 'you'")
        page.type("Ada")
        focus_by_tab(page, "it.id === 'sought'")
        page.type(address)
        page.press("Enter")
        until(lambda: text(page, "#results h3") == f"The client at {address}")
        assert client in text(page, "#results") and "3 of 3" in text(page, "#results")

        focus_button(page, "Pardon")
        page.press("Enter")
        assert text(page, "#act h2") == "Pardon this client?" and "Ada" in text(page, "#act-by")
        page.press("Escape")
        assert not page.run("document.getElementById('act').open")
        assert page.run("document.activeElement.textContent") == "Pardon", "the focus is where it was"
        assert caller.send("/").status == 429
        page.press("Enter")
        page.press("Enter")
        until(lambda: "is pardoned" in text(page, "#told"))
        assert page.run("document.getElementById('told').getAttribute('aria-live')") == "polite"
        assert caller.send("/").status == 200

        focus_button(page, "Block")
        page.press("Enter")
        assert text(page, "#act h2") == "Block this client?"
        page.press("ArrowRight")
        page.press("Enter")
        until(lambda: "is blocked for 1 h" in text(page, "#told"))
        denied = caller.send("/")
        assert denied.status == 429 and 3500 < denied.retry_after <= 3600
        until(lambda: client in page.run("document.getElementById('blocks').textContent"))

        until(lambda: text(page, "#results .unblock"))
        focus_button(page, "Unblock")
        page.press("Enter")
        page.press("Enter")
        until(lambda: "is unblocked" in text(page, "#told"))
        assert caller.send("/").status == 200
        until(lambda: text(page, "#nobody-blocked"))
    acts = [line for line in gate.log().splitlines() if f" client {client}" in line]
    assert len(acts) == 3 and all('"Ada"' in line for line in acts)
    # The name is kept for the next time.
    visit(page, gate)
    assert page.run("document.getElementById('you').value") == "Ada"


def test_a_span_of_ones_own(page, gate):
    with Client(gate.port, address := fresh_address()) as caller:
        client = limited(gate, caller, address)
    until(lambda: row(page, client, "anon"))
    page.run(
        f"[...document.querySelectorAll('#clients > tr')].find(it => it.textContent.includes({client!r})).querySelector('.danger').click()"
    )
    page.run("document.querySelector('#act-for input[value=\"\"]').click()")
    page.type("soon")
    page.press("Enter")
    until(lambda: text(page, "#act-wrong"))
    assert "expected how long" in text(page, "#act-wrong")
    page.run("document.getElementById('span').value = '7d'")
    page.press("Enter")
    until(lambda: "is blocked for 7 d" in text(page, "#told"))
    # What the API has refused the browser tells in its console, too.
    assert [error for error in page.errors if "400" not in error] == []
    page.errors.clear()
    until(lambda: client in page.run("document.getElementById('blocks').textContent"))
    page.run("document.querySelector('#blocks button:last-child').click(); document.getElementById('act-do').click()")
    until(lambda: "is unblocked" in text(page, "#told"))


def test_a_credential_stays_secret(page, gate):
    secret = fresh_token()
    with Client(gate.port) as caller:
        assert caller.statuses(3, "/", token(secret)) == {200: 2, 429: 1}
    page.run("document.querySelector('input[value=credential]').click()")
    assert page.run("(it => [it.type, it.autocomplete])(document.getElementById('sought'))") == ["password", "off"]
    page.run("document.getElementById('sought').focus()")
    page.type(secret)
    page.press("Enter")
    until(lambda: text(page, "#results h3") == "The bearer of this credential")
    assert "2 of 2" in text(page, "#results") and "a success is remembered" in text(page, "#results")
    # Also when it has looked again.
    page.requests.clear()
    until(lambda: page.run("true") and sum("/v1/clients/find" in url for url in page.requests) > 1)
    everywhere = "[location.href, history.length, JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}), document.documentElement.outerHTML, document.getElementById('sought').value].join()"
    assert secret not in page.run(everywhere)
    assert secret not in " ".join(page.requests) and secret not in gate.log()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_readable(browser, gate, width, dark):
    with Client(gate.port, address := fresh_address()) as caller:
        client = limited(gate, caller, address)
    gate.console(f"/v1/clients/{client}/block", {"for": "1m"})
    visit(browser, gate, width, dark=dark)
    until(lambda: row(browser, client, "anon"))
    browser.run("document.querySelector('#clients button').click()")
    browser.run(f"document.getElementById('sought').value = {address!r}; document.querySelector('#search button').click()")
    until(lambda: text(browser, "#results table") and text(browser, "#clients .card"))
    assert browser.run("document.documentElement.scrollWidth") == width, "nothing stands out at the right"
    least, where = browser.run(chromium.LEAST_CONTRAST)
    assert least >= 4.5, where
    browser.run("[...document.querySelectorAll('#results button')].find(it => it.textContent === 'Block').click()")
    inside = browser.run("(it => it.left >= 0 && it.right <= innerWidth)(document.getElementById('act').getBoundingClientRect())")
    assert inside and browser.run("document.documentElement.scrollWidth") == width
    browser.press("Escape")
    # Every control has a name, every column a head.
    nameless = (
        "[...document.querySelectorAll('button, input, select')].filter(it => !(it.textContent.trim()"
        " || it.labels?.length || it.getAttribute('aria-label'))).map(it => it.outerHTML)"
    )
    assert browser.run(nameless) == []
    assert browser.run("[...document.querySelectorAll('th')].filter(it => !it.scope).length") == 0
    assert browser.run("[...document.querySelectorAll('table')].filter(it => !it.caption).length") == 0
    gate.console(f"/v1/clients/{client}/unblock", {})
    assert browser.errors == []


def test_it_says_when_nobody_answers_and_comes_back(page):
    def net(offline: bool) -> None:
        page.call("Network.emulateNetworkConditions", offline=offline, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    net(True)
    until(lambda: "not reachable since" in text(page, "#notice"))
    assert text(page, "#live") == "not reachable" and text(page, ".policy h3") == "tollgate", "what was told last stays"
    net(False)
    until(lambda: text(page, "#live").startswith("live") and not text(page, "#notice"))
    assert all("ERR_INTERNET_DISCONNECTED" in error for error in page.errors)
    page.errors.clear()


def test_redis_is_gone_and_back(browser, tmp_path, open_gate):
    """What it says of a client comes from elsewhere then, and the page tells; an act is refused in words, and can be tried again."""
    with Redis(tmp_path) as redis:
        gate = open_gate(config=shipped.redis([redis.port], POLICY), workers=1)
        until(lambda: gate.console("/v1/policies")[1]["policies"])
        visit(browser, gate)
        assert "counters in Redis" in text(browser, ".policy .meta") and text(browser, "#redis").startswith("All workers use it.")
        redis.kill()
        with Client(gate.port, address := fresh_address()) as caller:
            client = limited(gate, caller, address)
        until(lambda: "without Redis" in text(browser, "#redis"))
        until(lambda: "Redis cannot be reached" in text(browser, "#list-wrong") and row(browser, client, "anon"))
        browser.run(f"document.getElementById('sought').value = {address!r}; document.querySelector('#search button').click()")
        until(lambda: "Redis cannot be reached" in text(browser, "#found-wrong") and client in text(browser, "#results"))
        browser.run("document.querySelector('#results .danger').click(); document.getElementById('act-do').click()")
        until(lambda: "Redis cannot be reached" in text(browser, "#act-wrong"))
        redis.start()
        until(lambda: "All workers use it" in text(browser, "#redis") and not text(browser, "#list-wrong"))
        browser.run("document.getElementById('act-do').click()")
        until(lambda: "is blocked for 15 min" in text(browser, "#told"))
        with Client(gate.port, address) as caller:
            assert caller.send("/").status == 429
        assert all("502" in error for error in browser.errors)


def test_it_asks_for_the_token(browser, open_gate):
    settings = {"tokens": {"ada": {"environment_variable": "CONSOLE_TOKEN"}}}
    gate = open_gate(POLICY, console=settings, environment={"CONSOLE_TOKEN": TOKEN})
    leave(browser)
    browser.see(1280, 900)
    browser.open(address_of(gate))
    until(lambda: browser.run("document.getElementById('door').open"))
    for given, then in [("f" * 32, "This token is not known here."), (TOKEN, "")]:
        assert browser.run("document.activeElement.id") == "token"
        browser.type(given)
        browser.press("Enter")
        until(lambda then=then: text(browser, "#door-wrong") == then and (then or text(browser, ".policy h3")))
    assert not browser.run("document.getElementById('door').open")
    assert browser.run("[JSON.stringify({...localStorage}).includes('0123456789abcdef'), sessionStorage.length]") == [False, 1]
    assert TOKEN not in " ".join(browser.requests)
    # It is still known after a reload.
    browser.open(address_of(gate))
    until(lambda: text(browser, ".policy h3") == "tollgate")
    assert all("401" in error for error in browser.errors)
