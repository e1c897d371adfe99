"""The connections to the upstream, one pool for the process."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator, Mapping
# {% if http_client == "httpx2" %}
from contextlib import aclosing, asynccontextmanager
# {% else %}
from contextlib import asynccontextmanager
# {% endif %}
from dataclasses import dataclass
# {% if http_client == "httpx2" %}
from http.cookiejar import CookieJar, DefaultCookiePolicy
# {% endif %}
from typing import Self
from urllib.parse import unquote

# {% if http_client == "httpx2" %}
import httpx2
# {% else %}
import aiohttp
# {% endif %}
import structlog
from pydantic import HttpUrl
# {% if http_client == "aiohttp" %}
from yarl import URL
# {% endif %}

from ..settings import Settings
from .failures import Failure, FetchError

MAX_CONNECTIONS = 20
"""Open connections at most, idle ones included."""

MAX_CONCURRENCY = 20
"""Paths fetched at the same time at most, over all requests. No more than there are connections,
so that a path waits for a permit in the order of asking and never in the pool."""

CONNECT_SECONDS = 3.0
"""The time to make a connection, TLS included."""

READ_SECONDS = 10.0
"""The time without a byte after which an answer is given up."""

KEEPALIVE_SECONDS = 4.0
"""The time an idle connection is kept. Many servers close theirs after 5 seconds; to be earlier
avoids sending a request into a connection that is just being closed."""
# {% if http_client == "aiohttp" %}

DNS_CACHE_SECONDS = 30
"""The time an address is used before its name is looked up again."""

BUFFER_BYTES = 64 * 1024
"""What a connection reads ahead of the code that takes the body, at most twice this."""
# {% endif %}


@dataclass(frozen=True, slots=True)
class Reply:
    """The beginning of an answer; its chunks are as sent, still compressed."""

    status: int
    content_type: str
    encoding: str
    chunks: AsyncIterable[bytes]


class UpstreamClient:
    """Gets paths below the base URL. It follows no redirect, keeps no cookie, uses no proxy.

    Whoever gets a path holds one of the ``permits`` meanwhile, and waits for it within the
    deadline of the request.
    """
    # {% if http_client == "httpx2" %}

    def __init__(self, http: httpx2.AsyncClient, *, base_url: str) -> None:
        self._http = http
        self.base_url = base_url
        self.permits = asyncio.Semaphore(MAX_CONCURRENCY)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Open the pool; its connections are made when they are needed."""
        limits = httpx2.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_SECONDS,
        )
        async with httpx2.AsyncClient(
            # A transport of its own still finds the certificates that SSL_CERT_FILE names.
            transport=httpx2.AsyncHTTPTransport(limits=limits),
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
            headers=_headers(settings.upstream_url),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        ) as http:
            yield cls(http, base_url=_base_url(settings.upstream_url))

    @asynccontextmanager
    async def get(self, path: str) -> AsyncIterator[Reply]:
        """Send a request; the connection goes back to the pool, or is closed, with the block.

        Raises:
            FetchError: there is no answer, or it breaks off while its chunks are read.
        """
        try:
            async with (
                self._http.stream(
                    "GET", self.base_url + path, headers=_request_headers()
                ) as response,
                aclosing(response.aiter_raw()) as chunks,
            ):
                yield Reply(
                    status=response.status_code,
                    content_type=response.headers.get("Content-Type", ""),
                    encoding=response.headers.get("Content-Encoding", ""),
                    chunks=chunks,
                )
        except httpx2.TimeoutException as error:
            raise FetchError(Failure.TIMEOUT) from error
        except httpx2.ConnectError as error:
            raise FetchError(Failure.UNREACHABLE) from error
        except httpx2.HTTPError as error:
            raise FetchError(Failure.BROKEN) from error
    # {% else %}

    def __init__(self, http: aiohttp.ClientSession, *, base_url: str) -> None:
        self._http = http
        self.base_url = base_url
        self.permits = asyncio.Semaphore(MAX_CONCURRENCY)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Open the pool; its connections are made when they are needed."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS,
                limit_per_host=MAX_CONNECTIONS,
                keepalive_timeout=KEEPALIVE_SECONDS,
                ttl_dns_cache=DNS_CACHE_SECONDS,
            ),
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
            headers=_headers(settings.upstream_url),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=BUFFER_BYTES,
            auto_decompress=False,
            trust_env=False,
        ) as http:
            yield cls(http, base_url=_base_url(settings.upstream_url))

    @asynccontextmanager
    async def get(self, path: str) -> AsyncIterator[Reply]:
        """Send a request; the connection goes back to the pool, or is closed, with the block.

        Raises:
            FetchError: there is no answer, or it breaks off while its chunks are read.
        """
        try:
            async with self._http.get(
                # Encoded as it is: aiohttp would decode and encode the path anew.
                URL(self.base_url + path, encoded=True),
                headers=_request_headers(),
                allow_redirects=False,
            ) as response:
                yield Reply(
                    status=response.status,
                    content_type=response.headers.get("Content-Type", ""),
                    encoding=response.headers.get("Content-Encoding", ""),
                    chunks=response.content.iter_any(),
                )
        except aiohttp.ServerTimeoutError as error:
            raise FetchError(Failure.TIMEOUT) from error
        except aiohttp.ClientConnectorError as error:
            raise FetchError(Failure.UNREACHABLE) from error
        except aiohttp.ClientError as error:
            raise FetchError(Failure.BROKEN) from error
    # {% endif %}


def _base_url(url: HttpUrl | None) -> str:
    # Without the credentials: libraries log URLs and put them into their errors.
    if url is None:
        return ""
    return f"{url.scheme}://{url.host}:{url.port}{(url.path or '').rstrip('/')}"


def _headers(url: HttpUrl | None) -> Mapping[str, str]:
    headers = {"Accept": "*/*", "Accept-Encoding": "gzip"}
    if url and (url.username or url.password):
        credentials = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(credentials.encode()).decode()}"
    return headers


def _request_headers() -> Mapping[str, str]:
    """Pass the id of the request on, so that the logs of both services can be joined."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Request-ID": request_id} if request_id else {}
