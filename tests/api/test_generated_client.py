"""A manager's first hour through the API, by a client that is generated from `openapi.json` in a venv of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.tokens import service as tokens
from sandbox.server import Sandbox
from tests.api.workplace import connected
from tests.sheets.conftest import ACCOUNT

HERE = Path(__file__).parent / "generated"
UNREACHABLE = ("Failed to fetch", "error sending request", "dns error", "Connection refused", "timed out")
"""Words of uv's when no package index answers. A wrong hash or a version that is gone is a failure."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the programs of a venv that has the generator and mypy, in the locked versions."""
    venv = tmp_path_factory.mktemp("client") / "venv"
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True, timeout=120)
    lock = HERE / "requirements.lock"
    command = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", venv / "bin" / "python", lock]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip("no package index answers: the generator of clients cannot be installed")
    assert done.returncode == 0, done.stderr
    return venv / "bin"


@pytest.fixture
def url(sandbox: Sandbox, database: Database, tmp_path: Path) -> Iterator[str]:
    with connected(sandbox, database, tmp_path) as url:
        yield url


@pytest.mark.long
def test_the_first_hour_through_a_generated_client_that_type_checks(
    url: str, programs: Path, sandbox: Sandbox, database: Database, tmp_path: Path
) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(httpx.get(f"{url}/openapi.json", timeout=60).text)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)  # noqa: PLW1510
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    generator = programs / "openapi-python-client"
    plain = tmp_path / "config.yaml"
    plain.write_text("post_hooks: []")  # by default ruff rewrites the code, and its `__exit__` no longer type-checks
    options = ("--path", document, "--meta", "none", "--output-path", tmp_path / "b2b_client", "--config", plain)
    made = run(generator, "generate", *options)
    assert "arning" not in made, made
    run(programs / "mypy", "--strict", "--python-version", "3.11", "b2b_client", HERE / "first_hour.py")

    spreadsheet = sandbox.google.create_spreadsheet("Acme codes", shared_with=[], tabs={"Codes": []})
    tab = sandbox.google.spreadsheet(spreadsheet).tabs[0]
    deeds = {
        "share the sheet": lambda: sandbox.google.spreadsheet(spreadsheet).share(ACCOUNT),
        "type over A3": lambda: tab.type("A3", "Ann has this one"),
        "empty row 3": lambda: [tab.type(f"{letter}3", "") for letter in "ABCDEF"],
    }
    with database.session() as session:
        _, token = tokens.create(session, "a manager", ["read", "emails", "attach", "manage"])
    address = sandbox.google.spreadsheet_url(spreadsheet)
    complaints = tmp_path / "stderr"
    with (
        complaints.open("w") as stderr,
        subprocess.Popen(
            [programs / "python", HERE / "first_hour.py", url, token, address],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as hour,
    ):
        assert hour.stdin is not None
        assert hour.stdout is not None
        done = []
        for line in hour.stdout:
            deeds[line.strip()]()
            done.append(line.strip())
            hour.stdin.write("\n")
            hour.stdin.flush()
    assert hour.returncode == 0, complaints.read_text()
    assert done == list(deeds)
