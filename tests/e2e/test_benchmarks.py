"""The policies that benchmarks and the training of a profile use: no test runs those, but each policy is one that the gate takes."""

from __future__ import annotations

import importlib
import json
import subprocess

import pytest

from harness.places import cli_path, repo_path

pytestmark = pytest.mark.neither


def _policies() -> dict[str, dict]:
    def bench(name: str):
        return importlib.import_module(f"bench.{name}")

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repo_path())
        trained = {f"train: {name}": policy for name, policy in bench("train").policies(6379).items()}
        return trained | {
            "redis": bench("redis")._POLICY,
            "trusting": bench("contenders").TRUSTING,
            "redirects": bench("contenders")._redirects_count(),
            "contention": bench("contention").policy(),
            "memory": bench("memory").policy(65_536),
            "hostile": bench("hostile").POLICY,
            "peers": bench("peers.in_envoy").policy(60),
        }


_POLICIES = _policies()


@pytest.mark.parametrize("name", _POLICIES)
def test_it_is_taken(name):
    command = [cli_path(), "check", "--quiet", "-"]
    checked = subprocess.run(command, input=json.dumps(_POLICIES[name]), capture_output=True, text=True, timeout=60)
    # 1 is a trap, which a benchmark may set; 2 is a refusal.
    assert checked.returncode in (0, 1), checked.stdout + checked.stderr
