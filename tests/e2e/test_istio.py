"""`istio/`: the configuration that Istio makes of these resources, in a real Envoy, with traffic."""

from __future__ import annotations

import re

import pytest
import yaml

from harness.client import Client, fresh_address, fresh_token, token
from harness.jwt import ISSUER, JWKS, bearer
from harness.kubernetes import Istio, another_build, manifests, policies, renamed, with_policy
from harness.patched import as_in_envoy, filled_in, lead_to, redis_cluster
from harness.places import repo_path
from harness.redis import Redis
from harness.waiting import until

pytestmark = pytest.mark.only("filter", because="istio/ ships the filter")


def policy(rate: str, scope: str = "all", **rest) -> dict:
    return {"scopes": {scope: {"rate": rate, "key": "address"}}} | rest


@pytest.fixture
def istio(tmp_path) -> Istio:
    return Istio(tmp_path)


@pytest.fixture
def extension() -> dict:
    [manifest] = manifests("istio", "trafficextension.yaml")
    return manifest


@pytest.fixture
def open_proxy(istio, open_gate, application):
    """→ a function that starts an Envoy with these listeners: of each its settings and its resources"""
    return lambda **listeners: open_gate(config=istio.config(listeners, application.port))


def discovery(gate, manifest: dict, counter: str) -> int:
    """How often this has happened to the filter's configuration, over all listeners."""
    name = f"extension_config_discovery.http_filter.{Istio.name(manifest)}.{counter}"
    found = [line.rpartition(": ") for line in gate.admin("/stats").splitlines() if name in line]
    return sum(int(value) for _, _, value in found)


def apply(istio, gate, manifest: dict, counter: str = "config_reload") -> None:
    """Until Envoy has taken it, in a worker at least, or with `config_fail` has refused it."""
    if counter == "config_fail":
        for said in ("Failed to configure base Wasm plugin", "failed to load"):
            gate.expect_error(said)
    before = discovery(gate, manifest, counter)
    istio.put(manifest)
    until(lambda: discovery(gate, manifest, counter) > before)
    if counter == "config_reload":
        [policy] = policies(manifest)
        [(name, scope)] = policy["scopes"].items()
        until(lambda: f"in force: {name} {scope['rate']}," in gate.log())


def statuses(gate, listener: str, times: int, *headers, address: str | None = None):
    with Client(gate.port_of(listener), address) as caller:
        return caller.statuses(times, "/", *headers)


@pytest.mark.parametrize("file", ["trafficextension.yaml", "wasmplugin.yaml"])
def test_in_a_gateway_it_is_in_force_as_shipped(file, open_proxy):
    gate = open_proxy(ingress=(Istio.GATEWAY, manifests("istio", file)))
    with Client(gate.port_of("ingress")) as caller:
        assert caller.statuses(61) == {200: 60, 429: 1}
        assert caller.send("/healthz").status == 200
        # A gateway trusts no header that it was not told to trust.
        assert caller.send("/", ("x-forwarded-for", "192.0.2.1")).status == 429


def test_behind_a_balancer_the_gateway_counts_clients(open_proxy, extension):
    """`numTrustedProxies: 1`"""
    gate = open_proxy(ingress=(Istio.GATEWAY | {"xff_num_trusted_hops": 1}, [with_policy(extension, policy("2/h"))]))
    balancer = fresh_address()
    for client in ("192.0.2.1", "192.0.2.2"):
        header = "x-forwarded-for", f"198.51.100.7, {client}"
        assert statuses(gate, "ingress", 3, header, address=balancer) == {200: 2, 429: 1}


def test_in_a_sidecar_credentials_are_counted(open_proxy):
    gate = open_proxy(inbound=(Istio.SIDECAR, manifests("istio", "sidecar.yaml")))
    assert statuses(gate, "inbound", 601, token(fresh_token()))[429] == 1
    assert statuses(gate, "inbound", 700) == {200: 700}  # no credential: only the ceiling


