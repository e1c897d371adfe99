"""Draws `terminal.svg` of the README: an interview, the service that comes of it, and a request.

    uv run python benchmarks/picture.py

Everything in the picture is what the programs have written, in a terminal of 80 columns.
"""

import json
import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.helpers.template import QUESTIONS, ROOT
from tests.helpers.terminal import CLEAR, ENTER, Terminal, terminal

COLUMNS = 80
LINE = 19
MARGIN = 20
BAR = 34
"""The height of the bar of the window."""

STYLE = """
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
text { white-space: pre; fill: #d1d7e0 }
.window { fill: #151b23; stroke: #3d444d }
.typed { fill: #79c0ff }
.question { font-weight: 600; fill: #ffffff }
.quiet { fill: #9198a1 }
"""
"""The same in the light and the dark theme of a page, as a terminal is."""

ADDRESS = re.compile(r"http://(127\.0\.0\.1:\d+)/docs")
USER = {"email": "katherine@example.com", "full_name": "Katherine Johnson"}


def main() -> None:
    """Draw it."""
    with TemporaryDirectory() as folder:
        lines = [*interviewed(Path(folder)), "", *served(Path(folder, "order-desk"))]
    picture = Path(__file__).with_name("terminal.svg")
    picture.write_text(drawing(lines), "utf-8")
    print(f"{picture.name}: {len(lines)} lines")


def interviewed(folder: Path) -> Iterator[str]:
    """Answer the questions of a copy, and yield what the terminal shows in the end."""
    command = ("copier", "copy", "--trust", "--vcs-ref=HEAD", ROOT, "order-desk")
    yield "$ copier copy --trust path/to/the/template order-desk"
    with terminal(COLUMNS, command, folder) as shown:
        for name, question in QUESTIONS.items():
            if question.get("ask", True):
                shown.wait_for(f" {question['help']}")
                shown.type(f"{CLEAR}Order Desk{ENTER}" if name == "project_name" else ENTER)
        shown.wait_for("Yes")
        asked = written(shown)
        shown.wait_for("is ready:", seconds=60)
        ready = written(shown)
    yield from (line for line in asked if line.startswith(("🎤", "   ")))
    yield ""
    yield from ready[next(n for n, line in enumerate(ready) if "is ready:" in line) :][:4]


def served(service: Path) -> Iterator[str]:
    """Start the service that was made, and send it a request."""
    yield "$ uv run poe dev"
    with terminal(COLUMNS, ("uv", "run", "--quiet", "poe", "--quiet", "dev"), service) as shown:
        line = shown.wait_for("API documentation:", seconds=300)
        found = ADDRESS.search(line)
        assert found, line
        yield line
        shown.wait_for("Application startup complete", seconds=60)
        yield ""
        yield f"$ curl -i {found[1]}/users -H 'Content-Type: application/json' \\"
        yield f"    -d '{json.dumps(USER)}'"
        urlopen(f"http://{found[1]}/users").close()
        body, headers = json.dumps(USER).encode(), {"Content-Type": "application/json"}
        with urlopen(Request(f"http://{found[1]}/users", body, headers)) as response:
            yield f"HTTP/1.1 {response.status} {response.reason}"
            for name in ("location", "x-request-id", "x-response-time"):
                yield f"{name}: {response.headers[name]}"
            yield from json.dumps(json.load(response), indent=2).splitlines()
        shown.type("\x03")


def written(shown: Terminal) -> list[str]:
    """Return the lines of a screen down to the last that has something."""
    lines = shown.lines
    while lines and not lines[-1]:
        lines.pop()
    return lines


def drawing(lines: list[str]) -> str:
    """Return the picture."""
    width, height = MARGIN * 2 + round(COLUMNS * 7.85), BAR + LINE * len(lines) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        "<title>An interview, the service that comes of it, and a request</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="window" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        *(
            f'<circle cx="{MARGIN + 18 * number}" cy="18" r="5" fill="#3d444d"/>'
            for number in range(3)
        ),
    ]
    for number, line in enumerate(lines):
        y = BAR + LINE * (number + 1) - 5
        parts.append(f'<text class="{kind(line)}" x="{MARGIN}" y="{y}">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def kind(line: str) -> str:
    """Return what a line is: what somebody has typed, a question, or an answer."""
    if line.startswith(("$", "    -d")):
        return "typed"
    return "question" if line.startswith("🎤") else "quiet" if line.startswith("   ") else ""


if __name__ == "__main__":
    main()
