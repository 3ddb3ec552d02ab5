"""What can be done to headers, to what overrides the path, the host or the method, and to cookies."""

from __future__ import annotations

from collections.abc import Iterator

from harness.client import Header, Text

Headers = tuple[Header, ...]

PLAIN: list[Headers] = [
    (("host", "api.example"),),
    (("host", "cheap.example"),),
    (("x-plan", "free"),),
    (("x-plan", "paid"),),
    (("cookie", "plan=free"),),
    (("cookie", "x=y; plan=paid"),),
]

_HOSTS: dict[str, list[Text]] = {
    "a host's spelling": [
        *["API.example", "api.example:80", "api.example:8080", "api.example.", "api.example:", "api.example.:80"],
    ],
    "what is no host": [
        *["api.example,cheap.example", "cheap.example@api.example", "api.example@x", "cheap.example/x", ""],
        *["api.example x", "cheap.example\\x", "cheap.example:x", "[::1]", "api%2eexample", "cheap.example#x"],
    ],
    "a host with white space": [" api.example\t"],
}

_PLANS: dict[str, list[Text]] = {
    "a header's value": [" free ", "\tfree", "free\t", "FREE", '"free"', "free;x", "free,x"],
    "a header's value with odd bytes": [b"free\x0b", b"free\x00", b"free\xa0", b"free\x85", b"\xa0free", b"free\x1f"],
    "a folded header": ["\r\n free"],
}

_COOKIES: dict[str, list[Text]] = {
    "a cookie's spelling": [
        *[" plan=free", "plan=free;", "plan = free", "plan= free", "plan =free", ";plan=free", "x;plan=free"],
        *["plan=free;x=y", "x=y;plan=free", "x=y,plan=free", "x=y plan=free", "x=y;;plan=free", "x=y;\tplan=free"],
        *["plan=free\t", "x=y;  plan=free"],
    ],
    "a quoted cookie": [
        *['plan="free"', 'plan="fr\\145e"', 'plan="free', 'plan="f\\ree"', 'x="; plan=free; y="', 'x="y;plan=free"'],
        *["plan='free'", '"plan"=free'],
    ],
    "an encoded cookie": ["plan=fr%65e", "pl%61n=free", "plan=fr+ee", "plan=%66ree"],
    "a cookie of JSON": ['plan=j:"free"', 'plan=j%3A"free"'],
    "a cookie in another case": ["Plan=free", "PLAN=free", "plan=FREE"],
    "a cookie twice": [
        *["plan=free; plan=paid", "plan=paid; plan=free", "plan=; plan=free", "plan; plan=free", "plan=free; plan"],
    ],
    "a cookie with odd bytes": [
        *[b"plan=free\x85", b"\xa0plan=free", b"plan=free\xa0", b"plan\x1f=free", b"plan=free\x0b"],
        *[b"plan=\xc2\xa0free", b"x=\xff; plan=free"],
    ],
    "a cookie of the old kind": [
        *["$Version=1; plan=free", '$Version="1"; plan="free"; $Path="/"', "plan[]=free", "plan[0]=free", "pl.an=free"],
        *["plan%00x=free"],
    ],
}

_FREE, _PAID = ("x-plan", "free"), ("x-plan", "paid")
_FREE_COOKIE, _PAID_COOKIE = ("cookie", "plan=free"), ("cookie", "plan=paid")
_OTHERS: dict[str, list[Headers]] = {
    "two hosts": [
        (("host", "api.example"), ("host", "cheap.example")),
        (("host", "cheap.example"), ("host", "api.example")),
    ],
    "another header for the host": [
        (("host", "gate.test"), (name, value))
        for name, value in [
            *[("x-forwarded-host", "api.example"), ("x-forwarded-host", "cheap.example"), ("x-host", "api.example")],
            *[("forwarded", "host=api.example"), ("x-original-host", "api.example"), (":authority", "api.example")],
        ]
    ],
    "another header for an exempt host": [(("host", "cheap.example"), ("x-forwarded-host", "api.example"))],
    "a header twice": [
        *[(_FREE, _PAID), (_PAID, _FREE), (("x-plan", ""), _FREE), (_FREE, ("X-Plan", "free"))],
    ],
    "a header's name": [(("X-PLAN", "free"),)],
    "a header with `_`": [
        *[(("x_plan", "free"),), (("X_Plan", "free"),), (("X_Api_Key", "one"),)],
        *[(_PAID, ("x_plan", "free")), (("x_plan", "free"), _PAID), (("COOKIE_", "plan=free"),)],
    ],
    "a header with `.`": [(("x.plan", "free"),), (("x.api.key", "one"),)],
    "a header's name with odd bytes": [(("x-plan ", "free"),), (("x-plan\x00", "free"),)],
    "a header in a folded one": [(("x-other", "x\r\n x-plan: free"),)],
    "a header that the connection names": [
        (("connection", "x-plan"), _FREE),
        (("connection", "keep-alive, x-api-key"), ("x-api-key", "one")),
    ],
    "two headers of cookies": [
        *[(_FREE_COOKIE, _PAID_COOKIE), (_PAID_COOKIE, _FREE_COOKIE), (("cookie", "x=y"), _FREE_COOKIE)],
    ],
}


