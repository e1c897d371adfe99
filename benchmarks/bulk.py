"""What inserting 10,000 rows costs, as a multiple of what asyncpg needs for a COPY.

    uv run python benchmarks/bulk.py

The service's ways (its repository's ``add_many`` in a transaction, and its bulk route in the same
process) take turns with three ways of the driver alone (``time_bulk.py``).
"""

import argparse
import os
import sys

from harness import HERE, add_options, prepared


def main() -> None:
    parser = argparse.ArgumentParser(description="Time inserts of 10,000 rows.")
    parser.add_argument("--rounds", type=int, default=7)
    add_options(parser)
    options = parser.parse_args()
    with prepared(options) as setting:
        if "+asyncpg" not in setting.url:
            sys.exit("the limits are those of asyncpg: measure a service that uses it")
        service = setting.services[0]
        program = HERE / "time_bulk.py"
        environment = os.environ | {"LOG_LEVEL": "ERROR"}
        timing = service.start(program, service.package, str(options.rounds), env=environment)
        if timing.wait():
            sys.exit(1)


if __name__ == "__main__":
    main()
