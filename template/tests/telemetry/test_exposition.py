import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from {{ package_name }}.settings import Settings
from {{ package_name }}.telemetry.exposition import (
    FOLDER,
    exposed,
    exposed_alone,
)
from {{ package_name }}.telemetry.prometheus import Processes

MEASURE = """
from prometheus_client import Counter, Gauge
Counter("done", "What was done.").inc()
Gauge("doing", "What is done.", multiprocess_mode="livesum").set(1)
print("measured", flush=True)
input()
"""


@contextmanager
def measuring(folder: Path) -> Iterator[None]:
    """Have another process measure, which lives as long."""
    process = subprocess.Popen(  # noqa: S603 - it is written above
        [sys.executable, "-c", MEASURE],
        env={**os.environ, FOLDER: str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    process.stdout.readline()
    yield
    process.communicate(b"\n")


def metrics_of(folder: Path) -> list[str]:
    registry = CollectorRegistry()
    registry.register(Processes(folder))
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if not line.startswith("#"))


def test_what_a_process_has_counted_is_kept_when_it_has_ended(tmp_path: Path) -> None:
    with measuring(tmp_path):
        with measuring(tmp_path):
            assert metrics_of(tmp_path) == ["doing 2.0", "done_total 2.0"]

        assert metrics_of(tmp_path) == ["doing 1.0", "done_total 2.0"]


def test_a_number_may_be_that_of_a_foreign_process_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    with measuring(tmp_path):
        pass
    monkeypatch.setattr(os, "kill", refuse)

    assert metrics_of(tmp_path) == ["done_total 1.0"]


@pytest.fixture
def exposing(settings: Settings) -> Settings:
    return settings.model_copy(update={"metrics_port": 0, "workers": 2})


def test_the_metrics_of_all_workers_are_served_by_whoever_starts_them(
    exposing: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert exposing.workers > 1

    with capture_logs() as lines, exposed(exposing):
        folder = Path(os.environ[FOLDER])
        with measuring(folder):
            answer = httpx2.get(f"http://127.0.0.1:{lines[0]['port']}/metrics")

    assert folder.parent == tmp_path
    assert "\ndone_total 1.0\n" in answer.text
    assert not folder.exists()


async def test_the_metrics_of_one_process_are_served_once(
    exposing: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, "nowhere")
    alone = exposing.model_copy(update={"workers": 1})

    with capture_logs() as lines, exposed(alone):
        async with exposed_alone(alone):
            pass
        assert FOLDER not in os.environ

    assert [line["event"] for line in lines] == ["metrics"]


async def test_a_process_whose_metrics_nobody_serves_does_it_itself(exposing: Settings) -> None:
    with capture_logs() as lines:
        async with exposed_alone(exposing), httpx2.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{lines[0]['port']}/metrics")

    assert "db_client_connection_wait_time_seconds" in answer.text


async def test_a_taken_port_is_told_in_one_line(
    exposing: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = exposing.model_copy(update={"metrics_port": other.getsockname()[1]})
        with pytest.raises(SystemExit, match=r"METRICS_PORT: 127\.0\.0\.1 \d+: .*in use") as stop:
            exposed(taken).__enter__()
        monkeypatch.delenv(FOLDER)
        with capture_logs() as lines:
            async with exposed_alone(taken):
                pass

    assert "\n" not in str(stop.value)
    assert [line["event"] for line in lines] == ["no metrics"]


@pytest.mark.parametrize(("value", "port"), [("", None), ("off", None), ("1", 1), (None, 9464)])
def test_the_port_can_be_turned_off(
    monkeypatch: pytest.MonkeyPatch, database_url: str, value: str | None, port: int | None
) -> None:
    monkeypatch.delenv("METRICS_PORT")
    if value is not None:
        monkeypatch.setenv("METRICS_PORT", value)

    assert Settings(_env_file=None, database_url=database_url).metrics_port == port
