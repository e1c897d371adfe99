"""From a commit to production: the image, Compose and the manifests, without a Docker daemon."""

import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from extensions.deploy import deployment, dockerfile_string, pods_problem
from tests.conftest import ServiceWith
from tests.helpers.image import Build, Container, Image, instructions
from tests.helpers.load import Load
from tests.helpers.process import (
    PROVIDE,
    START_SECONDS,
    Deployment,
    Process,
    deployed,
    eventually,
    provider,
)
from tests.helpers.service import Service, run


def manifest(service: Service, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(service.text(f"deploy/base/{name}.yaml"))
    return loaded


def pod_of(service: Service, name: str = "deployment") -> dict[str, Any]:
    spec: dict[str, Any] = manifest(service, name)["spec"]["template"]["spec"]
    return spec


def default_of(service: Service, setting: str) -> float:
    """Return the default of a number among the settings."""
    source = service.text("src/order_desk/settings.py")
    found = re.search(rf"^    {setting}: .*?([\d.]+)[,\n]", source, re.MULTILINE)
    assert found
    return float(found[1])


def shutdown_seconds(service: Service) -> float:
    """Return what running requests have left after the drain."""
    source = service.text("src/order_desk/server/drain.py")
    found = re.search(r"^SHUTDOWN_SECONDS = (\d+)$", source, re.MULTILINE)
    assert found
    return float(found[1])


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"workers": 4, "replicas": 4},
        {"replicas": 30, "max_connections": 500},
        {"database_driver": "asyncmy", "workers": 2, "health_checks": False},
    ],
    ids=str,
)
def test_the_numbers_of_the_manifests_follow_from_the_answers(
    service_with: ServiceWith, answers: dict[str, Any]
) -> None:
    service = service_with(deploy="kubernetes", **answers)
    drain, pod = default_of(service, "drain_seconds"), pod_of(service)
    scaler, rollout = (
        manifest(service, "autoscaler")["spec"],
        manifest(service, "deployment")["spec"],
    )

    pre_stop = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] == pre_stop + drain + 30
    assert shutdown_seconds(service) + 2 <= 25
    assert rollout["minReadySeconds"] >= pre_stop + drain
    checks = 2 if answers.get("health_checks", True) else 0
    of_pod = default_of(service, "workers") * (
        2 * default_of(service, "database_pool_size") + checks
    )
    pods = scaler["maxReplicas"] + rollout["strategy"]["rollingUpdate"]["maxSurge"] + 1
    assert 2 <= scaler["minReplicas"] <= scaler["maxReplicas"]
    limit = answers.get("max_connections", 151 if "database_driver" in answers else 100)
    assert pods == answers.get("replicas", 6)
    assert pods * of_pod <= limit - 10


def test_compose_gives_the_service_the_time_that_it_needs_to_end(service_with: ServiceWith) -> None:
    service = service_with(deploy="container")
    compose = yaml.safe_load(service.text("compose.yaml"))

    grace = compose["services"]["service"]["stop_grace_period"]
    ends = default_of(service, "drain_seconds") + shutdown_seconds(service)
    assert float(grace.removesuffix("s")) >= ends + 2


def test_the_weekly_look_finds_the_answers_whatever_their_file_is_called(
    service_with: ServiceWith,
) -> None:
    """The task for that knows the name."""
    service = service_with(deploy="container")
    task = service.pyproject["tool"]["poe"]["tasks"]["check-update"]["cmd"]

    assert f"{task} --quiet" in service.text(".github/workflows/template.yml")


@pytest.mark.parametrize("name", ["deployment", "migration"])
def test_pods_keep_the_restricted_profile_and_more(service_with: ServiceWith, name: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    pod = pod_of(service_with(deploy="kubernetes"), name)
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert (
        container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    )
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} == {
        "secret",
        "emptyDir",
    }


def test_the_parts_of_the_base_find_each_other(service_with: ServiceWith) -> None:
    service = service_with(deploy="kubernetes")
    base = yaml.safe_load(service.text("deploy/base/kustomization.yaml"))
    overlay = yaml.safe_load(service.text("deploy/overlays/production/kustomization.yaml"))
    files = {file.rpartition("/")[2] for file in service.files if file.startswith("deploy/base/")}
    labels = manifest(service, "deployment")["spec"]["template"]["metadata"]["labels"]

    assert {*base["resources"], "kustomization.yaml"} == files
    for name in ("deployment", "migration"):
        (container,) = pod_of(service, name)["containers"]
        assert [container["image"]] == [image["name"] for image in overlay["images"]]
        (source,) = container["envFrom"]
        assert source["configMapRef"]["name"] == base["configMapGenerator"][0]["name"]
    assert manifest(service, "service")["spec"]["selector"] == labels
    assert manifest(service, "disruption-budget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest(service, "migration")["spec"]["template"]["metadata"]["labels"] != labels


def test_names_are_labels_of_dns() -> None:
    for package in ("desk", "order_desk_", "a__b", "x" * 40):
        name = deployment(package_name=package, workers=1, replicas=4).name
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)