def test_in_a_sidecar_an_address_is_what_the_header_says(open_proxy, extension):
    """So that a limit for each address holds nobody there who writes the header himself."""
    gate = open_proxy(inbound=(Istio.SIDECAR, [with_policy(extension, policy("2/h"))]))
    peer = fresh_address()
    for number in range(3):
        assert statuses(gate, "inbound", 3, ("x-forwarded-for", f"192.0.2.{number}"), address=peer) == {200: 2, 429: 1}
    assert statuses(gate, "inbound", 3, address=peer) == {200: 2, 429: 1}


def test_two_resources_meet_in_one_table(open_proxy, extension):
    """There is no `vm_id`. Where both have a scope of one name and one window, that is one counter: a request that passes both is
    charged twice. Scopes with names of their own do not meet."""
    public = with_policy(renamed(extension, "public"), policy("10/h"))
    inner = with_policy(renamed(extension, "inner"), policy("10/h"))
    other = with_policy(renamed(extension, "other"), policy("10/h", scope="other"))
    gate = open_proxy(
        both=(Istio.GATEWAY, [public, inner]),
        here=(Istio.GATEWAY, [public]),
        there=(Istio.GATEWAY, [inner]),
        apart=(Istio.GATEWAY, [public, other]),
    )
    assert statuses(gate, "both", 7) == {200: 5, 429: 2}
    assert statuses(gate, "apart", 12) == {200: 10, 429: 2}
    caller = fresh_address()
    assert statuses(gate, "here", 6, address=caller) == {200: 6}
    assert statuses(gate, "there", 6, address=caller) == {200: 4, 429: 2}


def test_two_resources_have_one_capacity(open_proxy, istio, extension):
    """With another one an update is refused, and what was in force serves on."""
    first = with_policy(renamed(extension, "first"), policy("10/h"))
    second = with_policy(renamed(extension, "second"), policy("11/h", scope="other"))
    gate = open_proxy(one=(Istio.GATEWAY, [first]), two=(Istio.GATEWAY, [second]))
    gate.expect_error("store.capacity")
    apply(istio, gate, with_policy(second, policy("12/h", scope="other", store={"capacity": 1024})), "config_fail")
    assert "filters with one vm_id share their counters and need the same capacity" in gate.log()
    assert statuses(gate, "one", 11) == {200: 10, 429: 1}
    assert statuses(gate, "two", 12) == {200: 11, 429: 1}  # what it had before


def test_a_name_gives_each_resource_a_table_of_its_own(open_proxy, extension):
    """With a capacity of its own, too. Resources with one name meet."""
    def of_table(name: str, capacity: int) -> dict:
        return policy("10/h", store={"name": name, "capacity": capacity})

    public = with_policy(renamed(extension, "public"), of_table("public", 1024))
    inner = with_policy(renamed(extension, "inner"), of_table("inner", 4096))
    also_inner = with_policy(renamed(extension, "also-inner"), of_table("inner", 4096))
    nameless = with_policy(renamed(extension, "nameless"), policy("10/h"))
    gate = open_proxy(
        both=(Istio.GATEWAY, [public, inner, nameless]),
        here=(Istio.GATEWAY, [public]),
        there=(Istio.GATEWAY, [inner]),
        too=(Istio.GATEWAY, [also_inner]),
    )
    assert statuses(gate, "both", 12) == {200: 10, 429: 2}  # each has charged it once
    caller = fresh_address()
    assert statuses(gate, "here", 11, address=caller) == {200: 10, 429: 1}
    assert statuses(gate, "there", 7, address=caller) == {200: 7}
    assert statuses(gate, "too", 4, address=caller) == {200: 3, 429: 1}


def test_an_update_keeps_the_counters(open_proxy, istio, extension):
    first = with_policy(extension, policy("10/h"))
    gate = open_proxy(ingress=(Istio.GATEWAY, [first]))
    caller = fresh_address()
    assert statuses(gate, "ingress", 8, address=caller) == {200: 8}
    apply(istio, gate, with_policy(extension, policy("12/h")))
    assert statuses(gate, "ingress", 6, address=caller) == {200: 4, 429: 2}


