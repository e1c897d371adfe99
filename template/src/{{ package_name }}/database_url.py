"""Translates the database URLs of hosting companies for SQLAlchemy and {{ driver.name }}."""

# {% if database_driver == "asyncpg" %}
import re
import ssl
from pathlib import Path
from urllib.parse import unquote, urlencode
# {% elif database_driver == "psycopg" %}
import re
from pathlib import Path
from urllib.parse import unquote
# {% elif database_driver == "asyncmy" %}
import ssl
from pathlib import Path
# {% else %}
from pathlib import Path
# {% endif %}

# {% if database_driver == "psycopg" %}
from psycopg.pq import Conninfo
# {% endif %}
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVER_NAME = "{{ driver.url_scheme }}"
EXAMPLE_URL = "{{ driver.example_url }}"
# {% if postgresql %}

_HOSTS = re.compile(
    r"(?P<start>[^:/]+://(?:[^@]*@)?)"
    r"(?P<hosts>[^@/?]*,[^@/?]*|%2[Ff][^@/?]*)"  # several, or the folder of a socket
    r"(?P<rest>(?:[/?].*)?)"
)
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
# The sessions to read with are read-only on every server, so the driver cannot go by that.
_TARGETS = {"read-write": "primary", "read-only": "standby"}
# {% if database_driver == "asyncpg" %}
_OF_SQLALCHEMY = ("host", "port", "prepared_statement_cache_size")
# What asyncpg does not have and can do without; DATABASE_POOL_TIMEOUT is its connect_timeout.
_WITHOUT_EFFECT = re.compile(
    "client_encoding|connect_timeout|fallback_application_name|gss(delegation|encmode)|keepalives.*"
    "|load_balance_hosts|ssl(certmode|compression|sni)|tcp_user_timeout"
)
# {% endif %}
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
# {% elif database_driver == "asyncmy" %}

