"""What an update does to a service besides the merge. `_migrations` in copier.yml runs this file.

    migrate.py [--answers-file=NAME] COMMAND ...

    rename OLD NEW [OLD NEW]...     files or folders of the service have new names
    rename-question OLD NEW         a question has a new name
    rename-choice QUESTION OLD NEW  an answer to a question is spelled anew
    answer QUESTION YAML            a new question has this answer in an older service
    decline QUESTION FOLDER...      a yes is a no where the owner has deleted the folders
    line-endings                    lines end as .gitattributes of the service has it
    news                            the owner hears what the new versions ask for
    keep-edited                     no file that the owner has edited is deleted

Each is run at both stages of an update, before and after the merge, and does its part at the
right one. Paths are relative to the service; `{package_name}` in them is the answer to that
question.

This file imports nothing from its siblings, as all files of this folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import yaml
from packaging.version import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

OPTION = "--answers-file="
ANSWERS_FILE = next(
    (argument.removeprefix(OPTION) for argument in sys.argv if argument.startswith(OPTION)),
    ".copier-answers.yml",
)
ATTRIBUTES = ".gitattributes"
CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
MIGRATIONS = "migrations/versions/*.py"
MARKERS = ("before updating", "last update", "after updating")
"""What Copier calls the three sides of a conflict."""
OF_AN_UPDATE = "copier._main."
"""How Copier's folders are called in which an update renders; answers.py knows them by it."""
IMPORT = re.compile(
    rb"^([ \t]*from )([.\w]+)( import )(?:(\w+)(?=(?: as \w+)?[ \t]*(?:#.*)?\r?$))?", re.MULTILINE
)
"""A line that imports names from a module; the name, where it is one alone."""

NEWS = {
    "2.0.0": (
        'Services are laid out anew: the section "Upgrading from 1.x" of CHANGELOG.md tells what '
        "has become of each name that is gone. The question fast_paths is new. It is "
        "answered by true for a service of 1.x, which keeps its compiled statements in fast/. To "
        "have what a new service has, sessions alone, commit this update and then run "
        "`uv run poe update --data fast_paths=false`."
    ),
    "2.1.0": (
        "The question deploy is new, and answered by none for a service that is older. To have a "
        "Dockerfile, compose.yaml, Dependabot and a weekly look for a newer template, commit this "
        "update and then run `uv run poe update --data deploy=container`; with `deploy=kubernetes` "
        "you get manifests for Kustomize, too. "
        "The question telemetry is new as well, and answered by none: "
        "`uv run poe update --data telemetry=prometheus` brings metrics, `telemetry=otlp` traces."
    ),
}
"""What the owner of an older service has to know of a version at once."""


def shut_out_others() -> None:
    """Keep the Git of whoever calls from ours: its repository and index, which a hook names."""
    for name in git("rev-parse", "--local-env-vars").decode().split():
        os.environ.pop(name, None)
    # A hook that is for all repositories of the user would run in ours for a moment, too.
    no_hooks = {"COUNT": "1", "KEY_0": "core.hooksPath", "VALUE_0": os.devnull}
    os.environ.update({f"GIT_CONFIG_{name}": value for name, value in no_hooks.items()})


def git(*arguments: str, stdin: bytes | None = None, most: int = 0) -> bytes:
    """Run Git in the service; return what it prints.

    Raises:
        CalledProcessError: its exit code is above `most`.
    """
    command = ["git", *arguments]
    result = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=False)  # noqa: S603
    if not 0 <= result.returncode <= most:
        raise subprocess.CalledProcessError(result.returncode, command)
    return result.stdout


def paths(*command: str) -> set[str]:
    """Return the paths that a command of Git prints when it is given `-z`."""
    return {path.decode() for path in git(*command).split(b"\0") if path}


def tell(text: str) -> None:
    """Say what was done, among the other messages of the update."""
    sys.stderr.write(f"   {text}\n")


def last_answers() -> dict[str, Any]:
    """Return the answers as they were before the update."""
    answers: dict[str, Any] = yaml.safe_load(git("show", f"HEAD:./{ANSWERS_FILE}"))
    return answers


