"""A Redis Cluster: with a hash tag for a prefix all keys have one slot, and the node whose it is is found; and a master that becomes
a replica."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from harness import ports, shipped
from harness.client import Client, fresh_token, token
from harness.redis import Redis, Sentinel
from harness.waiting import until

POLICY = {
    "client": {"credential": {"trust": "any"}},
    "scopes": {
        "own": {"rate": "20/h", "key": "credential"},
        "everyone": {"rate": "100000/h", "key": "global"},
    },
}
PREFIX = "{tollgate}:"
_NODE_TIMEOUT = "2000"  # milliseconds; after it a node that does not answer is taken for dead


class Node(Redis):
    """A node of a cluster."""

    def __init__(self, directory) -> None:
        self.bus = ports.reserve()
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(self.bus), "--cluster-node-timeout", _NODE_TIMEOUT]
        super().__init__(directory, *cluster)

    @property
    def name(self) -> str:
        return self.command("CLUSTER", "MYID")

    def meet(self, other: Node) -> None:
        self.command("CLUSTER", "MEET", "127.0.0.1", str(other.port), str(other.bus))

    def is_well(self) -> bool:
        return "cluster_state:ok" in self.command("CLUSTER", "INFO")


@pytest.fixture
def nodes(tmp_path_factory):
    """Three masters, and a replica of the one whose slot it is."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(Node(tmp_path_factory.mktemp("node"))) for _ in range(4)]
        for node, slots in zip(nodes, (("0", "5460"), ("5461", "10922"), ("10923", "16383")), strict=False):
            node.command("CLUSTER", "ADDSLOTSRANGE", *slots)
        for node in nodes[1:]:
            nodes[0].meet(node)
        until(lambda: all(node.is_well() for node in nodes))
        slot = nodes[0].command("CLUSTER", "KEYSLOT", PREFIX)
        owner = slot // 5461
        nodes[0], nodes[owner] = nodes[owner], nodes[0]
        replica = nodes[3]

        until(lambda: nodes[0].name in replica.command("CLUSTER", "NODES"))
        replica.command("CLUSTER", "REPLICATE", nodes[0].name)
        until(lambda: "master_link_status:up" in replica.command("INFO", "replication"))
        yield nodes


def count(gate, credential) -> int:
    """How many of 25 requests are admitted."""
    with Client(gate.port) as caller:
        return caller.statuses(25, "/", credential)[200]


def is_asked(gate) -> bool:
    """Whether Redis decides about a request. Nobody else may call meanwhile."""

    def failures() -> int:
        lines = gate.admin("/stats?filter=redis.failures").splitlines()
        return sum(int(line.rpartition(": ")[2]) for line in lines)

    before = failures()
    with Client(gate.port) as caller:
        assert caller.send("/", token(fresh_token())).status == 200
    return failures() == before


def test_the_slot_is_followed(nodes, open_gate):
    owner, other, _, replica = nodes
    ports = [node.port for node in nodes]
    config = shipped.redis(ports, POLICY, prefix=PREFIX, timeout="2s", with_cluster=True)
    gate, second = (open_gate(config=config, workers=1) for _ in range(2))
    until(lambda: is_asked(gate) and is_asked(second))
    credential = token(fresh_token())
    assert count(gate, credential) == 20
    assert count(second, credential) == 0, "one counter for both"
    assert all(key.startswith(PREFIX) for key in owner.keys()) and other.keys() == []

    # The slot moves to another node, with what is in it.
    slot = str(owner.command("CLUSTER", "KEYSLOT", PREFIX))
    other.command("CLUSTER", "SETSLOT", slot, "IMPORTING", owner.name)
    owner.command("CLUSTER", "SETSLOT", slot, "MIGRATING", other.name)
    for key in owner.keys():
        owner.command("MIGRATE", "127.0.0.1", str(other.port), key, "0", "5000")
    for node in (other, owner):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", other.name)
    until(lambda: is_asked(gate) and is_asked(second))
    assert gate.metric("redis_failures_total.cause.cluster") > 0
    assert count(second, credential) == 0, "it was not forgotten on the way"
    assert count(second, token(fresh_token())) == 20

    # And back; then the node dies, and its replica takes over.
    owner.command("CLUSTER", "SETSLOT", slot, "IMPORTING", other.name)
    other.command("CLUSTER", "SETSLOT", slot, "MIGRATING", owner.name)
    for key in other.keys():
        other.command("MIGRATE", "127.0.0.1", str(owner.port), key, "0", "5000")
    for node in (owner, other):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", owner.name)
    until(lambda: len(replica.keys()) == len(owner.keys()) > 0)
    owner.kill()
    until(lambda: is_asked(gate) and is_asked(second))
    assert count(second, credential) == 0, "the replica knows"
    assert "role:master" in replica.command("INFO", "replication")
    owner.start()
    until(lambda: is_asked(gate) and is_asked(second))


