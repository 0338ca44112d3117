"""Every command's help, and every listing: what it imports, how wide it is, what a plain terminal gets."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from b2b_pipelines.cli import codes, contract, listing, main
from b2b_pipelines.db.engine import Database
from b2b_pipelines.tokens import service as tokens
from sandbox.server import Sandbox
from tests.commands import Run
from tests.sheets.conftest import ACCOUNT, key_file

__all__ = ["key_file"]

WIDTH = 80
HEAVY = ("sqlalchemy", "psycopg2", "httpx", "pygsheets", "googleapiclient", "pydantic_settings", "pandas", "dagster")
SLUG = "a-contract-with-a-rather-long-slug-of-acme"
CODES = f"--contract {SLUG}"
LISTINGS = (
    "b2b list organizations",
    "b2b list contracts",
    "b2b list courseware",
    "b2b list learners",
    "b2b codes stats",
    f"b2b codes output {CODES}",
    f"b2b codes output --all {CODES}",
    "b2b codes usage",
    "b2b codes find kim@example.com",
    "b2b course list",
    "b2b program list",
    "b2b token list",
    "b2b user list",
    "b2b intents list",
    "b2b learner conflicts",
    "b2b licenses customers",
    "b2b licenses expired",
    "b2b academies list",
    "b2b academies history",
    "b2b academies overrides",
    "b2b status",
    f"b2b sheet history {SLUG}",
)


def every_command() -> Iterator[tuple[str, ...]]:
    """Each program, each group and each command, as one types it."""
    programs = {
        "b2b": main.commands(),
        "b2b_contract": contract.commands,
        "b2b_list": listing.commands,
        "b2b_codes": codes.commands,
    }
    for name, app in programs.items():
        yield from _below((name,), typer.main.get_command(app))


def _below(path: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    yield path
    for name, each in getattr(command, "commands", {}).items():
        if not each.hidden:
            yield from _below((*path, name), each)


COMMANDS = list(every_command())


def test_there_is_a_command_for_every_listing() -> None:
    assert {" ".join(path) for path in COMMANDS} >= {" ".join(line.split()[:3]) for line in LISTINGS} - {"b2b status"}


@pytest.mark.long
def test_no_help_imports_the_product() -> None:
    """In one process per program: whatever one command's help imported would stay there for the next."""
    script = """
import contextlib, io, json, sys
from b2b_pipelines.cli import main
heavy = json.loads(sys.stdin.readline())
commands = [line.split() for line in sys.stdin.read().splitlines()]
for path in commands:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        sys.argv = [*path, "--help"]
        main.run()
    found = [name for name in heavy if name in sys.modules]
    if found:
        sys.exit(f"{' '.join(path)} --help imports {found}")
"""
    lines = [json.dumps(HEAVY), *(" ".join(path) for path in COMMANDS if path[0] == "b2b")]
    done = subprocess.run(
        [sys.executable, "-c", script], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_refusal_of_arguments_imports_no_product_either() -> None:
    script = f"""
import contextlib, sys
sys.argv = ["b2b", "contract", "modify", "x", "--no-such-option"]
from b2b_pipelines.cli.main import run
with contextlib.suppress(SystemExit):
    run()
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert "b2b contract modify --help" in done.stderr


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_fits_a_plain_terminal_of_80_columns(path: tuple[str, ...], run: Run, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("NO_COLOR", "1")
    shown = run(" ".join(path), "--help")
    assert (shown.status, shown.err) == (0, "")
    assert "\x1b" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= WIDTH
    assert shown.out.isascii(), "an ASCII terminal would show escapes"


@pytest.mark.parametrize("path", [path for path in COMMANDS if path[0] == "b2b"], ids=" ".join)
def test_every_command_that_is_not_a_group_shows_an_example(path: tuple[str, ...], run: Run) -> None:
    shown = run(" ".join(path), "--help").out
    if "\nCommands:\n" not in shown:
        assert f"b2b {' '.join(path[1:])}" in " ".join(shown.partition("Example")[2].split())


@pytest.fixture
def filled(run: Run, database: Database) -> None:
    """A contract with names that are long, a learner, a token, a person: something for every listing that can have it."""
    steps = (
        ("b2b course add course-v1:UAI+LEADERSHIP101 Leadership --source-run SOURCE",),
        ("b2b program add program-v1:UAI+P Program --course course-v1:UAI+LEADERSHIP101",),
        (
            "b2b contract create",
            "Acme Corporation of Everywhere",
            "=A Contract",
            "non-sso",
            "--create",
            "--max-learners",
            "3",
        ),
    )
    for step in steps:
        done = run(*step)
        assert done.status == 0, done.err
    with database.session() as session:
        from sqlalchemy import text

        session.execute(text("UPDATE contract SET slug = :slug"), {"slug": SLUG})
        tokens.create(session, "A token with a name", ("read", "emails", "attach"), None)
    for step in (
        f"b2b contract courseware {SLUG} course-v1:UAI+LEADERSHIP101",
        "b2b user add kim@example.com --role manager",
    ):
        assert run(step).status == 0
    code = run("b2b codes output --json").json[0]["code"]
    assert run(f"b2b learner attach {code} kim@example.com").status == 0


@pytest.mark.long
@pytest.mark.usefixtures("filled")
def test_listings_fit_80_columns_and_break_no_code_slug_or_address(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wholes = {SLUG, "kim@example.com", *(row["code"] for row in run("b2b codes output --all --json").json)}
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("NO_COLOR", "1")
    for line in LISTINGS:
        shown = run(line)
        assert shown.status == 0, shown.err
        assert "\x1b" not in shown.out
        for row in shown.out.splitlines():
            assert len(row) <= WIDTH, (line, row)
            for word in row.split():
                assert not any(word != whole and len(word) > 8 and word in whole for whole in wholes), (line, word)


@pytest.mark.long
@pytest.mark.usefixtures("filled")
def test_piped_listings_are_whole_and_plain_also_in_an_ascii_locale(database_url: str) -> None:
    """The real program, because only it has a real stdout: no terminal, no colors, every column. None needs SQLAlchemy."""
    environment = {"PATH": os.environ["PATH"], "B2B_DATABASE_URL": database_url, "LC_ALL": "C", "PYTHONUTF8": "0"}
    environment |= {"PYTHONIOENCODING": "ascii", "NO_COLOR": "1", "TERM": "dumb"}
    for line in (name.removeprefix("b2b ") for name in (*LISTINGS, f"b2b contract show {SLUG}")):
        done = subprocess.run([*LIGHT, *line.split()], capture_output=True, env=environment, check=False)
        assert done.returncode == 0, (line, done.stderr)
        assert done.stdout.isascii()
        assert b"\x1b" not in done.stdout
        assert b"\\u" not in done.stdout
        assert done.stderr == b"", "no column is hidden without a terminal"
        if line in ("list contracts", "codes output --all", "list learners"):
            assert SLUG.encode() in done.stdout


@pytest.mark.long
@pytest.mark.usefixtures("filled")
def test_every_listing_prints_csv_that_a_spreadsheet_runs_nothing_of(run: Run) -> None:
    for line in LISTINGS:
        done = run(line, "--csv")
        assert done.status == 0, (line, done.err)
        header, *rows = csv.reader(io.StringIO(done.out))
        assert header
        assert all(len(row) == len(header) for row in rows), line
        assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row), line
    assert "'=A Contract" in run("b2b list contracts --csv").out
    both = run("b2b list contracts --csv --json")
    assert (both.status, both.json["error"]["code"]) == (2, "usage")


def test_csv_writes_empty_cells_numbers_and_times_for_programs(run: Run, database: Database) -> None:
    with database.session() as session:
        tokens.create(session, "one", ("read", "emails"), None)
    row = next(csv.DictReader(io.StringIO(run("b2b token list --csv").out)))
    assert (row["id"], row["organization"], row["scopes"], row["revoked_at"]) == ("1", "", "read, emails", "")
    assert datetime.fromisoformat(row["created_at"]).tzinfo is not None
    assert datetime.fromisoformat(row["created_at"]) <= datetime.now(UTC)


LIGHT = (
    sys.executable,
    "-c",
    """
import sys
from b2b_pipelines.cli.main import run
try:
    run()
finally:
    assert "sqlalchemy" not in sys.modules, "SQLAlchemy takes a third of a second to import"
""",
)
PROGRAM_FILE = '{"courses": [{"readable_id": "course-v1:UAI+DATA", "title": "Data"}], "programs": []}'
PLAN, LICENSE, CUSTOMER = (f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123")
PLANS_FILE = f"""uuid,enterprise_customer_uuid,title,start_date,expiration_date
{PLAN},{CUSTOMER},A plan with quite a long title,2024-01-01T00:00:00Z,2025-01-01T00:00:00Z
"""
LICENSES_FILE = f"uuid,plan_uuid,status,user_email\n{LICENSE},{PLAN},activated,ben.of.a.long.name@example.com\n"
SERVERS = {"b2b api", "b2b dev", "b2b sandbox", "b2b demo", "b2b tour"}
ANSWERS: tuple[tuple[str, ...], ...] = (
    ("b2b course add course-v1:UAI+OTHER", "Another Course", "--source-run", "SOURCE"),
    ("b2b program add program-v1:UAI+Q", "Quick", "--course", "course-v1:UAI+OTHER"),
    ("b2b courseware import {folder}/courses.json",),
    ("b2b contract create", "Acme Corporation of Everywhere", "Another Contract", "non-sso", "--end", "2020-01-01"),
    (f"b2b contract modify {SLUG} --max-learners 2 --yes --sheet", "{sheet}"),
    (f"b2b contract show {SLUG}",),
    (f"b2b contract courseware {SLUG} course-v1:UAI+OTHER",),
    (f"b2b contract courseware {SLUG} course-v1:UAI+OTHER --remove --dry-run",),
    (f"b2b contract export {SLUG} --output", "{folder}/contract.json"),
    ("b2b contract import {folder}/contract.json --dry-run",),
    ("b2b sheet plan {slug}",),
    ("b2b sheet sync {slug}",),
    ("b2b sheet show {slug}",),
    ("b2b sheet rebuild {slug} --yes",),
    ("b2b sheet restore {slug} --snapshot 1 --dry-run",),
    ("b2b codes validate --fix",),
    ("b2b learner add {slug} ben.of.a.long.name@example.com",),
    ("b2b learner remove {slug} ben.of.a.long.name@example.com",),
    ("b2b learner attach {code} kim@example.com",),
    ("b2b licenses import --plans {folder}/plans.csv --licenses {folder}/licenses.csv",),
    ("b2b licenses refresh",),
    ("b2b licenses expired --show-emails",),
    ("b2b licenses terminate --dry-run",),
    ("b2b licenses unlink --dry-run",),
    (f"b2b licenses confirm {PLAN}",),
    ("b2b academies refresh",),
    ("b2b academies refused",),
    (f"b2b intents fulfill {PLAN}",),
    (f"b2b intents error {PLAN} --state errored_provisioning --reason none",),
    ("b2b alerts test",),
    ("b2b token create --name", "A token with a name"),
    ("b2b token revoke 1",),
    ("b2b user add ben.of.a.long.name@example.com --role viewer",),
    ("b2b user remove ben.of.a.long.name@example.com",),
    ("b2b doctor",),
    ("b2b doctor --ask",),
    ("b2b db upgrade",),
    ("b2b db check",),
    ("b2b db backup {folder}/b2b.dump",),
    ("b2b db stop",),
)
"""A call of every command that is not a listing; `{…}` is filled in by the test."""


def test_every_command_is_among_the_listings_and_answers() -> None:
    ends = {" ".join(path) for path in COMMANDS if path[0] == "b2b" and path not in {other[:-1] for other in COMMANDS}}
    called = [line.split() for line in (*LISTINGS, *(words[0] for words in ANSWERS))]
    assert {
        end for end in ends - SERVERS if not any(words[: len(end.split())] == end.split() for words in called)
    } == set()


@pytest.mark.long
@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("width", [WIDTH, None], ids=["80-columns", "piped"])
def test_every_answer_is_plain_and_breaks_no_code_on_an_ascii_terminal_and_in_a_pipe(
    run: Run, sandbox: Sandbox, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int | None
) -> None:
    (tmp_path / "courses.json").write_text(PROGRAM_FILE)
    (tmp_path / "plans.csv").write_text(PLANS_FILE)
    (tmp_path / "licenses.csv").write_text(LICENSES_FILE)
    for name, value in {"SERVICE_ACCOUNT_FILE": str(key_file), "SHEETS_URL": sandbox.url}.items():
        monkeypatch.setenv(f"B2B_GOOGLE_{name}", value)
    sheet = sandbox.google.spreadsheet_url(sandbox.google.create_spreadsheet("Codes", [ACCOUNT]))
    code = run("b2b codes output --json").json[0]["code"]
    fill = {"folder": tmp_path, "sheet": sheet, "slug": SLUG, "code": code}
    whole = [SLUG, code, sheet, PLAN, CUSTOMER, LICENSE, "ben.of.a.long.name@example.com"]
    monkeypatch.setenv("COLUMNS", str(width or ""))
    monkeypatch.setenv("NO_COLOR", "1")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="ascii")  # type: ignore[union-attr]
    for words in (*ANSWERS, *((line,) for line in LISTINGS)):
        line, *more = [word.format(**fill) for word in words]
        done = run(line, *more)
        assert done.status in (0, 1), (line, done.err)
        assert done.status == 0 or done.out or len(done.err.splitlines()) == 1, (line, done.err)
        text = done.out + done.err
        assert "\x1b" not in text and "\\u" not in text and text.isascii(), (line, text)
        if width is None:
            assert "Too narrow" not in text, (line, text)
        for row in text.splitlines() if width else ():
            is_one_word = len(row.split()) <= 1 or row.startswith("Error: ")
            assert len(row) <= WIDTH or is_one_word or longest(row) > WIDTH - 10, (line, row)
            for word in row.split():
                pieces = (each for each in whole if word != each and len(word) > 8 and each.startswith(word))
                assert not list(pieces), (line, word)


@pytest.mark.long
@pytest.mark.parametrize(
    "line",
    [
        "api --port {port}",
        "dev --port {port}",
        "sandbox --port {port}",
        "demo --port {port} --sandbox-port 0 --api-port 0",
        "tour --url http://127.0.0.1:{port}",
    ],
    ids=lambda line: line.split()[0],
)
def test_a_server_that_cannot_start_is_plain_on_an_ascii_terminal(tmp_path: Path, line: str) -> None:
    environment = {"PATH": os.environ["PATH"], "B2B_HOME": str(tmp_path / "home"), "PYTHONIOENCODING": "ascii"}
    environment |= {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(WIDTH)}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = line.format(port=taken.getsockname()[1]).split()
        command = [str(Path(sys.executable).parent / "b2b"), *words]
        if words[0] == "tour":
            taken.close()
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"Error: ") and done.stderr.count(b"\n") == 1, done.stderr
    assert done.stderr.isascii() and b"\x1b" not in done.stderr and b"\\u" not in done.stderr


def longest(row: str) -> int:
    return max(map(len, row.split()))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("b2b contract modify x --max-learners many", "'--max-learners': must be a whole number"),
        ("b2b api --port 99999", "'--port': must be at most 65535"),
        ("b2b intents list --limit 0", "'--limit': must be at least 1"),
        ("b2b intents list --state bought", "'--state': 'bought' is not one of 'created', 'paid'"),
        ("b2b intents fulfill x", "must be a UUID"),
    ],
)
def test_a_wrong_value_is_refused_without_the_terms_of_a_library(run: Run, line: str, words: str) -> None:
    refused = run(line)
    assert refused.status == 2
    assert words in refused.err
    assert "nput should" not in refused.err and "alue error" not in refused.err
