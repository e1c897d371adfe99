"""A service that asks for tokens: with a provider of others, with hostile ones, and attacked."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conftest import ServiceWith
from tests.helpers.process import (
    Deployment,
    Process,
    deployed,
    environ,
    eventually,
    free_port,
)
from tests.helpers.service import cache_folder, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("auth")]

AUDIENCE = "https://desk.test"
PROVIDER = "oidc-provider@9"
PROVIDER_SECONDS = 1.0
MEBIBYTE = 1024 * 1024

SIGN = """
import json, sys, time
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

issuer, key_id, count = sys.argv[1:]
key = rsa.generate_private_key(65537, 2048)
public = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "alg": "RS256"}
usual = {"iss": issuer, "aud": "https://desk.test", "sub": "ada", "scope": "users:read"}
usual["exp"] = time.time() + 3600
tokens = [
    jwt.encode({**usual, "jti": str(number)}, key, algorithm="RS256", headers={"kid": key_id})
    for number in range(int(count))
]
print(json.dumps({"keys": [public], "tokens": tokens}))
"""


@pytest.fixture(scope="module", params=["httpx2", "aiohttp"])
def deployment(
    request: pytest.FixtureRequest, service_with: ServiceWith, pytestconfig: pytest.Config
) -> Iterator[Deployment]:
    service = service_with(auth="oidc", http_client=request.param)
    environment = service.environment(pytestconfig.getoption("service_python"))
    with deployed(service, environment) as provided:
        yield provided


def ask(
    process: Process,
    token: str | None = None,
    *,
    path: str = "/me",
    body: object = None,
    more: tuple[tuple[str, str | bytes], ...] = (),
) -> tuple[int, Any]:
    """Send a request with a token; return the status and the body of the answer."""
    with closing(process.connection()) as connection:
        connection.putrequest("GET" if body is None else "POST", path)
        content = b"" if body is None else json.dumps(body).encode()
        own = (("Authorization", f"Bearer {token}"),) if token else ()
        sent = (("Content-Type", "application/json"), ("Content-Length", str(len(content))))
        for name, value in (*sent, *own, *more):
            connection.putheader(name, value)
        connection.endheaders(content)
        response = connection.getresponse()
        read = response.read()
        is_json = "json" in (response.headers["Content-Type"] or "")
        return response.status, json.loads(read) if is_json else read


@pytest.fixture(scope="module")
def provider_package() -> Path:
    """Where npm has put a provider that nobody here wrote."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = cache_folder() / PROVIDER
    if not (folder / "node_modules/oidc-provider").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts"]
        installed = subprocess.run([*command, PROVIDER], cwd=folder, check=False, timeout=300)
        if installed.returncode != 0:
            pytest.skip(f"npm cannot install {PROVIDER}")
    shutil.copy(Path(__file__).parent / "helpers/provider.mjs", folder)
    return folder


