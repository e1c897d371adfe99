# {% if http_client == "none" %}
"""Tokens for development, signed with a key that is in ``.dev``.

Nothing but the service of ``poe dev`` trusts it.
"""
# {% else %}
"""An issuer of tokens for development, on loopback.

Its key is in ``.dev``, and nothing but the service of ``poe dev`` trusts it.
"""
# {% endif %}

import argparse
import json
import time
# {% if http_client == "none" %}
from collections.abc import Iterator
from contextlib import contextmanager
# {% else %}
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
# {% endif %}
from pathlib import Path
# {% if http_client != "none" %}
from threading import Thread
# {% endif %}
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

DEV = Path(__file__).parent.parent / ".dev"
KEY = DEV / "issuer.pem"
# {% if http_client == "none" %}
ISSUER = "https://issuer.invalid"
# {% else %}
ADDRESS = DEV / "issuer.url"
# {% endif %}
AUDIENCE = "{{ distribution_name }}"
ALGORITHM = "ES256"
# {% if example %}
SCOPES = "users:read users:write{{ " upstream:fetch" if http_client != "none" else "" }}"
# {% elif http_client != "none" %}
SCOPES = "upstream:fetch"
# {% else %}
SCOPES = ""
# {% endif %}


def signing_key() -> ec.EllipticCurvePrivateKey:
    """Return the key of this project, which is made once."""
    if not KEY.exists():
        KEY.parent.mkdir(exist_ok=True)
        KEY.touch(mode=0o600)
        KEY.write_bytes(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    key = serialization.load_pem_private_key(KEY.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - as it was made
    return key


def key_set() -> dict[str, Any]:
    """Return the public key, as a provider publishes it."""
    key = ECAlgorithm.to_jwk(signing_key().public_key(), as_dict=True)
    return {"keys": [{**key, "kid": "dev", "alg": ALGORITHM, "use": "sig"}]}


def make_token(issuer: str, *, subject: str, scope: str, roles: list[str]) -> str:
    """Sign a token that is good for a working day."""
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject,
        "scope": scope,
        "roles": roles,
        "exp": int(time.time()) + 8 * 3600,
    }
    return jwt.encode(claims, signing_key(), algorithm=ALGORITHM, headers={"kid": "dev"})


# {% if http_client == "none" %}
@contextmanager
def running_issuer() -> Iterator[dict[str, str]]:
    """Yield the settings of a service that trusts the key; there is nothing else to run."""
    yield {
        "AUTH_ISSUER": ISSUER,
        "AUTH_AUDIENCE": AUDIENCE,
        "AUTH_ALGORITHMS": ALGORITHM,
        "AUTH_KEYS": json.dumps(key_set()),
    }


# {% else %}
@contextmanager
def running_issuer() -> Iterator[dict[str, str]]:
    """Serve the documents of a provider, and yield the settings of a service that trusts it."""
    with _bound() as server:
        url = f"http://127.0.0.1:{server.server_port}"
        documents = {
            "/.well-known/openid-configuration": {"issuer": url, "jwks_uri": f"{url}/keys"},
            "/keys": key_set(),
        }
        server.RequestHandlerClass = _handler(documents)
        Thread(target=server.serve_forever, daemon=True).start()
        ADDRESS.write_text(url)
        try:
            yield {"AUTH_ISSUER": url, "AUTH_AUDIENCE": AUDIENCE, "AUTH_ALGORITHMS": ALGORITHM}
        finally:
            server.shutdown()


def _bound() -> ThreadingHTTPServer:
    # The port of the last time, if it is free, so that tokens stay good.
    last = int(ADDRESS.read_text().rpartition(":")[2]) if ADDRESS.exists() else 0
    try:
        return ThreadingHTTPServer(("127.0.0.1", last), BaseHTTPRequestHandler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)


def _handler(documents: Mapping[str, object]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = documents.get(self.path)
            body = json.dumps(document).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base has it
            pass

    return Handler


# {% endif %}
def main() -> None:
    """Print a token for the service of ``poe dev``."""
    parser = argparse.ArgumentParser(prog="poe token", description=main.__doc__)
    parser.add_argument("--scope", default=SCOPES, help="scopes, separated by spaces")
    parser.add_argument("--subject", default="developer", help="whom it is for")
    parser.add_argument("--role", action="append", default=[], help="a role; may be repeated")
    given = parser.parse_args()
    # {% if http_client == "none" %}
    print(make_token(ISSUER, subject=given.subject, scope=given.scope, roles=given.role))
    # {% else %}
    if not ADDRESS.exists():
        parser.error("start `poe dev` first: the token is for its issuer")
    issuer = ADDRESS.read_text()
    print(make_token(issuer, subject=given.subject, scope=given.scope, roles=given.role))
    # {% endif %}


if __name__ == "__main__":
    main()
