"""What ingress-nginx makes of an Ingress and of its own ConfigMap: the parts of nginx' configuration that Tollgate has to do with, written
down after its template (`rootfs/etc/nginx/template/nginx.tmpl`) of its last release, 1.15.1 of March 2026.

Its controller does not run here, and Debian's nginx has no Lua: a plain `upstream` stands where its Lua chooses a pod.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import urlsplit

from harness.kubernetes import manifests

_PREFIX = "nginx.ingress.kubernetes.io/"


def shipped() -> tuple[dict, dict, dict]:
    """→ the Ingress, its ConfigMap for the question, and the data of the controller's ConfigMap."""
    question, ingress = manifests("kubernetes", "ingress-nginx", "ingress.yaml")
    [controller] = manifests("kubernetes", "ingress-nginx", "controller.yaml")
    return ingress, question, controller["data"]


def optional() -> dict[str, str]:
    """What the controller's ConfigMap has as comments."""
    [controller] = manifests("kubernetes", "ingress-nginx", "controller.yaml", with_comments=True)
    return {name: value for name, value in controller["data"].items() if name not in shipped()[2]}


def conf(
    ingress: dict,
    question: dict,
    data: dict[str, str],
    *,
    port: int,
    service: int,
    application: int,
    log: Path,
    http2_port: int | None = None,
) -> str:
    """The inside of its `http` block. `service` and `application` are the ports where those two really are. HTTP/2, which ingress-nginx has
    by default for TLS, has a port of its own here, in the clear."""
    listens = [f"127.0.0.1:{port}", *([f"127.0.0.1:{http2_port} http2"] if http2_port else [])]
    [rule] = ingress["spec"]["rules"]
    backend = f"    upstream upstream_balancer {{ server 127.0.0.1:{application}; keepalive 320; }}"
    servers = [
        # Of a rule without a host it is the server for all that have none.
        _server(rule.get("host", "_"), rule["http"]["paths"], ingress, question, data, listens, service, log),
        *([_nobodys(listens)] if "host" in rule else []),
    ]
    return "\n".join([_http(data), backend, *servers])


