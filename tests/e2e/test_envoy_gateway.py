"""`envoy-gateway/`: the configuration that Envoy Gateway makes of these resources, in a real Envoy, with traffic."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.client import Client, fresh_address, fresh_token
from harness.files import Files
from harness.jwt import ISSUER, JWKS, bearer
from harness.kubernetes import EnvoyGateway, another_build, manifests, renamed, with_policy
from harness.patched import as_in_envoy, filled_in, lead_to, redis_cluster
from harness.places import wasm_path
from harness.redis import Redis
from harness.waiting import until

pytestmark = pytest.mark.only("filter", because="envoy-gateway/ ships the filter")


def policy(rate: str, scope: str = "all", **rest) -> dict:
    return {"scopes": {scope: {"rate": rate, "key": "address"}}} | rest


@pytest.fixture(scope="module")
def code() -> Iterator[Files]:
    with Files({"/tollgate.wasm": wasm_path().read_bytes(), "/next.wasm": another_build()}) as files:
        yield files


@pytest.fixture
def gateway(tmp_path, application, code) -> EnvoyGateway:
    return EnvoyGateway(tmp_path, application.port, code.port)


@pytest.fixture
def extension() -> dict:
    [manifest] = manifests("envoy-gateway", "image.yaml")
    return manifest


def statuses(gate, times: int, *headers, address: str | None = None):
    """On a new connection: those that are open may be served by the old configuration to their end."""
    with Client(gate.port, address) as caller:
        return caller.statuses(times, "/", *headers)


def apply(gateway, gate, policies: list[dict], counter: str = "listener_modified") -> None:
    before = gate.stat(f"listener_manager.{counter}")
    gateway.put(policies)
    until(lambda: gate.stat(f"listener_manager.{counter}") > before)
    until(lambda: not gate.stat("listener_manager.total_listeners_warming"))


@pytest.mark.parametrize("file", ["image.yaml", "http.yaml"])
def test_it_is_in_force_as_shipped(file, gateway, open_gate):
    [traffic] = manifests("envoy-gateway", "client-address.yaml")
    gate = open_gate(config=gateway.config(manifests("envoy-gateway", file), traffic))
    with Client(gate.port) as caller:
        assert caller.statuses(61) == {200: 60, 429: 1}
        assert caller.send("/healthz").status == 200
        assert caller.send("/", ("x-forwarded-for", "192.0.2.1")).status == 429


def test_behind_proxies_clients_are_counted(gateway, open_gate, extension):
    """`numTrustedHops: 1` is the last address of the header, the one that the proxy in front has written, and Envoy's 0. What stands
    before it may be forged."""
    [traffic] = manifests("envoy-gateway", "client-address.yaml", with_comments=True)
    gate = open_gate(config=gateway.config([with_policy(extension, policy("2/h"))], traffic))
    proxy = fresh_address()
    for client in ("192.0.2.1", "192.0.2.2"):
        for forged in ("198.51.100.7", "198.51.100.8"):
            found = statuses(gate, 2, ("x-forwarded-for", f"{forged}, {client}"), address=proxy)
            assert found == ({200: 2} if forged == "198.51.100.7" else {429: 2})


def test_two_proxies_in_front(gateway, open_gate, extension):
    [traffic] = manifests("envoy-gateway", "client-address.yaml", with_comments=True)
    traffic["spec"]["clientIPDetection"]["xForwardedFor"]["numTrustedHops"] = 2
    gate = open_gate(config=gateway.config([with_policy(extension, policy("2/h"))], traffic))
    assert statuses(gate, 3, ("x-forwarded-for", "198.51.100.7, 192.0.2.1, 10.0.0.1")) == {200: 2, 429: 1}
    assert statuses(gate, 3, ("x-forwarded-for", "198.51.100.7, 192.0.2.2, 10.0.0.1")) == {200: 2, 429: 1}


def test_escaped_slashes_are_counted_as_shipped(gateway, open_gate, extension):
    """Without client-address.yaml, Envoy redirects by itself."""
    [traffic] = manifests("envoy-gateway", "client-address.yaml")
    for settings, expected in ((traffic, {200: 2, 429: 1}), (None, {307: 3})):
        gate = open_gate(config=gateway.config([with_policy(extension, policy("2/h"))], settings))
        with Client(gate.port) as caller:
            assert caller.statuses(3, "/a%2Fb") == expected


def test_an_update_keeps_the_counters(gateway, open_gate, extension):
    gate = open_gate(config=gateway.config([with_policy(extension, policy("10/h"))]))
    caller = fresh_address()
    assert statuses(gate, 8, address=caller) == {200: 8}
    apply(gateway, gate, [with_policy(extension, policy("12/h"))])
    assert statuses(gate, 6, address=caller) == {200: 4, 429: 2}


def test_another_image_keeps_the_counters(gateway, open_gate, extension):
    gate = open_gate(config=gateway.config([with_policy(extension, policy("10/h"))]))
    caller = fresh_address()
    assert statuses(gate, 8, address=caller) == {200: 8}
    gateway.code = "/next.wasm", another_build()
    apply(gateway, gate, [with_policy(extension, policy("12/h"))])
    assert "next.wasm" in gate.admin("/config_dump")
    assert statuses(gate, 6, address=caller) == {200: 4, 429: 2}


def test_another_name_begins_anew(gateway, open_gate, extension):
    """The `vm_id` is made of namespace, name and place."""
    gate = open_gate(config=gateway.config([with_policy(extension, policy("10/h"))]))
    caller = fresh_address()
    assert statuses(gate, 11, address=caller) == {200: 10, 429: 1}
    apply(gateway, gate, [renamed(with_policy(extension, policy("10/h")), "gate")])
    assert statuses(gate, 11, address=caller) == {200: 10, 429: 1}


def two(extension: dict, store: dict | None = None) -> list[dict]:
    """Two resources, with limits that can be told apart."""
    first = {"rate": "3/h", "key": "address", "match": {"path": "/first"}}
    second = {"rate": "5/h", "key": "address", "match": {"path": "/second"}}
    return [
        with_policy(renamed(extension, "first"), {"scopes": {"one": first}}),
        with_policy(renamed(extension, "second"), {"scopes": {"one": second}} | ({"store": store} if store else {})),
    ]


def test_two_resources_count_apart(gateway, open_gate, extension):
    """Each has a table of its own, and may have another capacity. (While Envoy still fetches the code for the first, it says that the
    second has failed to load, and loads it afterwards.)"""
    gate = open_gate(config=gateway.config(two(extension, {"capacity": 1024})))
    gate.expect_error("failed to load")
    with Client(gate.port) as caller:
        assert caller.statuses(7, "/first") == {200: 3, 429: 4}
        assert caller.statuses(7, "/second") == {200: 5, 429: 2}


def test_a_bad_policy_is_refused_and_the_old_one_serves_on(gateway, open_gate, extension):
    gate = open_gate(config=gateway.config([with_policy(extension, policy("10/h"))]))
    for said in ("scopes.all.rate", "Failed to configure base Wasm plugin", "failed to load"):
        gate.expect_error(said)
    gateway.put([with_policy(extension, policy("10/fortnight"))])
    until(lambda: "scopes.all.rate: `10/fortnight`" in gate.log())
    assert statuses(gate, 11) == {200: 10, 429: 1}


def test_metrics_name_the_filter(gateway, open_gate, extension):
    gate = open_gate(config=gateway.config([extension]))
    assert statuses(gate, 1) == {200: 1}
    told = [line for line in gate.admin("/stats?filter=tollgate.requests_total").splitlines() if line.endswith("allowed: 1")]
    assert told == ["wasmcustom.tollgate.requests_total.policy.tollgate.decision.allowed: 1"]


def test_what_is_refused_from_the_first(gateway, open_gate, extension):
    gate = open_gate(config=gateway.config([with_policy(extension, policy("10/fortnight"))]))
    for said in ("scopes.all.rate", "Failed to configure base Wasm plugin", "failed to load"):
        gate.expect_error(said)
    assert statuses(gate, 2) == {503: 2}


def test_claims_are_counted_under_a_providers_name(gateway, open_gate, extension):
    """Envoy Gateway keeps a token's payload under the name of its provider. Under another than `jwt_payload`, there is no claim."""
    by_claim = with_policy(extension, {"scopes": {"user": {"rate": "3/h", "key": {"jwt_claim": "sub"}}}})
    for name, expected in (("jwt_payload", {200: 3, 429: 1}), ("somebody", {200: 4})):
        provider = {"name": name, "issuer": ISSUER, "localJWKS": {"type": "Inline", "inline": JWKS}}
        security = {"kind": "SecurityPolicy", "spec": {"jwt": {"optional": True, "providers": [provider]}}}
        gate = open_gate(config=gateway.config([by_claim], security=security))
        assert statuses(gate, 4, bearer(sub=fresh_token())) == expected
        assert statuses(gate, 4) == {200: 4}
        assert statuses(gate, 4, bearer(sub=fresh_token(), key=b"another key")) == {401: 4}


