"""The module in Envoy Gateway: the configuration that it makes of what docs/native.md shows, in a real Envoy, with traffic."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
import yaml

from harness.client import Client, fresh_address
from harness.files import Files
from harness.kubernetes import EnvoyGateway, manifests
from harness.places import module_path, repo_path
from harness.redis import Redis

pytestmark = pytest.mark.only("module", because="it is about the module")


@pytest.fixture
def shown() -> tuple[dict, dict]:
    """The EnvoyProxy and the EnvoyExtensionPolicy of the page."""
    blocks = [block.partition("```")[0] for block in repo_path("docs", "native.md").read_text().split("```yaml\n")[1:]]
    [both] = [block for block in blocks if "kind: EnvoyProxy" in block]
    proxy, extension = yaml.safe_load_all(both)
    extension["metadata"].setdefault("namespace", "default")
    return proxy, extension


@pytest.fixture(scope="module")
def code() -> Iterator[Files]:
    with Files({"/libtollgate.so": module_path().read_bytes()}) as files:
        yield files


def local(proxy: dict) -> dict[str, dict]:
    """What Envoy Gateway makes of the list of modules, with this build in the place of the file."""
    [entry] = proxy["spec"]["dynamicModules"]
    assert entry["source"]["type"] == "Local" and entry["source"]["local"]["path"].endswith("/libtollgate.so")
    source = {"local": {"filename": str(module_path())}}
    return {entry["name"]: {"do_not_close": entry["doNotClose"], "module": source}}


def remote(code: Files, file: str, digest: str) -> dict[str, dict]:
    """`source: { type: Remote, remote: { url: …, sha256: … } }`; the cluster is that of the filter's code here."""
    uri = {"uri": f"http://127.0.0.1:{code.port}/{file}", "cluster": "wasm_cluster", "timeout": "10s"}
    return {"tollgate": {"do_not_close": True, "module": {"remote": {"http_uri": uri, "sha256": digest}}}}


def statuses(gate, times: int, *, address: str | None = None):
    with Client(gate.port, address) as caller:
        return caller.statuses(times)


@pytest.mark.parametrize("source", ["local", "remote"])
def test_it_is_in_force_as_shown(source, shown, code, tmp_path, application, open_gate):
    proxy, extension = shown
    gateway = EnvoyGateway(tmp_path, application.port, code.port)
    digest = hashlib.sha256(module_path().read_bytes()).hexdigest()
    gateway.modules = local(proxy) if source == "local" else remote(code, "libtollgate.so", digest)
    # Envoy keeps what it has fetched in the temporary folder.
    gate = open_gate(config=gateway.config([extension]), environment={"TMPDIR": str(tmp_path)})
    assert statuses(gate, 61) == {200: 60, 429: 1}
    assert [*tmp_path.glob("envoy_dynamic_module_*.so")] == ([] if source == "local" else [tmp_path / f"envoy_dynamic_module_{digest}.so"])


def test_what_cannot_be_fetched_limits_nothing(shown, code, tmp_path, application, open_gate):
    """Envoy goes on without it."""
    _, extension = shown
    gateway = EnvoyGateway(tmp_path, application.port, code.port)
    gateway.modules = remote(code, "missing.so", hashlib.sha256(b"nowhere").hexdigest())
    gate = open_gate(config=gateway.config([extension]), environment={"TMPDIR": str(tmp_path)})
    gate.expect_error("module will not be loaded")
    assert statuses(gate, 61) == {200: 61}


def test_it_has_redis_within_it(shown, code, tmp_path, application, open_gate):
    """No cluster, no patch, no second filter: the policy of redis.yaml, with a `url`."""
    proxy, extension = shown
    filter_in_wasm, *_ = manifests("envoy-gateway", "redis.yaml")
    [wasm] = filter_in_wasm["spec"]["wasm"]
    [module] = extension["spec"]["dynamicModule"]
    module["config"] = wasm["config"]
    environment = {"TOLLGATE_SECRET": "a secret of this test, and long enough", "TOLLGATE_REDIS_PASSWORD": "of this test"}
    (tmp_path / "redis").mkdir()
    with Redis(tmp_path / "redis", password=environment["TOLLGATE_REDIS_PASSWORD"]) as redis:
        module["config"]["store"]["redis"]["url"] = f"redis://127.0.0.1:{redis.port}"

        def pod(name: str):
            (tmp_path / name).mkdir()
            gateway = EnvoyGateway(tmp_path / name, application.port, code.port)
            gateway.modules = local(proxy)
            return open_gate(config=gateway.config([extension]), environment=environment)

        caller = fresh_address()
        one, other = pod("one"), pod("other")
        assert statuses(one, 40, address=caller) == {200: 40}
        assert statuses(other, 25, address=caller) == {200: 20, 429: 5}
        assert statuses(pod("new"), 1, address=caller) == {429: 1}
