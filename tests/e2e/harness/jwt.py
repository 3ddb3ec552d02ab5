"""JSON Web Tokens, and the filter of Envoy that verifies them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time

from harness.client import Header
from harness.layouts import typed

KEY = b"a key that was made for these tests only"
ISSUER = "https://issuer.test"

_serial = itertools.count(1)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# What verifies what `KEY` has signed.
JWKS = json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": base64url(KEY)}]})


def bearer(
    *, key: bytes = KEY, algorithm: str = "HS256", expires_in: int = 3600, header: str = "authorization", **claims
) -> Header:
    """A token with these claims; each is another token, by its `jti`."""
    now = int(time.time())
    claims = {"iss": ISSUER, "iat": now - 60, "exp": now + expires_in, "jti": str(next(_serial))} | claims
    parts = [base64url(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims)]
    signed = ".".join(parts)
    signature = base64url(hmac.digest(key, signed.encode(), hashlib.sha256)) if algorithm == "HS256" else ""
    return (header, f"Bearer {signed}.{signature}")


def provider(payload: str, **rest) -> dict:
    """One that keeps the payload of what it has verified under this name."""
    return {"issuer": ISSUER, "local_jwks": {"inline_string": JWKS}, "payload_in_metadata": payload, "forward": True} | rest


def authentication(providers: dict[str, dict], requires: dict, **rest) -> dict:
    """The filter that verifies tokens."""
    rules = [{"match": {"prefix": "/"}, "requires": requires}]
    config = typed("filters.http.jwt_authn.v3.JwtAuthentication", providers=providers, rules=rules, **rest)
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": config}


def jwt_authn(*, required: bool, payload: str = "jwt_payload") -> dict:
    """The same with one provider; unless `required`, requests without a good token go on without claims."""
    needs: dict = {"provider_name": "local"}
    if not required:
        needs = {"requires_any": {"requirements": [needs, {"allow_missing_or_failed": {}}]}}
    return authentication({"local": provider(payload)}, needs)
