# {% if database_driver == "asyncpg" %}
import ssl
# {% elif database_driver == "asyncmy" %}
import ssl
# {% endif %}
from pathlib import Path
# {% if database_driver == "asyncpg" %}
from urllib.parse import parse_qsl, urlsplit
# {% endif %}

import pytest

from {{ package_name }}.database_url import DRIVER_NAME, parse_database_url

CERTIFICATE = str(Path(__file__))
"""Any file that is there."""

# {% if postgresql %}
START = "postgresql://user:hunter2@db.example"

TRANSLATED = [
    (f"  {START}/app\n", {}),
    (f"{START}/app?ssl=true", {"sslmode": "require"}),
    (
        f"{START}/app?sslmode=verify-full&sslrootcert={CERTIFICATE}",
        {"sslmode": "verify-full", "sslrootcert": CERTIFICATE},
    ),
    (
        f"{START}:5999,other:5440/app?target_session_attrs=read-write",
        {"host": "db.example,other", "port": "5999,5440", "target_session_attrs": "primary"},
    ),
    ("postgresql://[::1],[::2]:5440/app", {"host": "::1,::2", "port": "5432,5440"}),
    ("postgres://%2Fvar%2Frun/app", {"host": "/var/run", "port": "5432"}),
    ("postgres://user:a,b@db.example/app", {}),
    # {% if database_driver == "asyncpg" %}
    (f"{START}/app?channel_binding=require&keepalives=1", {"sslmode": "require"}),
    (f"{START}/app?gssencmode=disable", {}),
    (f"{START}/app?gssencmode=require", {"gssencmode": "require"}),
    (
        f"{START}/app?sslrootcert=system&sslmode=verify-ca&channel_binding=require",
        {
            "sslrootcert": ssl.get_default_verify_paths().cafile or "system",
            "sslmode": "verify-ca",
        },
    ),
    (
        f"{START}/app?sslrootcert=system",
        {
            "sslrootcert": ssl.get_default_verify_paths().cafile or "system",
            "sslmode": "verify-full",
        },
    ),
    (f"{START}/app?options=-cjit%3Doff&jit=off", {"options": "-cjit=off", "jit": "off"}),
    # {% else %}
    (f"{START}/app?channel_binding=require", {"channel_binding": "require"}),
    (f"{START}/app?options=-cwork_mem%3D4MB&jit=off", {"options": "-cwork_mem=4MB -cjit=off"}),
    (f"{START}/app?search_path=a,%20b", {"options": "-csearch_path=a,\\ b"}),
    # {% endif %}
]
REFUSED = [
    ("postgresql://localhost:port/app", "must be a URL"),
    ("http://localhost/app", "must be a URL"),
    ("postgresql://user:p@ss@db.example/app", "is written %40"),
    (f"{START}/app?sslcert=/absent.crt", "sslcert: there is no file /absent.crt"),
    ("postgresql:///app?host=a&host=b&port=5433", 'use "host=h1'),
    # {% if database_driver == "asyncpg" %}
    ("postgresql:///app?host=a&host=b", "All ports are required"),
    # {% endif %}
]
# {% elif database_driver == "asyncmy" %}
START = "mysql://user:hunter2@db.example/app"

TRANSLATED = [
    (f"  {START}\n", {}),
    (f"{START}?charset=utf8&connect_timeout=5&ssl=false&ssl_ca={CERTIFICATE}", {}),
    (f"{START}?ssl-mode=required", {"ssl_check_hostname": "false"}),
    (
        f"{START}?ssl-mode=VERIFY_IDENTITY&ssl-ca={CERTIFICATE}",
        {"ssl_check_hostname": "true", "ssl_ca": CERTIFICATE},
    ),
    (
        f"{START}?ssl-mode=VERIFY_CA",
        {"ssl_check_hostname": "false", "ssl_ca": ssl.get_default_verify_paths().cafile or ""},
    ),
]
REFUSED = [
    ("mysql://localhost:port/app", "must be a URL"),
    ("http://localhost/app", "must be a URL"),
    ("mysql://user:p@ss@db.example/app", "is written %40"),
    (f"{START}?ssl-mode=PREFERRED", "no ssl-mode=PREFERRED: write one of DISABLED, REQUIRED"),
    (f"{START}?sslaccept=strict", "asyncmy has no sslaccept: leave it out"),
    (f"{START}?ssl-ca=/absent.crt", "ssl_ca: there is no file /absent.crt"),
    (f"{START}?ssl_check_hostname=maybe", "not what it should be: .*maybe"),
    ("mysql://user:hunter2@db.example/", "must name a database"),
]
# {% else %}
TRANSLATED = [
    ("  sqlite:///service.db\n", {}),
    ("sqlite:///service.db?timeout=3", {"timeout": "3"}),
    ("sqlite:///file:/absent/service.db?mode=ro&uri=true", {"mode": "ro", "uri": "true"}),
]
REFUSED = [
    ("sqlite", "must be a URL"),
    ("http://localhost/app", "must be a URL"),
    ("sqlite://user:p@ss@db.example/app", "is written %40"),
    ("sqlite://", "must name a file"),
    ("sqlite:///file:a?mode=memory&cache=shared&uri=true", "must name a file"),
    ("sqlite:///file:service.db?mode=ro", "needs the parameter uri=true"),
    ("sqlite:///service.db?timeout=soon", "not what it should be: .*soon"),
    ("sqlite:///service.db?mode=ro", "SQLite has no mode: leave it out"),
    ("sqlite:////absent/service.db", "there is no folder /absent"),
]
# {% endif %}


@pytest.mark.parametrize(("written", "expected"), TRANSLATED)
def test_parameters_are_those_of_the_driver(written: str, expected: dict[str, str]) -> None:
    url = parse_database_url(written)

    assert url.drivername == DRIVER_NAME
    # {% if database_driver == "asyncpg" %}
    query = dict(url.query)
    query |= dict(parse_qsl(urlsplit(str(query.pop("dsn"))).query))
    assert query == {"application_name": "{{ package_name }}"} | expected
    # {% elif database_driver == "psycopg" %}
    query = dict(url.query)
    assert query.pop("fallback_application_name") == "{{ package_name }}"
    assert query == expected
    # {% else %}
    assert dict(url.query) == expected
    # {% endif %}
    assert parse_database_url(url) == url
    # {% if database_driver != "asyncmy" %}
    # A URL that was translated may be written down again.
    assert parse_database_url(url.render_as_string(hide_password=False)) == url
    # {% endif %}


@pytest.mark.parametrize(("written", "reason"), REFUSED)
def test_what_cannot_be_translated_is_named(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_database_url(written)
# {% if database_driver == "asyncmy" %}


def test_a_password_is_sent_in_utf_8() -> None:
    url = parse_database_url("mysql://user:%C3%A9@db.example/app")

    assert url.password is not None
    assert url.password.encode("latin-1") == "é".encode()
# {% endif %}
