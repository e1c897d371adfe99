"""Settings from the environment, ``.env`` and the files of ``SECRETS``. Times are in seconds."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar
# {% if database_driver == "asyncpg" %}
from urllib.parse import urlencode
# {% endif %}

from pydantic import (
    # {% if http_client != "none" %}
    AfterValidator,
    # {% endif %}
    BeforeValidator,
    Field,
    # {% if http_client != "none" %}
    HttpUrl,
    # {% endif %}
    NonNegativeInt,
    PlainValidator,
    PositiveInt,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

SECRETS = Path("/run/secrets")
"""Where containers find their secrets; ``database_url`` in it is the setting of that name."""
DRIVER_NAME = "{{ driver.url_scheme }}"
EXAMPLE_URL = "{{ driver.example_url }}"
# {% if database_driver == "asyncpg" %}
SQLALCHEMY_PARAMETERS = {"host", "port", "ssl", "prepared_statement_cache_size"}
# {% endif %}


def parse_database_url(value: object) -> URL:
    """Read the URL of a database for {{ driver.name }}.

    Raises:
        ValueError: it is not such a URL.
    """
    message = f"must be a URL such as {EXAMPLE_URL}"
    try:
        url = make_url(value.strip() if isinstance(value, str) else value)  # type: ignore[arg-type]  # any object may be tried
    except (ArgumentError, TypeError, ValueError):
        raise ValueError(message) from None
    # {% if database_driver == "aiosqlite" %}
    if url.get_backend_name() != "sqlite":
        raise ValueError(message)
    if url.database in (None, "", ":memory:"):
        message = f"must name a file, such as {EXAMPLE_URL}; memory is not shared by connections"
        raise ValueError(message)
    # {% elif postgresql %}
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(message)
    # {% else %}
    if url.get_backend_name() not in ("mysql", "mariadb"):
        raise ValueError(message)
    # {% endif %}
    # {% if database_driver == "asyncpg" %}
    if "dsn" not in url.query:
        # asyncpg knows the parameters of PostgreSQL by their names only in a URL of its own.
        query = {"application_name": "{{ package_name }}", **url.query}
        query.pop("connect_timeout", None)  # DATABASE_POOL_TIMEOUT is that
        kept = {name: query.pop(name) for name in SQLALCHEMY_PARAMETERS & query.keys()}
        url = url.set(query=kept | {"dsn": f"postgresql://?{urlencode(query)}"})
    # {% endif %}
    return url.set(drivername=DRIVER_NAME)


DatabaseUrl = Annotated[URL, NoDecode, PlainValidator(parse_database_url)]
Origin = Annotated[str, Field(pattern=r"^(\*|null|[a-z][a-z0-9+.-]*://[^/*\s]+)$")]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Level = Literal["DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"]
LogLevel = Annotated[Level, BeforeValidator(str.upper)]


def split_origins(value: object) -> object:
    """Accept ``a, b``; browsers send an origin in lower case and without a slash at its end."""
    if isinstance(value, str):
        return [item.strip().rstrip("/").lower() for item in value.split(",") if item.strip()]
    return value


# {% if http_client != "none" %}
def check_base(url: HttpUrl) -> HttpUrl:
    """Refuse what a base URL cannot have."""
    if url.query or url.fragment:
        message = "a base URL has no query and no fragment"
        raise ValueError(message)
    return url


# {% endif %}
class DatabaseSettings(BaseSettings):
    """What migrations need; each field is an environment variable."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    database_url: DatabaseUrl = Field(repr=False)
    # {% if database_driver != "aiosqlite" %}
    database_migration_url: DatabaseUrl | None = Field(default=None, repr=False)
    """Where migrations go instead: past a pooler, or with a role of their own."""
    # {% endif %}


class Settings(DatabaseSettings):
    """Everything that differs between two deployments."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    workers: PositiveInt = {{ workers }}

    database_read_url: DatabaseUrl | None = Field(default=None, repr=False)
    """A replica for the reads; without it they go to ``database_url``."""
    # {% if postgresql %}
    database_pooler: Literal["none", "transaction"] = "none"
    """``transaction`` for a pooler that gives each transaction some connection of the server."""
    # {% endif %}
    database_pool_size: PositiveInt = {{ pool_size }}
    """Connections kept open in each of the two pools (reads, writes) of a worker."""
    database_max_overflow: NonNegativeInt = {{ max_overflow }}
    """Connections above the pool size in a burst; they are closed again after use."""
    database_pool_timeout: Seconds = 5
    """How long a request may wait for a connection before it is answered 503."""
    database_pool_recycle: Seconds = 1800
    """The age at which a connection is replaced instead of reused."""
    statement_timeout: Seconds = 10
    """A statement that runs longer is stopped by the database and answered 504."""
    lock_timeout: Seconds = 5
    """A statement that waits longer for a lock is stopped and answered 503."""

    request_timeout: Seconds = 30
    """The time until a response begins; exceeding it is answered 504."""
    drain_seconds: float = Field(default=5, ge=0, le=3600, allow_inf_nan=False)
    """How long requests are still served after SIGTERM, until routers know of it."""
    # {% if http_client != "none" %}

    upstream_url: Annotated[HttpUrl, AfterValidator(check_base)] | None = Field(None, repr=False)
    """The service whose paths ``POST /upstream/fetch`` may fetch."""
    # {% endif %}

    cors_origins: Annotated[list[Origin], NoDecode, BeforeValidator(split_origins)] = []
    """Origins that browsers may call from, separated by commas; ``*`` allows all."""
    log_level: LogLevel = "INFO"


def load_settings() -> Settings:
    """Read all settings, or end as ``read_settings`` does."""
    return read_settings(Settings)


def read_settings(settings_class: type[SettingsT]) -> SettingsT:
    """Read the settings of a class.

    Raises:
        SystemExit: with one line that names each variable with a bad value.
    """
    try:
        return settings_class()
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        message = f"Cannot start, check the environment or .env: {'; '.join(faults)}"
        raise SystemExit(message) from None
