"""Runs a command in a root of its own. `unshare` runs this file, in namespaces of its own.

It gets one argument, as JSON: root, mounts (pairs of what and where), writable (folders in memory),
read_only, folder, user, variables and command.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def mount(*arguments: str) -> None:
    subprocess.run(("mount", *arguments), check=True)  # noqa: S607


def mount_at(root: Path, source: str, target: str) -> None:
    """Show a file or folder of the machine in the root; a link stays a link."""
    place = root / target.lstrip("/")
    if Path(source).is_symlink():
        place.unlink(missing_ok=True)
        place.symlink_to(Path(source).readlink())
        return
    if Path(source).is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    mount("--bind", source, str(place))


def enter(
    root: Path,
    *,
    mounts: list[tuple[str, str]],
    writable: list[str],
    read_only: bool,
    folder: str,
    user: int,
) -> None:
    """Make the root the only thing to be seen."""
    mount("--bind", str(root), str(root))
    for source, target in mounts:
        mount_at(root, source, target)
    for path in writable:
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        mount("-t", "tmpfs", "-o", "mode=1777", "none", str(root / path.lstrip("/")))
    (root / "proc").mkdir(exist_ok=True)
    mount("-t", "proc", "none", str(root / "proc"))
    if read_only:
        mount("-o", "remount,bind,ro", str(root))
        subprocess.run(("ip", "link", "set", "lo", "up"), check=True)  # noqa: S607
    os.chroot(root)
    os.chdir(folder)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def main(options: dict[str, Any]) -> None:
    command, variables = options.pop("command"), options.pop("variables")
    enter(Path(options.pop("root")), **options)
    os.environ["PATH"] = variables["PATH"]
    os.execvpe(command[0], command, variables)  # noqa: S606


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
