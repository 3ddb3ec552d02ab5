"""What a reply says about its client's quota, under `"ratelimit_headers": "draft"`."""

from __future__ import annotations

import re

from harness.client import Reply
from harness.http2 import Http2Reply


def applying(reply: Reply | Http2Reply) -> set[str]:
    """The scopes that the request fell under."""
    return set(re.findall(r'"([\w/]+)";q=', reply.headers.get("ratelimit-policy") or ""))


def standing(reply: Reply | Http2Reply) -> tuple[str, int] | None:
    """The scope that is closest to its limit, and how many more requests it admits."""
    found = re.match(r'"([\w/]+)";r=(\d+);t=', reply.headers.get("ratelimit") or "")
    return (found[1], int(found[2])) if found else None