def test_fewer_pods_than_a_rollout_takes_are_refused() -> None:
    assert "Type 4 or more" in pods_problem(3)
    assert pods_problem(3, whole=False) == "Type 4 or more."
    assert pods_problem(4) == ""


def test_no_text_ends_a_string_of_a_dockerfile() -> None:
    assert dockerfile_string('"$HOME" \\ 日') == '"\\"\\$HOME\\" \\\\ 日"'


def test_the_image_has_one_python_for_its_build_and_for_ci(service_with: ServiceWith) -> None:
    service = service_with(deploy="kubernetes")
    images = [
        arguments
        for word, arguments in instructions(service.text("Dockerfile"))
        if word == "FROM" and arguments.startswith("python:")
    ]
    workflow = yaml.safe_load(service.text(".github/workflows/ci.yml"))
    (set_up,) = [
        step
        for step in workflow["jobs"]["test"]["steps"]
        if "python-version" in step.get("with", {})
    ]

    assert len({image.partition(" AS ")[0] for image in images}) == 1
    assert images[0].startswith(f"python:{set_up['with']['python-version']}-slim-")
    assert all("@sha256:" in image for image in images)


class Relay(socketserver.ThreadingTCPServer):
    """Passes connections on, byte by byte, to whatever it is told for each."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, address: Any, connect: Callable[[], socket.socket]) -> None:
        self.connect = connect
        super().__init__(address, RelayHandler)


class UnixRelay(Relay):
    address_family = socket.AF_UNIX


class RelayHandler(socketserver.BaseRequestHandler):
    """Passes one connection on, until one of its ends is closed."""

    server: Relay

    def handle(self) -> None:
        with closing(self.server.connect()) as peer:
            backwards = threading.Thread(target=pump, args=(peer, self.request), daemon=True)
            backwards.start()
            pump(self.request, peer)
            backwards.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def relayed(relay: Relay) -> Iterator[None]:
    with relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield
        relay.shutdown()


@contextmanager
def socket_of(url: str, folder: Path) -> Iterator[str]:
    """Provide a socket to a database in a folder, which needs no network; yield a URL for it."""
    parts = urlsplit(url)
    address = (str(parts.hostname), parts.port or 5432)
    relay = UnixRelay(str(folder / ".s.PGSQL.5432"), lambda: socket.create_connection(address))
    with relayed(relay):
        (folder / ".s.PGSQL.5432").chmod(0o777)
        yield f"postgresql://{parts.username}@{parts.path}?host=/run/postgresql"


@pytest.fixture(scope="module")
def image(service_with: ServiceWith, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the Dockerfile of the default service makes."""
    folder = service_with().folder
    run(sys.executable, "-m", "uv", "lock", "--quiet", cwd=folder)
    return Build(folder, tmp_path_factory.mktemp("stages")).carry_out()


ASK = """
import sys
from http.client import HTTPConnection
connection = HTTPConnection("127.0.0.1", 8000, timeout=5)
connection.request("GET", sys.argv[1])
print(connection.getresponse().status)
"""

