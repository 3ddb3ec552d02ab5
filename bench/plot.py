"""`plot`: charts of what was measured, as SVG, with nothing but text. They are read on light and on dark pages: colours
that stand out on both, and no background."""

from __future__ import annotations

from argparse import Namespace
from html import escape

from bench import places, results

_GREY, _BLUE, _ORANGE, _GREEN = "#808890", "#3b82f6", "#e8762c", "#2da44e"
_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_WIDTH = 760


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}"{weight}>{escape(words)}</text>'


def document(height: float, title: str, body: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" role="img"'
    head += f' aria-label="{escape(title)}" font-family="{_FONT}" fill="{_GREY}">'
    return "\n".join([head, text(0, 18, title, size=15, bold=True), *body, "</svg>"]) + "\n"


def bars(title: str, lines: list[tuple[str, float, str, str]], note: str) -> str:
    """A horizontal bar for each line: its name, value, what to write behind it, and its colour."""
    left, right = 340, 130
    scale = (_WIDTH - left - right) / max(value for _, value, _, _ in lines)
    body = []
    for number, (name, value, words, colour) in enumerate(lines):
        y = 40 + 26 * number
        width = max(1.0, value * scale)
        body.append(text(left - 8, y + 13, name, anchor="end"))
        body.append(f'<rect x="{left}" y="{y}" width="{width:.1f}" height="18" rx="2" fill="{colour}"/>')
        body.append(text(left + width + 6, y + 13, words, size=12))
    bottom = 40 + 26 * len(lines) + 18
    return document(bottom + 8, title, [*body, text(0, bottom, note, size=11)])


def curve(title: str, points: list[tuple[float, float]], across: str, note: str) -> str:
    """Values, from 0 up, over what is offered."""
    left, top, bottom, right = 60.0, 40.0, 240.0, _WIDTH - 20.0
    most_x, most_y = max(x for x, _ in points), max(y for _, y in points) * 1.15
    spots = [(left + x / most_x * (right - left), bottom - y / most_y * (bottom - top)) for x, y in points]
    body = []
    for quarter in range(5):
        y = bottom - quarter * (bottom - top) / 4
        body.append(f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="{_GREY}" stroke-opacity="0.3"/>')
        body.append(text(left - 6, y + 4, f"{most_y * quarter / 4:.0f}", anchor="end", size=11))
        x = left + quarter * (right - left) / 4
        body.append(text(x, bottom + 18, f"{most_x * quarter / 4:.1f}", anchor="middle", size=11))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    body.append(f'<polyline points="{path}" fill="none" stroke="{_BLUE}" stroke-width="2.5" stroke-linejoin="round"/>')
    body.append(text((left + right) / 2, bottom + 36, across, anchor="middle", size=12))
    return document(bottom + 64, title, [*body, text(0, bottom + 58, note, size=11)])


def _where(saved: dict) -> str:
    machine = saved["machine"]
    return f"{machine['cpu']}, {machine['cores']} cores, Envoy {machine['envoy']}, {saved['made']}"


def cpu_charts(saved: dict) -> dict[str, str]:
    rows = {row["name"]: row for row in saved["rows"]}

    def added(row: dict) -> tuple[str, float, str, str]:
        value = row["added"]["median"]
        colour = _BLUE if row["title"].startswith("Tollgate") else _GREY
        return row["title"], max(0.0, value), f"+{value:.1f} µs, {row['to_empty']['median']:.1f}×", colour

    lines = [added(row) for row in saved["rows"] if "added" in row and not row["name"].startswith("other")]
    note = f"× the empty filter's. Medians of {saved['settings']['rounds']} interleaved rounds; {_where(saved)}"
    charts = {"cpu": bars("CPU that a filter adds to a request", lines, note)}
    if "drf-denied" in rows:
        django, ours = rows["drf-denied"]["micros"]["median"], rows["tollgate-denied"]["micros"]["median"]
        lines = [
            ("DRF + Redis behind gunicorn", django, f"{django:,.0f} µs", _ORANGE),
            ("Envoy with Tollgate, all of it", ours, f"{ours:.0f} µs: {django / ours:.0f}× less", _BLUE),
        ]
        charts["denied"] = bars("CPU to deny a worker's poll", lines, f"Medians; {_where(saved)}")
    return charts


def contention_chart(saved: dict) -> str:
    def line(row: dict) -> tuple[str, float, str, str]:
        name = f"{row['workers']} workers, {row['keys']:,} × {row['quota']:,} units"
        words = "1.00 exactly" if row["exact"] else f"{row['least']:.4f}–{row['most']:.4f}"
        return name, row["most"], words, _GREEN if row["exact"] else _ORANGE

    note = f"{saved['settings']['connections']} connections, {saved['settings']['windows']} windows each; {_where(saved)}"
    return bars("Admitted / quota under contention", [line(row) for row in saved["rows"]], note)


def memory_chart(saved: dict) -> str:
    looks = saved["rows"]["envoy"]["curve"]
    points = [(look["clients"] / 1e6, look["bytes"] / 2**20) for look in looks]
    note = f"Room for {saved['settings']['capacity']:,} clients; {_where(saved)}"
    return curve("Envoy's memory (MiB) in a flood of new clients", points, "million distinct clients", note)


def run(_options: Namespace) -> None:
    charts: dict[str, str] = {}
    if saved := results.saved("cpu"):
        charts |= cpu_charts(saved)
    if saved := results.saved("contention"):
        charts["contention"] = contention_chart(saved)
    if saved := results.saved("memory"):
        charts["memory"] = memory_chart(saved)
    directory = places.ROOT / "docs/bench"
    directory.mkdir(parents=True, exist_ok=True)
    for name, chart in charts.items():
        (directory / f"{name}.svg").write_text(chart)
        print(f"docs/bench/{name}.svg")
