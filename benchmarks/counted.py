"""A service as it is, but for what looks at its event loop and its pools: once a minute.

Valgrind makes each request take a hundred times as long, and what goes by the clock would count a
hundred times as often.
"""

import os
from contextlib import suppress
from importlib import import_module
from typing import Any

PACKAGE = os.environ["PACKAGE"]

if __name__ == "__main__":
    with suppress(ModuleNotFoundError):  # services of before version 2 have it elsewhere
        watchdog: Any = import_module(f"{PACKAGE}.server.watchdog")
        watchdog.BLOCKED_SECONDS = 60.0
    with suppress(ModuleNotFoundError):
        sampling: Any = import_module(f"{PACKAGE}.telemetry.sampling")
        sampling.SECONDS = 60.0
    import_module(f"{PACKAGE}.__main__").main()
