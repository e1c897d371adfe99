"""Settings from the environment, ``.env`` and the files of ``SECRETS``. Times are in seconds."""

# {% if telemetry == "prometheus" %}
import os
# {% endif %}
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
# {% if auth == "oidc" %}
from urllib.parse import urlsplit

from jwt import PyJWKSet, PyJWTError
# {% else %}

# {% endif %}
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    # {% if http_client != "none" %}
    HttpUrl,
    # {% endif %}
    NonNegativeInt,
    PlainValidator,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError
from sqlalchemy import URL

from .database_url import parse_database_url

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

SECRETS = Path("/run/secrets")
"""The folder of a container's secrets; its file ``database_url`` is the setting of that name."""

DatabaseUrl = Annotated[URL, NoDecode, PlainValidator(parse_database_url)]
Seconds = Annotated[float, Field(ge=0.001, le=86_400, allow_inf_nan=False)]
Level = Literal["DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"]
LogLevel = Annotated[Level, BeforeValidator(str.upper)]


def split_origins(value: object) -> object:
    """Accept ``a, b`` and ``["a", "b"]``; browsers send origins in lower case, with no slash."""
    if isinstance(value, str):
        items = value.removeprefix("[").removesuffix("]").split(",")
        return [origin for item in items if (origin := item.strip(" \"'").rstrip("/").lower())]
    return value


def check_origin(origin: str) -> str:
    """Refuse what no browser sends, since it would never match; it leaves out the usual port."""
    if not re.fullmatch(r"\*|null|[a-z][a-z0-9+.-]*://[^/*\s]+", origin):
        advice = "an origin is https://app.example.com, and a pattern belongs in CORS_ORIGIN_REGEX"
        message = f"{origin}: {advice}"
        raise ValueError(message)
    scheme = origin.partition(":")[0]
    return origin.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ""))


def clean_path(value: str) -> str:
    """Write a prefix as ``/api``, or as nothing."""
    return f"/{path}" if (path := value.strip("/")) else ""


# {% if http_client != "none" %}
def check_base(url: HttpUrl) -> HttpUrl:
    """Refuse what a base URL cannot have."""
    if url.query or url.fragment:
        message = "a base URL has no query and no fragment"
        raise ValueError(message)
    return url


# {% endif %}
# {% if auth == "oidc" %}
def check_issuer(issuer: str) -> str:
    """Refuse an issuer without https, unless it is on this machine."""
    url = urlsplit(issuer)
    is_here = url.hostname in {"127.0.0.1", "::1", "localhost"}
    is_safe = url.scheme == "https" or (url.scheme == "http" and is_here)
    if not (is_safe and url.hostname) or url.query or url.fragment or "@" in url.netloc:
        message = "an issuer is written as in its tokens, https://id.example.com/realm"
        raise ValueError(message)
    return issuer


def parse_key_set(value: object) -> PyJWKSet:
    """Read a JSON Web Key Set."""
    if isinstance(value, PyJWKSet):
        return value
    try:
        return PyJWKSet.from_json(str(value))
    except (PyJWTError, AttributeError, ValueError):
        message = 'a key set is {"keys": [...]}, as at the jwks_uri of a provider'
        raise ValueError(message) from None


def split_list(value: object) -> object:
    """Accept ``a, b`` and ``a b``."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


KeySet = Annotated[PyJWKSet, NoDecode, PlainValidator(parse_key_set)]
# Of two keys, of which one is public; a shared secret would let each service sign for all.
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
# {% endif %}
Origin = Annotated[str, AfterValidator(check_origin)]
# {% if telemetry == "prometheus" %}


def port_or_none(value: object) -> object:
    """Take ``off`` for none, and a variable that is set to nothing."""
    return None if str(value).lower() == "off" or os.environ.get("METRICS_PORT") == "" else value


MetricsPort = Annotated[
    Annotated[int, Field(ge=0, le=65_535)] | None, BeforeValidator(port_or_none)
]
# {% endif %}


class DatabaseSettings(BaseSettings):
    """The settings that migrations need; each field is an environment variable."""

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
    """The URL for migrations instead: without a pooler, or with a role of their own."""
    # {% endif %}

    @model_validator(mode="before")
    @classmethod
    def strip(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Strip white space around a value, such as the line end of a secret's file."""
        stripped = {
            name: value.strip() if isinstance(value, str) else value
            for name, value in values.items()
        }
        return {name: value for name, value in stripped.items() if value != ""}


