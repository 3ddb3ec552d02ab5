"""What can be done to a query."""

from __future__ import annotations

from collections.abc import Iterator

from harness.client import Header

Headers = tuple[Header, ...]

PLAIN = [
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

_MANY = b"&".join(b"x%d" % number for number in range(1001))

_QUERIES: dict[str, list[bytes]] = {
    "a truth": [b"ids_only=" + value for value in [b"no", b"off", b"FALSE", b"00", b"0.0", b"null", b"-", b"on"]],
    "an encoded truth": [b"ids_only=%30", b"ids_only=%31", b"ids_only=fals%65", b"ids_only=%2530"],
    "a truth with white space": [
        *[b"ids_only=0+", b"ids_only=+0", b"ids_only=false%20", b"ids_only=%090", b"ids_only=0%0a", b"ids_only=+"],
    ],
    "a truth with a control character": [
        *[b"ids_only=0%00", b"ids_only=%00", b"ids_only=false%00", b"ids_only=0%01", b"ids_only=1%00"],
    ],
    "a parameter twice": [
        *[b"ids_only=0&ids_only=1", b"ids_only=1&ids_only=0", b"ids_only&ids_only=false", b"ids_only=false&ids_only"],
        *[b"kind=export&kind=x", b"kind=x&kind=export", b"probe=yes&probe=no", b"probe=no&probe=yes"],
    ],
    "an encoded name": [
        *[b"%69ds_only=1", b"ids%5fonly=1", b"i%64s%5Fonly", b"k%69nd=export", b"%6bind=%65xport", b"pr%6fbe=yes"],
    ],
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
        *[b"kind%00=export", b"kind%00x=export", b"kind=export%00", b"kind=export%00x", b"kind=%00export"],
        *[b"kind=%1fexport", b"probe=yes&probe%00x=no", b"probe=yes%00", b"probe%00=yes"],
    ],
    "a value with white space": [
        *[b"kind=export+", b"kind=+export", b"kind=export%20", b"kind=%0aexport", b"kind=export%09"],
        *[b"kind=%c2%a0export", b"probe=+yes"],
    ],
    "a value with what is not UTF-8": [
        *[b"kind=export%ff", b"kind=%ffexport", b"kind=exp%c3ort", b"kind=export\xff", b"kind=%ed%a0%80export"],
    ],
    "a name with what is not UTF-8": [
        *[b"ids_only%ff=1", b"%ffids_only=1", b"ids_only\xff=1", b"kind%ff=export", b"ids_%c3only=1"],
    ],
    "another case": [b"IDS_ONLY=1", b"Ids_Only=1", b"KIND=export", b"kind=EXPORT", b"probe=YES", b"PROBE=yes"],
    "another alphabet": ["ıds_only=1".encode(), b"%c4%b1ds_only=1", b"%ef%bd%89ds_only=1", "ſ".encode() + b"ids_only=1"],
    "a question mark": [
        *[b"?ids_only=1", b"x?ids_only=1", b"?&ids_only=1", b"x=?&ids_only=1", b"ids_only=1?", b"?probe=yes"],
        *[b"kind=export?"],
    ],
    "a fragment in the query": [
        *[b"ids_only=0#&ids_only=1", b"#ids_only=1", b"x#&ids_only=1", b"ids_only=1#x", b"kind=export#x"],
        *[b"probe=yes#x", b"probe=yes#&probe=no"],
    ],
    "an encoded fragment in the query": [b"x%23&ids_only=1", b"kind=export%23", b"probe=yes%23x"],
    "an entity": [b"x&amp;ids_only=1", b"&amp;ids_only=1", b"x&amp;kind=export"],
    "an encoded separator": [
        *[b"x%26ids_only=1", b"ids_only%3d1", b"x%3d1%26ids_only=1", b"kind%3dexport", b"probe=yes%26probe=no"],
    ],
    "empty parameters": [
        *[b"&ids_only=1", b"&&&ids_only", b"=&ids_only=1", b"=1&ids_only=1", b"ids_only=1&&&", b"&=&kind=export"],
    ],
    "several equals signs": [b"ids_only==1", b"ids_only=0=0", b"kind==export", b"kind=export=", b"kind=export=x"],
    "a broken escape in the query": [
        *[b"%&ids_only=1", b"ids_only=%", b"ids_only=%zz", b"%zz=1&ids_only", b"kind=export%", b"kind=ex%70ort%2"],
        *[b"%u0069ds_only=1"],
    ],
    "many parameters": [
        *[_MANY + b"&ids_only=1", b"ids_only=1&" + _MANY, b"ids_only=0&" + _MANY + b"&ids_only=1"],
        *[b"probe=yes&" + _MANY + b"&probe=no"],
    ],
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


def spelled() -> Iterator[tuple[str, bytes, Headers]]:
    for name, found in _QUERIES.items():
        yield from ((name, query, ()) for query in found)
    for charset, query in _CHARSETS:
        for value in [f"text/plain; charset={charset}", f'application/x-www-form-urlencoded;CHARSET="{charset}"']:
            yield "a charset", query, (("content-type", value),)
    yield "a charset", b"+AGk-ds_only=1", (("content-type", "text/plain"), ("content-type", "text/plain; charset=utf-7"))
    yield "a charset", b"+AGk-ds_only=1", (("content_type", "text/plain; charset=utf-7"),)
    yield "a charset", b"+AGk-ds_only=1", (("content-type", "text/plain; charset=utf-8; charset=utf-7"),)