LOOK = """
import os, pwd
try:
    print(pwd.getpwuid(os.getuid()))
except KeyError:
    print("no name", os.getuid(), os.getgid(), os.environ.get("HOME"))
try:
    open("/app/file", "w")
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.slow
@pytest.mark.xdist_group("image")
@pytest.mark.skipif(sys.platform != "linux", reason="containers are made by Linux")
def test_the_image_migrates_serves_and_ends(
    image: Image, service_with: ServiceWith, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Read-only, without a network, a name or a home; the database is reached by a socket."""
    tmp_path.chmod(0o755)
    secrets, sockets = tmp_path / "secrets", tmp_path / "sockets"
    secrets.mkdir()
    sockets.mkdir()
    volumes = {secrets: "/run/secrets", sockets: "/run/postgresql"}
    service = service_with()
    environment = service.environment(pytestconfig.getoption("service_python"))

    with (
        provider(service, environment, PROVIDE) as (_, url),
        socket_of(url, sockets) as inner_url,
    ):
        (secrets / "database_url").write_text(f"{inner_url}\n", "utf-8")
        migrate = ("python", "-m", "order_desk", "migrate")
        output = tmp_path / "output"
        with Container.of(image, migrate, volumes=volumes, output=output) as job:
            assert job.outer.wait(START_SECONDS) == 0, output.read_text("utf-8")
        with Container.of(image, image.command, volumes=volumes, output=output) as container:
            eventually(container.is_healthy)
            ready = container.execute("python", "-c", ASK, "/health/ready").stdout
            users = container.execute("python", "-c", ASK, "/users").stdout
            look = container.execute("python", "-c", LOOK).stdout
            status = container.stop(30)
            log = output.read_text("utf-8")

    assert (ready, users) == ("200\n", "200\n"), log
    assert look == "no name 10001 10001 None\nRead-only file system\n"
    assert status == 0, log
    (packages,) = image.root.glob("app/.venv/lib/*/site-packages")
    installed = {path.name for path in packages.iterdir()}
    assert {path.name for path in (image.root / "app").iterdir()} == {".venv"}
    assert {"order_desk", "alembic"} <= installed
    assert not installed & {"pytest", "ruff", "copier", "tests", "scripts"}
    assert not (image.root / "usr/local/bin/uv").exists()
    assert list(packages.glob("order_desk/__pycache__/settings.*.pyc"))


SCALE = 0.4
"""Of the times in the manifest, which are for a cluster and not for a test."""


class Pods:
    """What Kubernetes does with the pods of a Deployment, by what the manifest says."""

    def __init__(self, service: Service, deployment: Deployment) -> None:
        spec = manifest(service, "deployment")["spec"]
        self.pod = spec["template"]["spec"]
        self.probe = self.pod["containers"][0]["readinessProbe"]
        self.pre_stop = (
            SCALE * self.pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        )
        self.grace = SCALE * self.pod["terminationGracePeriodSeconds"]
        self.settled = SCALE * spec["minReadySeconds"]
        self.drain = SCALE * default_of(service, "drain_seconds")
        self.routed: list[Process] = []
        self.connections = 0
        self._deployment = deployment

    def connect(self) -> socket.socket:
        """Connect to the next of the pods that the proxies of the cluster know."""
        self.connections += 1
        pod = self.routed[self.connections % len(self.routed)]
        return socket.create_connection(("127.0.0.1", pod.port))

    def add(self, stack: ExitStack) -> Process:
        """Start a pod, and route requests to it once its probe succeeds."""
        pod = stack.enter_context(self._deployment.started(drain_seconds=self.drain))
        eventually(lambda: self.is_ready(pod), step=SCALE * self.probe["periodSeconds"])
        self.routed.append(pod)
        return pod

    def is_ready(self, pod: Process) -> bool:
        try:
            return pod.request("GET", self.probe["httpGet"]["path"])[0] == 200
        except OSError:
            return False

    def remove(self, pod: Process) -> int:
        """Let a pod end, of which the proxies hear only just before preStop is over."""
        killed = time.monotonic() + self.grace
        time.sleep(0.9 * self.pre_stop)
        self.routed.remove(pod)
        time.sleep(0.1 * self.pre_stop)
        pod.popen.terminate()
        return pod.popen.wait(killed - time.monotonic())


@pytest.mark.slow
@pytest.mark.xdist_group("image")
def test_a_rollout_by_the_manifest_loses_no_request(
    service_with: ServiceWith, pytestconfig: pytest.Config
) -> None:
    service = service_with(deploy="kubernetes")
    environment = service.environment(pytestconfig.getoption("service_python"))
    with deployed(service, environment) as deployment, ExitStack() as stack:
        pods = Pods(service, deployment)
        old = [pods.add(stack) for _ in range(2)]
        relay = Relay(("127.0.0.1", 0), pods.connect)
        proxy = Process(old[0].popen, int(relay.server_address[1]))
        leaving = stack.enter_context(ThreadPoolExecutor())
        with relayed(relay), Load.of(lambda: proxy) as load:
            load.goes_on()
            exits = []
            for pod in old:
                pods.add(stack)
                time.sleep(pods.settled)
                exits.append(leaving.submit(pods.remove, pod))
            statuses = [end.result() for end in exits]
            load.goes_on()

    assert statuses == [0, 0]
    assert load.failures == []
    assert len(load.acknowledged) > 40
    assert not {pod.port for pod in pods.routed} & {pod.port for pod in old}
