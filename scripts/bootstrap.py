"""Turns one of envoy/*.yaml into a bootstrap that runs here: `bootstrap.py FILE --wasm … > envoy.json`.

The shipped files name a deployment's addresses and paths. This replaces only what it is told to; the rest stays as
shipped, so that what the scripts and tests run is what the repository offers for production. The policy is embedded as a
JSON string by the JSON writer, so nothing in it can be taken for configuration of Envoy.
"""

import argparse
import json
import os
import re
import socket
import sys
from pathlib import Path

SHIPPED_WASM = "/etc/envoy/tollgate.wasm"
SHIPPED_FRAMES = "/etc/envoy/tollgate-frames.wasm"
# Where `tollgate clients` looks for the console, if it is not told where it is.
CONSOLE = 9902
REPLY = "Tollgate let this request through. Put your own API behind it: scripts/run --upstream HOST:PORT\n"


class Mistake(Exception):
    """What the person who called can put right; told without a traceback."""


def host_and_port(text, what="upstream"):
    """`api:80`, `10.0.0.1:80` or `[::1]:80` → (host, port)."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", text)
    if not match or not 0 < int(match[3]) < 65536:
        raise Mistake(
            f"the {what} `{text}` is not HOST:PORT, such as localhost:8000, 10.0.0.1:8000 or [::1]:8000 (no http://)"
        )
    return match[1] or match[2], int(match[3])


def policy_text(path):
    """The policy as text. Whether it is a good policy, only the filter says."""
    try:
        return Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise Mistake(f"the policy {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Mistake(f"the policy {path} is not text: byte {error.start} is not UTF-8") from None


def every_map(node):
    """Each mapping in a document, outermost first."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from every_map(child)


def the(document, what, test):
    """The one mapping in the document that passes the test."""
    found = [node for node in every_map(document) if test(node)]
    if len(found) != 1:
        raise Mistake(f"expected one {what} in this configuration, found {len(found)}")
    return found[0]


def set_wasm(document, path):
    """The filter's code is the file at `path`, and beside it stands what it needs for Redis. (An Envoy that asks another one has no
    filter.)"""
    places = [node for node in every_map(document) if node.get("filename") == SHIPPED_WASM]
    if not places and any("vm_config" in node for node in every_map(document)):
        raise Mistake(f"this configuration does not load {SHIPPED_WASM}")
    for place in places:
        place["filename"] = str(path)
    for node in every_map(document):
        if node.get("filename") == SHIPPED_FRAMES:
            node["filename"] = str(Path(path).with_name(Path(SHIPPED_FRAMES).name))


def filter_configuration(document):
    """Where the filter's policy stands."""
    for node in every_map(document):
        if node.get("filter_name") == "tollgate":
            return node["filter_config"]
    return the(document, "Wasm filter", lambda node: "vm_config" in node and node.get("name") == "tollgate")["configuration"]


def set_policy(document, text):
    """The filter is configured with this policy. Where the shipped one has its counters in Redis, so has this one."""
    configuration = filter_configuration(document)
    shipped = json.loads(configuration["value"]).get("store", {}).get("redis")
    configuration["value"] = with_redis(text, shipped) if shipped else text


def with_redis(text, shipped):
    """The policy with its counters in Redis as shipped, unless it says itself how. One that is no such document stays as it
    is: the filter says what is wrong with it."""
    try:
        policy = json.loads(text) if text.strip() else {}
        policy.setdefault("store", {}).setdefault("redis", shipped)
    except (ValueError, AttributeError):
        return text
    return json.dumps(policy)


def leave_out_password(document):
    """Where the shipped policy has Redis' password from the environment, and it is not there, Redis is taken to want none."""
    configuration = filter_configuration(document)
    policy = json.loads(configuration["value"])
    redis = policy["store"]["redis"]
    if not os.environ.get(redis["password"]["environment_variable"]):
        del redis["password"]
        configuration["value"] = json.dumps(policy)


def is_module(document):
    """Whether Tollgate is the module there, which connects to Redis by itself."""
    return any(node.get("filter_name") == "tollgate" for node in every_map(document))


def set_url(document, host, port):
    """The module's policy keeps its counters in this Redis, as envoy/redis.yaml has them there, unless it says itself how."""
    shipped = {"url": f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}"}
    shipped["secret"] = {"environment_variable": "TOLLGATE_SECRET"}
    if os.environ.get("TOLLGATE_REDIS_PASSWORD"):
        shipped["password"] = {"environment_variable": "TOLLGATE_REDIS_PASSWORD"}
    configuration = filter_configuration(document)
    configuration["value"] = with_redis(configuration["value"], shipped)