def test_without_a_hash_tag_most_is_decided_without_redis(nodes, open_gate):
    """The keys of one request then have different slots."""
    gate = open_gate(config=shipped.redis([nodes[0].port], POLICY, prefix="tollgate:", timeout="2s"), workers=1)
    assert count(gate, token(fresh_token())) == 20, "by this Envoy's own counters"
    assert gate.metric("redis_failures_total.cause.cluster") > 0


@pytest.mark.only("module", because="in front of the filter Envoy's health checks find the master")
def test_sentinel_is_asked_for_the_master(tmp_path_factory, open_gate):
    with Redis(tmp_path_factory.mktemp("one")) as one, Redis(tmp_path_factory.mktemp("other")) as other:
        other.command("REPLICAOF", "127.0.0.1", str(one.port))
        until(lambda: "master_link_status:up" in other.command("INFO", "replication"))
        with Sentinel(tmp_path_factory.mktemp("sentinel"), one.port) as sentinel:
            url = f"redis-sentinel://127.0.0.1:{sentinel.port}/shared"
            gate = open_gate(config=shipped.redis([one.port], POLICY, timeout="2s", url=url), workers=1)
            until(lambda: is_asked(gate))
            credential = token(fresh_token())
            assert count(gate, credential) == 20
            until(lambda: sorted(other.keys()) == sorted(one.keys()))
            sentinel.fail_over()
            until(lambda: "role:slave" in one.command("INFO", "replication"))
            until(lambda: is_asked(gate))
            assert count(gate, credential) == 0, "the other one knows"
            assert count(gate, token(fresh_token())) == 20


@pytest.mark.only("filter", because="the module asks Sentinel")
def test_a_replica_that_becomes_master_is_found(tmp_path_factory, open_gate):
    """Without a cluster: a check that asks each server for its role, as Sentinel changes it."""
    with Redis(tmp_path_factory.mktemp("one")) as one, Redis(tmp_path_factory.mktemp("other")) as other:
        other.command("REPLICAOF", "127.0.0.1", str(one.port))
        until(lambda: "master_link_status:up" in other.command("INFO", "replication"))
        config = shipped.redis([one.port, other.port], POLICY, timeout="2s", with_cluster=True)
        [redis] = [cluster for cluster in config["static_resources"]["clusters"] if cluster["name"] == "redis"]
        [check] = redis["health_checks"]
        check["tcp_health_check"] = {"send": {"text": b"ROLE\r\n".hex()}, "receive": [{"text": b"master".hex()}]}
        gate = open_gate(config=config, workers=1)
        until(lambda: is_asked(gate))
        credential = token(fresh_token())
        assert count(gate, credential) == 20
        until(lambda: sorted(other.keys()) == sorted(one.keys()))
        other.command("REPLICAOF", "NO", "ONE")
        one.command("REPLICAOF", "127.0.0.1", str(other.port))
        until(lambda: is_asked(gate))
        assert count(gate, token(fresh_token())) == 20
        assert len(other.keys()) > 2
