"""`b2b_contract`, `b2b_list`, `b2b_codes`: what they print, refuse and leave unchanged."""

import csv
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from tests.commands import Run
from tests.shop import Shop

SHEET = "https://docs.google.com/spreadsheets/d/1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789/edit#gid=0"
pytestmark = pytest.mark.usefixtures("courses")


def create(run: Run, *options: str, name: str = "Acme 2026", kind: str = "non-sso") -> dict[str, object]:
    done = run("b2b_contract create", "Acme Corp", name, kind, "--create", "--json", *options)
    assert done.status == 0, done.err + done.out
    made: dict[str, object] = done.json
    return made


def test_the_table_shows_which_contracts_are_open_today(run: Run) -> None:
    create(run, "--end", "2020-01-01", name="Over")
    create(run, "--start", "2999-01-01", name="Later")
    create(run, name="Open")
    table = run("b2b list contracts").out
    states = {line.split()[1]: line for line in table.splitlines()[1:]}
    assert " ended " in states["over"]
    assert " not yet " in states["later"]
    assert " yes " in states["open"]
    assert [row["active"] for row in run("b2b list contracts --json").json] == [True] * 3


def test_a_contract_is_made_and_listed_with_the_same_keys(run: Run) -> None:
    made = create(run, "--max-learners", "5", "--price", "199", "--start", "2026-01-01", "--sheet", SHEET)
    assert made == {
        "id": made["id"],
        "slug": "acme-2026",
        "name": "Acme 2026",
        "organization": "Acme Corp",
        "organization_key": "ACMECORP",
        "integration_type": "non-sso",
        "start": "2026-01-01",
        "end": None,
        "active": True,
        "max_learners": 5,
        "price": "199.00",
        "codes": 0,
        "learners": 0,
        "sheet_url": SHEET,
        "sheet_tab": None,
        "description": "",
        "revision": 1,
    }
    assert run("b2b_list contracts --json").json == [made]
    assert run("b2b list contracts --org ACMECORP --json").json == [made]


def run_of(made: dict[str, object], number: int = 1) -> str:
    """Return the id of the run that a contract gets of one of the `courses`."""
    return f"course-v1:UAI_ACMECORP+C{number}+2026_C{made['id']}"


def test_codes_follow_courseware_at_once(run: Run) -> None:
    made = create(run, "--max-learners", "5")
    given = run("b2b_contract courseware acme-2026 course-v1:UAI+C1 --json")
    assert given.json == {
        "created": [run_of(made)],
        "removed": [],
        "skipped": [],
        "without_source": [],
    }
    assert run("b2b_list contracts --json").json[0]["codes"] == 5
    again = run("b2b_contract courseware acme-2026 course-v1:UAI+C1 --json").json
    assert again["skipped"] == ["course-v1:UAI+C1"]
    more = run("b2b_contract courseware acme-2026 course-v1:UAI+C1 --rerun --json").json
    assert more["created"] == [f"{run_of(made)}_2"]
    taken = run("b2b_contract courseware acme-2026 course-v1:UAI+C1 --remove --json").json
    assert len(taken["removed"]) == 2
    assert run("b2b_list contracts --json").json[0]["codes"] == 0
    assert run("b2b_codes validate").status == 0


def test_a_number_is_no_slug_but_the_id_of_a_contract(run: Run) -> None:
    made = create(run)
    assert [create(run, name="1")["slug"] for _ in range(2)] == ["contract-1", "contract-1-2"]
    assert run(f"b2b_contract modify {made['id']} --price 3 --json").json["slug"] == "acme-2026"