def test_another_image_keeps_the_counters(open_proxy, istio, extension, tmp_path):
    gate = open_proxy(ingress=(Istio.GATEWAY, [with_policy(extension, policy("10/h"))]))
    caller = fresh_address()
    assert statuses(gate, "ingress", 8, address=caller) == {200: 8}
    istio.code = tmp_path / "next.wasm"
    istio.code.write_bytes(another_build())
    apply(istio, gate, with_policy(extension, policy("12/h")))
    assert "next.wasm" in gate.admin("/config_dump?include_eds")
    assert statuses(gate, "ingress", 6, address=caller) == {200: 4, 429: 2}


def test_a_bad_policy_is_refused_and_the_old_one_serves_on(open_proxy, istio, extension):
    gate = open_proxy(ingress=(Istio.GATEWAY, [with_policy(extension, policy("10/h"))]))
    gate.expect_error("scopes.all.rate")
    apply(istio, gate, with_policy(extension, policy("10/fortnight")), "config_fail")
    assert "scopes.all.rate: `10/fortnight`" in gate.log()
    assert statuses(gate, "ingress", 11) == {200: 10, 429: 1}


def test_what_is_refused_from_the_first_answers_500(open_proxy, istio, extension):
    """There is nothing that could serve on: with a bad policy, or another capacity than the first resource's. Envoy says 500, and lets
    nobody by."""
    first = with_policy(renamed(extension, "first"), policy("10/h"))
    bad = with_policy(renamed(extension, "bad"), policy("10/fortnight"))
    gate = open_proxy(one=(Istio.GATEWAY, [first]), two=(Istio.GATEWAY, [bad]))
    for said in ("scopes.all.rate", "Failed to configure base Wasm plugin", "failed to load"):
        gate.expect_error(said)
    assert statuses(gate, "two", 2) == {500: 2}
    assert statuses(gate, "one", 11) == {200: 10, 429: 1}
    gate.expect_error("store.capacity")
    apply(istio, gate, with_policy(bad, policy("11/h", scope="other", store={"capacity": 1024})), "config_fail")
    assert statuses(gate, "two", 2) == {500: 2}
    apply(istio, gate, with_policy(bad, policy("11/h", scope="other")))
    assert statuses(gate, "two", 12) == {200: 11, 429: 1}


def test_another_name_keeps_the_counters(open_proxy, extension):
    """The resource may be renamed, and a WasmPlugin become a TrafficExtension: as long as one of the two is in force at any time."""
    [plugin] = manifests("istio", "wasmplugin.yaml")
    rate = policy("10/h")
    gate = open_proxy(
        old=(Istio.GATEWAY, [with_policy(plugin, rate)]), new=(Istio.GATEWAY, [with_policy(renamed(extension, "gate"), rate)])
    )
    caller = fresh_address()
    assert statuses(gate, "old", 7, address=caller) == {200: 7}
    assert statuses(gate, "new", 4, address=caller) == {200: 3, 429: 1}


def test_metrics_name_the_resource(open_proxy, extension):
    gate = open_proxy(ingress=(Istio.GATEWAY, [extension]))
    assert statuses(gate, "ingress", 1) == {200: 1}
    told = [line for line in gate.admin("/stats?filter=tollgate.requests_total").splitlines() if line.endswith("allowed: 1")]
    assert told == ["wasmcustom.tollgate.requests_total.policy.istio-ingress_tollgate.decision.allowed: 1"]


def test_prometheus_can_make_labels(open_proxy, extension):
    """Istio's bootstrap has no `stats_tags` for them. The rules are those of docs/istio.md."""
    gate = open_proxy(ingress=(Istio.GATEWAY, [extension]))
    assert statuses(gate, "ingress", 61) == {200: 60, 429: 1}
    # Gauges are set when the policy is in force, a second after Envoy has it.
    until(lambda: "tollgate_store_capacity" in gate.admin("/stats/prometheus"))
    blocks = repo_path("docs", "istio.md").read_text().split("```")
    [rules] = [yaml.safe_load(block.removeprefix("yaml")) for block in blocks if "metric_relabel_configs" in block]
    told = {}
    for line in gate.admin("/stats/prometheus").splitlines():
        if line.startswith("tollgate_"):
            name, _, value = line.rpartition(" ")
            told[relabelled(name.removesuffix("{}"), rules["metric_relabel_configs"])] = value
    policy = "policy", "istio_ingress_tollgate"
    assert told["tollgate_requests_total", policy, ("decision", "denied")] == "1"
    assert told["tollgate_scope_requests_total", policy, ("scope", "anon"), ("decision", "denied")] == "1"
    assert told["tollgate_scope_requests_total", policy, ("scope", "address"), ("decision", "allowed")] == "60"
    assert told["tollgate_credentials_proved_total", policy] == "0"
    assert ("tollgate_store_capacity",) in told
    named = relabelled("tollgate_store_clients_store_inner-1", rules["metric_relabel_configs"])
    assert named == ("tollgate_store_clients", ("store", "inner-1"))


