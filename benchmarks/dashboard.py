"""Draws the dashboard of a service while four incidents are staged on it, one after the other.

    uv run python -m benchmarks.dashboard

Grafana is not needed: the panels, what they ask and their limits are read from the dashboard's own
JSON, Prometheus answers what they ask, and this draws it to dashboard.svg. A minute here stands for
an hour, so that the panels ask for 20 seconds instead of 5 minutes. Needs `prometheus` and a
PostgreSQL as the tests do.
"""

import json
import math
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from copier import run_copy

from tests.helpers.metrics import await_metrics, paced
from tests.helpers.process import Process, deployed, eventually, free_port, program
from tests.helpers.service import Service
from tests.helpers.staged import add_routes, other_service

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "benchmarks/dashboard.svg"

STAGES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("pool too small", (110, "GET", "/staged/statement/50")),
    ("slow statement", (2, "GET", "/staged/statement/900")),
    ("slow upstream", (5, "POST", "/upstream/fetch", {"paths": ["/700"]})),
    ("blocked event loop", (1, "GET", "/staged/block/300")),
)
SECONDS, PAUSE = 40, 30
STEP = 2

CONFIG = """
global: { scrape_interval: 2s }
scrape_configs:
  - job_name: order-desk
    static_configs: [{ targets: ["127.0.0.1:PORT"] }]
"""

WIDTH, HEIGHT, GAP, TOP = 300, 150, 14, 64
COLORS = ("#0550ae", "#bc4c00", "#8250df", "#1a7f37", "#bf8700", "#818b98", "#cf222e", "#54aeff")
ORIGIN = "The panels of dashboard.json, drawn without Grafana."
STYLE = """
text { font: 11px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
fill: #59636e } .title { font-weight: 600; font-size: 12px; fill: #1f2328 }
.page { fill: #f6f8fa } .panel { fill: #ffffff; stroke: #d0d7de } .stage { fill: #eaeef2 }
.limit { stroke: #cf222e; stroke-dasharray: 4 3 } .axis { stroke: #d0d7de }
polyline { fill: none; stroke-width: 1.5 }
"""


@dataclass(frozen=True)
class Run:
    """When it began and ended, and when each incident was on."""

    start: float
    end: float
    stages: list[tuple[str, float, float]]