def test_a_slug_that_is_taken_gets_a_number_and_names_are_found_by_org_key(run: Run) -> None:
    create(run)
    second = run("b2b_contract create", "ACMECORP", "Acme 2026", "auto", "--json").json
    assert (second["slug"], second["integration_type"]) == ("acme-2026-2", "sso")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ("b2b_contract create Unknown Name non-sso", 1, "use --create"),
        ("b2b_contract create Acme Name both --create", 1, "is not an integration type"),
        ("b2b_contract create Acme Name sso --create --start 2026-02-30", 2, "is not a date"),
        ("b2b_contract create Acme Name sso --create --start 2026-02-02 --end 2026-02-01", 1, "before it starts"),
        ("b2b_contract create Acme Name sso --create --max-learners -1", 2, "max-learners"),
        ("b2b_contract modify nowhere --price 3", 1, "no contract nowhere"),
        ("b2b_contract modify acme-2026 --price 3 --no-price", 2, "use either"),
        ("b2b_contract modify acme-2026 --sheet= --no-sheet", 2, "use either"),
        ("b2b_list contracts --codes-out f", 2, "--codes-out needs --codes"),
        ("b2b_list courses --codes-out f", 2, "--codes-out needs --codes"),
        ("b2b_list contracts --codes acme-2026 --org nope", 2, "--codes cannot be combined"),
        ("b2b_list courses --codes acme-2026 --contract 1", 2, "--codes cannot be combined"),
        ("b2b_contract modify acme-2026 --active --inactive", 2, "use either"),
        ("b2b_contract courseware acme-2026 course-v1:UAI+NONE", 1, "b2b course add"),
        ("b2b_contract courseware acme-2026 course-v1:UAI+C1 --remove", 1, "has nothing of"),
        ("b2b_contract courseware acme-2026 course-v1:UAI+C1 --remove --rerun", 2, "--remove"),
        ("b2b_list contracts --org Unknown", 1, "no organization"),
        ("b2b_list contracts --codes 77", 1, "no contract 77"),
        ("b2b_list nonsense", 2, "No such command"),
        ("b2b_contract modify acme-2026 --seats 5", 2, "--max-learners limits the seats"),
    ],
)
def test_refusals_are_one_line_and_change_nothing(
    run: Run, database: Database, words: str, status: int, says: str
) -> None:
    sold = Shop(database).sell("Acme 2026", cap=5)
    before = run("b2b_list contracts --json").out
    assert sold.slug in before
    refused = run(words)
    assert (refused.status, refused.out) == (status, "")
    assert refused.err.count("\n") == 1
    assert says in refused.err
    as_json = run(words, "--json")
    assert (as_json.status, as_json.err) == (status, "")
    assert says in as_json.json["error"]["message"]
    assert run("b2b_list contracts --json").out == before


def test_names_are_printed_as_they_were_given(run: Run) -> None:
    name = "Foo [bold]bar[/x] :rocket:"
    made = run("b2b_contract create", f"{name} Inc", name, "sso", "--create", "--description", name)
    assert f"of {name} Inc." in made.out
    assert name in run("b2b_list contracts").out
    assert f"{name} Inc" in run("b2b_list organizations").out
    assert f"no organization '{name}'" in run("b2b_list contracts --org", name).err


def test_an_argument_that_is_no_text_is_refused(run: Run) -> None:
    said = b"Caf\xe9".decode("utf-8", "surrogateescape")
    refused = run("b2b_contract create Acme", said, "sso", "--create")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == "Error: The argument 'Caf\\udce9' is not text in UTF-8.\n"


def test_what_was_linked_without_runs_is_taken_away_in_the_right_words(run: Run) -> None:
    create(run)
    run("b2b program add program-v1:UAI+P P --course course-v1:UAI+C1")
    linked = run("b2b_contract courseware acme-2026 program-v1:UAI+P --no-create-runs")
    assert linked.out == "Linked. No run was created.\n"
    taken = run("b2b_contract courseware acme-2026 program-v1:UAI+P --remove")
    assert taken.out == "Removed. It had no run.\n"


def test_what_a_terminal_cannot_show_is_escaped(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("b2b_contract create École One sso --create")
    with (tmp_path / "out").open("w", encoding="ascii") as ascii_only:
        monkeypatch.setattr(sys, "stdout", ascii_only)
        assert run("b2b_list organizations").status == 0
    assert "\\xc9cole" in (tmp_path / "out").read_text()


@pytest.mark.parametrize("options", ["--json", "--format csv", ""])
def test_a_full_disk_is_told_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, options: str) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        refused = run(f"b2b_codes output {options}")
    assert (refused.status, refused.err) == (
        1,
        "Error: The disk is full. Free some space and try again.\n",
    )


