"""The service and a provider that does not do what it should."""

# ruff: noqa: ASYNC110 - what is waited for has no event

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import httpx2
import pytest
# {% if telemetry == "prometheus" %}
from prometheus_client import REGISTRY
# {% endif %}
from structlog.testing import capture_logs

from {{ package_name }}.auth import provider as module
# {% if telemetry == "prometheus" %}
from {{ package_name }}.telemetry import sampling
# {% endif %}

from tests.auth.provider import FakeProvider, ok
from tests.auth.tokens import Key, bearing, key_set, make_key, make_token
from tests.conftest import MakeClient
from tests.support import assert_problem

Connect = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]

DISCOVERY = "/.well-known/openid-configuration"
FIRST, SECOND = make_key(), make_key()
PROVIDER_SECONDS = 0.3
"""What a provider that hangs has; on a busy host a good one needs more."""


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider.open() as provider:
        provider.keys = key_set(first=FIRST)
        yield provider


@pytest.fixture
def connect(make_client: MakeClient, provider: FakeProvider) -> Connect:
    """Make a client of a service that trusts the provider."""

    def connect(**overrides: object) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
        return make_client(auth_issuer=provider.url, auth_keys=None, **overrides)

    return connect


async def ask(
    client: httpx2.AsyncClient, provider: FakeProvider, key_id: str = "first", key: Key = FIRST
) -> httpx2.Response:
    token = make_token(key=key, header={"kid": key_id}, iss=provider.url)
    return await client.get("/me", headers=bearing(token))


async def test_the_keys_are_fetched_once(connect: Connect, provider: FakeProvider) -> None:
    async with connect() as client:
        responses = [await ask(client, provider) for _ in range(5)]

    assert {response.status_code for response in responses} == {200}
    assert provider.fetches == 1


async def test_a_new_key_is_found_at_once(connect: Connect, provider: FakeProvider) -> None:
    async with connect() as client:
        await ask(client, provider)
        provider.keys = key_set(second=SECOND)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(client, provider, "second", SECOND)) for _ in range(20)]
        old = await ask(client, provider)

    assert {task.result().status_code for task in tasks} == {200}
    assert old.status_code == 401
    assert provider.fetches == 2


async def test_made_up_keys_cause_one_fetch(connect: Connect, provider: FakeProvider) -> None:
    async with connect() as client:
        await ask(client, provider)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(ask(client, provider, f"made-up-{number}"))
                for number in range(200)
            ]
        good = await ask(client, provider)

    assert {task.result().status_code for task in tasks} == {401}
    assert good.status_code == 200
    assert provider.fetches == 2


async def test_keys_are_fetched_again_before_their_lifetime_ends(
    connect: Connect, provider: FakeProvider
) -> None:
    async with connect(auth_keys_lifetime=0.1) as client:
        assert (await ask(client, provider)).status_code == 200
        provider.keys = key_set(second=SECOND)
        async with asyncio.timeout(20):
            while (await ask(client, provider)).status_code == 200:
                await asyncio.sleep(0.01)

    assert provider.fetches >= 2


BAD_ANSWERS = {
    "hangs": {DISCOVERY: None},
    "hangs later": {"/keys": None},
    "is away": {DISCOVERY: b""},
    "redirects": {DISCOVERY: b"HTTP/1.1 302 Found\r\nLocation: /keys\r\nContent-Length: 0\r\n\r\n"},
    "fails": {"/keys": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"},
    "is another": {DISCOVERY: ok({"issuer": "https://id.test", "jwks_uri": "/keys"})},
    "is no JSON": {DISCOVERY: ok("").replace(b'""', b"<>")},
    "is a list": {DISCOVERY: ok([])},
    "has no keys": {"/keys": ok({"keys": []})},
    "has others": {"/keys": ok({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})},
    "is large": {"/keys": ok(key_set(first=FIRST) | {"more": "x" * module.MAX_DOCUMENT_BYTES})},
}


@pytest.mark.parametrize("answers", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_a_provider_that_fails_is_survived(
    connect: Connect,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, bytes | None],
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.1)
    provider.answers = answers
    short = {"auth_keys_lifetime": 0.2, "auth_provider_timeout": PROVIDER_SECONDS}
    async with connect(**short) as client:
        start = time.monotonic()
        response = await ask(client, provider)
        assert time.monotonic() - start < PROVIDER_SECONDS + 2
        assert_problem(response, 503, "no-keys")

        provider.answers = {}
        async with asyncio.timeout(20):
            while (await ask(client, provider)).status_code == 503:
                await asyncio.sleep(0.01)

        provider.answers = answers
        with capture_logs() as lines:
            async with asyncio.timeout(20):
                while not any(line.get("old_keys_are_kept") for line in lines):
                    await asyncio.sleep(0.01)
        assert (await ask(client, provider)).status_code == 200


# {% if telemetry == "prometheus" %}
async def test_failures_of_the_provider_are_counted(
    connect: Connect, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "SECONDS", 0.01)
    provider.answers = {DISCOVERY: b""}
    before = REGISTRY.get_sample_value("auth_provider_failures_total") or 0

    async with connect(), asyncio.timeout(20):
        while REGISTRY.get_sample_value("auth_provider_failures_total") == before:
            await asyncio.sleep(0.01)


# {% endif %}
async def test_keys_come_from_a_safe_place_only(connect: Connect, provider: FakeProvider) -> None:
    for place in ("https://127.0.0.1/keys", "file:///etc/keys", None):
        provider.answers = {DISCOVERY: ok({"issuer": provider.url, "jwks_uri": place})}
        async with connect() as client:
            assert_problem(await ask(client, provider), 503, "no-keys")

    assert not provider.fetches
