"""nginx with one server for each contender: alone, with its own limit_req, and asking Tollgate; and the application."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path

from bench import places, processes

_PATIENCE = 30.0  # seconds
_REALIP = ["set_real_ip_from", "real_ip_header", "real_ip_recursive"]

_CONF = """\
daemon off;
{user}worker_processes {workers};
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000;
{servers}
}}
"""

# What the shipped configuration's location does without the question.
_SERVER = """\
    server {{
        listen 127.0.0.1:{port};
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Forwarded-For;
        real_ip_recursive on;
        location / {{
            {limit}
            proxy_pass         http://application;
            proxy_http_version 1.1;
            proxy_set_header   Connection        $tollgate_connection;
            proxy_set_header   Upgrade           $http_upgrade;
            proxy_set_header   Host              $http_host;
            proxy_set_header   X-Forwarded-For   $remote_addr;
            proxy_set_header   X-Forwarded-Proto $scheme;
        }}
    }}
"""

_LIMITS = {
    "plain": "",
    "limit_req": "limit_req zone=plenty burst=1000 nodelay; limit_req_status 429;",
    "limit_req-denied": "limit_req zone=little; limit_req_status 429;",
}


class Nginx(processes.Child):
    """`with Nginx(directory, conf, port):` – it listens on entry."""

    def __init__(self, directory: Path, servers: str, port: int, workers: int = 1) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        user = "user root;\n" if os.geteuid() == 0 else ""
        (directory / "nginx.conf").write_text(_CONF.format(directory=directory, user=user, servers=servers, workers=workers))
        command = [program(), "-p", str(directory), "-e", str(directory / "error.log")]
        self._port = port
        super().__init__([*command, "-c", str(directory / "nginx.conf")], directory / "nginx.log")

    def __enter__(self) -> Nginx:
        deadline = time.monotonic() + _PATIENCE
        try:
            while socket.socket().connect_ex(("127.0.0.1", self._port)):
                self.check()
                if time.monotonic() > deadline:
                    raise RuntimeError(f"nginx does not listen:\n{self.log()[-3000:]}")
                time.sleep(0.02)
        except BaseException:
            self.__exit__()
            raise
        return self


def program() -> str:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or "nginx"


def free_ports(number: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def application(directory: Path, port: int) -> Nginx:
    """Answers at once: what is left is the proxy."""
    server = f'    server {{ listen 127.0.0.1:{port}; default_type application/json; return 200 "{{}}"; }}'
    return Nginx(directory, server, port)


def proxies(directory: Path, application_port: int, service_port: int) -> tuple[Nginx, dict[str, int]]:
    """One nginx with all contenders; → it, and their ports."""
    names = [*_LIMITS, "tollgate"]
    ports = dict(zip(names, free_ports(len(names))))
    # As it is shipped, in front of this application, behind the load, which says who its clients are.
    shipped = (places.ROOT / "nginx/auth_request.conf").read_text()
    for old, new in [
        ("listen 80;", f"listen 127.0.0.1:{ports['tollgate']};"),
        ("127.0.0.1:10001", f"127.0.0.1:{service_port}"),
        ("127.0.0.1:8000", f"127.0.0.1:{application_port}"),
        ("10.0.0.0/8", "127.0.0.1"),
        ("access_log /var/log/nginx/tollgate.log tollgate;", "access_log off;"),  # the others write none either
        *((f"# {directive}", directive) for directive in _REALIP),
    ]:
        if old not in shipped:
            raise RuntimeError(f"nginx/auth_request.conf has no `{old}`")
        shipped = shipped.replace(old, new)
    zones = "limit_req_zone $http_authorization zone={}:16m rate={};\n"
    servers = shipped + zones.format("plenty", "100000r/s") + zones.format("little", "1r/m")
    servers += "".join(_SERVER.format(port=ports[name], limit=limit) for name, limit in _LIMITS.items())
    return Nginx(directory, servers, ports["plain"]), ports
