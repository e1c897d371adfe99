"""Say whether the pools fit, and what to change when they do not.

The exit code is 0 when they fit, 1 when something is to be changed, 2 when it cannot be told.
"""

import argparse
import math
import sys

from {{ package_name }}.settings import Settings, load_settings
# {% if telemetry == "prometheus" or not driver.sqlite %}

# {% endif %}
# {% if telemetry == "prometheus" %}
from scripts.pools_measured import HEADROOM, watch
# {% endif %}
# {% if not driver.sqlite %}
from scripts.pools_server import examine_servers
# {% endif %}

CONCURRENT_REQUESTS = {{ concurrent_requests }}
"""How many requests a worker serves at a time, when busiest."""
QUERIES_PER_REQUEST = {{ queries_per_request }}
"""How many queries an average request sends, of which each takes a connection for its time."""
# {% if telemetry != "prometheus" %}
HEADROOM = 1.5
"""The half on top is for bursts."""
# {% endif %}


def main() -> None:
    """Look at the settings, and at what there is besides."""
    parser = argparse.ArgumentParser(prog="poe pools", description=__doc__)
    # {% if not driver.sqlite %}
    machines = "machines or containers at most, while deploying; {{ replicas }} if not given"
    parser.add_argument("--replicas", type=int, default={{ replicas }}, help=machines)
    # {% endif %}
    # {% if telemetry == "prometheus" %}
    parser.add_argument("--metrics", metavar="URL", help="where one of them has its metrics")
    parser.add_argument("--seconds", type=float, default=10, help="for how long; 10 if not given")
    # {% endif %}
    arguments = parser.parse_args()
    try:
        changes = examine(load_settings(), arguments)
    except SystemExit as end:  # with a sentence that says why
        print(end.code, file=sys.stderr)
        sys.exit(2)
    print("\nTo be changed:" if changes else "\nThe pools fit.", *changes, sep="\n- ")
    sys.exit(1 if changes else 0)


# {% if driver.sqlite and telemetry != "prometheus" %}
def examine(settings: Settings, _arguments: argparse.Namespace) -> list[str]:
# {% else %}
def examine(settings: Settings, arguments: argparse.Namespace) -> list[str]:
# {% endif %}
    """Print what there is, and return what is to be changed."""
    connections = settings.database_pool_size + settings.database_max_overflow
    wanted = math.ceil(CONCURRENT_REQUESTS / QUERIES_PER_REQUEST * HEADROOM)
    print(
        f"WORKERS={settings.workers}, and each has 2 pools of {connections} connections.\n"
        f"For {CONCURRENT_REQUESTS} requests at a time in each, of {QUERIES_PER_REQUEST} queries,"
        f" {CONCURRENT_REQUESTS} / {QUERIES_PER_REQUEST} * {HEADROOM} = {wanted} is the usual size."
    )
    # {% if driver.sqlite %}
    print(
        "All share one file, which has no limit of connections. All may read at a time, and one"
        f" writes:\nothers wait up to LOCK_TIMEOUT, {settings.lock_timeout:g} seconds."
    )
    # {% if telemetry == "prometheus" %}
    return watch(settings, arguments.metrics, arguments.seconds) if arguments.metrics else []
    # {% else %}
    return []
    # {% endif %}
    # {% else %}
    changes, largest = examine_servers(settings, arguments.replicas)
    if largest is not None:
        print(f"The largest DATABASE_POOL_SIZE with which they fit is {largest}.")
    if connections < wanted:
        print("The pools are smaller than usual: when busiest, requests wait for a connection.")
    # {% if telemetry == "prometheus" %}
    if arguments.metrics:
        changes += watch(settings, arguments.metrics, arguments.seconds, largest)
    # {% endif %}
    return changes
    # {% endif %}


if __name__ == "__main__":
    main()
