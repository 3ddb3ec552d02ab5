"""In which order filters stand, and what Envoy itself answers before any of them: docs/envoy.md, on a real Envoy."""

from __future__ import annotations

import pytest
import yaml

from harness.client import Client, Connection, Header, encode, fresh_address, fresh_token, token
from harness.layouts import layout
from harness.places import repo_path

QUOTA = 3
POLICY = {"scopes": {"all": {"rate": f"{QUOTA}/h", "key": "address"}}}
TYPES = "type.googleapis.com/envoy.extensions"
CORS = {"name": "cors", "typed_config": {"@type": f"{TYPES}.filters.http.cors.v3.Cors"}}
CORS_POLICY = {
    "cors": {
        "@type": f"{TYPES}.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": "http://shop.test"}],
        "allow_methods": "GET",
    }
}
ORIGIN: Header = ("origin", "http://shop.test")
PREFLIGHT: list[Header] = [ORIGIN, ("access-control-request-method", "GET")]


@pytest.fixture
def start(open_gate, application):
    """→ a function that starts a gate whose connection manager has these settings besides."""

    def started(settings: dict | None = None, **options):
        config = layout(POLICY, upstream_port=application.port, **options)
        [chain] = config["static_resources"]["listeners"][0]["filter_chains"]
        chain["filters"][0]["typed_config"] |= settings or {}
        return open_gate(config=config)

    return started


def test_cors_stands_before(start):
    """It answers preflights, which cost nothing then; and a script can read that it is denied."""
    with Client(start(before=[CORS], route_filters=CORS_POLICY).port) as caller:
        assert caller.statuses(QUOTA + 2, "/", *PREFLIGHT, method="OPTIONS") == {200: QUOTA + 2}
        assert caller.statuses(QUOTA, "/", ORIGIN) == {200: QUOTA}
        denied = caller.send("/", ORIGIN)
    assert denied.status == 429
    assert denied.headers["access-control-allow-origin"] == "http://shop.test"


def test_cors_behind_does_neither(start):
    with Client(start(after=[CORS], route_filters=CORS_POLICY).port) as caller:
        assert caller.statuses(QUOTA + 1, "/", *PREFLIGHT, method="OPTIONS") == {200: QUOTA, 429: 1}
        assert caller.send("/", ORIGIN).headers["access-control-allow-origin"] is None


@pytest.mark.parametrize(("proxied", "expected"), [(False, [100, 429]), (True, [429])])
def test_who_expects_100_is_denied_before_it_sends_its_body(start, proxied, expected):
    """If `proxy_100_continue` is set. Else Envoy asks for the body by itself, before any filter has seen the request."""
    gate = start({"proxy_100_continue": proxied})
    address = fresh_address()
    with Client(gate.port, address) as caller:
        assert caller.statuses(QUOTA) == {200: QUOTA}
    connection = Connection(gate.port, source=address)
    connection.send(encode("/", "POST", [("expect", "100-continue"), ("content-length", "5")]))
    lines = []
    while not lines or lines[-1] < 200:
        lines.append(int(connection.head().split(" ")[1]))
    connection.close()
    assert lines == expected


@pytest.mark.parametrize("proxied", [False, True])
def test_a_hundred_is_no_answer(start, application, proxied):
    """Of an allowed request: it costs one, whatever is answered first."""
    gate = start({"proxy_100_continue": proxied})
    with Client(gate.port) as caller:
        for _ in range(QUOTA):
            connection = Connection(gate.port, source=caller.address)
            connection.send(encode("/", "POST", [("expect", "100-continue"), ("content-length", "5")]))
            if not proxied:
                assert connection.head().split(" ")[1] == "100"
            connection.send(b"hello")
            assert connection.reply("POST").status == 200
            connection.close()
        assert caller.send().status == 429


@pytest.mark.parametrize(("action", "status"), [("UNESCAPE_AND_REDIRECT", 307), ("REJECT_REQUEST", 400)])
def test_what_envoy_answers_itself_is_not_counted(start, action, status):
    gate = start({"normalize_path": True, "path_with_escaped_slashes_action": action})
    with Client(gate.port) as caller:
        assert caller.statuses(QUOTA + 2, "/a%2Fb") == {status: QUOTA + 2}
        assert caller.statuses(QUOTA + 1) == {200: QUOTA, 429: 1}


def test_http_1_0_is_taken_if_envoy_is_told(start):
    """Health checks of some balancers speak it; without this they are answered 426."""
    gate = start({"http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "health.test"}})
    connection = Connection(gate.port)
    connection.send(b"OPTIONS / HTTP/1.0\r\n\r\n")
    assert connection.reply("OPTIONS").status == 200
    connection.close()


# -- addresses with a port ---------------------------------------------------------------------------------------------

FORMS = ["{ip}:4711", "{ip}", "203.0.113.77, {ip}:4711", "203.0.113.77:80,{ip}:1", "[2001:db8::{n}]:4711", "[2001:db8::{n}]", "2001:db8::{n}"]


def documented() -> dict:
    """The settings that docs/envoy.md shows."""
    [block] = [block for block in repo_path("docs", "envoy.md").read_text().split("```yaml\n")[1:] if "early_header" in block]
    return yaml.safe_load(block.partition("```")[0])


def test_a_port_in_x_forwarded_for_is_cut_off(start):
    gate = start(documented())
    with Client(gate.port) as proxy:
        for n, form in enumerate(FORMS, 1):
            policy_client = ("x-forwarded-for", form.format(ip=f"198.51.100.{n}", n=f"{n}:0:0:0:1"))
            assert proxy.statuses(QUOTA + 1, "/", policy_client) == {200: QUOTA, 429: 1}, form


def test_what_is_no_address_is_left_alone(start):
    """Then the client is the proxy, as without the settings."""
    gate = start(documented())
    with Client(gate.port) as proxy:
        assert [proxy.send("/", ("x-forwarded-for", f"garbage:{n}")).status for n in range(QUOTA + 1)] == [200] * QUOTA + [429]
        assert proxy.send("/", token(fresh_token())).status == 429
