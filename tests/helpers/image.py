"""An image without Docker: the instructions of a Dockerfile, carried out in roots of their own.

What public images would bring comes from this machine: its shared libraries, the Python that runs
the tests, and uv. A build has a shell and the network besides; what is built has neither.
"""

import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

CONTAINED = Path(__file__).with_name("contained.py")
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/dev/null", "/dev/urandom")
LIBRARY = str(sysconfig.get_config_var("LIBDIR"))
PYTHON = ((sysconfig.get_path("stdlib"), f"/usr/local/lib/{VERSION}"), (LIBRARY, LIBRARY))
"""The standard library where the images of Python have it, and the interpreter's where it is."""
SHELL = ("/bin", "/usr/bin", "/etc/hosts", "/etc/resolv.conf", "/etc/ssl")
PATH = "/usr/local/bin:/usr/bin:/bin"

NETWORK = re.compile(r"(?i).*_proxy|SSL_CERT_.*|UV_.*INDEX.*")
"""Variables without which a machine may not reach its registry."""

BUILD_SECONDS = 300
COMMAND_SECONDS = 20

NSENTER = shutil.which("nsenter") or "nsenter"


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield the word and the arguments of each instruction."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, arguments = line.strip().partition(" ")
        if word:
            yield word, arguments.strip()


def in_context(path: str, dockerignore: str) -> bool:
    """Say whether a file gets into the build; the last pattern that fits decides."""
    names = [path, *(str(parent) for parent in Path(path).parents)]
    included = True
    for line in dockerignore.splitlines():
        pattern = line.removeprefix("!")
        anywhere = pattern.startswith("**/") and any(
            fnmatch.fnmatchcase(part, pattern[3:]) for part in Path(path).parts
        )
        if pattern and (anywhere or any(fnmatch.fnmatchcase(name, pattern) for name in names)):
            included = line.startswith("!")
    return included