def test_a_name_without_latin_letters_gets_its_slug_from_the_org_key(run: Run) -> None:
    refused = run("b2b_contract create 日本 日本 sso --create")
    assert (refused.status, "pass one with --org-key" in refused.err) == (1, True)
    made = run("b2b_contract create 日本 日本 sso --create --org-key NIHON --json").json
    assert (made["name"], made["slug"]) == ("日本", "nihon")
    assert run("b2b_contract create 日本 東京 sso --json").json["slug"] == "nihon-2"


def test_one_is_not_called_many(run: Run) -> None:
    create(run, "--max-learners", "1")
    run("b2b_contract courseware acme-2026 course-v1:UAI+C1")
    assert "1 code. 0 of 1 seat taken." in run("b2b_contract modify acme-2026 --price 1").out


def test_two_contracts_may_not_name_one_tab(run: Run) -> None:
    create(run, "--sheet", SHEET)
    refused = run("b2b_contract create", "Acme Corp", "Other", "non-sso", "--sheet", SHEET)  # its gid again
    assert refused.status == 1
    assert "belongs to the contract acme-2026" in refused.err
    assert run("b2b_contract create", "Acme Corp", "Other", "non-sso", "--sheet", SHEET, "--tab", "Second").status == 0


def test_an_organization_is_found_by_its_name_with_blanks_around_it(run: Run) -> None:
    run("b2b_contract create École One sso --create")
    refused = run("b2b_contract create", "École ", "Two", "sso", "--create", "--org-key", "E2")
    assert (refused.status, refused.err) == (1, "Error: the organization 'École' exists with the org key ECOLE\n")
    assert run("b2b_contract create", " École", "Two", "sso", "--create").status == 0
    assert len(run("b2b_list organizations --json").json) == 1


def test_a_run_belongs_to_one_contract(run: Run) -> None:
    create(run)
    create(run, name="Other")
    run_id = run("b2b_contract courseware acme-2026 course-v1:UAI+C1+SOURCE --json").json["created"]
    assert run_id == ["course-v1:UAI+C1+SOURCE"]
    refused = run("b2b_contract courseware other course-v1:UAI+C1+SOURCE")
    assert "belongs to the contract acme-2026" in refused.err


def test_codes_are_handed_out_up_to_the_seats_that_are_left(run: Run) -> None:
    made = create(run, "--max-learners", "3")
    for number in (1, 2):
        run(f"b2b_contract courseware acme-2026 course-v1:UAI+C{number}")
    listed = run("b2b_codes output --json").json
    assert len(listed) == 3
    attached = run("b2b learner attach", str(listed[0]["code"]), "jo@example.com", "--json")
    assert attached.json == {"result": "attached", "contract": "acme-2026"}
    assert len(run("b2b_codes output --json").json) == 2
    every = run("b2b_codes output --all --json").json
    assert len(every) == 6
    assert every[0] == {
        "contract": "acme-2026",
        "code": listed[0]["code"],
        "product": run_of(made),
        "redemption_type": "one-time",
        "amount": "0.00",
        "active": True,
        "attached_by": "jo@example.com",
        "enrolled_by": None,
        "attached": 1,
        "enrolled": 0,
        "sheet_row": None,
    }
    [stats] = run("b2b_codes stats --json").json
    assert stats == {
        "contract": "acme-2026",
        "seats": 3,
        "attached": 1,
        "runs": 2,
        "codes": 6,
        "redeemed_for_attachment": 1,
        "redeemed_for_enrollment": 0,
    }
    [use] = run("b2b_codes usage --json").json
    assert (use["email"], use["kind"]) == ("jo@example.com", "attach")
    [learner] = run("b2b_list learners --json").json
    assert (learner["email"], learner["contract"], learner["how"]) == ("jo@example.com", "acme-2026", "code")