class Settings(DatabaseSettings):
    """Everything that differs between two deployments."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    workers: PositiveInt = {{ workers }}
    root_path: Annotated[str, AfterValidator(clean_path)] = ""
    """The prefix of all paths that a proxy in front strips, such as ``/api``."""
    forwarded_allow_ips: str = "127.0.0.1"
    """The proxies whose forwarded headers are trusted, separated by commas; ``*`` trusts all."""

    database_read_url: DatabaseUrl | None = Field(default=None, repr=False)
    """A replica for the read pool; without it that uses ``database_url``."""
    # {% if postgresql %}
    database_pooler: Literal["none", "transaction"] = "none"
    """``transaction`` for a pooler in transaction mode, such as PgBouncer."""
    # {% endif %}
    database_pool_size: PositiveInt = {{ pool_size }}
    """``pool_size`` of each of the two pools (reads, writes) of a worker."""
    database_max_overflow: NonNegativeInt = {{ max_overflow }}
    """``max_overflow``: connections above the pool size in a burst, closed after use."""
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
    """How long new requests are still served after SIGTERM, until load balancers notice."""
    # {% if http_client != "none" %}

    upstream_url: Annotated[HttpUrl, AfterValidator(check_base)] | None = Field(None, repr=False)
    """The service whose paths ``POST /upstream/fetch`` may fetch."""
    # {% endif %}

    # {% if auth == "oidc" %}
    auth_issuer: Annotated[str, AfterValidator(check_issuer)]
    """The OpenID Connect provider, exactly as in the claim ``iss`` of its tokens."""
    auth_audience: Annotated[str, Field(min_length=1)]
    """What the claim ``aud`` of a token must name: this service, as the provider knows it."""
    auth_algorithms: Annotated[
        list[Algorithm], NoDecode, BeforeValidator(split_list), Field(min_length=1)
    ] = ["RS256"]
    """Accepted signature algorithms, separated by commas."""
    auth_leeway: Annotated[float, Field(ge=0, le=300)] = 10
    """How far the clock of the provider may differ from this one."""
    # {% if http_client == "none" %}
    auth_keys: KeySet
    """The provider's keys, a JSON Web Key Set."""
    # {% else %}
    auth_keys: KeySet | None = None
    """The provider's keys, a JSON Web Key Set, if they are not to be asked for."""
    auth_keys_lifetime: Seconds = 3600
    """The age at which keys are fetched again."""
    auth_provider_timeout: Seconds = 5
    """The timeout for fetching the keys, and so the longest time that a request waits for them."""
    # {% endif %}

    # {% endif %}
    cors_origins: Annotated[list[Origin], NoDecode, BeforeValidator(split_origins)] = []
    """Origins that browsers may call from, separated by commas; ``*`` allows all."""
    cors_origin_regex: re.Pattern[str] | None = None
    """A pattern that origins match as a whole, such as ``https://.*\\.example\\.com``."""
    log_level: LogLevel = "INFO"
    # {% if telemetry == "prometheus" %}
    metrics_host: str = "127.0.0.1"
    metrics_port: MetricsPort = Field(default=9464, validate_default=True)
    """Where Prometheus scrapes the metrics of all workers; ``off`` for none."""
    # {% endif %}


def load_settings() -> Settings:
    """Read all settings; raise SystemExit as ``read_settings`` does."""
    return read_settings(Settings)


def read_settings(settings_class: type[SettingsT]) -> SettingsT:
    """Read the settings, or raise SystemExit with a line that names each variable at fault."""
    try:
        return settings_class()
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        reason = "; ".join(
            f"{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in faults
        )
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        reason = str(error)
    reason = reason.replace("Value error, ", "")
    message = f"Cannot start, check the environment or .env: {reason}"
    raise SystemExit(message)