def _http(data: dict[str, str]) -> str:
    lines = []
    if data.get("use-forwarded-headers") == "true":
        lines += ["real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]
        lines += [f"set_real_ip_from {cidr};" for cidr in data.get("proxy-real-ip-cidr", "0.0.0.0/0").split(",")]
    escape = "escape=json " if data.get("log-format-escape-json") == "true" else ""
    written = data.get("log-format-upstream", '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent')
    lines += [
        "keepalive_timeout 75s;",
        "keepalive_requests 1000;",
        "client_header_buffer_size 1k;",
        "large_client_header_buffers 4 8k;",
        "client_body_buffer_size 8k;",
        "underscores_in_headers off;",
        "ignore_invalid_headers on;",
        "uninitialized_variable_warn off;",
        "server_tokens off;",
        f"log_format upstreaminfo {escape}'{written}';",
        "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }",
        'map $http_x_request_id $req_id { default $http_x_request_id; "" $request_id; }',
        "absolute_redirect on;",
        data.get("http-snippet", ""),
    ]
    if _asks_for_the_whole_list(data):
        lines.append(
            'map $http_x_forwarded_for $full_x_forwarded_for { default "$http_x_forwarded_for, $realip_remote_addr"; '
            "'' \"$realip_remote_addr\"; }"
        )
    return "\n".join(f"    {line}" for line in lines)


def _asks_for_the_whole_list(data: dict[str, str]) -> bool:
    return data.get("use-forwarded-headers") == data.get("compute-full-forwarded-for") == "true"


def _listen(listens: list[str], *, is_default: bool) -> str:
    return " ".join(f"listen {listen}{' default_server' if is_default else ''};" for listen in listens)


def _nobodys(listens: list[str]) -> str:
    return f'    server {{ server_name "_"; {_listen(listens, is_default=True)} return 404; }}'


def _server(
    host: str, paths: list[dict], ingress: dict, question: dict, data: dict[str, str], listens: list[str], service: int, log: Path
) -> str:
    locations = "\n".join(_location(path, ingress, question, data, service) for path in paths)
    return f"""
    server {{
        server_name "{host}";
        {_listen(listens, is_default=host == "_")}
        access_log {log} upstreaminfo;
        set $proxy_upstream_name "-";
{locations}
{data.get("server-snippet", "")}
    }}"""


def _annotations(ingress: dict) -> dict[str, str]:
    found = ingress["metadata"].get("annotations", {})
    assert all(name.startswith(_PREFIX) for name in found)
    return {name.removeprefix(_PREFIX): value for name, value in found.items()}


def _location(path: dict, ingress: dict, question: dict, data: dict[str, str], service: int) -> str:
    said = _annotations(ingress)
    globally = "auth-url" not in said and "global-auth-url" in data and said.get("enable-global-auth") != "false"
    url = data["global-auth-url"] if globally else said.get("auth-url")
    auth_path = f"/_external-auth-{base64.urlsafe_b64encode(path['path'].encode()).decode().rstrip('=')}-{path['pathType']}"
    address = "$full_x_forwarded_for" if _asks_for_the_whole_list(data) else "$remote_addr"
    asking = f"""
            auth_request        {auth_path};
            auth_request_set    $auth_cookie $upstream_http_set_cookie;
            add_header          Set-Cookie $auth_cookie;"""
    auth = _auth_location(auth_path, url, said, globally, ingress, question, data, address, service) if url else ""
    return f"""{auth}
        location {path["path"]} {{
            set $pass_access_scheme $scheme;
            set $best_http_host     $http_host;{asking if url else ""}
            client_max_body_size    1m;
            proxy_set_header Host                       $best_http_host;
            proxy_set_header Upgrade                    $http_upgrade;
            proxy_set_header Connection                 $connection_upgrade;
            proxy_set_header X-Request-ID               $req_id;
            proxy_set_header X-Real-IP                  $remote_addr;
            proxy_set_header X-Forwarded-For            {address};
            proxy_set_header X-Forwarded-Host           $best_http_host;
            proxy_set_header X-Forwarded-Proto          $pass_access_scheme;
            proxy_set_header X-Forwarded-Scheme         $pass_access_scheme;
            proxy_set_header X-Scheme                   $pass_access_scheme;
            proxy_set_header X-Original-Forwarded-For   $http_x_forwarded_for;
            proxy_set_header X-Original-Forwarded-Host  $http_x_forwarded_host;
            proxy_set_header Proxy                      "";
            proxy_connect_timeout   5s;
            proxy_send_timeout      60s;
            proxy_read_timeout      60s;
            proxy_buffering         off;
            proxy_buffer_size       4k;
            proxy_buffers           4 4k;
            proxy_max_temp_file_size 1024m;
            proxy_request_buffering on;
            proxy_http_version      1.1;
            proxy_next_upstream     error timeout;
            {said.get("configuration-snippet", "")}
            {data.get("location-snippet", "")}
            proxy_pass              http://upstream_balancer;
            proxy_redirect          off;
        }}"""


def _auth_location(
    path: str, url: str, said: dict, globally: bool, ingress: dict, question: dict, data: dict[str, str], address: str, service: int
) -> str:
    parts = urlsplit(url)
    assert parts.hostname
    more = ""
    if "auth-proxy-set-headers" in said and not globally:
        # It looks for this very key, and takes no other namespace than the Ingress' own.
        assert said["auth-proxy-set-headers"] == f"{question['metadata']['namespace']}/{question['metadata']['name']}"
        assert ingress["metadata"]["namespace"] == question["metadata"]["namespace"]
        more = "\n".join(sorted(f"proxy_set_header {json.dumps(name)} {json.dumps(to)};" for name, to in question["data"].items()))
    snippet = data.get("global-auth-snippet", "") if globally else said.get("auth-snippet", "")
    method = ""
    if "auth-method" in said:
        method = f"proxy_method {said['auth-method']}; proxy_set_header X-Original-URI $request_uri; "
        method += "proxy_set_header X-Scheme $pass_access_scheme;"
    return f"""
        location = {path} {{
            internal;
            access_log off;
            proxy_intercept_errors  off;
            proxy_pass_request_body off;
            proxy_set_header        Content-Length          "";
            proxy_set_header        X-Forwarded-Proto       "";
            proxy_set_header        X-Request-ID            $req_id;
            {method}
            proxy_set_header        Host                    {parts.hostname};
            proxy_set_header        X-Original-URL          $scheme://$http_host$request_uri;
            proxy_set_header        X-Original-Method       $request_method;
            proxy_set_header        X-Sent-From             "nginx-ingress-controller";
            proxy_set_header        X-Real-IP               $remote_addr;
            proxy_set_header        X-Forwarded-For         {address};
            proxy_set_header        X-Auth-Request-Redirect $request_uri;
            proxy_buffering         off;
            proxy_buffer_size       4k;
            proxy_buffers           4 4k;
            proxy_request_buffering on;
            proxy_ssl_server_name   on;
            proxy_pass_request_headers on;
            client_max_body_size    1m;
            {more}
            {snippet}
            proxy_http_version      1.1;
            set $target             "{parts._replace(netloc=f"127.0.0.1:{service}").geturl()}";
            proxy_pass              $target;
        }}"""
