import base64
import hashlib
import hmac
import json
from typing import Any

import httpx2
import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from fastapi import APIRouter, Depends
from jwt import PyJWKSet
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from {{ package_name }}.auth.dependencies import (
    CurrentUser,
    get_current_user,
    needs_role,
    needs_scope,
)
from {{ package_name }}.auth.keys import Keys
from {{ package_name }}.auth.tokens import MAX_TOKEN_LENGTH, Claims

from tests.auth.tokens import KEY, bearing, key_set, make_key, make_token
from tests.conftest import MakeClient, Running
from tests.support import assert_problem

CHALLENGE = 'Bearer realm="api"'


def encoded(*parts: Any) -> str:
    texts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
    return ".".join(base64.urlsafe_b64encode(text).rstrip(b"=").decode() for text in texts)


def signed_with_the_public_key() -> str:
    secret = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = make_token().split(".")[1]
    content = f"{encoded({'alg': 'HS256', 'kid': 'tests'})}.{claims}"
    return f"{content}.{encoded(hmac.digest(secret, content.encode(), hashlib.sha256))}"


def without_signature() -> str:
    return f"{encoded({'alg': 'none', 'kid': 'tests'})}.{make_token().split('.')[1]}."


BAD_TOKENS = {
    "no token": "hello",
    "no JSON": encoded(b"\xff", b"\xff", b"\xff"),
    "deep": encoded(b"[" * 10_000, b"", b""),
    "no algorithm": without_signature(),
    "a secret that is public": signed_with_the_public_key(),
    "another algorithm": make_token(key="x" * 32, algorithm="HS256"),
    "another key": make_token(key=make_key()),
    "an unknown key": make_token(header={"kid": "../../keys"}),
    "no text as key id": f"{encoded({'alg': 'ES256', 'kid': ['tests']}, {})}.",
    "a key of its own": make_token(
        key=(own := make_key()),
        header={"jku": "https://evil.test", "x5u": "https://evil.test"}
        | {"kid": "own", "jwk": key_set(own=own)["keys"][0]},
    ),
    "what nobody understands": make_token(header={"crit": ["pay"], "pay": True}),
    "another issuer": make_token(iss="https://id.test/"),
    "another audience": make_token(aud=["https://other.test"]),
    "no audience": make_token(aud=None),
    "expired": make_token(exp=-20),
    "no end": make_token(exp=None),
    "an end that is no time": make_token(exp=float("inf")),
    "not yet": make_token(nbf=3600),
    "nobody": make_token(sub=None),
    "an empty name": make_token(sub=""),
    "scopes that are none": make_token(scope={"users": "read"}),
    "too long": make_token(padding="x" * MAX_TOKEN_LENGTH),
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS)
async def test_a_bad_token_is_refused_without_a_reason(make_client: MakeClient, token: str) -> None:
    async with make_client(guarded) as client:
        with capture_logs() as lines:
            response = await client.get("/me", headers=bearing(token))

    body = assert_problem(response, 401, "invalid-token")
    assert body.keys() == {"type", "title", "status", "request_id"}
    assert response.headers["www-authenticate"] == f'{CHALLENGE}, error="invalid_token"'
    assert [line["event"] for line in lines[:2]] == ["token refused", "request"]
    assert token not in str(lines)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -5, "nbf": 5},
        {"aud": ["https://other.test", "https://service.test"]},
        {"header": {}},
    ],
)
async def test_a_good_token_is_accepted(client: httpx2.AsyncClient, claims: Any) -> None:
    response = await client.get("/me", headers=bearing(make_token(**claims)))

    assert response.status_code == 200


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer", "Bearer "])
async def test_without_a_token_one_is_asked_for(
    client: httpx2.AsyncClient, header: str | None
) -> None:
    client.headers.pop("Authorization")

    response = await client.get("/me", headers={"Authorization": header} if header else {})

    assert_problem(response, 401, "not-authenticated")
    assert response.headers["www-authenticate"] == CHALLENGE