@contextmanager
def rendered_last_version() -> Iterator[Path]:
    """Provide the service as it was before the update, without the owner's edits."""
    # Most updates need none of this, and it takes most of a second to import.
    from copier import run_copy  # noqa: PLC0415

    answers = last_answers()
    with TemporaryDirectory(prefix=OF_AN_UPDATE) as folder:
        run_copy(
            answers["_src_path"],
            folder,
            data={name: answer for name, answer in answers.items() if not name.startswith("_")},
            vcs_ref=answers["_commit"],
            answers_file=ANSWERS_FILE,
            defaults=True,
            quiet=True,
            unsafe=True,
            skip_tasks=True,
        )
        yield Path(folder)


def files_at(root: Path, path: str) -> Iterable[str]:
    """Return the files at a path below `root`: itself, or all that the folder holds."""
    top = root / path
    found = [top] if top.is_file() else top.rglob("*")
    return [file.relative_to(root).as_posix() for file in found if file.is_file()]


def rename(stage: str, *names: str) -> None:
    """Carry edits over to new names, and leave deleted what the owner has deleted.

    To Copier a renamed file is one deleted and one added. `git mv` before the merge would save
    the edits too, but only as a conflict that covers all of the file: Copier takes both sides for
    newly added.
    """
    if stage == "before":
        return
    answers = last_answers()
    filled = [name.format_map(answers) for name in names]
    committed = paths("ls-tree", "-rz", "--name-only", "HEAD", "./")
    with rendered_last_version() as last_version:
        pairs = zip(filled[::2], filled[1::2], strict=True)
        renamed = {old: new for old, new in pairs if (last_version / old).exists()}
        moved = {old: new for old, new in renamed.items() if Path(new).exists()}
        for old, new in renamed.items():
            carry(old, new, moved, committed, last_version=last_version)
    modules = paths("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.py")
    for path in sorted(modules):
        if Path(path).is_file():
            follow(path, path, moved)


def carry(
    old: str, new: str, moved: Mapping[str, str], committed: set[str], *, last_version: Path
) -> None:
    """Carry over to a new name what the owner has done to a file or in a folder."""
    rendered = files_at(last_version, old)
    added = {path for path in committed if path == old or path.startswith(f"{old}/")}
    for path in {*rendered, *added}:
        target = str(PurePosixPath(new, PurePosixPath(path).relative_to(old)))
        if target in committed:
            continue
        if path not in committed:
            Path(target).unlink(missing_ok=True)
        elif path not in rendered and not Path(target).exists():
            move(path, target, moved)
        elif path in rendered and Path(target).exists():
            merge(path, target, moved, base=last_version / path)


def move(path: str, target: str, moved: Mapping[str, str]) -> None:
    """Move a file of the owner's along with its folder."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    git("mv", "--", path, target)
    with suppress(OSError):  # it holds more
        Path(path).parent.rmdir()
    tell(f"moved {path} to {target}")
    follow(path, target, moved)


def merge(path: str, target: str, moved: Mapping[str, str], *, base: Path) -> None:
    """Merge the owner's edits to `path` into the new file `target`."""
    contents = git("cat-file", "blob", f":./{path}"), base.read_bytes()
    # Imports that nobody has edited then read alike on all three sides.
    ours, last = (imports_at(content, path, target, moved) for content in contents)
    theirs = Path(target).read_bytes()
    with TemporaryDirectory() as folder:
        sides = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for side, content in zip(sides, (ours, last, theirs), strict=True):
            side.write_bytes(content)
        labels = [part for marker in MARKERS for part in ("-L", marker)]
        # Up to 127 it exits with the number of conflicts.
        merged = git("merge-file", "-p", *labels, "--", *map(str, sides), most=127)
    Path(target).write_bytes(merged)
    git("rm", "--quiet", "--cached", "--", path)
    git("add", "--intent-to-add", "--", target)
    if any(line.startswith(b"<<<<<<< before") for line in merged.splitlines()):
        mark_conflict(target, last, ours, theirs)


def follow(path: str, target: str, moved: Mapping[str, str]) -> None:
    """Let a file that has come from `path` import from where the modules are now."""
    content = Path(target).read_bytes()
    followed = imports_at(content, path, target, moved) if target.endswith(".py") else content
    if followed != content:
        Path(target).write_bytes(followed)
        tell(f"changed the imports of {target}, which followed what has moved")


