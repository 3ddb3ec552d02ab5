"""What can be done to a query, to headers and cookies, and to credentials."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from harness.client import Header

Headers = tuple[Header, ...]

PLAIN_QUERIES = [
    b"/api/v2/jobs/?" + query
    for query in [
        *(b"ids_only=" + value for value in [b"1", b"0", b"true", b"false", b"True", b"False", b"yes", b"2", b"x"]),
        b"ids_only",
        b"ids_only=",
        b"limit=10&ids_only=1",
        b"kind=export",
        b"kind=other",
        b"probe=yes",
        b"probe=no",
    ]
]
PLAIN_HEADERS: list[Headers] = [
    (("host", "api.example"),),
    (("host", "cheap.example"),),
    (("x-plan", "free"),),
    (("x-plan", "paid"),),
    (("cookie", "plan=free"),),
    (("cookie", "x=y; plan=paid"),),
]

_MANY = b"&".join(b"x%d" % number for number in range(1001))

_QUERIES: dict[str, list[bytes]] = {
    "a truth": [b"ids_only=" + value for value in [b"no", b"off", b"FALSE", b"00", b"0.0", b"null", b"-", b"on"]],
    "an encoded truth": [b"ids_only=%30", b"ids_only=%31", b"ids_only=fals%65", b"ids_only=%2530"],
    "a truth with white space": [b"ids_only=0+", b"ids_only=+0", b"ids_only=false%20", b"ids_only=%090", b"ids_only=0%0a", b"ids_only=+"],
    "a truth with a control character": [b"ids_only=0%00", b"ids_only=%00", b"ids_only=false%00", b"ids_only=0%01", b"ids_only=1%00"],
    "a parameter twice": [
        *[b"ids_only=0&ids_only=1", b"ids_only=1&ids_only=0", b"ids_only&ids_only=false", b"ids_only=false&ids_only"],
        *[b"kind=export&kind=x", b"kind=x&kind=export", b"probe=yes&probe=no", b"probe=no&probe=yes"],
    ],
    "an encoded name": [b"%69ds_only=1", b"ids%5fonly=1", b"i%64s%5Fonly", b"k%69nd=export", b"%6bind=%65xport", b"pr%6fbe=yes"],
    "a name encoded twice": [b"%2569ds_only=1", b"%256bind=export"],
    "a semicolon": [
        *[b"x;ids_only=1", b"x=1;ids_only=1", b";ids_only=1", b"ids_only=1;x", b"ids_only=0;x", b"ids_only=0;ids_only=1"],
        *[b"x;kind=export", b"kind=export;x", b"probe=yes;x", b"x;probe=yes", b"probe=yes;probe=no"],
    ],
    "brackets": [
        *[b"ids_only[]=1", b"ids_only[]", b"ids_only[0]=1", b"ids_only[x]=1", b"ids_only[x][y]=0", b"ids_only%5b%5d=1"],
        *[b"ids_only[=1", b"[ids_only]=1", b"[ids_only=1", b"ids_only[]=0", b"ids_only[]=0&ids_only[]=1", b"kind[]=export"],
        *[b"kind%5B%5D=export", b"kind[0]=export", b"probe[]=yes", b"probe=yes&probe[]=no", b"probe=yes&probe[x]=no"],
    ],
    "a name with other marks": [
        *[b"ids.only=1", b"ids+only=1", b"ids%20only=1", b"ids[only=1", b"+ids_only=1", b"%20ids_only=1", b"ids.only"],
        *[b"%20kind=export", b"+kind=export", b"ids-only=1", b"probe=yes&+probe=no", b"probe=yes&%20probe=no"],
    ],
    "a name with a control character": [
        *[b"ids_only%00=1", b"ids_only%00x=1", b"%00ids_only=1", b"ids%00_only=1", b"ids_only%09=1", b"ids_only%0a=1"],
        *[b"kind%00=export", b"kind%00x=export", b"kind=export%00", b"kind=export%00x", b"kind=%00export", b"kind=%1fexport"],
        *[b"probe=yes&probe%00x=no", b"probe=yes%00", b"probe%00=yes"],
    ],
    "a value with white space": [b"kind=export+", b"kind=+export", b"kind=export%20", b"kind=%0aexport", b"kind=export%09", b"kind=%c2%a0export", b"probe=+yes"],
    "a value with what is not UTF-8": [b"kind=export%ff", b"kind=%ffexport", b"kind=exp%c3ort", b"kind=export\xff", b"kind=%ed%a0%80export"],
    "a name with what is not UTF-8": [b"ids_only%ff=1", b"%ffids_only=1", b"ids_only\xff=1", b"kind%ff=export", b"ids_%c3only=1"],
    "another case": [b"IDS_ONLY=1", b"Ids_Only=1", b"KIND=export", b"kind=EXPORT", b"probe=YES", b"PROBE=yes"],
    "another alphabet": ["ıds_only=1".encode(), b"%c4%b1ds_only=1", b"%ef%bd%89ds_only=1", "ſ".encode() + b"ids_only=1"],
    "a question mark": [b"?ids_only=1", b"x?ids_only=1", b"?&ids_only=1", b"x=?&ids_only=1", b"ids_only=1?", b"?probe=yes", b"kind=export?"],
    "a fragment in the query": [b"ids_only=0#&ids_only=1", b"#ids_only=1", b"x#&ids_only=1", b"ids_only=1#x", b"kind=export#x", b"probe=yes#x", b"probe=yes#&probe=no"],
    "an encoded fragment in the query": [b"x%23&ids_only=1", b"kind=export%23", b"probe=yes%23x"],
    "an entity": [b"x&amp;ids_only=1", b"&amp;ids_only=1", b"x&amp;kind=export"],
    "an encoded separator": [b"x%26ids_only=1", b"ids_only%3d1", b"x%3d1%26ids_only=1", b"kind%3dexport", b"probe=yes%26probe=no"],
    "empty parameters": [b"&ids_only=1", b"&&&ids_only", b"=&ids_only=1", b"=1&ids_only=1", b"ids_only=1&&&", b"&=&kind=export"],
    "several equals signs": [b"ids_only==1", b"ids_only=0=0", b"kind==export", b"kind=export=", b"kind=export=x"],
    "a broken escape in the query": [b"%&ids_only=1", b"ids_only=%", b"ids_only=%zz", b"%zz=1&ids_only", b"kind=export%", b"kind=ex%70ort%2", b"%u0069ds_only=1"],
    "many parameters": [_MANY + b"&ids_only=1", b"ids_only=1&" + _MANY, b"ids_only=0&" + _MANY + b"&ids_only=1", b"probe=yes&" + _MANY + b"&probe=no"],
    "a raw space in the query": [b"ids_only=0 ", b"kind=export x", b" ids_only=1"],
    "a raw control character in the query": [b"ids_only=0\x00", b"ids_only=0\x01", b"kind=export\x1f", b"kind=export\t"],
}

# Django decodes a query in the charset of the body.
_CHARSETS: list[tuple[str, bytes]] = [
    ("utf-7", b"+AGk-ds_only=1"),
    ("utf-7", b"ids+AF8-only=1"),
    ("utf-7", b"kind=+AGU-xport"),
    ("utf-7", b"ids_only=+ADA-"),
    ("utf-7", b"probe=yes&+AHA-robe=no"),
    ("UTF7", b"+AGk-ds_only=1"),
    ("unicode-1-1-utf-7", b"+AGk-ds_only=1"),
    ("utf-7", b"%2BAGk-ds_only=1"),
    ("utf-16", b"ids_only=1"),
    ("utf-16", b"probe=yes"),
    ("utf-16-le", b"%69%00ds_only=1"),
    ("cp037", b"\x89\x84\xa2\x6d\x96\x95\x93\xa8\x7e\xf1"),
    ("cp037", b"probe=yes"),
    ("punycode", b"ids_only=1-"),
    ("unicode_escape", b"\\x69ds_only=1"),
    ("raw_unicode_escape", b"\\u0069ds_only=1"),
    ("latin-1", b"ids_only=1"),
    ("shift_jis", b"ids_only=1"),
    ("no-such-charset", b"ids_only=1"),
]


def queries() -> Iterator[tuple[str, bytes, Headers]]:
    for name, found in _QUERIES.items():
        yield from ((name, query, ()) for query in found)
    for charset, query in _CHARSETS:
        for value in [f"text/plain; charset={charset}", f'application/x-www-form-urlencoded;CHARSET="{charset}"']:
            yield "a charset", query, (("content-type", value),)
    yield "a charset", b"+AGk-ds_only=1", (("content-type", "text/plain"), ("content-type", "text/plain; charset=utf-7"))
    yield "a charset", b"+AGk-ds_only=1", (("content_type", "text/plain; charset=utf-7"),)
    yield "a charset", b"+AGk-ds_only=1", (("content-type", "text/plain; charset=utf-8; charset=utf-7"),)


HEADERS: list[tuple[str, Headers]] = [
    *(
        ("a host's spelling", (("host", host),))
        for host in ["API.example", "api.example:80", "api.example:8080", "api.example.", "api.example:", "api.example.:80"]
    ),
    *(
        ("what is no host", (("host", host),))
        for host in ["api.example,cheap.example", "cheap.example@api.example", "api.example@x", "cheap.example/x", "", "api.example x"]
    ),
    *(("what is no host", (("host", host),)) for host in ["cheap.example\\x", "cheap.example:x", "[::1]", "api%2eexample", "cheap.example#x"]),
    ("a host with white space", (("host", " api.example\t"),)),
    ("two hosts", (("host", "api.example"), ("host", "cheap.example"))),
    ("two hosts", (("host", "cheap.example"), ("host", "api.example"))),
    *(
        ("another header for the host", (("host", "gate.test"), (name, value)))
        for name, value in [
            *[("x-forwarded-host", "api.example"), ("x-forwarded-host", "cheap.example"), ("forwarded", "host=api.example")],
            *[("x-host", "api.example"), ("x-original-host", "api.example"), (":authority", "api.example")],
        ]
    ),
    ("another header for an exempt host", (("host", "cheap.example"), ("x-forwarded-host", "api.example"))),
    *(("a header's value", (("x-plan", value),)) for value in [" free ", "\tfree", "free\t", "FREE", '"free"', "free;x", "free,x"]),
    *(("a header's value with odd bytes", (("x-plan", value),)) for value in [b"free\x0b", b"free\x00", b"free\xa0", b"free\x85", b"\xa0free", b"free\x1f"]),
    ("a header twice", (("x-plan", "free"), ("x-plan", "paid"))),
    ("a header twice", (("x-plan", "paid"), ("x-plan", "free"))),
    ("a header twice", (("x-plan", ""), ("x-plan", "free"))),
    ("a header twice", (("x-plan", "free"), ("X-Plan", "free"))),
    ("a header's name", (("X-PLAN", "free"),)),
    ("a header with `_`", (("x_plan", "free"),)),
    ("a header with `_`", (("X_Plan", "free"),)),
    ("a header with `_`", (("X_Api_Key", "one"),)),
    ("a header with `_`", (("x-plan", "paid"), ("x_plan", "free"))),
    ("a header with `_`", (("x_plan", "free"), ("x-plan", "paid"))),
    ("a header's name with odd bytes", ((b"x-plan ", "free"),)),
    ("a header with `.`", ((b"x.plan", "free"),)),
    ("a header with `.`", ((b"x.api.key", "one"),)),
    ("a header's name with odd bytes", ((b"x-plan\x00", "free"),)),
    ("a folded header", (("x-plan", "\r\n free"),)),
    ("a folded header", (("x-other", "x\r\n x-plan: free"),)),
    ("a header that the connection names", (("connection", "x-plan"), ("x-plan", "free"))),
    ("a header that the connection names", (("connection", "keep-alive, x-api-key"), ("x-api-key", "one"))),
    *(
        ("a cookie's spelling", (("cookie", cookie),))
        for cookie in [
            *[" plan=free", "plan=free;", "plan = free", "plan= free", "plan =free", ";plan=free", "x;plan=free", "plan=free;x=y"],
            *["x=y;plan=free", "x=y,plan=free", "x=y plan=free", "x=y;;plan=free", "x=y;\tplan=free", "plan=free\t", "x=y;  plan=free"],
        ]
    ),
    *(
        ("a quoted cookie", (("cookie", cookie),))
        for cookie in ['plan="free"', 'plan="fr\\145e"', 'plan="free', 'plan="f\\ree"', 'x="; plan=free; y="', 'x="y;plan=free"', "plan='free'", '"plan"=free']
    ),
    *(("an encoded cookie", (("cookie", cookie),)) for cookie in ["plan=fr%65e", "pl%61n=free", "plan=j:\"free\"", "plan=fr+ee", "plan=%66ree"]),
    *(("a cookie in another case", (("cookie", cookie),)) for cookie in ["Plan=free", "PLAN=free", "plan=FREE"]),
    *(
        ("a cookie twice", (("cookie", cookie),))
        for cookie in ["plan=free; plan=paid", "plan=paid; plan=free", "plan=; plan=free", "plan; plan=free", "plan=free; plan"]
    ),
    ("two headers of cookies", (("cookie", "plan=free"), ("cookie", "plan=paid"))),
    ("two headers of cookies", (("cookie", "plan=paid"), ("cookie", "plan=free"))),
    ("two headers of cookies", (("cookie", "x=y"), ("cookie", "plan=free"))),
    *(
        ("a cookie with odd bytes", (("cookie", cookie),))
        for cookie in [b"plan=free\x85", b"\xa0plan=free", b"plan=free\xa0", b"plan\x1f=free", b"plan=free\x0b", b"plan=\xc2\xa0free", b"x=\xff; plan=free"]
    ),
    *(("a cookie of the old kind", (("cookie", cookie),)) for cookie in ["$Version=1; plan=free", '$Version="1"; plan="free"; $Path="/"', "plan[]=free", "plan[0]=free", "pl.an=free", "plan%00x=free"]),
    ("a cookie with `_`", (("COOKIE_", "plan=free"),)),
]

_LOGIN = b"/api/auth/login"
# Where a path or a host stands that an application could believe instead.
TARGETS: list[tuple[str, bytes, Headers]] = [
    ("SCRIPT_NAME", b"/x/api/auth/login", (("SCRIPT_NAME", "/x"),)),
    ("SCRIPT_NAME", b"/healthz/api/auth/login", (("SCRIPT_NAME", "/healthz"),)),
    ("SCRIPT_NAME", b"/static/api/auth/login", (("SCRIPT_NAME", "/static"),)),
    ("SCRIPT_NAME", b"/x/api/auth/login", (("SCRIPT-NAME", "/x"),)),
    ("PATH_INFO", b"/healthz", (("PATH_INFO", "/api/auth/login"),)),
    *(
        ("a header for the path", b"/healthz", ((name, "/api/auth/login"),))
        for name in ["x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-original-uri", "x-envoy-original-path", "x-forwarded-path"]
    ),
    *(("a header for the path", b"/healthz" + _LOGIN, ((name, "/healthz"),)) for name in ["x-forwarded-prefix", "x-script-name", "x-forwarded-prefix "]),
    ("an absolute target with another host", b"http://cheap.example/api/auth/login", (("host", "api.example"),)),
    ("an absolute target with another host", b"http://api.example/api/auth/login", (("host", "cheap.example"),)),
    ("an absolute target with another host", b"http://api.example:81/api/auth/login", (("host", "cheap.example:82"),)),
    ("an absolute target with another host", b"http://cheap.example@api.example/api/auth/login", (("host", "gate.test"),)),
    ("an absolute target without a path", b"http://gate.test?ids_only=1", ()),
    ("an absolute target without a path", b"http://api.example", (("host", "cheap.example"),)),
    ("an absolute target with dots", b"http://gate.test/../api/auth/login", ()),
    ("an absolute target with dots", b"http://gate.test/healthz/../api/auth/login", ()),
    ("a target in a target", b"/http://gate.test/api/auth/login", ()),
    ("a target of two slashes", b"//cheap.example/api/auth/login", ()),
    ("a target of two slashes", b"//healthz/api/auth/login", ()),
    ("a target of two slashes", b"//gate.test/../api/auth/login", ()),
]

_JOB = b"/api/v2/jobs/7/"
_FORM = (("content-type", "application/x-www-form-urlencoded"),)
OVERRIDES: list[tuple[str, bytes, Headers, bytes]] = [
    *(
        ("a method overridden by a header", _JOB, ((name, method),), b"")
        for name in ["x-http-method-override", "X-HTTP-Method-Override", "x-http-method", "x-method-override"]
        for method in ["DELETE", "delete", " Delete"]
    ),
    ("a method overridden by two headers", _JOB, (("x-http-method-override", "PUT"), ("x-http-method-override", "DELETE")), b""),
    ("a method overridden by two headers", _JOB, (("x-http-method-override", "DELETE"), ("x-http-method-override", "PUT")), b""),
    ("a method overridden by two headers", _JOB, (("x-http-method-override", "DELETE, PUT"),), b""),
    ("a method overridden by a header with `_`", _JOB, (("X_HTTP_METHOD_OVERRIDE", "DELETE"),), b""),
    *(
        ("a method overridden by a parameter", _JOB + query, (), b"")
        for query in [b"?_method=DELETE", b"?_method=delete", b"?%5fmethod=DELETE", b"?_method=PUT&_method=DELETE", b"?_method[]=DELETE", b"?_method=DELETE%00", b"?_method=D%45LETE"]
    ),
    ("a method overridden in the body", _JOB, _FORM, b"_method=DELETE"),
    ("a method overridden in the body", _JOB, _FORM, b"%5fmethod=delete"),
]


def plain_credentials(users: dict[str, str]) -> list[tuple[str, Header]]:
    return [
        ("token", ("authorization", f"Token {users['token']}")),
        ("jwt", ("authorization", f"Bearer {users['jwt']}")),
        ("basic", ("authorization", f"Basic {_base64(users['basic'])}")),
        ("key", ("x-api-key", users["key"])),
        ("session", ("cookie", f"sessionid={users['session']}")),
    ]


def credentials(users: dict[str, str]) -> Iterator[tuple[str, str, Headers]]:
    """Other spellings of a credential: its kind, what is unusual, and the headers."""
    token, key, session, basic = users["token"], users["key"], users["session"], _base64(users["basic"])
    for value in ["token {}", "TOKEN {}", "Token  {}", "Token\t{}", " Token {}", "Token {} ", "Token {}\t"]:
        yield "token", "a scheme's spelling", (("authorization", value.format(token)),)
    for value in ["Token {},", "Token {}, x", "Token {} x", 'Token "{}"', "Token token={}", "Token {};x", "Token:{}", "Token {}=", "Token,{}"]:
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
    yield "jwt", "a JWT with junk inside", (("authorization", f"Bearer {head}.{payload}.{signature[:9]}!#$%{signature[9:]}"),)
    yield "jwt", "a JWT in the other alphabet", (("authorization", f"Bearer {head}.{payload}.{signature.replace('-', '+').replace('_', '/')}"),)
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
    spaced = ["sessionid={}; x=y", "x=y;sessionid={}", " sessionid={}", "sessionid = {}", "sessionid= {}", "sessionid={} ", "sessionid={};", ";sessionid={}"]
    for cookie in [*spaced, "x=y;\tsessionid={}", "x=y,sessionid={}", "x;sessionid={}"]:
        yield "session", "a session's white space", (("cookie", cookie.format(session)),)
    for cookie in ['sessionid="{}"', 'sessionid="{}', "sessionid={}%", "SESSIONID={}", "sessionid={}\xa0", "sessionid={}\x85", "sessionid={}\x0b", "sessionid=\xa0{}", "sessionid\x1f={}"]:
        yield "session", "a session's spelling", (("cookie", cookie.format(session)),)
    yield "session", "an encoded session", (("cookie", f"sessionid=%{ord(session[0]):02x}{session[1:]}"),)
    yield "session", "an encoded session", (("cookie", 'sessionid="\\%03o%s"' % (ord(session[0]), session[1:])),)
    for tail in ["=", "!!!!", "~~~~", "AAAA", "===="]:
        yield "session", "a session with a tail", (("cookie", f"sessionid={session}{tail}"),)
    for cookie in [f"sessionid={session}; sessionid=made-up", f"sessionid=made-up; sessionid={session}", f'x="; sessionid={session}; y="']:
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
    for kind, header in plain_credentials(users):
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
    return [encoded[: len(bare) - 1] + alphabet[other] + encoded[len(bare) :] for other in others if (other >> unused) == (at >> unused)]
