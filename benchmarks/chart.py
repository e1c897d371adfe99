"""A chart of the shares as SVG: a group of bars for each case, one for each server."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from report import CASE_TITLES, Row, shares

WIDTH = 760
MARGIN = 24
LABELS = 116
"""Of the names of the cases, left of the bars."""

VALUES = 48
"""Of the number behind the longest bar."""

HEADER = 56
LEGEND_LINE = 22
LEGEND_COLUMN = 356
BAR = 13
GAP = 16
"""Between two groups."""

# GitHub shows an image on the page's own background, by a theme that the image need not know of.
# So it brings a background along, and its colours go with that one.
STYLE = """
text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif }
.panel { fill: #ffffff; stroke: #d0d7de } .text { fill: #1f2328 } .quiet { fill: #59636e }
.title { font-weight: 600; font-size: 15px } .value { font-size: 11px }
.line { stroke: #59636e; stroke-dasharray: 3 3 }
.bar0 { fill: #818b98 } .bar1 { fill: #0550ae } .bar2 { fill: #54aeff }
.bar3 { fill: #bc4c00 } .bar4 { fill: #bf8700 } .bar5 { fill: #8250df }
@media (prefers-color-scheme: dark) {
.panel { fill: #0d1117; stroke: #3d444d } .text { fill: #f0f6fc } .quiet { fill: #9198a1 }
.line { stroke: #9198a1 }
.bar0 { fill: #656c76 } .bar1 { fill: #1f6feb } .bar2 { fill: #79c0ff }
.bar3 { fill: #f0883e } .bar4 { fill: #d29922 } .bar5 { fill: #ab7df8 }
}
"""


def write(file: Path, rows: Sequence[Row], cases: Sequence[str]) -> None:
    """Draw what each server has of the limit, which is the first."""
    limit, *others = rows
    values = {
        case: {
            row.title: shares(row.server, limit.server, case)[0].median
            for row in others
            if case in row.server.rounds
        }
        for case in cases
    }
    title = "Requests per second, as a share of the limit"
    file.write_text(svg(title, limit.title, [row.title for row in others], values), "utf-8")


def svg(title: str, limit: str, names: Sequence[str], values: dict[str, dict[str, float]]) -> str:
    """Return the whole image."""
    top = HEADER + (len(names) + 1) // 2 * LEGEND_LINE + GAP
    bars = sum(len(group) for group in values.values())
    bottom = top + bars * BAR + len(values) * GAP
    height = bottom + MARGIN
    scale = (WIDTH - 2 * MARGIN - LABELS - VALUES) / max(
        1, *(value for group in values.values() for value in group.values())
    )
    one = MARGIN + LABELS + scale
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="panel" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        text(MARGIN, 34, title, "text title"),
        *legend(names),
        *groups(top, scale, names, values),
        f'<path class="line" d="M{one:.1f} {top - 8}V{bottom}"/>',
        text(one, bottom + 14, f"1 = {limit}", "quiet value", anchor="end"),
        "</svg>\n",
    ]
    return "\n".join(lines)


def legend(names: Sequence[str]) -> Iterator[str]:
    for index, name in enumerate(names):
        x = MARGIN + index % 2 * LEGEND_COLUMN
        y = HEADER + index // 2 * LEGEND_LINE
        yield f'<rect class="bar{index}" x="{x}" y="{y}" width="{BAR}" height="{BAR}" rx="2"/>'
        yield text(x + BAR + 8, y + 11, name, "text")


def groups(
    y: float, scale: float, names: Sequence[str], values: dict[str, dict[str, float]]
) -> Iterator[str]:
    left = MARGIN + LABELS
    for case, group in values.items():
        yield text(left - 12, y + len(group) * BAR / 2 + 4, CASE_TITLES[case], "text", anchor="end")
        for index, name in enumerate(names):
            if name not in group:
                continue
            width = group[name] * scale
            shape = f'x="{left}" y="{y}" width="{width:.1f}" height="{BAR - 2}" rx="2"'
            yield f'<rect class="bar{index}" {shape}/>'
            value = f"{group[name]:.2f}".removeprefix("0")
            yield text(left + width + 6, y + 9, value, "quiet value")
            y += BAR
        y += GAP


def text(x: float, y: float, content: str, classes: str, *, anchor: str = "start") -> str:
    return (
        f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(content)}</text>"
    )
