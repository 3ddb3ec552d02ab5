"""The cluster that leads to Redis, which a patch adds to the Envoys of Istio and of Envoy Gateway."""

from __future__ import annotations

import base64
import re

import yaml

from harness.places import repo_path, wasm_path

_FRAMES = "tollgate-frames.wasm"


def filled_in(folder: str, file: str) -> list[dict]:
    """The resources in a file, filled in by the command in its own first lines."""
    text = repo_path(folder, file).read_text()
    command = rf'^#   sed "s\|(\w+)\|\$\(base64 -w0 target/{_FRAMES}\)\|" {folder}/{file} \| kubectl apply -f -$'
    [placeholder] = re.findall(command, text, re.MULTILINE)
    frames = wasm_path().with_name(_FRAMES).read_bytes()
    return list(yaml.safe_load_all(text.replace(placeholder, base64.b64encode(frames).decode())))


def lead_to(cluster: dict, port: int) -> None:
    """To a Redis on loopback."""
    [place] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    place["endpoint"]["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": port}


def redis_cluster() -> dict:
    """That of `envoy/redis.yaml`, with the lines for TLS in force."""
    text = re.sub(r"(?m)^( *)#~ ", r"\1", repo_path("envoy", "redis.yaml").read_text())
    [found] = [one for one in yaml.safe_load(text)["static_resources"]["clusters"] if one["name"] == "redis"]
    return found


def as_in_envoy(cluster: dict) -> dict:
    """The same with the name, the address and the file that `envoy/redis.yaml` has."""
    text = yaml.safe_dump(cluster).replace(f"name: {cluster['name']}\n", "name: redis\n")
    text = text.replace("inline_bytes: TOLLGATE_FRAMES", f"filename: /etc/envoy/{_FRAMES}")
    return yaml.safe_load(text.replace("redis.redis.svc.cluster.local", "redis.internal"))