def test_every_code_goes_to_a_file_with_who_redeemed_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_PRODUCT_URL_BASE", "https://shop.example.com/add?product=")
    monkeypatch.chdir(tmp_path)
    made = create(run, "--max-learners", "2")
    run("b2b_contract courseware acme-2026 course-v1:UAI+C1")
    [course] = run("b2b_list courseware --json").json
    code = run("b2b_codes output --json").json[0]["code"]
    run("b2b learner attach", code, "jo@example.com")
    assert run("b2b_list contracts --codes acme-2026").status == 0
    written = tmp_path / f"codes-{made['id']}.csv"
    rows = list(csv.DictReader(written.read_text(encoding="utf-8").splitlines()))
    assert [list(row) for row in rows] == [["Code", "Product", "Redeemed", "Product URL"]] * 2
    assert (rows[0]["Code"], rows[0]["Redeemed"], rows[1]["Redeemed"]) == (code, "jo@example.com", "No")
    assert rows[0]["Product URL"] == f"https://shop.example.com/add?product={course['product_id']}"
    other = tmp_path / "other.csv"
    run(f"b2b_list courses --codes {made['id']} --codes-out", str(other))
    assert other.read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        "b2b_list contracts --codes acme-2026 --codes-out",
        "b2b_codes output --filename",
        "b2b_contract export acme-2026 --output",
    ],
)
def test_a_file_that_cannot_be_written_is_named_and_a_link_is_followed(run: Run, tmp_path: Path, words: str) -> None:
    create(run)
    refused = run(words, str(tmp_path / "nowhere" / "x"))
    assert (refused.status, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert "Cannot write" in refused.err
    assert run(words, str(tmp_path)).status in (1, 2)
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.write_text("old")
    link.symlink_to(kept)
    assert run(words, str(link)).status == 0
    assert link.is_symlink()
    assert kept.read_text() != "old"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    assert run(words, str(pipe)).status == 0
    assert os.read(reader, 1 << 16).decode() == kept.read_text()
    os.close(reader)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "link", "pipe"]


def test_validate_says_what_differs_and_mends_it_when_told(run: Run, database: object) -> None:
    from sqlalchemy import text

    from b2b_pipelines.db.engine import Database

    assert isinstance(database, Database)
    create(run, "--max-learners", "3")
    run("b2b_contract courseware acme-2026 course-v1:UAI+C1")
    with database.session() as session:
        session.execute(text("DELETE FROM enrollment_code WHERE id = (SELECT min(id) FROM enrollment_code)"))
    found = run("b2b_codes validate --json")
    assert found.status == 1
    assert "1 one-time codes are missing" in found.json[0]["differs"]
    assert run("b2b_codes validate --json").status == 1
    assert run("b2b_codes validate --fix").status == 0
    assert run("b2b_codes validate").status == 0


def test_modifying_keeps_what_is_not_named(run: Run) -> None:
    create(run, "--max-learners", "3", "--price", "10", "--end", "2027-01-01")
    changed = run("b2b_contract modify acme-2026 --no-price --json").json
    assert (changed["price"], changed["max_learners"], changed["end"]) == (None, 3, "2027-01-01")
    closed = run("b2b_contract modify acme-2026 --delete --json").json
    assert closed["active"] is False


