"""This repository's own files."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.service import run
from tests.helpers.template import ROOT


@pytest.mark.parametrize(
    "command",
    [("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",)],
    ids=" ".join,
)
def test_its_python_is_clean(command: tuple[str, ...]) -> None:
    run(sys.executable, "-m", *command, cwd=ROOT)


def test_the_lock_file_names_public_hosts_only() -> None:
    lock = (ROOT / "uv.lock").read_text("utf-8")

    assert set(re.findall(r"\w+://[^/\"]*", lock)) == {
        "https://pypi.org",
        "https://files.pythonhosted.org",
    }


def test_each_extension_stands_alone() -> None:
    """On `copier update` the old and the new version of a file run in one process."""
    for file in (ROOT / "extensions").glob("*.py"):
        siblings = "|".join(path.stem for path in file.parent.glob("*.py"))
        imports = re.findall(
            rf"^\s*(?:from|import) +(?:\.|extensions|{siblings})\b.*", file.read_text()
        )
        assert not imports, file


GROUPED = """
import pytest

@pytest.mark.parametrize("group", [pytest.param(g, marks=pytest.mark.xdist_group(g)) for g in "ab"])
@pytest.mark.parametrize("number", range(4))
def test(group, number, worker_id):
    print("ran", group, worker_id)
"""


def test_a_group_of_tests_runs_on_one_worker(tmp_path: Path) -> None:
    """Or every variant would be rendered and installed by all workers."""
    (tmp_path / "test_grouped.py").write_text(GROUPED, "utf-8")

    output = run(
        *(sys.executable, "-m", "pytest", "-n2", "--dist=loadgroup", "-rP", "test_grouped.py"),
        cwd=tmp_path,
    )

    assert len(set(re.findall(r"^ran (\w) (\w+)$", output, re.MULTILINE))) == 2


README = """
```text
not a command
```
```bash
first
```
Words, `code` and
```sh
{command}
uv run pytest
```
```bash
third
```
"""


def ci_run(folder: Path, readme: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of `.ci/run` beside some README."""
    (folder / ".ci").mkdir()
    shutil.copy2(ROOT / ".ci" / "run", folder / ".ci")
    (folder / "README.md").write_text(readme, "utf-8")
    return subprocess.run(
        [folder / ".ci" / "run", *arguments], capture_output=True, text=True, check=False
    )


def test_ci_runs_the_second_shell_block_of_a_readme(tmp_path: Path) -> None:
    result = ci_run(tmp_path, README.format(command="python -m pip install uv"), "--print")

    assert result.stdout == "python -m pip install uv\nuv run pytest\n"
    assert result.returncode == 0


def test_ci_refuses_a_readme_without_tests(tmp_path: Path) -> None:
    result = ci_run(tmp_path, "```bash\npytest\n```\n", "--print")

    assert "the second shell block runs no pytest" in result.stderr
    assert result.returncode == 1
