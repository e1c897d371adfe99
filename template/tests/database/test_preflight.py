import pytest

# {% if database_driver == "asyncmy" %}
from {{ package_name }}.database import preflight
# {% endif %}
from {{ package_name }}.database.preflight import (
    verify_database,
    why_not_connected,
)
from {{ package_name }}.settings import Settings


async def test_a_database_that_answers_is_verified(settings: Settings) -> None:
    read_url = settings.database_url
    await verify_database(settings.model_copy(update={"database_read_url": read_url}))


async def test_a_wrong_url_stops_the_start_with_one_line(settings: Settings) -> None:
    # {% if database_driver == "aiosqlite" %}
    nowhere = settings.database_url.set(database="/nowhere/service.db")
    # {% else %}
    nowhere = settings.database_url.set(host="127.0.0.1", port=1, password="hunter2", query={})
    # {% endif %}

    with pytest.raises(SystemExit, match=r"DATABASE_READ_URL: no connection") as stop:
        await verify_database(settings.model_copy(update={"database_read_url": nowhere}))

    assert "\n" not in str(stop.value)
    assert "hunter2" not in str(stop.value)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(), "no server listens there"),
        (TimeoutError(), "no answer in time"),
        # {% if postgresql %}
        (OSError("unrecognized configuration parameter"), "leave it out of the URL"),
        (
            OSError("unsupported startup parameter: options"),
            "out of the URL, and set DATABASE_POOLER=transaction",
        ),
        # {% endif %}
    ],
)
def test_a_failed_connection_says_why(settings: Settings, error: OSError, reason: str) -> None:
    failure = Exception()
    failure.__cause__ = error

    assert why_not_connected(settings.database_url, failure).endswith(reason)
# {% if database_driver != "aiosqlite" %}


async def test_pools_that_the_server_cannot_serve_stop_the_start(settings: Settings) -> None:
    oversized = settings.model_copy(update={"database_pool_size": 50_000})

    with pytest.raises(SystemExit, match=r"DATABASE_POOL_SIZE .* accepts \d+"):
        await verify_database(oversized)
# {% endif %}
# {% if database_driver == "asyncmy" %}


async def test_a_server_that_takes_no_changes_stops_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "TAKES_NO_CHANGES", "SELECT 1")

    with pytest.raises(SystemExit, match="DATABASE_URL: it takes no changes"):
        await verify_database(settings)
# {% endif %}
