"""The keys of the provider, found by OpenID discovery and kept fresh in the background."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
# {% if http_client == "httpx2" %}
from contextlib import aclosing, asynccontextmanager, suppress
# {% else %}
from contextlib import asynccontextmanager, suppress
# {% endif %}
from http import HTTPStatus
# {% if http_client == "httpx2" %}
from http.cookiejar import CookieJar, DefaultCookiePolicy
# {% endif %}
from typing import Any, Self
from urllib.parse import urlsplit

# {% if http_client == "httpx2" %}
import httpx2
# {% else %}
import aiohttp
# {% endif %}
import structlog
from jwt import PyJWK, PyJWKSet

from ..settings import Settings
from .keys import Keys
from .problems import NoKeys

MAX_CONNECTIONS = 2
MAX_DOCUMENT_BYTES = 256 * 1024

REFRESH_SHARE = 0.8
"""The share of their lifetime after which keys are fetched again, so that no request waits."""

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
"""The pause after a fetch that failed doubles from the first to the last."""

UNKNOWN_KEY_SECONDS = 30.0
"""Tokens with unknown keys, which anyone can make up, cause one fetch in this time at most."""

log = structlog.get_logger()


class ProviderError(Exception):
    """The provider answers, but not with its keys."""


class ProviderKeys:
    """The newest keys of the provider; while it is not reachable, the last that were fetched."""

    # {% if http_client == "httpx2" %}
    def __init__(self, http: httpx2.AsyncClient, settings: Settings) -> None:
    # {% else %}
    def __init__(self, http: aiohttp.ClientSession, settings: Settings) -> None:
    # {% endif %}
        self._http = http
        self._settings = settings
        self._keys: Keys | None = None
        self._wanted = asyncio.Event()
        self._fetched = asyncio.Event()
        """Whether no fetch is under way."""
        self._may_ask_from = 0.0
        # {% if telemetry != "none" %}
        self.failures = 0
        """How often the provider was asked and gave no keys."""
        # {% endif %}

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Keep fetching the keys in the background; the start does not wait for the first ones."""
        # It follows no redirect, keeps no cookie and uses no proxy of the environment.
        # {% if http_client == "httpx2" %}
        async with httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(
                limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=0)
            ),
            timeout=settings.auth_provider_timeout,
            headers={"Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        ) as http:
        # {% else %}
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, force_close=True),
            timeout=aiohttp.ClientTimeout(total=settings.auth_provider_timeout),
            headers={"Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as http:
        # {% endif %}
            keys = cls(http, settings)
            # A task group would wrap the error of a start that fails.
            task = asyncio.create_task(keys.keep_fresh())  # noqa: TID251 - it is ended below
            try:
                yield keys
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def find(self, key_id: str | None) -> PyJWK | None:
        """Return the key, if need be after asking the provider, or None if there is none.

        Raises:
            NoKeys: the provider has never given any.
        """
        if self._get(key_id) is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.auth_provider_timeout):
                    await self._fetched.wait()
                    if self._get(key_id) is None and self._ask_again():
                        await self._fetched.wait()
        if self._keys is None:
            raise NoKeys
        return self._get(key_id)

    def _get(self, key_id: str | None) -> PyJWK | None:
        return self._keys.get(key_id) if self._keys is not None else None

    def _ask_again(self) -> bool:
        """Request a fetch, unless one was made for another unknown key a moment ago.

        As long as there are no keys, they are being fetched anyway.
        """
        now = time.monotonic()
        if self._keys is None or now < self._may_ask_from:
            return False
        self._may_ask_from = now + UNKNOWN_KEY_SECONDS
        self._fetched.clear()
        self._wanted.set()
        return True

    async def keep_fresh(self) -> None:
        """Fetch the keys before their lifetime ends, and when an unknown one is asked for."""
        refresh = self._settings.auth_keys_lifetime * REFRESH_SHARE
        retry = FIRST_RETRY_SECONDS
        while True:
            self._fetched.clear()
            if await self._refresh():
                pause, retry = refresh, FIRST_RETRY_SECONDS
            else:
                pause, retry = min(retry, refresh), min(2 * retry, LAST_RETRY_SECONDS)
            self._wanted.clear()
            self._fetched.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()

    async def _refresh(self) -> bool:
        try:
            async with asyncio.timeout(self._settings.auth_provider_timeout):
                self._keys = Keys(await self._fetch_keys(), self._settings.auth_algorithms)
        except Exception as error:  # noqa: BLE001 - whatever fails, the keys of before are kept
            # {% if telemetry != "none" %}
            self.failures += 1
            # {% endif %}
            log.warning(
                "the provider gives no keys",
                error=type(error).__name__,
                reason=str(error),
                old_keys_are_kept=self._keys is not None,
            )
            return False
        return True

    async def _fetch_keys(self) -> PyJWKSet:
        """Ask where the keys are, and fetch them."""
        issuer = self._settings.auth_issuer
        about = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer") != issuer:
            message = "the provider calls itself otherwise than AUTH_ISSUER"
            raise ProviderError(message)
        place = str(about.get("jwks_uri"))
        if urlsplit(place).scheme != urlsplit(issuer).scheme:
            message = "the provider names no safe place of its keys"
            raise ProviderError(message)
        return PyJWKSet.from_dict(await self._fetch(place))

    async def _fetch(self, url: str) -> dict[str, Any]:
        body = bytearray()
        # {% if http_client == "httpx2" %}
        async with (
            self._http.stream("GET", url) as response,
            aclosing(response.aiter_raw()) as chunks,
        ):
            status = response.status_code
        # {% else %}
        async with self._http.get(url, allow_redirects=False) as response:
            status, chunks = response.status, response.content.iter_any()
        # {% endif %}
            if status != HTTPStatus.OK:
                message = f"the provider answers {status}"
                raise ProviderError(message)
            async for chunk in chunks:
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    message = "a document of the provider is too large"
                    raise ProviderError(message)
        document: dict[str, Any] = json.loads(body)
        return document
