"""A migration that Alembic writes for an owner's model."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.databases import provide_database

MODELS = """
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database.base import Entity
from ..database.types import Id, UtcDateTime


class State(Enum):
    OPEN = auto()
    PAID = auto()


class Invoice(Entity):
    __tablename__ = "invoices"

    number: Mapped[str] = mapped_column(String(20), unique=True)
    due: Mapped[datetime] = mapped_column(UtcDateTime)
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    state: Mapped[State]
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class Line(Entity):
    __tablename__ = "invoice_lines"

    invoice_id: Mapped[UUID] = mapped_column(Id, ForeignKey("invoices.id"))
"""


@pytest.fixture
def url() -> Iterator[str]:
    with provide_database() as url:
        yield url


def run(folder: Path, url: str, *command: str) -> str:
    result = subprocess.run(  # noqa: S603 - a command of this file
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | {"DATABASE_URL": url, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_alembic_writes_a_migration_that_runs_and_passes_lint(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "service"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".venv", "*cache*"))
    package = folder / "src" / "order_desk"
    (package / "invoices").mkdir()
    (package / "invoices" / "__init__.py").write_text('"""Invoices."""\n')
    (package / "invoices" / "models.py").write_text(MODELS)
    with (package / "models.py").open("a") as models:
        models.write("\nfrom .invoices.models import Invoice, Line  # noqa: E402, F401\n")
    run(folder, url, "alembic", "upgrade", "head")

    run(folder, url, "alembic", "revision", "--autogenerate", "-m", "invoices")

    (file,) = package.glob("migrations/versions/*_invoices.py")
    run(folder, url, "ruff", "check", str(file))
    run(folder, url, "ruff", "format", "--check", str(file))
    assert "invoices" in run(folder, url, "alembic", "upgrade", "head")
    run(folder, url, "alembic", "check")
    run(folder, url, "alembic", "downgrade", "-1")
