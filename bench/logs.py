"""An access log that nobody has written: so many lines, of clients few of which send most of them."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

_AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "python-requests/2.32.3",
    "curl/8.14.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
]
_TARGETS = [
    "/",
    "/static/app.js",
    "/api/v2/jobs/?ids_only=1&processing_service_name=worker-{}",
    "/api/v2/jobs/{}/result/",
    "/api/v2/users/{}",
    "/search?q=text+{}&page=2",
]
_START = 1_795_824_000  # 2026-11-28
_PER_SECOND = 50


def write(path: Path, lines: int, *, form: str = "combined", clients: int = 50_000, seed: int = 1) -> None:
    """`form`: `combined`, or `json` for the log of envoy/inline.yaml. The same arguments give the same log."""
    rng = random.Random(seed)
    # The busiest client sends a tenth or so of all.
    ranks = [clients ** rng.random() for _ in range(1 << 16)]
    moments: dict[int, str] = {}
    with path.open("w") as out:
        for number in range(lines):
            client = int(ranks[rng.getrandbits(16)]) * 2_654_435_761 % (1 << 24)
            address = f"10.{client >> 16}.{client >> 8 & 255}.{client & 255}"
            roll = rng.getrandbits(16)
            method = "POST" if roll % 11 == 0 else "GET"
            status = (401, 404, 301)[roll % 3] if roll % 13 == 0 else 200
            target = _TARGETS[roll % len(_TARGETS)].format(roll % 1_000)
            second = number // _PER_SECOND
            if form == "combined":
                stamp = moments.get(second)
                if stamp is None:
                    moments = {second: time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(_START + second))}
                    stamp = moments[second]
                agent = _AGENTS[roll % len(_AGENTS)]
                line = f'{address} - - [{stamp}] "{method} {target} HTTP/1.1" {status} {roll} "-" "{agent}"'
            else:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(_START + second))
                line = json.dumps(
                    {
                        "time": f"{stamp}.{number % _PER_SECOND * 20:03d}Z",
                        "client": address,
                        "method": method,
                        "host": "api.example.com",
                        "path": target,
                        "protocol": "HTTP/1.1",
                        "status": status,
                        "details": "via_upstream",
                        "flags": "-",
                        "retry_after": None,
                        "bytes_sent": roll,
                        "duration_ms": roll % 90,
                        "upstream": "127.0.0.1:8000",
                        "upstream_ms": str(roll % 90),
                        "request_id": f"{rng.getrandbits(128):032x}",
                    }
                )
            out.write(line + "\n")
