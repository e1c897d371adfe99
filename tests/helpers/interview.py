"""An interview with Copier, held by keys."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from copier import run_copy
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

ENTER = "\r"
DOWN = "\x1b[B"
CLEAR = "\x15"
"""Control-U: deletes what stands before the cursor."""
CONTROL_C = "\x03"


class Screen(DummyOutput):
    """Keeps every character that was ever shown."""

    def __init__(self) -> None:
        self.shown = ""

    def write(self, data: str) -> None:
        # Blanks that are on the screen already are not written again.
        self.shown += "".join(data.split())

    write_raw = write

    def get_size(self) -> Size:
        return Size(rows=100, columns=1000)


class _Typist(threading.Thread):
    """Types each line of keys as soon as the text before it is shown."""

    def __init__(self, script: Sequence[tuple[str, str]], screen: Screen, keys: PipeInput) -> None:
        super().__init__(daemon=True)
        self.script = script
        self.screen = screen
        self.keys = keys
        self.missed: str | None = None

    def run(self) -> None:
        seen = 0
        for text, keys in self.script:
            expected = "".join(text.split())
            deadline = time.monotonic() + 10
            while (found := self.screen.shown.find(expected, seen)) < 0:
                if time.monotonic() > deadline:
                    self.missed = text
                    self.keys.send_text(CONTROL_C)
                    return
                time.sleep(0.005)
            seen = found + len(expected)
            self.keys.send_text(keys)


def interview(
    template: Path, destination: Path, script: Sequence[tuple[str, str]], **options: Any
) -> dict[str, Any]:
    """Answer Copier by a script of (text to wait for, keys to press); return all the answers.

    The script is taken in order: a text counts only after the one before it.
    """
    screen = Screen()
    with create_pipe_input() as keys, create_app_session(input=keys, output=screen):
        typist = _Typist(script, screen, keys)
        typist.start()
        try:
            worker = run_copy(str(template), destination, unsafe=True, quiet=True, **options)
        finally:
            typist.join()
            assert typist.missed is None, f"{typist.missed!r} was not shown, only: {screen.shown}"
    return dict(worker.answers.combined)