def check_asked(text, status):
    """An authz service's policy has to say where it finds what it is asked about; one for nginx, its status besides."""
    try:
        policy = json.loads(text or "{}")
        origin, told = policy.get("request", {}).get("from"), policy.get("response", {}).get("status", 429)
    except (ValueError, AttributeError):
        return  # what is wrong with it, the filter says better
    if origin not in ("forwarded", "ext_authz"):
        raise Mistake('an authz service is asked about requests: let the policy say "request": { "from": "forwarded" }')
    if status and (origin, told) != ("forwarded", status):
        raise Mistake(
            'nginx understands one denial: let the policy say "request": { "from": "forwarded" }, '
            f'"response": {{ "status": {status} }}'
        )


def set_listener(document, host, port):
    """The listener `ingress` listens here; port 0 is any free one."""
    listener = the(document, "listener", lambda node: node.get("name") in ("ingress", "authz") and "filter_chains" in node)
    listener["address"] = {"socket_address": {"address": host, "port_value": port}}


def set_console(document, host, port):
    """The console listens here, if there is one; port 0 is any free one."""
    for listener in document["static_resources"].get("listeners", []):
        if listener["name"] == "console":
            listener["address"] = {"socket_address": {"address": host, "port_value": port}}


def set_admin(document, host, port):
    """The admin interface listens here; port 0 is any free one."""
    document["admin"] = {"address": {"socket_address": {"address": host, "port_value": port}}}


def set_server(document, name, host, port):
    """The cluster of this name is this one server."""
    cluster = the(document, f"cluster `{name}`", lambda node: node.get("name") == name and "load_assignment" in node)
    address = the(cluster, "address of a server", lambda node: "socket_address" in node)
    address["socket_address"] = {"address": host, "port_value": port}


def set_built_in_reply(document, text):
    """No upstream: Envoy itself answers 200 with this text, once the filter has let the request through."""
    route = the(document, "route", lambda node: node.get("route", {}).get("cluster") == "upstream")
    del route["route"]
    route["direct_response"] = {"status": 200, "body": {"inline_string": text}}
    clusters = document["static_resources"]["clusters"]
    clusters[:] = [cluster for cluster in clusters if cluster["name"] != "upstream"]


def check_redis(host, port):
    """That Redis answers. (Envoy would start without it, and the filter count by itself.)"""
    try:
        with socket.create_connection((host, port), timeout=3) as connection:
            connection.sendall(b"PING\r\n")
            reply = connection.recv(64)
    except OSError as error:
        raise Mistake(f"Redis at {host}:{port} does not answer: {error.strerror or error}") from None
    # An error is an answer too: it may want a password, which the policy may have.
    if not reply.startswith((b"+PONG", b"-")):
        raise Mistake(f"what listens at {host}:{port} is no Redis: it answers {reply!r}")


def is_free(host, port):
    """Whether nobody listens there."""
    try:
        check_free(host, port)
    except Mistake:
        return False
    return True


def check_free(host, port):
    """Envoy shares a port with another Envoy that listens there, silently; so ask before it does."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Mistake(f"cannot listen on {host} port {port}: {error.strerror}; give another with --port") from None


def load(path):
    """A shipped configuration, as a document."""
    import yaml  # here, so that the mistakes above can be told without it

    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="one of envoy/*.yaml")
    parser.add_argument("--wasm", required=True, help="the filter's wasm file")
    parser.add_argument("--policy", help="the policy's file; without it, the policy stays as shipped")
    parser.add_argument("--asked", action="store_true", help="the policy must be one for an authz service")
    parser.add_argument("--asked-status", type=int, help="and deny with this status")
    parser.add_argument("--upstream", help="HOST:PORT; `none` for a built-in reply; without it, as shipped")
    parser.add_argument("--redis", help="HOST:PORT of a Redis that answers; without it, as shipped")
    parser.add_argument("--port", type=int, help="listen on loopback on this port, with the admin interface on any free one")
    options = parser.parse_args()

    document = load(options.file)
    set_wasm(document, options.wasm)
    if options.redis and not is_module(document):
        leave_out_password(document)
    if options.policy:
        policy = policy_text(options.policy)
        if options.asked:
            check_asked(policy, options.asked_status)
        set_policy(document, policy)
    if options.upstream == "none":
        set_built_in_reply(document, REPLY)
    elif options.upstream:
        set_server(document, "upstream", *host_and_port(options.upstream))
    if options.redis:
        address = host_and_port(options.redis, "Redis")
        check_redis(*address)
        if is_module(document):
            set_url(document, *address)
        else:
            set_server(document, "redis", *address)
    if options.port is not None:
        check_free("127.0.0.1", options.port)
        set_listener(document, "127.0.0.1", options.port)
        set_console(document, "127.0.0.1", CONSOLE if options.port and is_free("127.0.0.1", CONSOLE) else 0)
        set_admin(document, "127.0.0.1", 0)
    json.dump(document, sys.stdout, indent=2)


if __name__ == "__main__":
    try:
        main()
    except Mistake as mistake:
        sys.exit(str(mistake))
