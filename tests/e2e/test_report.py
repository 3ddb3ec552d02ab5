"""`--report`: the page in a real browser. It is readable everywhere, its limits can be moved, and it asks nobody for anything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import chromium
from harness.places import cli_path

pytestmark = [
    pytest.mark.skipif(chromium.path() is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
    pytest.mark.neither,
]

HOSTILE = "</script><img src=http://192.0.2.1/x onerror=\"document.title='broken'\">"
POLICY = {
    "client": {"credential": {"from": [{"header": "authorization", "schemes": ["Token"]}], "trust": "any"}},
    "scopes": {
        "user": {"rate": "10/min", "key": "credential"},
        "hour": {"rate": "100/h", "key": "credential", "mode": "shadow"},
    },
}
# How many requests each client makes, all within some seconds: that is its highest rate. The last one has a hostile name.
PEAKS = [*range(1, 30), 200]
CLIENTS = len(PEAKS)


def beyond(limit: int) -> int:
    return sum(peak > limit for peak in PEAKS)


def log() -> str:
    """And a line of another format."""
    lines = []
    for client, peak in enumerate(PEAKS, start=1):
        name = HOSTILE if client == CLIENTS else f"user-{client}"
        for number in range(peak):
            # A minute and more behind the one before.
            time = 1_795_737_600 + client * 120 + number * 0.1
            lines.append({"time": f"{time:.1f}", "client": "192.0.2.1", "method": "GET", "path": f"/{HOSTILE}", "status": 200,
                          "duration_ms": 0, "credential": name, "user_agent": HOSTILE})  # fmt: skip
    return "".join(json.dumps(line) + "\n" for line in lines) + f"GET /{HOSTILE}\n"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """The page of a replay, and that of a suggestion."""
    directory = tmp_path_factory.mktemp("report")
    (directory / "policy.json").write_text(json.dumps(POLICY))
    (directory / "access.log").write_text(log())
    made = {}
    for name, arguments in (("replay", ["replay", "policy.json"]), ("suggest", ["suggest"])):
        made[name] = directory / f"{name}.html"
        command = [cli_path(), *arguments, "access.log", "--report", made[name]]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[chromium.Page]:
    with chromium.Page(tmp_path_factory.mktemp("chromium")) as page:
        yield page


def caught(page: chromium.Page, place: int = 0) -> tuple[int, int]:
    """→ the limit of a curve, and how many clients it catches, as the page says."""
    words = f"[...document.querySelectorAll('figure.curve')[{place}].querySelectorAll('.now, .count')].map(it => it.textContent)"
    limit, count = page.run(words)
    return int(limit.replace(",", "")), int(count)


@pytest.mark.parametrize("name", ["replay", "suggest"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_it_is_readable(page, pages, name, width, dark):
    page.errors.clear()
    page.requests.clear()
    page.see(width, 900, dark=dark)
    page.open(pages[name])
    assert page.run("document.documentElement.scrollWidth") == width, "nothing stands out at the right"
    least, where = page.run(chromium.LEAST_CONTRAST)
    assert least >= 4.5, where
    background = page.run("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, background.removeprefix("rgb(").rstrip(")").split(","))) < 64) == dark
    assert page.picture().startswith(b"\x89PNG")
    # What clients have sent is text: no image, no script but the page's own, nothing asked of anybody.
    assert page.run("[document.images.length, document.scripts.length, document.title.includes('broken')]") == [0, 1, False]
    assert "</script><img src=" in page.run("document.body.innerText")
    assert page.errors == []
    assert page.requests == [pages[name].as_uri()]


def test_it_can_be_printed(page, pages):
    page.errors.clear()
    page.open(pages["replay"])
    pdf = page.print()
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") >= 1
    assert page.errors == []


def test_the_limit_can_be_moved(page, pages):
    """By keys, by the slider, by the pointer on the drawing; and each time the count is what the log has."""
    page.see(1280, 900)
    page.open(pages["replay"])
    assert caught(page) == (10, beyond(10))
    table = "[...document.querySelector('table').querySelectorAll('tbody tr')].map(row => row.lastElementChild.textContent)"
    assert page.run(table) == [str(beyond(10)), "0"], "as the replay itself has counted"

    page.run("document.querySelector('input[type=range]').focus()")
    seen = set()
    for key in ["ArrowRight"] * 6 + ["ArrowLeft"] * 12 + ["End", "Home"]:
        page.press(key)
        limit, count = caught(page)
        assert count == beyond(limit), key
        seen.add(limit)
    assert len(seen) > 12 and limit == 1
    told = page.run("document.querySelector('input[type=range]').getAttribute('aria-valuetext')")
    assert told == f"1/min, {beyond(1)} of {CLIENTS} clients"

    page.run("document.querySelector('figure.curve').scrollIntoView()")
    left, top, width, height = page.run(
        "(() => { const it = document.querySelector('figure.curve svg.area').getBoundingClientRect();"
        " return [it.left, it.top, it.width, it.height]; })()"
    )
    page.drag((left + 1, top + height / 2), (left + width * 0.7, top + height / 3))
    limit, count = caught(page)
    assert 20 < limit < 200 and count == beyond(limit) > 0
    line = page.run("(() => { const it = document.querySelector('line.limit').getBoundingClientRect(); return it.left + it.width / 2; })()")
    assert abs(line - (left + width * 0.7)) < width / 20, "the line stands where it was dragged to"

    page.run("document.querySelector('figure.curve button').click()")
    assert caught(page) == (10, beyond(10))


def test_without_a_script_it_says_the_same(pages):
    text = pages["replay"].read_text()
    assert f'<strong class="count">{beyond(10)}</strong> of {CLIENTS} clients' in text