_FILES = ("ssl_ca", "ssl_cert", "ssl_key")
_KNOWN = {*_FILES, "ssl_capath", "ssl_cipher", "ssl_check_hostname", "unix_socket"}
_WITHOUT_EFFECT = {"charset", "connect_timeout"}  # the service sets both
_MODES = ("DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_SSL = {"TRUE": "REQUIRED", "1": "REQUIRED", "FALSE": "DISABLED", "0": "DISABLED"}
# {% else %}

_KNOWN = {"cached_statements", "timeout", "uri"}
# {% endif %}


def parse_database_url(value: object) -> URL:
    """Translate the URL of a database; raise ValueError with the reason if that cannot be done.

    One that is a URL already has been translated.
    """
    if isinstance(value, URL):
        return value
    message = f"must be a URL such as {EXAMPLE_URL}"
    try:
        # {% if postgresql %}
        url = make_url(_with_hosts_as_parameters(str(value).strip()))
        # {% else %}
        url = make_url(str(value).strip())
        # {% endif %}
    except (ArgumentError, ValueError):
        raise ValueError(message) from None
    # {% if database_driver == "aiosqlite" %}
    if url.get_backend_name() != "sqlite":
        raise ValueError(message)
    # {% elif postgresql %}
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(message)
    # {% else %}
    if url.get_backend_name() not in ("mysql", "mariadb"):
        raise ValueError(message)
    # {% endif %}
    if "@" in (url.host or ""):
        message = "an @ in a user name or a password is written %40"
        raise ValueError(message)
    translated = _translated(url).set(drivername=DRIVER_NAME)
    try:
        translated.get_dialect()().create_connect_args(translated)
    # {% if postgresql %}
    except ArgumentError as error:  # hosts and ports do not fit each other
        raise ValueError(*error.args) from None
    # {% else %}
    except ValueError as error:
        message = f"a parameter is not what it should be: {error}"
        raise ValueError(message) from None
    # {% endif %}
    return translated
# {% if postgresql %}


def _with_hosts_as_parameters(text: str) -> str:
    """Write ``one:5432,two:5433`` and ``%2Fa%2Fsocket`` as parameters, which SQLAlchemy reads."""
    found = _HOSTS.fullmatch(text)
    if found is None:
        return text
    pairs = [re.fullmatch(r"\[?(.*?)\]?(?::(\d+))?", host) for host in found["hosts"].split(",")]
    hosts = ",".join(unquote(pair[1]) for pair in pairs if pair)
    ports = ",".join(pair[2] or "5432" for pair in pairs if pair)
    separator = "&" if "?" in found["rest"] else "?"
    return f"{found['start']}{found['rest']}{separator}host={hosts}&port={ports}"


def _translated(url: URL) -> URL:
    # {% if database_driver == "asyncpg" %}
    if "dsn" in url.query:
        return url
    # {% endif %}
    query = dict(url.query)
    if "ssl" in query:
        mode = str(query.pop("ssl"))
        query["sslmode"] = _SSL.get(mode.lower(), mode)
    if target := query.get("target_session_attrs"):
        query["target_session_attrs"] = _TARGETS.get(str(target), target)
    for name in _FILES:
        if name in query and query[name] != "system" and not Path(str(query[name])).is_file():
            message = f"{name}: there is no file {query[name]}"
            raise ValueError(message)
    # {% if database_driver == "asyncpg" %}
    # asyncpg knows the parameters of PostgreSQL by their names only in a URL of its own.
    kept = {name: query.pop(name) for name in _OF_SQLALCHEMY if name in query}
    return url.set(query=kept | {"dsn": f"postgresql://?{urlencode(_for_asyncpg(query))}"})


def _for_asyncpg(query: dict[str, str | tuple[str, ...]]) -> dict[str, str | tuple[str, ...]]:
    if query.get("sslrootcert") == "system":
        query["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
        # As with psql: whoever trusts so many authorities asks for the name of the host, too.
        query.setdefault("sslmode", "verify-full")
    if query.pop("channel_binding", None) == "require":
        # asyncpg does not bind; what is left of it is that there is TLS.
        mode = str(query.get("sslmode"))
        query["sslmode"] = mode if mode.startswith("verify-") else "require"
    query.setdefault("application_name", "{{ package_name }}")
    # asyncpg sends what it does not know to the server, as a setting. What it cannot do but the URL
    # requires goes there too, so that the server refuses it by its name.
    return {
        name: value
        for name, value in query.items()
        if value == "require" or not _WITHOUT_EFFECT.fullmatch(name)
    }
    # {% else %}
    query.setdefault("fallback_application_name", "{{ package_name }}")
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    # What is not of the client is a setting of the server, where a space would end it.
    settings = [
        re.sub(r"([\\ ])", r"\\\1", f"-c{name}={query.pop(name)}") for name in query.keys() - known
    ]
    if settings:
        query["options"] = " ".join([str(query.get("options", "")), *sorted(settings)]).strip()
    return url.set(query=query)
    # {% endif %}
# {% elif database_driver == "asyncmy" %}


def _translated(url: URL) -> URL:
    if not url.database:
        message = f"must name a database, such as {EXAMPLE_URL}"
        raise ValueError(message)
    query = {name.replace("-", "_").lower(): str(value) for name, value in url.query.items()}
    mode = query.pop("ssl_mode", query.pop("sslmode", query.pop("ssl", ""))).upper()
    mode = _SSL.get(mode, mode)
    if mode and mode not in _MODES:
        message = f"asyncmy has no ssl-mode={mode}: write one of {', '.join(_MODES)}"
        raise ValueError(message)
    if unknown := query.keys() - _KNOWN - _WITHOUT_EFFECT:
        message = f"asyncmy has no {', '.join(sorted(unknown))}: leave it out of the URL"
        raise ValueError(message)
    for name in _FILES:
        if name in query and not Path(query[name]).is_file():
            message = f"{name}: there is no file {query[name]}"
            raise ValueError(message)
    if mode in ("VERIFY_CA", "VERIFY_IDENTITY"):
        # Without a file of the URL, those of the system say whom to trust.
        query.setdefault("ssl_ca", ssl.get_default_verify_paths().cafile or "")
    if mode:
        query["ssl_check_hostname"] = str(mode == "VERIFY_IDENTITY").lower()
    if mode == "DISABLED":
        query = {name: value for name, value in query.items() if not name.startswith("ssl")}
    # asyncmy sends a password in Latin-1, and the server takes it for UTF-8.
    password = None if url.password is None else url.password.encode().decode("latin-1")
    parameters = {name: value for name, value in query.items() if name in _KNOWN}
    return url.set(query=parameters, password=password)
# {% else %}


def _translated(url: URL) -> URL:
    in_memory = (None, "", ":memory:", "file::memory:")
    if url.database in in_memory or url.query.get("mode") == "memory":
        message = f"must name a file, such as {EXAMPLE_URL}; memory is not shared by processes"
        raise ValueError(message)
    uses_uri = str(url.database).startswith("file:")
    if uses_uri and "uri" not in url.query:
        message = "file: needs the parameter uri=true"
        raise ValueError(message)
    if not uses_uri and (unknown := url.query.keys() - _KNOWN):
        message = f"SQLite has no {', '.join(sorted(unknown))}: leave it out of the URL"
        raise ValueError(message)
    if not uses_uri and not Path(str(url.database)).parent.is_dir():
        message = f"there is no folder {Path(str(url.database)).parent}"
        raise ValueError(message)
    return url
# {% endif %}
