"""`b2b sheet`: what it prints, in words and as JSON, and its exit status."""

import re

import pytest

from b2b_pipelines.sheets.layout import HEADERS
from sandbox.google.model import Spreadsheet
from sandbox.server import Sandbox
from tests.cli.conftest import ADDRESS

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@pytest.fixture
def sandbox(google_sandbox: Sandbox) -> Sandbox:
    return google_sandbox


@pytest.fixture
def sheet(run, courses, sandbox) -> Spreadsheet:
    """The sheet of a contract `acme` with three codes, with something in it already."""
    made = sandbox.google.create_spreadsheet("Acme", [ADDRESS], tabs={"Sheet1": [["old", "content"]], "Other": []})
    url = sandbox.google.spreadsheet_url(made)
    assert run("b2b_contract create Acme Acme non-sso --create --max-learners 3 --sheet", url).status == 0
    assert run("b2b_contract courseware acme course-v1:UAI+C1").status == 0
    return sandbox.google.spreadsheet(made)


def test_plan_sync_and_again(run, sandbox, sheet):
    planned = run("b2b sheet plan acme --json").json
    assert (planned["header"], planned["appended"], planned["writes"]) == (True, 3, 0)
    done = run("b2b sheet sync acme --json").json
    assert done == planned | {"writes": 1, "needs_consent": False}
    assert done["target"] == {
        "spreadsheet_id": sheet.spreadsheet_id,
        "sheet_id": 0,
        "tab": "Sheet1",
        "url": f"https://docs.google.com/spreadsheets/d/{sheet.spreadsheet_id}/edit#gid=0",
        "new": True,
    }
    again = run("b2b sheet sync acme --json").json
    assert (again["header"], again["updated"], again["appended"], again["unchanged"]) == (False, 0, 0, 3)
    assert (again["reads"], again["writes"], again["conflicts"]) == (1, 0, [])
    assert again["target"]["new"] is False


def test_in_words(run, sheet):
    assert "acme: Would add 3 rows (0 changed, 0 unchanged)." in run("b2b sheet plan acme").out
    done = run("b2b sheet sync acme")
    assert "acme: Added 3 rows (0 changed, 0 unchanged)." in done.out
    assert "(tab 'Sheet1'), 1 read, 1 write" in done.out
    assert done.err == ""
    assert "acme: Up to date: 3 rows." in run("b2b sheet sync acme").out


def test_conflicts_are_shown_and_are_no_failure(run, sheet):
    run("b2b sheet sync acme")
    code = sheet.tabs[0].shown("A2")
    sheet.tabs[0].type("A2", f"{code} for Ada")
    done = run("b2b sheet sync acme --json")
    assert (done.status, done.json["conflicts"]) == (0, [{"kind": "annotated", "row": 2, "code": code}])
    assert "annotated" in run("b2b sheet sync acme").out


def test_history_and_show(run, sheet):
    run("b2b sheet sync acme")
    sheet.tabs[0].type("A2", "edited")
    run("b2b sheet sync acme")
    history = run("b2b sheet history acme --json").json
    assert [(row["rows"], row["conflicts"], row["appended"], row["run_id"]) for row in history] == [
        (4, 1, 1, None),
        (3, 0, 3, None),
    ]
    assert history[0]["taken_at"] <= history[0]["verified_at"]
    shown = run("b2b sheet show acme --json").json
    assert [cell["row"] for cell in shown["cells"]] == [2, 3, 4, 5]
    assert list(shown["cells"][1]) == ["row", *HEADERS]
    first = run("b2b sheet show acme --json --snapshot", str(history[1]["id"])).json
    assert (first["id"], len(first["cells"])) == (history[1]["id"], 3)
    assert len(UUID.findall(run("b2b sheet show acme").out)) == 3
    assert "Conflicts" in run("b2b sheet history acme").out


def test_show_before(run, sheet):
    run("b2b sheet sync acme")
    shown = run("b2b sheet show acme --before --json").json
    assert shown["cells"] == [{"row": 1, "A": "old", "B": "content", "C": "", "D": "", "E": "", "F": ""}]
    assert "content" in run("b2b sheet show acme --before").out
    assert [kept["id"] for kept in shown["kept"]] == [shown["id"]]
    sheet.tabs[0].type("A2", "typed over")
    run("b2b sheet rebuild acme --yes")
    again = run("b2b sheet show acme --before --json").json
    assert [kept["id"] for kept in again["kept"]] == [again["id"], shown["id"]]
    assert f"--snapshot {shown['id']}" in run("b2b sheet show acme --before").out
    assert run(f"b2b sheet show acme --snapshot {shown['id']} --json").json["cells"] == shown["cells"]
    both = run(f"b2b sheet show acme --before --snapshot {shown['id']}")
    assert (both.status, both.out) == (2, "")


@pytest.mark.parametrize("words", ["show acme", "show acme --before", "show acme --snapshot 99"])
def test_nothing_to_show_is_one_line(run, sheet, words):
    done = run(f"b2b sheet {words}")
    assert (done.status, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert "acme has no snapshot" in done.err


def test_a_lost_layout_is_status_1_and_rebuild_repairs_it(run, sheet):
    run("b2b sheet sync acme")
    sheet.tabs[0].delete_columns("A", "E")
    lost = run("b2b sheet sync acme --json")
    assert (lost.status, lost.json["error"]["code"]) == (1, "layout_lost")
    assert lost.json["conflicts"] == [{"kind": "layout_lost", "row": 1, "code": None}]
    assert "Nothing can be written: the columns of the codes cannot be found" in run("b2b sheet plan acme").out
    in_words = run("b2b sheet sync acme")
    assert (in_words.status, len(in_words.err.splitlines())) == (1, 1)
    assert "b2b sheet rebuild acme" in in_words.err
    rebuilt = run("b2b sheet rebuild acme --yes --json")
    assert (rebuilt.status, rebuilt.json["header"], rebuilt.json["appended"]) == (0, True, 3)
    assert run("b2b sheet sync acme --json").json["unchanged"] == 3


@pytest.mark.parametrize("command", ["plan", "sync", "rebuild --yes", "history", "show"])
def test_an_unknown_contract_is_refused_in_one_line(run, sandbox, command):
    name, *options = command.split()
    done = run(f"b2b sheet {name} unknown", *options)
    assert (done.status, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert "no contract unknown" in done.err


def test_an_unshared_sheet_names_whom_to_share_it_with(run, sheet):
    sheet.unshare(ADDRESS)
    done = run("b2b sheet sync acme --json")
    assert (done.status, done.json["error"]["code"]) == (1, "sheet_unshared")
    assert ADDRESS in done.json["error"]["message"]


def test_an_unknown_tab_lists_those_there_are(run, sheet):
    run("b2b_contract modify acme --tab Third")
    done = run("b2b sheet sync acme")
    assert done.status == 1
    assert "'Sheet1', 'Other'" in done.err


def test_without_credentials_the_setting_is_named_and_history_still_works(run, sheet, monkeypatch):
    run("b2b sheet sync acme")
    monkeypatch.delenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE")
    done = run("b2b sheet sync acme")
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert "B2B_GOOGLE_SERVICE_ACCOUNT_FILE" in done.err
    assert len(run("b2b sheet history acme --json").json) == 1


def test_a_contract_without_codes_or_sheet_says_so(run, sheet):
    run("b2b_contract create Acme Free sso --sheet", sheet.spreadsheet_id, "--tab", "Other")
    assert "free does not require codes" in run("b2b sheet sync free").err
    run("b2b_contract modify acme --no-sheet")
    assert "acme has no sheet" in run("b2b sheet sync acme").err