@pytest.mark.parametrize("program", ["b2b", "b2b_contract", "b2b_list", "b2b_codes"])
def test_every_command_has_help_and_takes_json(run: Run, program: str) -> None:
    import typer

    from tests.commands import PROGRAMS

    def leaves(group: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        found = []
        for name, command in group.commands.items():  # type: ignore[attr-defined]
            here = (*path, name)
            found += leaves(command, here) if hasattr(command, "commands") else [here]
            assert command.help, here
        return found

    for path in leaves(typer.main.get_command(PROGRAMS[program]), ()):
        shown = run(program, *path, "--help")
        assert shown.status == 0
        assert "--json" in shown.out, path


@pytest.mark.parametrize("group", ["", "sheet", "licenses", "courseware"])
def test_what_a_list_of_commands_says_fits_into_80_columns(
    run: Run, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = run(f"b2b {group} --help").out.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


@pytest.mark.parametrize(
    "command", ["b2b list contracts", "b2b db upgrade", "b2b db check", "b2b licenses unlink --dry-run"]
)
def test_a_database_that_does_not_answer_is_told_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("B2B_DATABASE_URL", "postgresql://b2b:secret@127.0.0.1:1/b2b")
    ran = run(command)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "PostgreSQL does not answer" in ran.err
    assert "secret" not in ran.err


def test_the_doctor_says_that_the_database_does_not_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2B_DATABASE_URL", "postgresql://b2b:secret@127.0.0.1:1/b2b")
    ran = run("b2b doctor --json")
    database = next(each for each in ran.json["capabilities"] if each["capability"] == "database")
    assert ran.status == 1
    assert not database["on"]
    assert "PostgreSQL does not answer" in database["says"]


def test_a_later_end_tells_how_many_runs_end_before_it_and_names_rerun(run: Run) -> None:
    made = create(run, "--end", "2027-01-31")
    for number in (1, 2):
        run(f"b2b_contract courseware acme-2026 course-v1:UAI+C{number}")
    changed = run("b2b_contract modify acme-2026 --end 2027-06-30")
    assert changed.status == 0
    assert "2 runs end before the contract acme-2026 does" in " ".join(changed.out.split())
    assert "--rerun" in changed.out
    listed = run("b2b_contract modify acme-2026 --end 2027-07-31 --json").json["runs_ending_early"]
    assert listed == [run_of(made, number) for number in (1, 2)]


def test_runs_that_end_early_are_a_note_of_validate_until_there_is_a_further_run(run: Run) -> None:
    made = create(run, "--end", "2027-01-31")
    run("b2b_contract courseware acme-2026 course-v1:UAI+C1")
    assert "runs_ending_early" not in run("b2b_contract modify acme-2026 --price 5 --json").json
    assert "runs_ending_early" not in run("b2b_contract modify acme-2026 --end 2027-01-15 --json").json
    assert run("b2b_codes validate --json").json == []
    for changes in ("--end 2027-06-30", "--no-end-date"):
        run(f"b2b_contract modify acme-2026 {changes}")
        validated = run("b2b_codes validate")
        assert validated.status == 0
        assert "1 run ends before the contract acme-2026 does" in " ".join(validated.out.split())
        (note,) = run("b2b_codes validate --json").json
        assert (note["contract"], note["runs"]) == ("acme-2026", [run_of(made)])
    run("b2b_contract courseware acme-2026 course-v1:UAI+C1 --rerun")
    assert run("b2b_codes validate --json").json == []


def test_a_dry_run_tells_of_the_runs_that_would_end_early(run: Run) -> None:
    made = create(run, "--end", "2027-01-31")
    run("b2b_contract courseware acme-2026 course-v1:UAI+C1")
    planned = run("b2b_contract modify acme-2026 --end 2027-06-30 --dry-run --json")
    assert planned.status == 0, planned.err
    assert planned.json["runs_ending_early"] == [run_of(made)]
    assert run("b2b_codes validate --json").json == []


def test_the_listing_says_why_a_run_failed_in_edx(run: Run, database: Database) -> None:
    create(run)
    run("b2b_contract courseware acme-2026 course-v1:UAI+C1")
    with database.session() as session:
        session.execute(
            text(
                "UPDATE course_run SET edx_state = 'failed', edx_error = 'Studio answered 403' WHERE contract_id IS NOT NULL"
            )
        )
    (row,) = run("b2b_list courseware --json").json
    assert (row["edx_state"], row["edx_error"]) == ("failed", "Studio answered 403")
    assert "failed in edX: Studio answered 403" in " ".join(run("b2b_list courseware").out.split())
