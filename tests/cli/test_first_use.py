"""Answers that people who used the commands for the first time misread, or missed."""

from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.cli.conftest import sync
from tests.commands import Run

ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
LEAD = "course-v1:UAI+LEAD101"


@pytest.fixture
def acme(run: Run) -> None:
    run(f"b2b course add {LEAD}", "Leading Teams", "--source-run", "SOURCE")
    run("b2b contract create Acme Acme non-sso --create --max-learners 2")
    run(f"b2b contract courseware acme {LEAD}")


@pytest.mark.usefixtures("acme")
def test_a_run_that_comes_back_is_restored_and_not_also_created(run: Run) -> None:
    run(f"b2b contract courseware acme {LEAD} --remove")
    given = run(f"b2b contract courseware acme {LEAD}").out
    assert "Restored with its codes: course-v1:UAI_ACME+LEAD101" in given
    assert "Created" not in given and "Linked" not in given


def test_a_new_contract_that_is_over_says_so_and_one_that_ends_later_does_not(run: Run) -> None:
    over = run("b2b contract create Acme Over non-sso --create --end 2020-01-01")
    assert over.status == 0
    assert "Note: over ended on 2020-01-01, so that no learner can join it." in " ".join(over.err.split())
    later = run("b2b contract create Acme Later non-sso --end 2999-01-01")
    assert (later.status, later.err) == (0, "")
    assert run("b2b contract create Acme Third non-sso --end 2020-01-01 --json").err == ""


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    "command", ["b2b codes output --contract acme --filename", "b2b list contracts --codes acme --codes-out"]
)
def test_a_file_that_is_replaced_is_mentioned(run: Run, tmp_path: Path, command: str) -> None:
    file = tmp_path / "codes.csv"
    assert "earlier file" not in run(command, str(file)).out
    assert run(command, str(file)).out.endswith("The earlier file was replaced.\n")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (f"https://drive.google.com/drive/u/0/folders/{ID}", "a folder in Google Drive"),
        (f"https://drive.google.com/drive/folders/{ID}?usp=sharing", "a folder in Google Drive"),
        (f"https://docs.google.com/document/d/{ID}/edit", "a Google document"),
        (f"https://docs.google.com/forms/d/{ID}/edit", "a Google form"),
        (f"https://docs.google.com/presentation/d/{ID}/edit", "a Google presentation"),
        (f"https://drive.google.com/file/d/{ID}/view", "a file in Google Drive"),
        (f"https://docs.google.com/spreadsheets/d/e/2PACX-{ID}/pubhtml", "a sheet that was published to the web"),
    ],
)
@pytest.mark.usefixtures("acme")
def test_a_link_to_something_else_of_google_is_named(run: Run, address: str, kind: str) -> None:
    refused = run("b2b contract modify acme --sheet", address)
    assert refused.status == 1
    assert f"not a Google Sheet's address, but that of {kind}: open the sheet" in refused.err


def test_a_rebuild_shows_the_rows_to_be_written_and_writes_nothing_in_a_dry_run(
    run: Run, make, sandbox: Sandbox
) -> None:
    sheet = make(tab="Sheet1")
    sync(run)
    sheet.tab("Sheet1").type("B2", "one-off")
    before = sheet.tab("Sheet1").grid()
    shown = run("b2b sheet rebuild acme --dry-run")
    assert (shown.status, shown.err) == (0, "")
    assert "Would " in shown.out and "2 unchanged" in shown.out
    planned = run("b2b sheet rebuild acme --dry-run --json").json
    assert (planned["updated"], planned["appended"], planned["unchanged"]) == (1, 0, 2)
    assert sheet.tab("Sheet1").grid() == before
    assert run("b2b sheet rebuild acme --yes").status == 0
    assert sheet.tab("Sheet1").grid() != before


def test_a_catalog_that_never_had_an_academy_names_the_setting_to_check(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "LMS_URL": sandbox.lms.url,
        "ENTERPRISE_CATALOG_URL": sandbox.enterprise_catalog.url,
        "OAUTH_CLIENT_ID": "b2b",
        "OAUTH_CLIENT_SECRET": "b2b-secret",
        "ACADEMY_CUSTOMER": "11111111-1111-4111-8111-111111111111",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"B2B_{name}", value)
    refused = run("b2b academies refresh")
    assert refused.status == 1
    assert "the catalog lists no academy: check B2B_ACADEMY_CUSTOMER" in refused.err