def spelled() -> Iterator[tuple[str, Headers]]:
    for header, values in [("host", _HOSTS), ("x-plan", _PLANS), ("cookie", _COOKIES)]:
        for name, several in values.items():
            yield from ((name, ((header, value),)) for value in several)
    for name, headers in _OTHERS.items():
        yield from ((name, one) for one in headers)


_LOGIN = b"/api/auth/login"
_FOR_THE_PATH = [
    *["x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-original-uri", "x-envoy-original-path", "x-forwarded-path"],
]
_FOR_A_PREFIX = ["x-forwarded-prefix", "x-script-name", "x-forwarded-prefix "]

# Where a path or a host stands that an application could believe instead.
TARGETS: list[tuple[str, bytes, Headers]] = [
    ("SCRIPT_NAME", b"/x" + _LOGIN, (("SCRIPT_NAME", "/x"),)),
    ("SCRIPT_NAME", b"/healthz" + _LOGIN, (("SCRIPT_NAME", "/healthz"),)),
    ("SCRIPT_NAME", b"/static" + _LOGIN, (("SCRIPT_NAME", "/static"),)),
    ("SCRIPT_NAME", b"/x" + _LOGIN, (("SCRIPT-NAME", "/x"),)),
    ("PATH_INFO", b"/healthz", (("PATH_INFO", "/api/auth/login"),)),
    *(("a header for the path", b"/healthz", ((name, "/api/auth/login"),)) for name in _FOR_THE_PATH),
    *(("a header for the path", b"/healthz" + _LOGIN, ((name, "/healthz"),)) for name in _FOR_A_PREFIX),
    *(
        ("an absolute target with another host", b"http://" + authority + _LOGIN, (("host", host),))
        for authority, host in [
            (b"cheap.example", "api.example"),
            (b"api.example", "cheap.example"),
            (b"api.example:81", "cheap.example:82"),
            (b"cheap.example@api.example", "gate.test"),
        ]
    ),
    ("an absolute target without a path", b"http://gate.test?ids_only=1", ()),
    ("an absolute target without a path", b"http://api.example", (("host", "cheap.example"),)),
    ("an absolute target with dots", b"http://gate.test/.." + _LOGIN, ()),
    ("an absolute target with dots", b"http://gate.test/healthz/.." + _LOGIN, ()),
    ("a target in a target", b"/http://gate.test" + _LOGIN, ()),
    ("a target of two slashes", b"//cheap.example" + _LOGIN, ()),
    ("a target of two slashes", b"//healthz" + _LOGIN, ()),
    ("a target of two slashes", b"//gate.test/.." + _LOGIN, ()),
]

_JOB = b"/api/v2/jobs/7/"
_FORM = (("content-type", "application/x-www-form-urlencoded"),)
_OVERRIDE = "x-http-method-override"
_BY_PARAMETER = [
    *[b"_method=DELETE", b"_method=delete", b"%5fmethod=DELETE", b"_method=PUT&_method=DELETE", b"_method[]=DELETE"],
    *[b"_method=DELETE%00", b"_method=D%45LETE"],
]

# Each is a POST.
OVERRIDES: list[tuple[str, bytes, Headers, bytes]] = [
    *(
        ("a method overridden by a header", _JOB, ((name, method),), b"")
        for name in [_OVERRIDE, "X-HTTP-Method-Override", "x-http-method", "x-method-override"]
        for method in ["DELETE", "delete", " Delete"]
    ),
    ("a method overridden by two headers", _JOB, ((_OVERRIDE, "PUT"), (_OVERRIDE, "DELETE")), b""),
    ("a method overridden by two headers", _JOB, ((_OVERRIDE, "DELETE"), (_OVERRIDE, "PUT")), b""),
    ("a method overridden by two headers", _JOB, ((_OVERRIDE, "DELETE, PUT"),), b""),
    ("a method overridden by a header with `_`", _JOB, (("X_HTTP_METHOD_OVERRIDE", "DELETE"),), b""),
    *(("a method overridden by a parameter", _JOB + b"?" + query, (), b"") for query in _BY_PARAMETER),
    ("a method overridden in the body", _JOB, _FORM, b"_method=DELETE"),
    ("a method overridden in the body", _JOB, _FORM, b"%5fmethod=delete"),
]
