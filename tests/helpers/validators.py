"""What the makers of each format say of a file. Many variants have the same file, judged once."""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import yaml

from tests.helpers.service import Service, attempt

KUBERNETES = ("1.35", "1.36", "1.37")
"""The newest three."""

SCHEMAS = {
    "compose.yaml": "vendor.compose-spec",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/workflows/template.yml": "vendor.github-workflows",
}

MANIFESTS = ("deploy/base/", "deploy/overlays/")


def complaints(service: Service) -> Iterator[str]:
    """Yield what is wrong with the files of a service that other programs read."""
    for file in sorted(service.files):
        text = service.text(file)
        if file == "Dockerfile":
            yield from run_on(file, text, "hadolint")
        if file in SCHEMAS:
            schema = f"--builtin-schema={SCHEMAS[file]}"
            yield from run_on(file, text, "check-jsonschema", "--quiet", schema)
        if file.startswith(".github/"):
            yield from run_on(file, text, "zizmor", "--offline", "--quiet")
        if file.startswith(MANIFESTS) and not file.endswith("/kustomization.yaml"):
            yield from manifest_complaints(file, text)


@cache
def run_on(file: str, text: str, program: str, *options: str) -> tuple[str, ...]:
    """Return what a program prints of a file, if it finds fault with it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        found = attempt(Path(sys.executable).with_name(program), *options, file, cwd=Path(folder))
    return () if found.status == 0 else (f"{file}: {found.output}",)


@cache
def manifest_complaints(file: str, text: str) -> tuple[str, ...]:
    """Return what versions of Kubernetes would refuse."""
    found = []
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(yaml.safe_load(text), version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{file}: {version}: {error}")
    return tuple(found)