def relabelled(name: str, rules: list[dict]) -> tuple:
    """As Prometheus does it: a rule holds where its expression fits the whole."""
    labels = {"__name__": name}
    for rule in rules:
        if found := re.fullmatch(rule["regex"], labels["__name__"]):
            labels[rule["target_label"]] = found[1]
    return labels.pop("__name__"), *labels.items()


# -- claims of tokens ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shown() -> list[dict]:
    """What docs/istio.md shows: the RequestAuthentication, with the key of these tests where istiod puts what it has fetched, and the
    policy."""
    blocks = [block.partition("```")[0] for block in repo_path("docs", "istio.md").read_text().split("```yaml\n")[1:]]
    [authentication] = [yaml.safe_load(block) for block in blocks if "RequestAuthentication" in block]
    [plugin] = [yaml.safe_load(block)["pluginConfig"] for block in blocks if "jwt_claim: sub" in block]
    for rule in authentication["spec"]["jwtRules"]:
        del rule["jwksUri"]
        rule |= {"issuer": ISSUER, "jwks": JWKS}
    return [authentication, plugin]


@pytest.mark.parametrize("place", [Istio.GATEWAY, Istio.SIDECAR], ids=["gateway", "sidecar or waypoint"])
def test_claims_of_verified_tokens_are_counted(place, open_proxy, extension, shown):
    """As the page shows it, with 3 in the place of 300."""
    authentication, plugin = shown
    plugin["scopes"]["user"]["rate"] = "3/min"
    gate = open_proxy(ingress=(place, [with_policy(extension, plugin), authentication]))
    one, other = fresh_token(), fresh_token()
    # All tokens of a user, from wherever they come, and nobody else's.
    assert [statuses(gate, "ingress", 1, bearer(sub=one)) for _ in range(4)] == [{200: 1}] * 3 + [{429: 1}]
    assert statuses(gate, "ingress", 4, bearer(sub=other)) == {200: 3, 429: 1}
    # Without a token, or with one that says nothing: the address. Istio itself answers a bad one.
    caller = fresh_address()
    assert statuses(gate, "ingress", 2, address=caller) == {200: 2}
    assert statuses(gate, "ingress", 2, bearer(), address=caller) == {200: 1, 429: 1}
    assert statuses(gate, "ingress", 4, bearer(sub=one, key=b"another key")) == {401: 4}
    assert statuses(gate, "ingress", 1, ("payload", one), ("x-jwt-payload", one), address=caller) == {429: 1}


def test_istio_takes_the_token_out(open_proxy, extension, shown, application):
    """So that no credential is there, unless `forwardOriginalToken` is set: to a policy by credential, everybody is anonymous."""
    by_credential = {
        "client": {"credential": {"from": [{"header": "authorization", "schemes": ["Bearer"]}], "proof": {"path": "/**"}}},
        "scopes": {"anon": {"rate": "2/h", "match": {"client": "anonymous"}, "key": "address"}},
    }
    authentication, _ = shown
    kept = yaml.safe_load(yaml.safe_dump(authentication))
    kept["spec"]["jwtRules"][0]["forwardOriginalToken"] = True
    gate = open_proxy(
        taken=(Istio.GATEWAY, [with_policy(extension, by_credential), authentication]),
        kept=(Istio.GATEWAY, [with_policy(renamed(extension, "kept"), by_credential), kept]),
    )
    one = bearer(sub=fresh_token())
    assert statuses(gate, "taken", 4, one) == {200: 2, 429: 2}
    assert statuses(gate, "kept", 4, one) == {200: 4}