def test_a_claim_that_is_null_names_nothing() -> None:
    claims = Claims.model_validate({"sub": "ada", "scope": None, "roles": None})

    assert not claims.scope | claims.roles


async def test_two_tokens_are_none(client: httpx2.AsyncClient) -> None:
    headers = [("Authorization", f"Bearer {make_token()}")] * 2
    client.headers.pop("Authorization")

    assert_problem(await client.get("/me", headers=headers), 401, "invalid-token")


async def test_the_caller_is_shown_and_in_each_line_of_the_log(make_client: MakeClient) -> None:
    token = make_token(sub="grace", scp=["b", "a"], scope=None, roles=["admin"])
    async with make_client(guarded) as client:
        with capture_logs([merge_contextvars]) as lines:
            response = await client.get("/me", headers=bearing(token))
            await client.get("/logging", headers=bearing(token))
            await client.get("/me", headers={"Authorization": ""})

    assert response.json() == {"subject": "grace", "scopes": ["a", "b"], "roles": ["admin"]}
    own = [line for line in lines if "logger" not in line]  # and not those of a library
    told = [(line["event"], line.get("subject")) for line in own]
    named = [("request", "grace"), ("done", "grace"), ("request", "grace")]
    assert told == [*named, ("request", None)]
    assert token not in str(lines)


@pytest.mark.parametrize(
    ("path", "claims", "challenge"),
    [
        ("/scoped", {"scope": "a"}, ', scope="a b"'),
        ("/scoped", {"scope": "a,b"}, ', scope="a b"'),
        ("/scoped", {"scope": "", "roles": ["a", "b"]}, ', scope="a b"'),
        ("/ruled", {"scope": "chief", "roles": ["guest"]}, ""),
    ],
)
async def test_a_token_that_is_not_enough_is_forbidden(
    make_client: MakeClient, path: str, claims: Any, challenge: str
) -> None:
    async with make_client(guarded) as client:
        response = await client.get(path, headers=bearing(make_token(**claims)))

    assert_problem(response, 403, "forbidden")
    expected = f'{CHALLENGE}, error="insufficient_scope"{challenge}'
    assert response.headers["www-authenticate"] == expected


@pytest.mark.parametrize("path", ["/scoped", "/ruled"])
async def test_a_token_that_is_enough_is_allowed(make_client: MakeClient, path: str) -> None:
    token = make_token(scope="a b c", roles=["guest", "owner"])

    async with make_client(guarded) as client:
        response = await client.get(path, headers=bearing(token))

    assert response.status_code == 200


guarded = APIRouter()


@guarded.get("/scoped", dependencies=[needs_scope("a", "b")])
@guarded.get("/ruled", dependencies=[needs_role("chief", "owner")])
async def allowed() -> None: ...


@guarded.get("/logging", dependencies=[Depends(get_current_user)])
async def done() -> None:
    structlog.get_logger().info("done")


async def test_a_test_may_name_the_user(client: httpx2.AsyncClient, service: Running) -> None:
    client.headers.pop("Authorization")
    service.app.dependency_overrides[get_current_user] = lambda: CurrentUser("joan")
    try:
        response = await client.get("/me")
    finally:
        service.app.dependency_overrides.clear()

    assert response.json()["subject"] == "joan"


def test_keys_are_those_of_the_algorithms() -> None:
    key_of_another_kind = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}
    published = key_set(signing=make_key(), encrypting=make_key())
    published["keys"][1]["use"] = "enc"
    published["keys"].append(key_of_another_kind)

    keys = Keys(PyJWKSet.from_dict(published), ["ES256"])

    assert keys.get("signing") is keys.get(None)
    assert keys.get("encrypting") is keys.get("secret") is None
    with pytest.raises(ValueError, match="no key is for RS256"):
        Keys(PyJWKSet.from_dict(published), ["RS256"])
