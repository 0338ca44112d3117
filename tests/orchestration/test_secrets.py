"""Secrets and local state stay out of the repository and out of images, and processes have no more rights than they need."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from b2b_pipelines.settings import PROJECT

DEPLOY = PROJECT / "deploy"
SECRETS = [
    ".env", ".env.production", "server.key", "tls.pem", "store.p12", "service-account.json",
    "my-service-account-1a2b.json", "google_service_account.json", "credentials.json", "oauth-token.json",
    "codes-7.csv", "codes-acme.csv", "b2b.dump",
]  # fmt: skip
"""Names that secrets, addresses and codes have on a machine where somebody works with this project."""
STATE = [".b2b/env", ".b2b-demo/postgres/data/PG_VERSION", ".venv/bin/python", "tmp/notes.txt", "dist/b2b.whl"]
FOLDERS = ["", "deploy/", "b2b_pipelines/", "b2b_pipelines/api/", "assets/", "resources/", "schedules/", "docs/"]
PLANTED = [f"{folder}{name}" for folder in FOLDERS for name in SECRETS] + STATE

needs_git = pytest.mark.skipif(
    shutil.which("git") is None or not (PROJECT / ".git").exists(), reason="only a checkout knows what Git ignores"
)


def ignored_by_git(paths: list[str]) -> set[str]:
    command = ["git", "-C", str(PROJECT), "check-ignore", "--stdin", "--no-index"]
    done = subprocess.run(command, input="\n".join(paths), text=True, stdout=subprocess.PIPE, check=False)
    return set(done.stdout.splitlines())


def rules_of_the_build_context() -> list[tuple[bool, re.Pattern[str]]]:
    """The lines of `.dockerignore`, as Docker's documentation has them: `!` includes again, and the last match wins."""
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = []
    for line in (line.strip() for line in lines):
        if line and not line.startswith("#"):
            keeps, pattern = line.startswith("!"), line.removeprefix("!").strip("/")
            expression = re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
            rules.append((keeps, re.compile(expression)))
    return rules


RULES = rules_of_the_build_context()


def is_in_the_build_context(path: str) -> bool:
    """Whether an image build could copy that file. A rule that matches a folder holds for everything in it."""
    places = [path, *map(str, PurePosixPath(path).parents)]
    kept = True
    for keeps, expression in RULES:
        if any(expression.fullmatch(place) for place in places):
            kept = keeps
    return kept


def files_of_the_project() -> Iterator[str]:
    for folder, folders, files in os.walk(PROJECT):
        folders[:] = [name for name in folders if name not in (".venv", ".git")]
        for file in files:
            yield str((Path(folder) / file).relative_to(PROJECT))


def copied_by_the_dockerfile() -> list[str]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    copies = [line for line in text.splitlines() if line.startswith(("COPY", "ADD")) and "--from" not in line]
    return [word for line in copies for word in shlex.split(line)[1:-1] if not word.startswith("--")]


@needs_git
def test_git_ignores_secrets_and_local_state_in_every_folder_and_nothing_that_it_keeps():
    assert set(PLANTED) - ignored_by_git(PLANTED) == set()
    kept = subprocess.run(["git", "-C", str(PROJECT), "ls-files"], text=True, stdout=subprocess.PIPE, check=True)
    assert ignored_by_git(kept.stdout.splitlines()) == set()


def test_no_secret_and_no_local_state_is_in_the_build_context():
    assert [path for path in PLANTED if is_in_the_build_context(path)] == []


@needs_git
def test_no_file_that_git_ignores_is_in_the_build_context():
    context = [path for path in files_of_the_project() if is_in_the_build_context(path)]
    assert len(context) > 100
    assert ignored_by_git(context) == set()


def test_the_dockerfile_copies_named_files_that_the_build_context_holds():
    copied = copied_by_the_dockerfile()
    assert {"b2b_pipelines", "deploy/requirements.lock", "pyproject.toml"} <= set(copied)
    for source in copied:
        assert source not in (".", "./", "/", "deploy", "deploy/"), source
        assert (PROJECT / source).exists(), source
        assert is_in_the_build_context(f"{source}/x.py" if (PROJECT / source).is_dir() else source), source


def test_every_image_of_others_is_pinned_by_digest():
    images: list[str] = []
    for name in ("Dockerfile", "compose.yaml"):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        images += re.findall(r"^(?:ARG PYTHON=|FROM |\s*image: )(\S+)", text, re.MULTILINE)
    others = [image for image in images if image not in ("${PYTHON}", "b2b-pipelines")]
    assert len(others) == 3, others
    for image in others:
        assert re.search(r"[a-z]+:[0-9][\w.-]*@sha256:[0-9a-f]{64}\}?$", image), image


def test_redis_has_a_password_and_does_not_start_without_one():
    compose: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    redis = compose["services"]["redis"]
    assert "--requirepass" in redis["command"][-1]
    assert "REDIS_PASSWORD:?" in redis["command"][-1]
    for name in ("CELERY_BROKER_URL", "CELERY_BACKEND_URL"):
        assert "${REDIS_PASSWORD" in compose["services"]["worker"]["environment"][name]
    assert "ports" not in redis
    assert "ports" not in compose["services"]["postgres"]
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_processes_on_kubernetes_have_no_rights_that_they_do_not_need():
    values: Any = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text(encoding="utf-8"))
    manifests = values["extraManifests"]
    pods = [manifest["spec"]["template"]["spec"] for manifest in manifests if "template" in manifest["spec"]]
    assert len(pods) == 2
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] != 0
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    [code] = values["dagster-user-deployments"]["deployments"]
    runs = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    assert code["podSecurityContext"] == runs["podSpecConfig"]["securityContext"] == pods[0]["securityContext"]
    for container in (code, runs["containerConfig"]):
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    [policy] = [manifest for manifest in manifests if manifest["kind"] == "NetworkPolicy"]
    [api] = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    assert policy["spec"]["podSelector"] == api["spec"]["selector"]
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert all("from" in rule for rule in policy["spec"]["ingress"])
