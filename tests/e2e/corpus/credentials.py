"""What can be done to a credential."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from harness.client import Header

Headers = tuple[Header, ...]


def plain(users: dict[str, str]) -> list[tuple[str, Header]]:
    return [
        ("token", ("authorization", f"Token {users['token']}")),
        ("jwt", ("authorization", f"Bearer {users['jwt']}")),
        ("basic", ("authorization", f"Basic {_base64(users['basic'])}")),
        ("key", ("x-api-key", users["key"])),
        ("session", ("cookie", f"sessionid={users['session']}")),
    ]


def spelled(users: dict[str, str]) -> Iterator[tuple[str, str, Headers]]:
    """Other spellings of a credential: its kind, what is unusual, and the headers."""
    token, key, session, basic = users["token"], users["key"], users["session"], _base64(users["basic"])
    for value in ["token {}", "TOKEN {}", "Token  {}", "Token\t{}", " Token {}", "Token {} ", "Token {}\t"]:
        yield "token", "a scheme's spelling", (("authorization", value.format(token)),)
    for value in [
        *["Token {},", "Token {}, x", "Token {} x", 'Token "{}"', "Token token={}", "Token {};x", "Token:{}"],
        *["Token {}=", "Token,{}"],
    ]:
        yield "token", "a token with more", (("authorization", value.format(token)),)
    for value in ["Token {}\xa0", "Token\xa0{}", "Token \x0b{}", "Token {}\x1f", "Token {}\x85", "Token {}\x00"]:
        yield "token", "a token with odd bytes", (("authorization", value.format(token)),)
    yield "token", "a token in another case", (("authorization", f"Token {token.upper()}"),)
    yield "token", "a token with another scheme", (("authorization", f"Bearer {token}"),)
    yield "token", "a token with a header with `_`", (("AUTHORIZATION_", f"Token {token}"),)
    for second in ["Token made-up", "Bearer made-up", "Basic bWFkZTp1cA==", ""]:
        for values in [(f"Token {token}", second), (second, f"Token {token}")]:
            yield "token", "two tokens", tuple(("authorization", value) for value in values)
    yield "token", "two tokens", (("authorization", f"Token {token}, Token made-up"),)
    yield "token", "two tokens", (("authorization", f"Token made-up, Token {token}"),)
    yield from _several(users)
    head, payload, signature = users["jwt"].split(".")
    for tail in ["=", "==", "!!#$", "....", "\xff\xff\xff\xff", "~~~~", "====", "%%%%", "AAAA"]:
        yield "jwt", "a JWT with a tail", (("authorization", f"Bearer {head}.{payload}.{signature}{tail}"),)
    yield "jwt", "a JWT with a tail", (("authorization", f"Bearer {head}==.{payload}=.{signature}=="),)
    yield "jwt", "a JWT with junk inside", (("authorization", f"Bearer {head}.{payload}.!!{signature}##"),)
    junk = f"{signature[:9]}!#$%{signature[9:]}"
    yield "jwt", "a JWT with junk inside", (("authorization", f"Bearer {head}.{payload}.{junk}"),)
    other = signature.replace("-", "+").replace("_", "/")
    yield "jwt", "a JWT in the other alphabet", (("authorization", f"Bearer {head}.{payload}.{other}"),)
    for last in _same_bits(signature):
        yield "jwt", "a JWT with other unused bits", (("authorization", f"Bearer {head}.{payload}.{last}"),)
    yield "jwt", "a JWT in another case", (("authorization", f"Bearer {head}.{payload.upper()}.{signature}"),)
    loose = {
        "without padding": basic.rstrip("="),
        "with more padding": basic + "==",
        "in the other alphabet": basic.replace("+", "-").replace("/", "_"),
        "with junk inside": f"{basic[:5]}!{basic[5:]}",
        "with a space inside": f"{basic[:4]} {basic[4:]}",
        "with a line's worth of junk": f"{basic[:5]}!!!!{basic[5:]}",
        "with a tail": basic + "AAAA" if basic.endswith("=") else basic + "=AAAA",
    }
    for name, value in loose.items():
        yield "basic", f"base64 {name}", (("authorization", f"Basic {value}"),)
    for other in _same_bits(basic):
        yield "basic", "base64 with other unused bits", (("authorization", f"Basic {other}"),)
    for value in [f" {key}", f"{key} ", f"{key}\t"]:
        yield "key", "a key with white space", (("x-api-key", value),)
    for value in [f"{key}\xa0", f"{key}\x0b", f"{key}, x", f"x, {key}", f'"{key}"', key.upper()]:
        yield "key", "a key's spelling", (("x-api-key", value),)
    yield "key", "a key with `_`", (("x_api_key", key),)
    yield "key", "two keys", (("x-api-key", key), ("x-api-key", "made-up"))
    yield "key", "two keys", (("x-api-key", "made-up"), ("x-api-key", key))
    for cookie in [
        *["sessionid={}; x=y", "x=y;sessionid={}", " sessionid={}", "sessionid = {}", "sessionid= {}", "sessionid={} "],
        *["sessionid={};", ";sessionid={}", "x=y;\tsessionid={}", "x=y,sessionid={}", "x;sessionid={}"],
    ]:
        yield "session", "a session's white space", (("cookie", cookie.format(session)),)
    for cookie in [
        *['sessionid="{}"', 'sessionid="{}', "sessionid={}%", "SESSIONID={}", "sessionid={}\xa0", "sessionid={}\x85"],
        *["sessionid={}\x0b", "sessionid=\xa0{}", "sessionid\x1f={}"],
    ]:
        yield "session", "a session's spelling", (("cookie", cookie.format(session)),)
    yield "session", "an encoded session", (("cookie", f"sessionid=%{ord(session[0]):02x}{session[1:]}"),)
    yield "session", "an encoded session", (("cookie", 'sessionid="\\%03o%s"' % (ord(session[0]), session[1:])),)
    for tail in ["=", "!!!!", "~~~~", "AAAA", "===="]:
        yield "session", "a session with a tail", (("cookie", f"sessionid={session}{tail}"),)
    for cookie in [
        *[f"sessionid={session}; sessionid=made-up", f"sessionid=made-up; sessionid={session}"],
        *[f'x="; sessionid={session}; y="'],
    ]:
        yield "session", "two sessions", (("cookie", cookie),)
    yield "session", "two sessions", (("cookie", f"sessionid={session}"), ("cookie", "sessionid=made-up"))
    yield "session", "two sessions", (("cookie", "sessionid=made-up"), ("cookie", f"sessionid={session}"))


def _several(users: dict[str, str]) -> Iterator[tuple[str, str, Headers]]:
    """A true credential beside a made-up one in another place."""
    made_up = {
        "token": ("authorization", "Token made-up"),
        "other scheme": ("authorization", "Digest made-up"),
        "basic": ("authorization", "Basic bWFkZTp1cA=="),
        "key": ("x-api-key", "made-up"),
        "session": ("cookie", "sessionid=made-up"),
    }
    for kind, header in plain(users):
        for other in made_up.values():
            if other[0] != header[0]:
                yield kind, "several credentials", (header, other)
                yield kind, "several credentials", (other, header)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _same_bits(encoded: str) -> list[str]:
    """Other texts that a lenient decoder takes for the same bytes: the last character before the padding has unused bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    unused = {2: 4, 3: 2}.get(len(bare) % 4, 0)
    at = alphabet.index(bare[-1])
    others = [at ^ bits for bits in range(1, 1 << unused)]
    return [encoded[: len(bare) - 1] + alphabet[other] + encoded[len(bare) :] for other in others]
