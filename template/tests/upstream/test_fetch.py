import logging
import socket
from base64 import b64encode
from typing import Any

import httpx2
import pytest

from {{ package_name }}.upstream import client as client_module

from tests.conftest import MakeClient
from tests.support import assert_problem, bad_fields
from tests.upstream.conftest import Connect
from tests.upstream.server import Upstream


async def fetch(client: httpx2.AsyncClient, *paths: str) -> list[dict[str, Any]]:
    response = await client.post("/upstream/fetch", json={"paths": paths})
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    assert [result["path"] for result in results] == list(paths)
    return results


def answer(result: dict[str, Any]) -> tuple[int | None, object]:
    assert result["error"] is None
    return result["status"], result["body"]


async def test_answers_come_in_the_order_of_the_paths(connected: httpx2.AsyncClient) -> None:
    answers = {
        "/json": (200, {"n": [1, 2.5, None, "é"]}),
        "/problem": (418, {"title": "No coffee"}),
        "/text": (200, "é\0"),
        "/empty": (503, None),
        "/no-content": (204, None),
        "/closing": (200, "closing"),
    }

    results = await fetch(connected, *answers)

    assert [answer(result) for result in results] == list(answers.values())


async def test_a_path_that_fails_says_so_in_its_own_result(connected: httpx2.AsyncClient) -> None:
    failures = {
        "/no-json": "not-json",
        "/binary": "not-text",
        "/too-large": "too-large",
        "/compressed": "broken-response",
        "/short": "broken-response",
        "/closed": "broken-response",
    }

    first, *failed, last = await fetch(connected, "/json", *failures, "/text")

    assert {result["path"]: result["error"] for result in failed} == failures
    assert all(result["body"] is None for result in failed)
    assert answer(first)[0] == answer(last)[0] == 200
    # The status is reported if the answer came so far.
    statuses = {result["path"]: result["status"] for result in failed}
    begun = ("/no-json", "/binary", "/too-large", "/short")
    assert [statuses[path] for path in begun] == [200] * 4
    assert statuses["/closed"] is None


async def test_a_redirect_is_reported_and_not_followed(
    connected: httpx2.AsyncClient, elsewhere: Upstream
) -> None:
    results = await fetch(connected, "/redirect")

    assert answer(results[0]) == (302, None)
    assert elsewhere.connections == 0


async def test_no_request_leaves_for_a_bad_path(
    connected: httpx2.AsyncClient, upstream: Upstream
) -> None:
    paths = ["/json", "//example.com/", "/../admin"]

    response = await connected.post("/upstream/fetch", json={"paths": paths})

    assert bad_fields(response) == ["paths.1", "paths.2"]
    assert "example.com" not in response.text
    assert upstream.connections == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "paths"),
        ({"paths": []}, "paths"),
        ({"paths": ["/json"] * 51}, "paths"),
        ({"paths": ["/" * 3000]}, "paths.0"),
        ({"paths": ["/json"], "url": "http://example.com"}, "url"),
    ],
)
async def test_a_bad_field_is_named(
    client: httpx2.AsyncClient, body: dict[str, object], field: str
) -> None:
    assert bad_fields(await client.post("/upstream/fetch", json=body)) == [field]


async def test_without_an_upstream_the_setting_is_named(client: httpx2.AsyncClient) -> None:
    response = await client.post("/upstream/fetch", json={"paths": ["/json"]})

    assert "UPSTREAM_URL" in assert_problem(response, 503, "upstream-not-configured")["detail"]


async def test_a_refused_connection_is_reported_without_the_url(connect: Connect) -> None:
    # Bound and not listening: nobody else gets the port, and nobody answers on it.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{closed.getsockname()[1]}/v2"
        async with connect(url) as client:
            results = await fetch(client, "/json")

    assert results == [{"path": "/json", "status": None, "body": None, "error": "unreachable"}]


async def test_credentials_are_sent_as_a_header_and_not_logged(
    caplog: pytest.LogCaptureFixture, connect: Connect, upstream: Upstream
) -> None:
    caplog.set_level(logging.DEBUG)
    url = upstream.url.replace("//", "//us%40er:p%3Aw%2F@")
    async with connect(url) as client:
        await fetch(client, "/json")

    expected = b64encode(b"us@er:p:w/").decode()
    assert upstream.received[0].headers["authorization"] == f"Basic {expected}"
    assert upstream.received[0].headers["host"] == f"127.0.0.1:{upstream.port}"
    assert not any(form in caplog.text for form in ("p%3Aw", "p:w", expected))


async def test_the_id_of_the_request_is_passed_on_and_nothing_else(
    connected: httpx2.AsyncClient, upstream: Upstream
) -> None:
    # {% if auth == "oidc" %}
    others = {"Cookie": "a=b", "X-Forwarded-Host": "example.com"}
    others["Authorization"] = connected.headers["Authorization"]
    # {% else %}
    others = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Forwarded-Host": "example.com"}
    # {% endif %}
    headers = {"X-Request-ID": "abc-123", **others}

    await connected.post("/upstream/fetch", json={"paths": ["/json"]}, headers=headers)

    received = upstream.received[0].headers
    assert received["x-request-id"] == "abc-123"
    assert received.keys().isdisjoint(header.lower() for header in others)


async def test_slow_paths_are_answered_before_the_request_runs_out_of_time(
    monkeypatch: pytest.MonkeyPatch, make_client: MakeClient, upstream: Upstream
) -> None:
    assert 0 < client_module.BUDGET_SHARE < 1
    monkeypatch.setattr(client_module, "BUDGET_SHARE", 0.1)
    async with make_client(upstream_url=upstream.url, request_timeout=15) as client:
        results = await fetch(client, "/silent", "/stalling", "/trickling", "/json")

        assert [result["error"] for result in results] == ["timeout", "timeout", "timeout", None]
        assert [result["status"] for result in results] == [None, 200, 200, 200]
        assert answer((await fetch(client, "/closing"))[0]) == (200, "closing")