def imports_at(content: bytes, path: str, target: str, moved: Mapping[str, str]) -> bytes:
    """Return the content of a file at `path` with the imports that it needs at `target`.

    Only lines of the form `from MODULE import ...` are changed, and in them only the module.
    """
    package, new_package = module_of(path)[:-1], module_of(target)[:-1]

    def rewrite(found: re.Match[bytes]) -> bytes:
        head, written, keyword, name = (part.decode() for part in found.groups(b""))
        dots = len(written) - len(written.lstrip("."))
        if dots > len(package):
            return found[0]
        module = (*package[: len(package) - dots + 1 if dots else 0], *written[dots:].split("."))
        module = tuple(filter(None, module))
        new = new_place(module, name, moved)
        if new == module and (package == new_package or not dots):
            return found[0]
        spelled = relative(new, new_package) if dots else ".".join(new)
        return f"{head}{spelled}{keyword}{name}".encode()

    return IMPORT.sub(rewrite, content)


def new_place(module: tuple[str, ...], name: str, moved: Mapping[str, str]) -> tuple[str, ...]:
    """Return where the name, or all of the module, is imported from now."""
    for old, new in ((module_of(old), module_of(new)) for old, new in moved.items()):
        if module[: len(old)] == old:
            return new + module[len(old) :]
        if (*module, name) == old and name == new[-1]:
            return new[:-1]
    return module


def module_of(path: str) -> tuple[str, ...]:
    """Return the name of the module that a file or folder is."""
    return PurePosixPath(path.removeprefix("src/")).with_suffix("").parts


def relative(module: tuple[str, ...], package: tuple[str, ...]) -> str:
    """Return the module as an import in a package spells it with dots."""
    shared = 0
    while shared < len(package) and module[shared : shared + 1] == package[shared : shared + 1]:
        shared += 1
    return "." * (len(package) - shared + 1) + ".".join(module[shared:])


def rename_question(stage: str, old: str, new: str) -> None:
    """Carry an answer over to the new name of its question; Copier would take the default."""
    answers = current_answers()
    if stage == "before" and old in answers:
        answers.setdefault(new, answers.pop(old))
        write_answers(answers)


def rename_choice(stage: str, question: str, old: str, new: str) -> None:
    """Spell an answer anew; Copier would take the default."""
    answers = current_answers()
    if stage == "before" and answers.get(question) == old:
        answers[question] = new
        write_answers(answers)


def answer(stage: str, question: str, value: str) -> None:
    """Answer a new question for a service that is older; Copier would take the default."""
    answers = current_answers()
    if stage == "before" and question not in answers:
        answers[question] = yaml.safe_load(value)
        write_answers(answers)


def decline(stage: str, question: str, *folders: str) -> None:
    """Answer no for an owner who has deleted what a yes renders, or new files of it would come."""
    answers = current_answers()
    left = paths("ls-files", "-z", "--", *(folder.format_map(answers) for folder in folders))
    if stage == "before" and not left and answers.get(question, True):
        answers[question] = False
        write_answers(answers)


def current_answers() -> dict[str, Any]:
    """Return the answers as the migrations before this one have left them."""
    answers: dict[str, Any] = yaml.safe_load(Path(ANSWERS_FILE).read_text("utf-8"))
    return answers


def write_answers(answers: dict[str, Any]) -> None:
    """Write the answers for the rest of the update, which puts them into form."""
    Path(ANSWERS_FILE).write_text(yaml.safe_dump(answers, allow_unicode=True), "utf-8")


def keep_edited(stage: str) -> None:
    """Bring back deleted files that the owner had edited, and migrations, each as a conflict.

    Copier deletes what the new version or the new answers do not render, edited or not. To Git
    such a file is one that they have deleted and we have changed: `git add` keeps it, `git rm`
    lets it go. A database that has a migration cannot be migrated any more without it.
    """
    deleted = paths("ls-files", "-z", "--deleted") if stage == "after" else set()
    if not deleted:
        return
    with rendered_last_version() as last_version:
        for path in sorted(deleted):
            rendered = last_version / path
            base = rendered.read_bytes() if rendered.is_file() else None
            ours = git("cat-file", "blob", f":./{path}")
            if base != ours or PurePosixPath(path).match(MIGRATIONS):
                git("checkout-index", "--", path)
                mark_conflict(path, base, ours, None)
                why = "you have changed" if base != ours else "a database may have"
                tell(f"kept {path}, which {why} and the template has dropped")


