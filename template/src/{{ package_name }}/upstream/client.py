"""The HTTP client for another service, with one connection pool for the process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
# {% if http_client == "httpx2" %}
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
# {% else %}
from contextlib import asynccontextmanager
from http import HTTPStatus
# {% endif %}
from typing import Annotated, Self

# {% if http_client == "httpx2" %}
import httpx2
# {% else %}
import aiohttp
# {% endif %}
import structlog
from fastapi import Depends
from fastapi.requests import HTTPConnection
# {% if http_client == "aiohttp" %}
from yarl import URL
# {% endif %}

from ..settings import Settings
from ..web.problems import Problem
from ..web.state import resource_of
from .paths import check_path
from .reply import Failure, FetchError, Reply, read_reply

MAX_CONNECTIONS = 20
"""Also the most requests at the same time; more wait in the order in which they came."""

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
"""The timeout for the next byte of a response."""

KEEPALIVE_SECONDS = 4.0
"""The time an idle connection is kept; many servers close theirs after 5 seconds."""

BUDGET_SHARE = 0.9
"""The part of ``REQUEST_TIMEOUT`` that a request may take, including its wait."""


class UpstreamNotConfigured(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "upstream-not-configured"
    title = "There is no upstream to fetch from"


class UpstreamClient:
    """Sends requests to paths below ``UPSTREAM_URL``, with its credentials.

    It follows no redirect, keeps no cookie and uses no proxy of the environment.
    """
    # {% if http_client == "httpx2" %}

    def __init__(self, http: httpx2.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._is_configured = settings.upstream_url is not None
    # {% else %}

    def __init__(self, http: aiohttp.ClientSession, settings: Settings) -> None:
        self._http = http
        url = settings.upstream_url
        self._base_url = str(URL(str(url)).with_user(None)).rstrip("/") if url else ""
        self._is_configured = url is not None
    # {% endif %}
        self._budget = settings.request_timeout * BUDGET_SHARE
        self._permits = asyncio.Semaphore(MAX_CONNECTIONS)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Open the pool; its connections are made when they are needed."""
        # {% if http_client == "httpx2" %}
        url = httpx2.URL(str(settings.upstream_url or ""))
        limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS)
        async with httpx2.AsyncClient(
            # Without the credentials: URLs are logged.
            base_url=url.copy_with(userinfo=b""),
            auth=(url.username, url.password) if url.userinfo else None,
            # One of its own uses no proxy, and still the certificates that SSL_CERT_FILE names.
            transport=httpx2.AsyncHTTPTransport(limits=limits),
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
            headers={"Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        ) as http:
            yield cls(http, settings)
        # {% else %}
        url = URL(str(settings.upstream_url or ""))
        headers = {"Accept-Encoding": "identity"}
        if url.user or url.password:
            headers["Authorization"] = aiohttp.encode_basic_auth(url.user or "", url.password or "")
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_SECONDS
            ),
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as http:
            yield cls(http, settings)
        # {% endif %}

    def check_configured(self) -> None:
        """Raise a problem if there is no ``UPSTREAM_URL``."""
        if not self._is_configured:
            raise UpstreamNotConfigured(detail="Set UPSTREAM_URL to the service to fetch from")

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request to a path, which is percent-encoded, and return the answer.

        Raises:
            FetchError: there is no complete answer, or it is too large.
            ValueError: the path does not stay below the base URL.
        """
        self.check_configured()
        check_path(path)
        # So that the logs of both services can be joined.
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        headers = {**({"X-Request-ID": request_id} if request_id else {}), **(headers or {})}
        status = None
        # {% if http_client == "httpx2" %}
        try:
            async with (
                asyncio.timeout(self._budget),
                self._permits,
                self._http.stream(
                    method, path, params=params, json=json, headers=headers
                ) as response,
                aclosing(response.aiter_raw()) as chunks,
            ):
                status = response.status_code
                return await read_reply(chunks, status=status, headers=response.headers)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise FetchError(Failure.TIMEOUT, status) from error
        except httpx2.ConnectError as error:
            raise FetchError(Failure.UNREACHABLE) from error
        except httpx2.HTTPError as error:
            raise FetchError(Failure.BROKEN, status) from error
        # {% else %}
        # Encoded as it is: aiohttp would decode and encode the path anew.
        url = URL(self._base_url + path, encoded=True)
        try:
            async with (
                asyncio.timeout(self._budget),
                self._permits,
                self._http.request(
                    method, url, params=params, json=json, headers=headers, allow_redirects=False
                ) as response,
            ):
                status = response.status
                chunks = response.content.iter_any()
                return await read_reply(chunks, status=status, headers=response.headers)
        except TimeoutError as error:
            raise FetchError(Failure.TIMEOUT, status) from error
        except aiohttp.ClientConnectorError as error:
            raise FetchError(Failure.UNREACHABLE) from error
        except aiohttp.ClientError as error:
            raise FetchError(Failure.BROKEN, status) from error
        # {% endif %}


async def get_upstream_client(connection: HTTPConnection) -> UpstreamClient:
    client: UpstreamClient = resource_of(connection, "upstream")
    return client


UpstreamClientDep = Annotated[UpstreamClient, Depends(get_upstream_client)]
