"""Tokens for the tests, signed with a key of their own."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = "https://id.test"
AUDIENCE = "https://service.test"
ALGORITHM = "ES256"
# {% if example %}
SCOPES = "users:read users:write{{ " upstream:fetch" if http_client != "none" else "" }}"
# {% elif http_client != "none" %}
SCOPES = "upstream:fetch"
# {% else %}
SCOPES = ""
# {% endif %}

Key = ec.EllipticCurvePrivateKey


def make_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def key_set(**keys: Key) -> dict[str, Any]:
    """Return what a provider with these keys publishes, each by its id."""
    return {
        "keys": [
            {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}
            for key_id, key in keys.items()
        ]
    }


KEY = make_key()
SETTINGS = {
    "AUTH_ISSUER": ISSUER,
    "AUTH_AUDIENCE": AUDIENCE,
    "AUTH_ALGORITHMS": ALGORITHM,
    "AUTH_KEYS": json.dumps(key_set(tests=KEY)),
}


def make_token(
    *,
    key: Any = KEY,
    algorithm: str = ALGORITHM,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """Sign a token that is good, but for what is given.

    Times are seconds from now, and a claim that is None is left out.
    """
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "scope": SCOPES, "exp": 3600} | claims
    payload: dict[str, Any] = {name: claims[name] for name in claims if claims[name] is not None}
    payload |= {name: time.time() + payload[name] for name in ("exp", "nbf") if name in payload}
    headers = {"kid": "tests"} if header is None else header
    return jwt.encode(payload, key, algorithm=algorithm, headers=headers)


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
