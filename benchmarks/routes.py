"""What many routes cost: a request to the last one of 1, 10, 100 and 1,000.

    uv run python benchmarks/routes.py

The routes are in routers of ten, added to an application by the service's own ``register`` and by
FastAPI's ``include_router``. Requests are sent in the process itself, without a server, middleware
and database (``time_routes.py``).
"""

import argparse
import sys

from harness import HERE, add_options, installed


def main() -> None:
    parser = argparse.ArgumentParser(description="Time requests to the last of many routes.")
    parser.add_argument("--rounds", type=int, default=5)
    add_options(parser)
    options = parser.parse_args()
    with installed(options) as services:
        service = services[0]
        timing = service.start(HERE / "time_routes.py", service.package, str(options.rounds))
        sys.exit(timing.wait())


if __name__ == "__main__":
    main()