@dataclass
class Image:
    """A stage of a build; the last one is what runs."""

    root: Path
    variables: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: int = 0
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    stop_signal: int = signal.SIGKILL

    def at(self, path: str) -> Path:
        """Return where a path of the image is on this machine."""
        return self.root / str(Path(self.folder, path)).lstrip("/")

    def contained(
        self,
        command: Sequence[str],
        *,
        mounts: Sequence[tuple[str, str]],
        namespaces: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> tuple[str, ...]:
        """Return the command that runs one in the image."""
        options = {
            "root": str(self.root),
            "mounts": [*((path, path) for path in SYSTEM if Path(path).exists()), *PYTHON, *mounts],
            "writable": ["/tmp"],  # noqa: S108
            "read_only": bool(namespaces),
            "folder": self.folder,
            "user": self.user,
            "variables": {**(variables or {}), **self.variables},
            "command": list(command),
        }
        isolated = ("unshare", "--mount", *namespaces)
        return (*isolated, sys.executable, "-I", str(CONTAINED), json.dumps(options))


@dataclass(frozen=True)
class Container:
    """A command that runs in an image."""

    image: Image
    outer: subprocess.Popen[bytes]
    """`unshare`, which exits as the command does."""

    @classmethod
    @contextmanager
    def of(
        cls, image: Image, command: Sequence[str], *, volumes: Mapping[Path, str], output: Path
    ) -> Iterator["Container"]:
        """Start it as containers are: read-only, as a number, without a network or a home."""
        contained = image.contained(
            command,
            mounts=[(str(source), target) for source, target in volumes.items()],
            namespaces=("--net", "--pid", "--fork", "--kill-child"),
        )
        with output.open("wb") as printed:
            outer = subprocess.Popen(contained, stdout=printed, stderr=printed)
            try:
                yield cls(image, outer)
            finally:
                outer.kill()
                outer.wait()

    @property
    def pid(self) -> int:
        """The number by which this machine knows its first process; 0 before there is one."""
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        return int(children.read_text("utf-8").partition(" ")[0] or 0)

    def is_healthy(self) -> bool:
        """Run the check of the image."""
        assert self.outer.poll() is None, "it has ended"
        return self.pid > 0 and self.execute(*self.image.health).returncode == 0

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run another command in it, as `docker exec` does."""
        namespaces = ("--mount", "--net", "--pid", "--root", f"--wd=/proc/{self.pid}/cwd")
        user = (f"--setuid={self.image.user}", f"--setgid={self.image.user}")
        return subprocess.run(
            (NSENTER, f"--target={self.pid}", *namespaces, *user, *command),
            env=self.image.variables,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def stop(self, seconds: float) -> int:
        """Send the signal that the image names, and return the exit code."""
        os.kill(self.pid, self.image.stop_signal)
        return self.outer.wait(seconds)


class Build:
    """Carries out the instructions, and knows no others than those that are here."""

    def __init__(self, context: Path, folder: Path) -> None:
        self.stages: dict[str, Image] = {}
        self.image = Image(folder)
        self._context = context
        self._folder = folder
        dockerignore = (context / ".dockerignore").read_text("utf-8")
        self._files = [
            path.relative_to(context)
            for path in context.rglob("*")
            if path.is_file() and in_context(str(path.relative_to(context)), dockerignore)
        ]

    def carry_out(self) -> Image:
        """Return what the Dockerfile makes."""
        for word, arguments in instructions((self._context / "Dockerfile").read_text("utf-8")):
            getattr(self, f"on_{word.lower()}")(arguments)
        return self.image

    def on_from(self, arguments: str) -> None:
        name, _, stage = arguments.partition(" AS ")
        root = self._folder / f"{len(self.stages)}"
        self.image = self.stages[stage] = Image(root)
        binaries = root / "usr/local/bin"
        binaries.mkdir(parents=True)
        if "/uv:" in name:
            shutil.copy(find_uv_bin(), root / "uv")
        else:
            assert name.startswith("python:")
            shutil.copy(Path(sys.base_prefix, "bin", VERSION), binaries / VERSION)
            (binaries / "python").symlink_to(VERSION)

    def on_env(self, arguments: str) -> None:
        for assignment in arguments.split():
            name, _, value = assignment.partition("=")
            self.image.variables[name] = value.replace("$PATH", self.image.variables["PATH"])

    def on_workdir(self, arguments: str) -> None:
        self.image.folder = arguments
        self.image.at(".").mkdir(parents=True, exist_ok=True)

    def on_copy(self, arguments: str) -> None:
        *sources, target = arguments.split()
        source, place = sources[-1], self.image.at(target)
        if sources[0].startswith("--from="):
            found = self.stages[sources.pop(0).removeprefix("--from=")].at(source)
            assert found.exists()
            place.parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                shutil.copytree(found, place, symlinks=True)
            else:
                shutil.copy2(found, place)
            return
        for source in sources:
            files = [file for file in self._files if file.is_relative_to(source)]
            assert files, f"{source} is not in the context"
            for file in files:
                copied = place / (file.relative_to(source) if str(file) != source else source)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._context / file, copied)

    def on_run(self, arguments: str) -> None:
        mounts = [(path, path) for path in SHELL]
        while found := re.match(r"--mount=type=cache,target=(\S+) +", arguments):
            cache = subprocess.check_output((find_uv_bin(), "cache", "dir"), text=True)
            mounts.append((cache.strip(), found[1]))
            arguments = arguments[found.end() :]
        inherited = {name: v for name, v in os.environ.items() if NETWORK.fullmatch(name)}
        command = self.image.contained(
            ("/bin/sh", "-c", arguments), mounts=mounts, variables={"HOME": "/root", **inherited}
        )
        subprocess.run(command, check=True, timeout=BUILD_SECONDS)

    def on_label(self, arguments: str) -> None:
        assert arguments

    def on_user(self, arguments: str) -> None:
        user, group = arguments.split(":")
        assert user == group
        self.image.user = int(user)

    def on_expose(self, arguments: str) -> None:
        first, *_ = arguments.split()
        assert first == self.image.variables["PORT"]

    def on_stopsignal(self, arguments: str) -> None:
        self.image.stop_signal = signal.Signals[arguments]

    def on_healthcheck(self, arguments: str) -> None:
        self.image.health = json.loads(arguments.partition("CMD ")[2])

    def on_cmd(self, arguments: str) -> None:
        self.image.command = json.loads(arguments)
