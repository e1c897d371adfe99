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
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, auto
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY, JSON, BigInteger, CheckConstraint, Column, Double, ForeignKey, Index, Numeric, String,
    Table, Text, false, func,
)
from sqlalchemy import Enum as EnumOf
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database.base import Base, Entity
from ..database.types import Id, UtcDateTime


class State(Enum):
    OPEN = auto()
    PAID = auto()


invoice_tags = Table(
    "invoice_tags",
    Base.metadata,
    Column("invoice_id", Id, ForeignKey("invoices.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", Id, ForeignKey("invoice_tag_names.id"), primary_key=True),
)


class Tag(Entity):
    __tablename__ = "invoice_tag_names"

    name: Mapped[str] = mapped_column(String(20), unique=True)


class Invoice(Entity):
    __tablename__ = "invoices"
    __table_args__ = (CheckConstraint("total >= 0", name="positive"), Index(None, "state", "due"))

    number: Mapped[str] = mapped_column(String(20), unique=True)
    due: Mapped[datetime] = mapped_column(UtcDateTime)
    noted_at: Mapped[datetime | None] = mapped_column(UtcDateTime, server_default=func.now())
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2), server_default="0")
    state: Mapped[State] = mapped_column(EnumOf(State, native_enum=False, length=20))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    big: Mapped[int] = mapped_column(BigInteger)
    ratio: Mapped[float] = mapped_column(Double)
    note: Mapped[str | None] = mapped_column(Text)
    sent: Mapped[bool] = mapped_column(server_default=false())
    day: Mapped[date]
    clock: Mapped[time]
    before_id: Mapped[UUID | None] = mapped_column(Id, ForeignKey("invoices.id"), index=True)
    tags: Mapped[list[Tag]] = relationship(secondary=invoice_tags, lazy="raise")


class Line(Entity):
    __tablename__ = "invoice_lines"

    invoice_id: Mapped[UUID] = mapped_column(Id, ForeignKey("invoices.id"), index=True)
"""

OF_POSTGRESQL = """    words: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
"""

LATER = {
    "class Invoice(Entity):": """class Color(Enum):
    RED = auto()
    BLUE = auto()


class Invoice(Entity):""",
    "    PAID = auto()": "    PAID = auto()\n    LOST = auto()",
    "    day: Mapped[date]": """    day: Mapped[date]
    color: Mapped[Color | None] = mapped_column(EnumOf(Color, native_enum=False, length=20))
    state_before: Mapped[State] = mapped_column(
        EnumOf(State, native_enum=False, length=20), server_default="OPEN"
    )""",
}
"""What the models have in a later version: columns of enums, and one more member."""


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


def change_schema(folder: Path, url: str, name: str) -> None:
    """Let Alembic write a migration, and go up, down and up again with it."""
    run(folder, url, "alembic", "revision", "--autogenerate", "-m", name)
    (file,) = folder.glob(f"src/order_desk/migrations/versions/*_{name}.py")
    run(folder, url, "ruff", "check", str(file))
    run(folder, url, "ruff", "format", "--check", str(file))
    assert name in run(folder, url, "alembic", "upgrade", "head")
    run(folder, url, "alembic", "check")
    run(folder, url, "alembic", "downgrade", "-1")
    run(folder, url, "alembic", "upgrade", "head")
    run(folder, url, "alembic", "check")


def test_alembic_writes_migrations_that_run_both_ways_and_pass_lint(
    tmp_path: Path, url: str
) -> None:
    folder = tmp_path / "service"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".venv", "*cache*"))
    package = folder / "src" / "order_desk"
    file = package / "invoices" / "models.py"
    file.parent.mkdir()
    (file.parent / "__init__.py").write_text('"""Invoices."""\n')
    run(folder, url, "alembic", "upgrade", "head")
    with (package / "models.py").open("a") as models:
        models.write("\nfrom .invoices.models import Invoice, Line  # noqa: E402, F401\n")
    extra = OF_POSTGRESQL if url.startswith("postgres") else ""
    text = MODELS.replace("    day: ", f"{extra}    day: ")

    file.write_text(text)
    change_schema(folder, url, "invoices")
    for before, after in LATER.items():
        text = text.replace(before, after)
    file.write_text(text)
    change_schema(folder, url, "colors")

    run(folder, url, "alembic", "downgrade", "base")
    run(folder, url, "alembic", "upgrade", "head")
    run(folder, url, "alembic", "check")