def mark_conflict(path: str, *sides: bytes | None) -> None:
    """Record a conflict in the index, given the base, our and their content of the file."""
    staged = git("ls-files", "-z", "--stage", "--full-name", "--", path).decode().rstrip("\0")
    entry, full_path = staged.split("\t", 1)
    mode = entry.split()[0]
    lines = [f"0 {'0' * 40}\t{full_path}"]
    for number, content in enumerate(sides, start=1):
        if content is not None:
            blob = git("hash-object", "-w", "--stdin", stdin=content).decode().strip()
            lines.append(f"{mode} {blob} {number}\t{full_path}")
    git("update-index", "-z", "--index-info", stdin="\0".join([*lines, ""]).encode())


def line_endings(stage: str) -> None:
    """Let lines end with LF in a service that has no attributes yet, or each were in conflict.

    What has a CR at the end of each line on disk alone, as Git for Windows writes it, is so already
    to Git. Attributes of the owner's own, of files or of all of them, stay as they are.
    """
    if stage == "after":
        if paths("ls-tree", "-z", "--name-only", "HEAD", "--", ATTRIBUTES):
            git("checkout", "--quiet", "HEAD", "--", ATTRIBUTES)
        return
    listed = git("ls-files", "-z", "--eol").decode().split("\0")
    changed = [line.partition("\t")[2] for line in listed if has_crlf(line)]
    for path in changed:
        Path(path).write_bytes(Path(path).read_bytes().replace(b"\r\n", b"\n"))
    if changed:
        git("-c", "core.autocrlf=false", "add", "--", *changed)
        tell(f"changed the ends of all lines from CRLF to LF in {len(changed)} files")


def has_crlf(line: str) -> bool:
    """Read what `git ls-files --eol` says: in the index, in the work tree, the attributes, path."""
    ends = line.partition("\t")[0]
    return ends.startswith(("i/crlf", "i/mixed")) and not re.search(
        r"attr/.*(-text|eol=crlf)", ends
    )


def news(stage: str) -> None:
    """Say which versions lie between, and what their owner has to know of them."""
    last, new = (parse(os.environ[f"VERSION_PEP440_{end}"]) for end in ("FROM", "TO"))
    if stage == "before" or last == new:
        return
    crossed = [version for version in released() if last < parse(version) <= new]
    asking = [version for version in crossed if version in NEWS]
    source = current_answers()["_src_path"]
    told = [f"This was an update from {last} to {new}. {CHANGELOG.name} of the template ({source})"]
    told[0] += " says what each version brings and asks for."
    if len(crossed) > 1:
        told.append(f"On the way lie {', '.join(crossed)}.")
    told += [f"{version} asks: {NEWS[version]}" for version in asking]
    told += [] if len(asking) == len(crossed) else ["Nothing else is asked of you but to review."]
    for text in told:
        tell("\n   ".join(wrap(text, width=76, break_long_words=False, break_on_hyphens=False)))


def released() -> list[str]:
    """Return the versions that the changelog tells of and those with news, oldest first."""
    told = CHANGELOG.read_text("utf-8") if CHANGELOG.exists() else ""
    versions = {*re.findall(r"^## (\d[\d.]*\d) \(", told, re.MULTILINE), *NEWS}
    return sorted(versions, key=parse)


COMMANDS: dict[str, Callable[..., None]] = {
    "rename": rename,
    "rename-question": rename_question,
    "rename-choice": rename_choice,
    "answer": answer,
    "decline": decline,
    "line-endings": line_endings,
    "news": news,
    "keep-edited": keep_edited,
}

if __name__ == "__main__":
    shut_out_others()
    command, *arguments = [argument for argument in sys.argv[1:] if not argument.startswith(OPTION)]
    COMMANDS[command](os.environ["STAGE"], *arguments)