def test_before_authentication_there_is_no_claim(open_proxy, extension, shown):
    authentication, plugin = shown
    plugin["scopes"]["user"] = {"rate": "3/min", "key": {"jwt_claim": "sub"}}
    early = with_policy(extension, plugin)
    early["spec"]["phase"] = "AUTHN"
    gate = open_proxy(ingress=(Istio.GATEWAY, [authentication, early]))
    assert statuses(gate, "ingress", 5, bearer(sub=fresh_token())) == {200: 5}


def test_one_name_at_two_issuers(open_proxy, extension, shown):
    """Both payloads have one name, and a `sub` is unique for its issuer only: count both, as the page says."""
    authentication, _ = shown
    [rule] = authentication["spec"]["jwtRules"]
    authentication["spec"]["jwtRules"] = [rule, rule | {"issuer": "https://other.test"}]
    both = {"all": [{"jwt_claim": "iss"}, {"jwt_claim": "sub"}]}
    plugin = with_policy(extension, {"scopes": {"user": {"rate": "3/h", "key": both}}})
    gate = open_proxy(ingress=(Istio.GATEWAY, [authentication, plugin]))
    sub = fresh_token()
    assert statuses(gate, "ingress", 4, bearer(sub=sub)) == {200: 3, 429: 1}
    assert statuses(gate, "ingress", 4, bearer(sub=sub, iss="https://other.test")) == {200: 3, 429: 1}


# -- with Redis ------------------------------------------------------------------------------------------------------------


def test_with_redis_pods_share_one_limit(tmp_path, application, open_gate):
    """As shipped: the cluster is added, the secrets come from the environment, and a new pod forgets nothing."""
    extension, envoy_filter, config_map = filled_in("istio", "redis.yaml")
    [patch] = envoy_filter["spec"]["configPatches"]
    overlay = yaml.safe_load(config_map["data"]["deployment"])
    [container] = overlay["spec"]["template"]["spec"]["containers"]
    secrets = {"secret": "a secret of this test, and long enough", "password": "of this test"}
    environment = {variable["name"]: secrets[variable["valueFrom"]["secretKeyRef"]["key"]] for variable in container["env"]}
    (tmp_path / "redis").mkdir()
    with Redis(tmp_path / "redis", password=secrets["password"]) as redis:
        lead_to(patch["patch"]["value"], redis.port)

        def pod(name: str, *, patched: bool = True):
            (tmp_path / name).mkdir()
            istio = Istio(tmp_path / name)
            config = istio.config({"ingress": (Istio.GATEWAY, [extension])}, application.port)
            if patched:
                istio.patch(config, envoy_filter)
            return open_gate(config=config, environment=environment)

        caller = fresh_address()
        one, other = pod("one"), pod("other")
        assert statuses(one, "ingress", 40, address=caller) == {200: 40}
        assert statuses(other, "ingress", 25, address=caller) == {200: 20, 429: 5}
        assert statuses(pod("new"), "ingress", 1, address=caller) == {429: 1}
        assert one.stat("cluster.tollgate-redis.upstream_cx_total") > 0
        # Without the patch, each counts for itself, and says that it is without Redis.
        alone = pod("alone", patched=False)
        assert statuses(alone, "ingress", 61, address=caller) == {200: 60, 429: 1}
        until(lambda: alone.stat("wasmcustom.tollgate.redis_workers_without") > 0)


def test_without_its_variables_a_pod_refuses_the_policy(istio, application, open_gate):
    """And answers 500, since there is none that could serve on."""
    extension, _, _ = filled_in("istio", "redis.yaml")
    gate = open_gate(config=istio.config({"ingress": (Istio.GATEWAY, [extension])}, application.port))
    for said in ("is not set: set it where Envoy is started", "Failed to configure base Wasm plugin", "failed to load"):
        gate.expect_error(said)
    assert statuses(gate, "ingress", 2) == {500: 2}


def test_its_cluster_is_that_of_an_envoy_of_ones_own():
    """But for where the second filter's code comes from, and for its name and Redis' address."""
    _, envoy_filter, _ = manifests("istio", "redis.yaml", with_comments=True)
    [one] = envoy_filter["spec"]["configPatches"]
    assert as_in_envoy(one["patch"]["value"]) == redis_cluster()
