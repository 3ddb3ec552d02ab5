"""What can be done to a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

PLAIN = [
    b"/api/v2/jobs/",
    b"/api/v2/jobs/7/",
    b"/api/auth/login",
    b"/search/foo",
    b"/files/a/b",
    b"/static/app.js",
    b"/healthz",
    b"/public/page",
]

HOST = b"gate.test"


@dataclass(frozen=True)
class Change:
    name: str
    of: Callable[[bytes], Iterable[bytes]]


def _each(*inserted: bytes, of: Callable[[bytes, bytes], Iterable[bytes]]) -> Callable[[bytes], Iterable[bytes]]:
    return lambda path: (target for one in inserted for target in of(path, one))


def _slash_becomes(path: bytes, one: bytes) -> Iterable[bytes]:
    """The last slash inside the path; and all but the first."""
    inner = path.rstrip(b"/")
    at = inner.rfind(b"/", 1)
    if at > 0:
        yield path[:at] + one + path[at + 1 :]
    if path.count(b"/") > 2:
        yield b"/" + path[1:].replace(b"/", one)


def _behind_slash(path: bytes, one: bytes) -> Iterable[bytes]:
    """Behind the first slash, and behind the last one that has something behind it."""
    yield b"/" + one + path[1:]
    at = path.rstrip(b"/").rfind(b"/")
    if at > 0:
        yield path[: at + 1] + one + path[at + 1 :]


def _at_end(path: bytes, one: bytes) -> Iterable[bytes]:
    yield path + one


def _behind_segment(path: bytes, one: bytes) -> Iterable[bytes]:
    """Behind the first segment, and behind the last."""
    first = path.find(b"/", 1)
    if 0 < first < len(path) - 1:
        yield path[:first] + one + path[first:]
    bare = path.rstrip(b"/")
    yield bare + one + path[len(bare) :]


def _before(path: bytes, one: bytes) -> Iterable[bytes]:
    yield one + path


def _suffixed(path: bytes, one: bytes) -> Iterable[bytes]:
    yield path.rstrip(b"/") + one


def _letter(path: bytes, form: bytes) -> Iterable[bytes]:
    """The first letter of the last segment."""
    at = path.rstrip(b"/").rfind(b"/") + 1
    yield path[:at] + form % path[at] + path[at + 1 :]


def _upper(path: bytes) -> Iterable[bytes]:
    yield path.upper()
    at = path.rstrip(b"/").rfind(b"/") + 1
    yield path[:at] + path[at : at + 1].upper() + path[at + 1 :]


# From a page that nobody limits to the one that is meant.
_UP = [b"..", b"%2e%2e", b".%2e", b"..;", b"..;x=y", b"..%00", b"..%20", b"..%09", b"%252e%252e", b"..%c0%af"]
_UP_BY_BACKSLASH = [b"/..\\", b"\\..\\", b"/..%5c"]
_ASIDE = [b"/static", b"/healthz", b"/static;x", b"/healthz;", b"/public"]

CHANGES = [
    Change("a letter encoded", _each(b"%%%02x", b"%%%02X", of=_letter)),
    Change("a letter encoded twice", _each(b"%%25%02x", of=_letter)),
    Change("a letter in another alphabet", lambda path: [path.replace(b"a", b"%ef%bd%81"), path.replace(b"o", b"%d0%be")]),
    Change("a letter as %u", _each(b"%%u00%02x", of=_letter)),
    Change("an encoded slash", _each(b"%2f", b"%2F", of=_slash_becomes)),
    Change("a slash encoded twice", _each(b"%252f", of=_slash_becomes)),
    Change("an overlong slash", _each(b"%c0%af", b"\xc0\xaf", of=_slash_becomes)),
    Change("a backslash", _each(b"\\", of=_slash_becomes)),
    Change("an encoded backslash", _each(b"%5c", of=_slash_becomes)),
    Change("a backslash in a name", lambda path: [path.rstrip(b"/") + b"\\x" + path[len(path.rstrip(b"/")) :]]),
    Change("an encoded backslash in a name", lambda path: [path.rstrip(b"/") + b"%5cx" + path[len(path.rstrip(b"/")) :]]),
    Change("an encoded slash in a name", lambda path: [path.rstrip(b"/") + b"%2fx" + path[len(path.rstrip(b"/")) :]]),
    Change("an empty segment", _each(b"/", of=_behind_slash)),
    Change("slashes in front", _each(b"/", b"//", b"/%2f", b"%2f", b"\\", of=_before)),
    Change("a dot segment", _each(b"./", b"%2e/", of=_behind_slash)),
    Change("a dot segment encoded twice", _each(b"%252e/", of=_behind_slash)),
    Change("up again", _each(b"x/../", b"x/%2e%2e/", b"x/.%2E/", of=_behind_slash)),
    Change("up again by an encoded slash", _each(b"x%2f..%2f", b"x/..%2f", of=_behind_slash)),
    Change("up again by a backslash", _each(b"x\\..\\", b"x/..\\", b"x/..%5c", of=_behind_slash)),
    Change("up again by an empty segment", _each(b"x//../", b"/../", of=_behind_slash)),
    Change("up again with a parameter", _each(b"x/..;/", b"x/..;y/", b"x;/../", b".;/", of=_behind_slash)),
    Change("up and down", lambda path: [path.rstrip(b"/") + b"/x/..", path.rstrip(b"/") + b"/x/../"]),
    Change("a dot at the end", _each(b"/.", b"/%2e", of=_suffixed)),
    Change("above the root", _each(b"/..", b"/../..", b"/%2e%2e", of=_before)),
    Change("from elsewhere", lambda path: [aside + b"/" + up + path for aside in _ASIDE for up in _UP]),
    Change("from elsewhere by an encoded slash", lambda path: [a + b"/..%2f" + path[1:] for a in _ASIDE]),
    Change("from elsewhere by a backslash", lambda path: [a + up + path[1:] for a in _ASIDE for up in _UP_BY_BACKSLASH]),
    Change("from elsewhere by an empty segment", lambda path: [a + b"//.." + path for a in _ASIDE]),
    Change("a parameter", _each(b";x", b";a=1", b";", b";x.json", b"%3bx", of=_behind_segment)),
    Change("a fragment", _each(b"#x", b"#", b"#/../../../healthz", b"#?ids_only=0", of=_at_end)),
    Change("an encoded fragment", _each(b"%23x", b"%23", b"%23/../../../../healthz", of=_at_end)),
    Change("an encoded question mark", _each(b"%3fx", b"%3f", b"%3f/../../../../healthz", of=_at_end)),
    Change("a query", _each(b"?", b"??", b"?x", b"?/../../healthz", b"?/static/", of=_at_end)),
    Change("a format", _each(b".json", b".api", of=_suffixed)),
    Change("a format with a slash", _each(b".json/", b".api/", of=_suffixed)),
    Change("another format", _each(b".html", b".JSON", b".x", b".", b"..", b".json.api", b"%2ejson", b".js%6fn", of=_suffixed)),
    Change("a slash more or less", lambda path: [path[:-1] if path.endswith(b"/") else path + b"/", path + b"//"]),
    Change("white space at the end", _each(b"%20", b"%09", b"%0a", b"%0d", b"%0b", b"%0c", b"+", of=_at_end)),
    Change("wide white space at the end", _each(b"%c2%a0", b"%c2%85", b"%e2%80%8b", b"%e3%80%80", b"%a0", of=_at_end)),
    Change("a control character at the end", _each(b"%00", b"%01", b"%1f", b"%7f", of=_at_end)),
    Change("a control character in a name", _each(b"%00", b"%0a", b"%0d", b"%09", of=_behind_segment)),
    Change("a raw control character", _each(b"\x00", b"\x01", b"\x09", b"\x0b", b"\x1f", b"\x7f", of=_at_end)),
    Change("a raw space", _each(b" ", b" x", of=_at_end)),
    Change("bytes that are not UTF-8", _each(b"%ff", b"%c3", b"%ed%a0%80", b"%f5%80%80%80", of=_behind_segment)),
    Change("raw bytes that are not UTF-8", _each(b"\xff", b"\xc3", of=_behind_segment)),
    Change("raw UTF-8", _each("é".encode(), "\u200b".encode(), of=_behind_segment)),
    Change("a broken escape", _each(b"%", b"%2", b"%zz", b"%u002f", of=_behind_segment)),
    Change("upper case", _upper),
    Change(
        "an absolute target",
        lambda path: [b"http://" + host + path for host in [HOST, b"elsewhere.test:81", b"cheap.example"]]
        + [b"HTTP://" + HOST + path, b"https://" + HOST + path, b"http://user@" + HOST + path, b"ftp://" + HOST + path],
    ),
    Change("no slash in front", lambda path: [path[1:], b"*", b"?" + path]),
]
