"""The alerts and the dashboard of a service: they agree, and each alert comes when it should.

`alerts/` has what each alert is tried with, by `promtool`, which is a program of Prometheus.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ServiceWith
from tests.helpers.service import Outcome, Service, attempt

ALERTS = Path(__file__).parent / "alerts"

LIMIT = re.compile(r"(?<=> )([\d.]+)")
INDENT = "\n          "

Promtool = Callable[..., Outcome]


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    """Run it with files in a folder of its own."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed; Debian has it in the package prometheus")

    def run(*arguments: str, **files: str) -> Outcome:
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text, "utf-8")
        return attempt("promtool", *arguments, cwd=tmp_path)

    return run


def rules_of(service: Service) -> str:
    return service.text("deploy/telemetry/rules.yml")


def panels_of(service: Service) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(service.text("deploy/telemetry/dashboard.json"))[
        "panels"
    ]
    return panels


def alerts_in(rules: str) -> dict[str, str]:
    """Return what each alert asks."""
    groups = yaml.safe_load(rules)["groups"]
    return {
        rule["alert"]: rule["expr"]
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    }


def questions_of(expression: str) -> str:
    """Return what an expression asks, without limits and the choice of an instance."""
    return re.sub(r', instance=~"\$instance"|\s> [\d.]+$|\s+', "", expression)


def test_each_alert_is_tried(service_with: ServiceWith) -> None:
    assert {path.stem for path in ALERTS.glob("*.yml")} == alerts_in(
        rules_of(service_with())
    ).keys()


@pytest.mark.parametrize("alert", sorted(path.stem for path in ALERTS.glob("*.yml")))
def test_an_alert_comes_when_it_should(
    service_with: ServiceWith, promtool: Promtool, alert: str
) -> None:
    """And would not, or too often, with another limit or with series of another service."""
    rules, trial = rules_of(service_with()), (ALERTS / f"{alert}.yml").read_text("utf-8")
    asked = alerts_in(rules)[alert]

    promtool("test", "rules", "trial.yml", rules=rules, trial=trial).expect_success()
    for factor in (0.5, 2.5):
        moved = LIMIT.sub(rf"\1 * {factor}", asked)
        broken = rules.replace(asked.replace("\n", INDENT), moved.replace("\n", INDENT))
        assert broken != rules
        outcome = promtool("test", "rules", "trial.yml", rules=broken, trial=trial)
        assert outcome.status == 1, (factor, outcome.output)
    if "another" in trial:
        broken = rules.replace('job="order-desk"', 'job=~".+"')
        assert promtool("test", "rules", "trial.yml", rules=broken, trial=trial).status == 1


@pytest.mark.parametrize("answers", [{}, {"http_client": "none"}], ids=str)
def test_prometheus_understands_the_rules_and_the_panels(
    service_with: ServiceWith, promtool: Promtool, answers: dict[str, Any]
) -> None:
    service = service_with(**answers)
    panels = panels_of(service)
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    records = [{"record": f"panel:{n}", "expr": expression} for n, expression in enumerate(asked)]
    group = yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]})

    for rules in (rules_of(service), group):
        checked = promtool("check", "rules", "--lint-fatal", "rules.yml", rules=rules)
        assert "SUCCESS" in checked.expect_success()
    assert any("http_client" in expression for expression in asked) == (not answers)


def test_the_lines_in_the_panels_are_where_the_alerts_begin(service_with: ServiceWith) -> None:
    service = service_with()
    alerts = alerts_in(rules_of(service)).values()
    limits: dict[str, set[float]] = {}
    for expression in alerts:
        if not expression.startswith("("):
            found = LIMIT.findall(expression)
            limits.setdefault(questions_of(expression), set()).update(map(float, found))

    drawn: dict[str, set[float]] = {}
    for panel in panels_of(service):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        lines = {step["value"] for step in steps} - {None}
        for target in panel["targets"]:
            drawn[questions_of(target["expr"])] = lines

    assert limits
    for question, values in limits.items():
        assert values <= drawn[question], question
    burns = re.findall(r"5m\S+ > ([\d.]+) \* ([\d.]+)", "".join(alerts))
    (errors,) = {max(lines) for asked, lines in drawn.items() if "5.." in asked}
    assert errors == pytest.approx(float(burns[0][0]) * float(burns[0][1]))


def test_errors_are_counted_over_the_windows_of_the_alerts(service_with: ServiceWith) -> None:
    rules = rules_of(service_with())
    recorded = set(re.findall(r"- record: (\S+)", rules))

    assert recorded == set(re.findall(r"(job:[\w:]+)\{", rules))


def test_the_panels_do_not_overlap(service_with: ServiceWith) -> None:
    panels = panels_of(service_with())
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}

    assert len(places) == len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert {panel["gridPos"]["w"], panel["gridPos"]["h"]} == {8}
        assert not panel["gridPos"]["x"] % 8
        assert not panel["gridPos"]["y"] % 8
