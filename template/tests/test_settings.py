import re
from pathlib import Path

import pytest

from {{ package_name }}.settings import Settings, load_settings

# {% if auth == "oidc" %}
from tests.auth import tokens
# {% endif %}
from tests.owner import SETTINGS

# {% if postgresql %}
URL = "postgresql://user:hunter2@db.example/app"
# {% elif database_driver == "asyncmy" %}
URL = "mysql://user:hunter2@db.example/app"
# {% else %}
URL = "sqlite:///hunter2.db"
# {% endif %}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # {% if auth == "oidc" %}
    kept = tokens.SETTINGS | SETTINGS
    for name in {name.upper() for name in Settings.model_fields} - kept.keys():
    # {% else %}
    for name in {name.upper() for name in Settings.model_fields} - SETTINGS.keys():
    # {% endif %}
        monkeypatch.delenv(name, raising=False)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("STATEMENT_TIMEOUT", "2.5")
    monkeypatch.setenv("CORS_ORIGINS", "https://A.test/, https://b.test:443,")
    monkeypatch.setenv("CORS_ORIGIN_REGEX", r"https://.*\.c\.test")
    monkeypatch.setenv("ROOT_PATH", "api/")

    settings = load_settings()

    assert settings.database_url.drivername == "{{ driver.url_scheme }}"
    assert settings.statement_timeout == 2.5
    assert settings.cors_origins == ["https://a.test", "https://b.test"]
    assert settings.cors_origin_regex == re.compile(r"https://.*\.c\.test")
    assert settings.root_path == "/api"


def test_settings_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={URL}\nPORT=9000\nOTHER=1\n")

    assert load_settings().port == 9000


def test_what_stands_around_a_value_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{URL}\n")
    monkeypatch.setenv("LOG_LEVEL", "info\r")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "* ")
    monkeypatch.setenv("HOST", " ")

    settings = load_settings()

    assert settings.log_level == "INFO"
    assert settings.forwarded_allow_ips == "*"
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "hunter2"),
        ("DATABASE_URL", "oracle://user:hunter2@db.example/app"),
        # {% if database_driver == "aiosqlite" %}
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        # {% endif %}
        ("DATABASE_READ_URL", "hunter2"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_MAX_OVERFLOW", "-1"),
        ("DATABASE_POOL_TIMEOUT", "soon"),
        ("DATABASE_POOL_RECYCLE", "0"),
        ("STATEMENT_TIMEOUT", "nan"),
        ("LOCK_TIMEOUT", "-1"),
        ("REQUEST_TIMEOUT", "inf"),
        ("DRAIN_SECONDS", "-1"),
        # {% if http_client != "none" %}
        ("UPSTREAM_URL", "not a url"),
        ("UPSTREAM_URL", "https://api.example/?key=hunter2"),
        # {% endif %}
        ("CORS_ORIGINS", "{"),
        ("CORS_ORIGINS", "https://*.example.com"),
        ("CORS_ORIGIN_REGEX", "https://("),
        # {% if auth == "oidc" %}
        ("AUTH_ISSUER", "http://id.example.com"),
        ("AUTH_ISSUER", "https://user:hunter2@id.example.com"),
        ("AUTH_AUDIENCE", ""),
        ("AUTH_ALGORITHMS", "RS256, HS256"),
        ("AUTH_ALGORITHMS", ","),
        ("AUTH_KEYS", '{"keys": []}'),
        ("AUTH_KEYS", "[]"),
        # {% endif %}
        ("LOG_LEVEL", "LOUD"),
        ("PORT", "65536"),
        ("WORKERS", "0"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as stop:
        load_settings()

    message = str(stop.value)
    assert name in message
    assert "\n" not in message
    assert "hunter2" not in message


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DATABASE_URL=\xff")

    with pytest.raises(SystemExit, match=r"check the environment or .env: .* byte 0xff"):
        load_settings()


def test_a_missing_value_stops_the_start() -> None:
    with pytest.raises(SystemExit, match="DATABASE_URL"):
        load_settings()


def test_settings_show_no_secret() -> None:
    settings = Settings(_env_file=None, database_url=URL, database_read_url=URL)

    assert "hunter2" not in repr(settings)
