"""A claim is the same client to the filter and to the module: so counters in Redis stay where one takes the other's place."""

from __future__ import annotations

import pytest
from test_jwt import bearer, verifying

from harness import shipped
from harness.client import Client

POLICY = {"scopes": {"all": {"rate": "100/h", "key": {"jwt_claim": "claim"}}}}

# What there is in Redis after a request with this claim, under the tests' own secret.
KEYS = {
    "a text": ("alice", ["tollgate:v2:4d726f846fccf7b6326976e3b18aedaa"]),
    "a number": (7.5, ["tollgate:v2:66b9ad46b798e76526ee129f6fe965f2"]),
    "a number with many digits": (123456789.12345679, ["tollgate:v2:30646a5e47c6fd798c1a8201519a4042"]),
    "a truth value": (True, ["tollgate:v2:de0933761abd1e48d6751f7e1b3247c6"]),
    "a list of texts": (["a", "b"], ["tollgate:v2:e46e0f93b20261284c67c100096637e5"]),
    "a list of numbers": ([1, 0.1, 1e21], ["tollgate:v2:ff0da6d2bb2830f76e49d898657acc29"]),
    "a list of truth values": ([True, False], ["tollgate:v2:3d38668fc5c70a9942686aa99f3f3e7c"]),
    "a list of lists": ([["a"], ["b"]], ["tollgate:v2:c5d3875cb3be0d29abe6e8e0db6c9b39"]),
    "an empty list": ([], ["tollgate:v2:2b62e6faca01635adf76bf6422e11e7a"]),
    "a list of nothing": ([None], []),
    "something with a name": ({"name": [1, "b"]}, ["tollgate:v2:bdc812512834b7679d422120ba3e66d9"]),
}


@pytest.fixture(scope="module")
def gate(redis, open_shared_gate):
    config = shipped.redis([redis.port], POLICY, timeout="5s")
    filters = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    filters[:0] = verifying(required=True)
    return open_shared_gate(config=config)


@pytest.mark.parametrize(("claim", "keys"), KEYS.values(), ids=KEYS.keys())
def test_a_claim_is_one_client_to_both(gate, redis, claim, keys):
    redis.command("FLUSHALL")
    with Client(gate.port) as caller:
        assert caller.send("/", bearer(claim=claim)).status == 200
    assert redis.keys() == keys
