"""A program in a terminal of some width, as its user sees it."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

ROWS = 50
ENTER = "\r"
CLEAR = "\x15"
"""Control-U: deletes what stands before the cursor."""


class Terminal:
    """The screen of a program, and its keyboard."""

    def __init__(self, columns: int, keyboard: int) -> None:
        self.screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self._keyboard = keyboard

    @property
    def lines(self) -> list[str]:
        """What is shown, without the blanks at the ends of lines."""
        return [line.rstrip() for line in self.screen.display]

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._keyboard, keys.encode())

    def wait_for(self, text: str, *, seconds: float = 30) -> str:
        """Wait until a line shows all of a text; return the line."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.lines:
                if text in line:
                    return line
            assert time.monotonic() < deadline, f"{text!r} is not on the screen: {self.lines}"
            self._read()

    def _read(self) -> None:
        if select.select([self._keyboard], [], [], 0.2)[0]:
            try:
                output = os.read(self._keyboard, 65536)
            except OSError:  # the program has ended
                return
            self._stream.feed(output)
            if b"\x1b[6n" in output:  # it asks where the cursor is
                cursor = self.screen.cursor
                self.type(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")


@contextmanager
def terminal(columns: int, program: Sequence[str | Path], folder: Path) -> Iterator[Terminal]:
    """Run a module of Python in a terminal."""
    child, keyboard = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        os.chdir(folder)
        variables = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "0"}
        os.execve(sys.executable, [sys.executable, "-m", *map(str, program)], variables)  # noqa: S606
    try:
        yield Terminal(columns, keyboard)
    finally:
        os.close(keyboard)  # the terminal is closed, which its programs are told
        end(child)


def end(child: int) -> None:
    """Wait for a program that was told to end, and kill one that does not."""
    deadline = time.monotonic() + 20
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