# -- with Redis ------------------------------------------------------------------------------------------------------------


_PASSWORD = "of this test"


@pytest.fixture(scope="module")
def redis(tmp_path_factory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis"), password=_PASSWORD) as server:
        yield server


def of_redis(server: Redis) -> tuple[dict, dict, dict]:
    """The resources of redis.yaml, filled in, with this Redis."""
    extension, patch, proxy = filled_in("envoy-gateway", "redis.yaml")
    [one] = patch["spec"]["jsonPatches"]
    lead_to(one["operation"]["value"], server.port)
    return extension, patch, proxy


def test_with_redis_envoys_share_one_limit(tmp_path, application, code, redis, open_gate):
    """As shipped: the cluster is added, the secrets come from the environment, and a new pod forgets nothing."""
    extension, patch, proxy = of_redis(redis)
    variables = proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"]["container"]["env"]
    secrets = {"secret": "a secret of this test, and long enough", "password": _PASSWORD}
    environment = {variable["name"]: secrets[variable["valueFrom"]["secretKeyRef"]["key"]] for variable in variables}

    def pod(name: str, *, patched: bool = True):
        (tmp_path / name).mkdir()
        gateway = EnvoyGateway(tmp_path / name, application.port, code.port)
        config = gateway.config([extension])
        if patched:
            gateway.patch(config, patch)
        return open_gate(config=config, environment=environment)

    caller = fresh_address()
    one, other = pod("one"), pod("other")
    assert statuses(one, 40, address=caller) == {200: 40}
    assert statuses(other, 25, address=caller) == {200: 20, 429: 5}
    assert statuses(pod("new"), 1, address=caller) == {429: 1}
    assert one.stat("cluster.redis.upstream_cx_total") > 0
    # Without the patch, each counts for itself, and says that it is without Redis.
    alone = pod("alone", patched=False)
    assert statuses(alone, 61, address=caller) == {200: 60, 429: 1}
    until(lambda: alone.metric("redis_workers_without") > 0)


def test_without_its_variables_a_pod_refuses_the_policy(gateway, open_gate):
    extension, _, _ = filled_in("envoy-gateway", "redis.yaml")
    gate = open_gate(config=gateway.config([extension]))
    for said in ("is not set: set it where Envoy is started", "Failed to configure base Wasm plugin", "failed to load"):
        gate.expect_error(said)
    assert statuses(gate, 2) == {503: 2}


def test_its_cluster_is_that_of_an_envoy_of_ones_own():
    """But for where the second filter's code comes from, and for Redis' address."""
    _, patch, _ = manifests("envoy-gateway", "redis.yaml", with_comments=True)
    [one] = patch["spec"]["jsonPatches"]
    assert as_in_envoy(one["operation"]["value"]) == redis_cluster()
