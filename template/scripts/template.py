"""Call Copier, which made this service from its template: ``poe update`` and ``check-update``.

Whatever is set for Git in the environment is left out, such as the repository and the index that
Git names to the programs of a hook: Copier works on repositories of its own, too, and would take
them for these. Hooks of all repositories of a user are not run in those either.
"""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent
ANSWERS_FILE = "{{ _copier_conf.answers_file }}"
LOCAL_NAMES = ("git", "rev-parse", "--local-env-vars")
COPIER = ("uv", "run", "--only-group", "template", "copier")


def main() -> None:
    """Run a command of Copier with this service's answers."""
    command, *options = sys.argv[1:]
    called = (*COPIER, command, "--answers-file", ANSWERS_FILE, *options)
    done = subprocess.run(called, cwd=PROJECT, env=environment(), check=False)  # noqa: S603 - no shell
    sys.exit(done.returncode)


def environment() -> dict[str, str]:
    """Return the environment without what is for one repository, and with no hooks."""
    names = subprocess.check_output(LOCAL_NAMES, text=True).split()  # noqa: S603 - as above
    others = {name: value for name, value in os.environ.items() if name not in names}
    hooks = {"COUNT": "1", "KEY_0": "core.hooksPath", "VALUE_0": os.devnull}
    return others | {f"GIT_CONFIG_{name}": value for name, value in hooks.items()}


if __name__ == "__main__":
    main()
