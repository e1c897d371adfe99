"""What the owner of a service has done to it, without a thought for the template."""

import re
import shutil
import sys
from pathlib import Path

from tests.helpers.git import git
from tests.helpers.service import run
from tests.helpers.updates import substitute

GUIDED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

DELETED = (".github/workflows/ci.yml", "tests/orders/test_orders.py")
"""Files of the template that the owner has no use for."""

FILES = {
    "src/order_desk/notes/__init__.py": '''\
"""Notes that the desk keeps."""
''',
    "src/order_desk/notes/models.py": '''\
"""The table of notes."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from ..database.base import Entity


class Note(Entity):
    """A note."""

    __tablename__ = "notes"

    text: Mapped[str] = mapped_column(String(200))
''',
    "src/order_desk/notes/endpoints.py": '''\
"""``/notes``."""

from fastapi import APIRouter, Request
from sqlalchemy import select

from ..database.dependencies import ReadSessionDep
from ..web.schemas import ResponseModel
from .models import Note

router = APIRouter(prefix="/notes", tags=["notes"])


class Notes(ResponseModel):
    """The newest notes."""

    notes: list[str]


@router.get("")
async def list_notes(request: Request, session: ReadSessionDep) -> Notes:
    """List the newest notes."""
    limit = request.state.settings.notes_limit
    newest = select(Note.text).order_by(Note.id.desc()).limit(limit)
    return Notes(notes=list(await session.scalars(newest)))
''',
    "src/order_desk/migrations/versions/0002_notes.py": '''\
"""Notes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from order_desk.database.types import Id, UtcDateTime

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "notes",
        sa.Column("id", Id, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("text", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("notes")
''',
    "tests/notes/__init__.py": "",
    "tests/notes/test_notes.py": """\
import httpx2


async def test_there_are_no_notes_yet(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/notes")).json() == {"notes": []}
""",
    "uv.lock": "version = 1\n",
}
"""A resource of the owner's own, and a lock file."""

EDITS = (
    (
        "src/order_desk/main.py",
        r"^from \.lifespan import .*\n",
        r"\g<0>from .notes import endpoints as notes\n",
    ),
    (
        "src/order_desk/main.py",
        r"^    app\.include_router\(users\.router, (.*)\n",
        r"\g<0>    app.include_router(notes.router, \g<1>\n",
    ),
    (
        "src/order_desk/models.py",
        r"^from \.orders\.models",
        r"from .notes.models import Note\n\g<0>",
    ),
    ("src/order_desk/models.py", r"^__all__ = \[", r'\g<0>"Note", '),
    (
        "src/order_desk/settings.py",
        r"^    log_level: .*\n",
        r"\g<0>    notes_limit: PositiveInt = 50\n",
    ),
    ("src/order_desk/users/endpoints.py", r'tags=\["users"\]', 'tags=["people"]'),
    ("src/order_desk/web/problems.py", r"\Z", "\n\nOWNER = True\n"),
    ("pyproject.toml", r'^    "structlog.*\n', r'\g<0>    "tzdata>=2025.1",\n'),
    ("pyproject.toml", r'^version = "0\.1\.0"', 'version = "1.7.2"'),
    (".env.example", r"\Z", "#NOTES_LIMIT=50\n"),
    ("README.md", r"^## Run in production", r"## Notes\n\nThe desk keeps notes.\n\n\g<0>"),
    (".gitignore", r"\A", "/scratch/\n"),
)
"""Edits to files of the template: file, pattern, replacement."""

EDITS_OF_1_X = (
    (
        "src/order_desk/main.py",
        r"^    (?:Timing|Request)Middleware,\n\)\n",
        r"\g<0>from .notes.endpoints import router as notes\n",
    ),
    ("src/order_desk/main.py", r"^    users,\n", r"\g<0>    notes,\n"),
    *EDITS[2:],
)
"""The same in a service of 1.x, whose routers stand in a tuple."""


def work_on(service: Path) -> Path:
    """Do to a service named Order Desk what its owner would, and leave it uncommitted."""
    is_old = not (service / "src/order_desk/web").exists()
    for file, text in FILES.items():
        (service / file).parent.mkdir(parents=True, exist_ok=True)
        (service / file).write_text(text.replace("web.", "") if is_old else text, "utf-8")
    for file, pattern, replacement in EDITS_OF_1_X if is_old else EDITS:
        substitute(service / (file.replace("web/", "") if is_old else file), pattern, replacement)
    for file in DELETED:
        (service / file).unlink()
    return service


def settle(service: Path, *files: str) -> None:
    """Settle conflicts with 2.0.0: take the template's side and do to it again what was done."""
    for file in files:
        git(service, "checkout", "--theirs", "--", file)
        git(service, "add", "--", file)
        for edited, pattern, replacement in EDITS:
            if edited == file:
                substitute(service / file, pattern, replacement)


EXAMPLE = (
    "src/order_desk/users",
    "src/order_desk/orders",
    "src/order_desk/migrations/versions/0001_users_and_orders.py",
    "scripts/seed.py",
    "tests/users",
    "tests/orders",
)
"""What an owner deletes who has no use for the example."""

WIRING = ("src/order_desk/main.py", "src/order_desk/models.py", "scripts/dev.py")
"""Where the example is imported."""

IMPORT = re.compile(
    r"^from (?:\S*\.(?:users|orders)(?:\.\w+)?|scripts\.seed) import (.+)\n", re.MULTILINE
)


def remove_example(service: Path) -> Path:
    """Delete the example as the service's README tells, and leave that uncommitted."""
    delete_example(service)
    for file in WIRING:
        text = (service / file).read_text("utf-8")
        names = [name.split()[-1] for line in IMPORT.findall(text) for name in line.split(", ")]
        assert names, file
        using = rf"^.*\b(?:{'|'.join(names)})\b.*\n"
        text = re.sub(using, "", IMPORT.sub("", text), flags=re.MULTILINE)
        (service / file).write_text(text, "utf-8")
    for command in (("check", "--select=I,F401", "--fix"), ("format",)):
        run(sys.executable, "-m", "ruff", *command, "--no-cache", *WIRING, cwd=service)
    return service


def remove_example_of_1_0_0(service: Path) -> Path:
    """Do so in a service of the first release on SQLite; it had the example's rows in dev.py."""
    dev = service / "scripts/dev.py"
    for pattern in (
        r"^SEED: [\s\S]+?\n\"\"\".+\"\"\"\n\n\n",
        r"^async def seed[\s\S]+?\n\n\n",
        r"^        asyncio.run\(seed.*\n",
        r"^from order_desk\.models.*\n",
        r"^from order_desk\.database\.engine.*\n",
    ):
        substitute(dev, pattern, "")
    substitute(dev, r", Sequence$", "")
    substitute(dev, r"^from sqlalchemy import select\n", "")
    substitute(dev, r"import Settings, load_settings", "import load_settings")
    return remove_example(service)


def delete_example(service: Path) -> None:
    """Delete its files and folders."""
    for path in EXAMPLE:
        if (service / path).is_dir():
            shutil.rmtree(service / path)
        else:
            (service / path).unlink(missing_ok=True)


def guided_code(folder: Path) -> list[str]:
    """Return the code that the guides of a service show, in their order."""
    return GUIDED.findall((folder / "docs/guides.md").read_text("utf-8"))
