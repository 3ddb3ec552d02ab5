"""The requests that are sent, byte for byte. <address> and <token> stand for each client's own."""

from __future__ import annotations

from pathlib import Path

# A worker asks for jobs: what a queue's client sends, behind a load balancer that adds its own headers.
POLL = """\
GET /api/v2/jobs/?limit=1&pipeline__slug__in=random,constant,moth_binary&ids_only=1&processing_service_name=worker-07 HTTP/1.1
Host: api.example.org
User-Agent: python-requests/2.34.2
Accept-Encoding: gzip, deflate, br, zstd
Accept: application/json
Connection: keep-alive
Authorization: Token <token>
Content-Type: application/json
X-Forwarded-For: <address>
X-Forwarded-Proto: https
X-Forwarded-Port: 443
X-Amzn-Trace-Id: Root=1-68a5c2f1-5f2b0d0c7a3e4b1d2c6f8e90
Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
Cache-Control: no-cache

"""

# Somebody looks at a public page of the API, with a browser.
ANONYMOUS = """\
GET /api/v2/captures/?deployment=91&limit=20&offset=40&ordering=-timestamp&with_detections=true&project_id=18 HTTP/1.1
Host: api.example.org
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: application/json, text/plain, */*
Accept-Language: en-US,en;q=0.5
Accept-Encoding: gzip, deflate, br, zstd
Referer: https://example.org/projects/18/captures
Origin: https://example.org
Connection: keep-alive
X-Forwarded-For: <address>
X-Forwarded-Proto: https
X-Forwarded-Port: 443
Sec-Fetch-Dest: empty
Sec-Fetch-Mode: cors
Sec-Fetch-Site: same-site

"""


def write(directory: Path, name: str, text: str) -> Path:
    """A template file for the load, with the line ends of the wire."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{name}.http"
    file.write_text(text.replace("\n", "\r\n"), newline="")
    return file


def template(directory: Path, name: str) -> Path:
    """One of the above as a template file."""
    return write(directory, name, {"poll": POLL, "anonymous": ANONYMOUS}[name])