@contextmanager
def issuing(package: Path, port: int, key_id: str) -> Iterator[None]:
    """Run the provider with a key of its own."""
    with subprocess.Popen(
        ["node", "provider.mjs", str(port), key_id],  # noqa: S607 - wherever it is
        cwd=package,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "listening\n"
            yield
        finally:
            process.kill()


def issued(port: int, scope: str, *, resource: str = AUDIENCE) -> str:
    """Ask the provider for a token, as another service does."""
    grant = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
    basic = base64.b64encode(b"desk:secret").decode()
    headers = {
        "Authorization": f"Basic {basic}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/token", urlencode(grant), headers)
        response = connection.getresponse()
        token: str = json.loads(response.read())["access_token"]
        return token


def test_tokens_of_a_provider_that_nobody_here_wrote(
    deployment: Deployment, provider_package: Path, tmp_path: Path
) -> None:
    port, output = free_port(), tmp_path / "output"
    ada = {"email": "ada@example.com", "full_name": "Ada Lovelace"}
    with deployment.started(
        output=output,
        log_level="INFO",
        auth_issuer=f"http://127.0.0.1:{port}",
        auth_audience=AUDIENCE,
    ) as process:
        eventually(process.ready)
        with issuing(provider_package, port, "first"):
            reading, writing = issued(port, "users:read"), issued(port, "users:write")
            eventually(lambda: ask(process, reading)[0] != 503)

            assert ask(process, reading)[1]["scopes"] == ["users:read"]
            assert ask(process, reading, path="/users")[0] == 200
            assert ask(process, writing, path="/users")[0] == 403
            assert ask(process, reading, path="/users", body=ada)[0] == 403
            assert ask(process, writing, path="/users", body=ada)[0] == 201
            assert ask(process, path="/users")[0] == 401
            assert ask(process, issued(port, "users:read", resource="https://a.test"))[0] == 401

        assert ask(process, reading)[0] == 200
        with issuing(provider_package, port, "second"):
            assert ask(process, issued(port, "users:read"))[0] == 200
            assert ask(process, reading)[0] == 401

    logged = output.read_text("utf-8")
    assert '"subject":"desk"' in logged
    assert reading not in logged
    assert reading.rpartition(".")[2] not in logged


class FakeProvider:
    """A provider on loopback that does as it is told, and counts who asks for its keys."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.keys: list[Any] = []
        self.mode = "good"
        self.fetches = 0
        self.released = threading.Event()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["FakeProvider"]:
        """Run it in threads."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    provider.answer(self)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            provider = cls(server)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield provider
            provider.released.set()
            server.shutdown()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request as the mode says."""
        self.fetches += handler.path == "/keys"
        if self.mode == "hangs":
            self.released.wait(60)
            return
        if self.mode == "redirects":
            handler.send_response(302)
            handler.send_header("Location", f"{self.url}/elsewhere")
            handler.end_headers()
            return
        documents: dict[str, object] = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
            },
            "/keys": {"keys": self.keys},
        }
        handler.send_response(200)
        handler.end_headers()
        if self.mode == "sends 100 MB":
            for _ in range(100):
                handler.wfile.write(b" " * MEBIBYTE)
        handler.wfile.write(json.dumps(documents[handler.path]).encode())

    def sign(self, deployment: Deployment, key_id: str, count: int = 1) -> list[str]:
        """Return tokens signed by a new key, the only one from now on."""
        python = deployment.environment.python
        signed = json.loads(
            run(python, "-c", SIGN, self.url, key_id, str(count), cwd=deployment.service.folder)
        )
        self.keys = signed["keys"]
        tokens: list[str] = signed["tokens"]
        return tokens


@contextmanager
def trusting(
    deployment: Deployment, provider: FakeProvider, **settings: object
) -> Iterator[Process]:
    """Start a process that trusts the provider, and wait until it is ready."""
    with deployment.started(
        auth_issuer=provider.url,
        auth_audience=AUDIENCE,
        auth_provider_timeout=PROVIDER_SECONDS,
        **settings,  # type: ignore[arg-type]  # none is that of the output
    ) as process:
        eventually(process.ready)
        yield process


def header(**fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


def test_what_an_attacker_sends_is_refused(deployment: Deployment) -> None:
    with FakeProvider.running() as provider:
        (good,) = provider.sign(deployment, "first")
        _, payload, signature = good.split(".")
        with trusting(deployment, provider) as process:
            eventually(lambda: ask(process, good)[0] == 200)
            refused: dict[str, tuple[tuple[str, str | bytes], ...]] = {
                "two headers": (("Authorization", f"Bearer {good}"),) * 2,
                "two, of which one is good": (
                    ("Authorization", "Bearer x"),
                    ("Authorization", f"Bearer {good}"),
                ),
                "not ASCII": (("Authorization", b"Bearer \xc3\xa9\xff" + good.encode()),),
                "1 MB": (("Authorization", "Bearer " + "x" * MEBIBYTE),),
                "60 kB": (("Authorization", "Bearer " + "x" * 60_000),),
                "60 kB of dots": (("Authorization", "Bearer " + "." * 60_000),),
                "a cookie": (("Cookie", f"Authorization=Bearer {good}"),),
                "another scheme": (("Authorization", f"Basic {good}"),),
                **{
                    str(fields): (
                        ("Authorization", f"Bearer {header(**fields)}.{payload}.{signature}"),
                    )
                    for fields in (
                        {"alg": "none"},
                        {"alg": "None", "kid": "first"},
                        {"alg": "HS256", "kid": "first"},
                        {"alg": "RS256", "kid": "first", "b64": False, "crit": ["b64"]},
                        {"alg": "RS256", "kid": "../../../dev/null"},
                        {"alg": "RS256", "kid": "first' OR 1=1"},
                        {"alg": "RS256", "kid": "own", "jku": f"{provider.url}/own"},
                        {"alg": "RS256", "kid": "own", "x5u": f"{provider.url}/own"},
                        {"alg": ["RS256"], "kid": "first"},
                        {"alg": {}, "kid": "first"},
                    )
                },
            }
            statuses = {name: status_of(process, sent) for name, sent in refused.items()}
            query = ask(process, path=f"/me?access_token={good}")[0]
            after = ask(process, good)[0]

    assert {name: status for name, status in statuses.items() if status != 401} == {"1 MB": 400}
    assert (query, after) == (401, 200)
    assert provider.fetches <= 2


def status_of(process: Process, sent: tuple[tuple[str, str | bytes], ...]) -> int:
    """Return the status; a server that has seen enough may answer before all is sent."""
    try:
        return ask(process, more=sent)[0]
    except ConnectionError:
        return 400


def test_many_tokens_leave_nothing_behind(deployment: Deployment) -> None:
    with FakeProvider.running() as provider:
        tokens = provider.sign(deployment, "first", 10_000)
        with trusting(deployment, provider) as process, ThreadPoolExecutor(8) as clients:
            eventually(lambda: ask(process, tokens[0])[0] == 200)
            warm = {*clients.map(lambda token: ask(process, token)[0], tokens[:1_000])}
            before = process.resident_bytes()
            statuses = {*clients.map(lambda token: ask(process, token)[0], tokens)}
            growth = process.resident_bytes() - before

    assert warm == statuses == {200}
    assert growth < 4 * MEBIBYTE
    assert provider.fetches == 1


@pytest.mark.parametrize("mode", ["hangs", "redirects", "sends 100 MB"])
def test_a_provider_that_misbehaves_holds_nobody_up(deployment: Deployment, mode: str) -> None:
    with FakeProvider.running() as provider:
        (good,) = provider.sign(deployment, "first")
        made_up = [f"{header(alg='RS256', kid=f'k{n}')}.e30.AAAA" for n in range(200)]
        provider.mode = mode
        with (
            trusting(deployment, provider, auth_keys_lifetime=2) as process,
            ThreadPoolExecutor(20) as clients,
        ):
            before = process.resident_bytes()
            start = time.monotonic()
            status, problem = ask(process, good)
            assert time.monotonic() - start < PROVIDER_SECONDS + 1
            assert (status, problem["type"]) == (503, "urn:problem:no-keys")
            assert ask(process, path="/health/ready")[0] == 200

            provider.mode = "good"
            eventually(lambda: ask(process, good)[0] == 200)
            provider.mode = mode
            time.sleep(2)
            start = time.monotonic()
            flood = clients.map(lambda token: ask(process, token)[0], made_up)
            slowest = max(seconds_of(process, good) for _ in range(50))
            assert {*flood} == {401}
            assert slowest < PROVIDER_SECONDS / 2
            assert time.monotonic() - start < len(made_up) / 20 * (PROVIDER_SECONDS + 1)
            assert process.resident_bytes() - before < 30 * MEBIBYTE


def seconds_of(process: Process, token: str) -> float:
    """Return the time that a good token takes."""
    start = time.monotonic()
    assert ask(process, token)[0] == 200
    return time.monotonic() - start


def test_a_new_key_under_load_fails_no_request(deployment: Deployment) -> None:
    with FakeProvider.running() as provider, ThreadPoolExecutor(8) as clients:
        current = provider.sign(deployment, "first")
        with trusting(deployment, provider) as process:
            eventually(lambda: ask(process, current[0])[0] == 200)
            over = threading.Event()

            def client() -> set[int]:
                statuses = set()
                while not over.is_set():
                    statuses.add(ask(process, current[0])[0])
                return statuses

            running = [clients.submit(client) for _ in range(8)]
            time.sleep(1)
            old = provider.keys
            new = provider.sign(deployment, "second")
            provider.keys = [*old, *provider.keys]
            current[:] = new
            time.sleep(1)
            over.set()

            assert set().union(*(each.result() for each in running)) == {200}
            assert provider.fetches == 2


def test_a_newcomer_sends_a_first_request(deployment: Deployment, tmp_path: Path) -> None:
    """`poe dev` and `poe token`, as the README of a service shows."""
    folder, port = tmp_path / "service", free_port()
    shutil.copytree(deployment.service.folder, folder, ignore=shutil.ignore_patterns(".dev"))
    python = deployment.environment.python
    settings = {"DATABASE_URL": deployment.url, "PORT": str(port)}
    variables = environ(deployment.service, **settings)
    variables["PYTHONPATH"] = f"{folder / 'src'}{os.pathsep}{folder}"
    ada = {"email": "newcomer@example.com", "full_name": "Ada Lovelace"}
    with subprocess.Popen(
        [python, "-m", "scripts.dev"],
        cwd=folder,
        env=variables,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as popen:
        process = Process(popen, port)
        try:
            eventually(process.ready)
            command = [str(python), "-m", "scripts.issuer", "--scope", "users:write"]
            token = subprocess.check_output(command, cwd=folder, env=variables, text=True).strip()
            created = ask(process, token, path="/users", body=ada)[0]
            read = ask(process, token, path="/users")[0]
            popen.send_signal(signal.SIGTERM)
            popen.wait(30)
        finally:
            if popen.poll() is None:
                os.killpg(popen.pid, signal.SIGKILL)

    assert (created, read) == (201, 403)
    if sys.platform != "win32":
        assert (folder / ".dev/issuer.pem").stat().st_mode & 0o077 == 0