def main() -> None:
    """Stage, ask and draw."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        answers = {"project_name": "Order Desk", "database_driver": "asyncpg"}
        run_copy(
            str(ROOT), folder / "order-desk", data=answers, defaults=True, unsafe=True, quiet=True
        )
        service = Service.rendered(folder / "order-desk", {"package_name": "order_desk", **answers})
        add_routes(service.folder)
        dashboard = json.loads(service.text("deploy/telemetry/dashboard.json"))
        deployment = stack.enter_context(deployed(service, service.environment()))
        url, port = stack.enter_context(other_service()), free_port()
        process = stack.enter_context(
            deployment.started(upstream_url=url, metrics_port=port, database_pool_size=4)
        )
        eventually(process.ready)
        await_metrics(port)
        prometheus = stack.enter_context(watching(folder, port))
        run = stage(process)
        TARGET.write_text(svg(dashboard["panels"], prometheus, run), "utf-8")


@contextmanager
def watching(folder: Path, port: int) -> Iterator[str]:
    """Run Prometheus, and yield its URL."""
    (folder / "prometheus.yml").write_text(CONFIG.replace("PORT", str(port)), "utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = (
        program("prometheus"),
        *(f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"),
        *(f"--web.listen-address={address}", "--log.level=error"),
    )
    with subprocess.Popen(command) as popen:
        try:
            yield f"http://{address}"
        finally:
            popen.terminate()


def stage(process: Process) -> Run:
    """Stage the incidents, on top of what goes on all the time."""
    with ExitStack() as stack:
        stack.enter_context(paced(process, 10, "GET", "/users"))
        stack.enter_context(paced(process, 2, "POST", "/upstream/fetch", {"paths": ["/5"]}))
        time.sleep(PAUSE)
        start, stages = time.time(), []
        time.sleep(PAUSE)
        for name, requests in STAGES:
            begun = time.time()
            with paced(process, *requests):
                time.sleep(SECONDS)
            stages.append((name, begun, time.time()))
            time.sleep(PAUSE)
    return Run(start, time.time(), stages)


def answers_of(prometheus: str, expression: str, run: Run) -> list[dict[str, Any]]:
    """Ask Prometheus for the series of an expression."""
    asked = re.sub(r"\[(5m|1h)\]", "[20s]", expression).replace("$instance", ".*")
    query = {"query": asked, "start": run.start, "end": run.end, "step": STEP}
    with urlopen(f"{prometheus}/api/v1/query_range?{urlencode(query)}") as response:
        result: list[dict[str, Any]] = json.load(response)["data"]["result"]
    return result


def svg(panels: Sequence[dict[str, Any]], prometheus: str, run: Run) -> str:
    """Return the whole picture."""
    rows = math.ceil(len(panels) / 3)
    width, height = 3 * (WIDTH + GAP) + GAP, TOP + rows * (HEIGHT + GAP)
    names = ", ".join(f"{n} {name}" for n, (name, _, _) in enumerate(run.stages, 1))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">',
        "<title>The dashboard of a service during four incidents</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="title" x="{GAP}" y="24">Order Desk</text>',
        f'<text x="{GAP}" y="44">{ORIGIN} Incidents: {escape(names)}.</text>',
    ]
    for panel in panels:
        place = panel["gridPos"]
        x, y = GAP + place["x"] // 8 * (WIDTH + GAP), TOP + place["y"] // 8 * (HEIGHT + GAP)
        lines.append(f'<g transform="translate({x} {y})">')
        lines += draw(panel, prometheus, run)
        lines.append("</g>")
    return "\n".join([*lines, "</svg>\n"])


def draw(panel: dict[str, Any], prometheus: str, run: Run) -> Iterator[str]:
    """Draw one panel."""
    series = [
        (legend(target["legendFormat"], answer["metric"]), answer["values"])
        for target in panel["targets"]
        for answer in answers_of(prometheus, target["expr"], run)
    ]
    defaults = panel["fieldConfig"]["defaults"]
    limits = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
    values = [float(value) for _, points in series for _, value in points if value != "NaN"]
    most = max([*values, *(1.15 * limit for limit in limits), 1e-9])
    left, right, top, bottom = 44, WIDTH - 8, 28, HEIGHT - 30

    def x(at: float) -> float:
        return left + (at - run.start) / (run.end - run.start) * (right - left)

    def y(value: float) -> float:
        return bottom - value / most * (bottom - top)

    yield f'<rect class="panel" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
    for number, (_, begun, ended) in enumerate(run.stages, 1):
        shape = f'y="{top}" width="{x(ended) - x(begun):.1f}" height="{bottom - top}"'
        yield f'<rect class="stage" x="{x(begun):.1f}" {shape}/>'
        yield f'<text x="{x(begun) + 2:.1f}" y="{top + 10}">{number}</text>'
    yield f'<path class="axis" d="M{left} {bottom}H{right}"/>'
    yield f'<text class="title" x="10" y="18">{escape(panel["title"])}</text>'
    for value in (most, 0):
        shape = f'x="{left - 4}" y="{y(value) + 4:.1f}" text-anchor="end"'
        yield f"<text {shape}>{unit(value, defaults['unit'])}</text>"
    for limit in limits:
        yield f'<path class="limit" d="M{left} {y(limit):.1f}H{right}"/>'
    for color, (_, points) in zip(COLORS, series, strict=False):
        shown = " ".join(
            f"{x(at):.1f},{y(float(value)):.1f}" for at, value in points if value != "NaN"
        )
        yield f'<polyline stroke="{color}" points="{shown}"/>'
    place = 10.0
    for color, (name, _) in zip(COLORS, series, strict=False):
        if place + 6 * len(name) > WIDTH:
            break
        yield f'<text x="{place:.0f}" y="{HEIGHT - 10}" style="fill:{color}">{escape(name)}</text>'
        place += 6 * len(name) + 12


def legend(form: str, labels: dict[str, str]) -> str:
    """Return the name of a series, without the only instance there is."""
    form = form.replace("{{instance}}", "")
    name = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form)
    return name.strip() or "all"


def unit(value: float, name: str) -> str:
    """Write a number as Grafana would."""
    if name == "percentunit":
        return f"{value * 100:.3g} %"
    if name == "s":
        return f"{value:.2g} s" if value >= 1 or not value else f"{value * 1000:.3g} ms"
    return f"{value:.3g}"


if __name__ == "__main__":
    main()
