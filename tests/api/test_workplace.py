"""A manager's work in the pages without a script: against stand-ins of Studio and Google."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from sandbox.server import Sandbox
from tests.api.desk import Desk
from tests.api.workplace import COURSES, connected
from tests.sheets.conftest import ACCOUNT


@pytest.fixture
def url(sandbox: Sandbox, database: Database, tmp_path: Path) -> Iterator[str]:
    with connected(sandbox, database, tmp_path) as url:
        yield url


@pytest.fixture
def desk(url: str, database: Database) -> Iterator[Desk]:
    with Desk(url, database) as desk:
        yield desk.sign_in("manage", "emails")


def new_contract(desk: Desk, **values: object) -> str:
    """Create a contract of Acme with both courses and three seats; return the page of the contract."""
    desk.open("/new-contract")
    terms = {"organization": "new", "new_organization": "Acme", "name": "Leadership 2026", "max_learners": "3"}
    return desk.send("/new-contract", **terms | {"courseware": list(COURSES), "do": "create"} | values)


def spreadsheet(sandbox: Sandbox, shared: bool = True, **tabs: list[list[object]]) -> tuple[str, str]:
    """Return the id and the address of a new spreadsheet."""
    made = sandbox.google.create_spreadsheet("Acme", shared_with=[ACCOUNT] if shared else [], tabs=tabs or None)
    return made, sandbox.google.spreadsheet_url(made)


def column(sandbox: Sandbox, made: str, letter: str = "A") -> list[str]:
    return [cell for cell in sandbox.google.spreadsheet(made).tabs[0].column(letter) if cell]


def codes(database: Database, where: str = "true") -> list[str]:
    with database.session() as session:
        return list(session.scalars(text(f"SELECT code FROM enrollment_code WHERE {where} ORDER BY id")))


def test_a_contract_is_made_with_its_courses_and_says_what_became_of_codes_and_sheet(desk: Desk):
    page = new_contract(desk)
    assert desk.path == "/contracts/leadership-2026"
    assert "Codes: 6 codes created." in page
    assert "2 course runs made" in page
    assert "The contract has no sheet; the codes can be downloaded as CSV." in page
    assert "Codes: 6 codes" not in desk.open(desk.path), "a note is shown once"
    assert page.count("course-v1:UAI_ACME+") >= 2


def test_what_cannot_be_understood_is_said_and_what_was_typed_stays(desk: Desk):
    page = new_contract(desk, max_learners="many", end="31/12/2026")
    assert desk.status == 409
    assert "Nothing was made" in page
    assert 'value="Leadership 2026"' in page
    page = desk.send("/new-contract", end="2026-12-31", max_learners="9", do="create")
    assert desk.path == "/contracts/leadership-2026"
    assert "Codes: 18 codes created." in page


def test_the_same_name_twice_is_asked_about(desk: Desk, database: Database):
    new_contract(desk)
    desk.open("/new-contract")
    with database.session() as session:
        acme = session.scalars(text("SELECT id FROM organization")).one()
    values = {"organization": str(acme), "name": "Leadership 2026", "do": "create"}
    page = desk.send("/new-contract", **values)
    assert "has a contract of that name already (leadership-2026)" in page
    desk.send("/new-contract", **values, same_name="yes")
    assert desk.path == "/contracts/leadership-2026-2"


def test_the_sheets_address_is_tried_before_the_contract_is_made(desk: Desk, sandbox: Sandbox):
    made, address = spreadsheet(sandbox, shared=False, Codes=[["Theirs"], ["x"]])
    desk.open("/new-contract")
    page = desk.send("/new-contract", name="Leadership 2026", sheet_url=address, do="check")
    assert f'Not shared yet: share it as an editor with <code class="copy">{ACCOUNT}</code>' in page
    sandbox.google.spreadsheet(made).share(ACCOUNT)
    page = desk.send("/new-contract", do="check")
    assert "Shared: <strong>Acme</strong>, tab <em>Codes</em>, A–F hold 2 rows" in page
    assert 'value="Leadership 2026"' in page
    assert "has no tab" not in page
    page = desk.send("/new-contract", sheet_tab="Nope", do="check")
    assert "no tab &#39;Nope&#39;" in page
    assert "note bad" in desk.send("/new-contract", sheet_url="https://example.com/x", do="check")


def test_a_sheet_is_previewed_synced_and_its_conflicts_are_explained_with_links(
    desk: Desk, sandbox: Sandbox, database: Database
):
    made, address = spreadsheet(sandbox)
    new_contract(desk, sheet_url=address)
    preview = desk.open("/contracts/leadership-2026/replace")
    assert "3 rows to add" in preview
    assert column(sandbox, made) == []
    page = desk.send("/contracts/leadership-2026/replace")
    assert "3 rows added" in page
    assert len(column(sandbox, made)) == 4
    sandbox.google.spreadsheet(made).tabs[0].type("A3", "Ann has this one")
    page = desk.send("/contracts/leadership-2026/sync")
    assert "1 conflict to look at" in page
    assert "Ann has this one" in page
    assert "Empty the cells of this row in our columns." in page
    assert re.search(r"#gid=0&amp;range=A3", page)
    for letter in "ABCDEF":
        sandbox.google.spreadsheet(made).tabs[0].type(f"{letter}3", "")
    page = desk.send("/contracts/leadership-2026/sync")
    assert "No conflicts." in page


def test_a_named_tab_that_holds_something_is_replaced_only_after_the_preview(desk: Desk, sandbox: Sandbox):
    made, address = spreadsheet(sandbox, Codes=[["Theirs", "=1+1"]])
    new_contract(desk, sheet_url=address.split("#")[0].split("?")[0])
    page = desk.send("/contracts/leadership-2026/sync")
    assert desk.path == "/contracts/leadership-2026/replace"
    assert "1 row in A–F will be replaced, beginning with: Theirs" in page
    assert column(sandbox, made) == ["Theirs"]
    page = desk.send("/contracts/leadership-2026/replace")
    assert "Replaced 1 row in A–F, kept for 30 days" in page
    restore = re.search(r'href="(/contracts/leadership-2026/restore\?snapshot=\d+)"', page)
    assert restore
    page = desk.open(restore[1])
    assert "What A–F held before they were replaced" in page
    page = desk.send("/contracts/leadership-2026/restore")
    assert "Restored:" in page
    assert column(sandbox, made) == ["Theirs"]


def test_lowering_the_seats_asks_in_numbers_and_does_it_once_agreed(desk: Desk, sandbox: Sandbox, database: Database):
    _, address = spreadsheet(sandbox)
    new_contract(desk, sheet_url=address)
    desk.send("/contracts/leadership-2026/sync")
    desk.open("/contracts/leadership-2026/edit")
    page = desk.send("/contracts/leadership-2026/edit", max_learners="1", do="save")
    assert "Change the terms?" in page
    assert "Seats: 3 → 1." in page
    assert "2 codes that were handed out stop working." in page
    assert len(codes(database, "active")) == 6
    page = desk.send("/contracts/leadership-2026/edit")
    assert "Changed: Seats." in page
    assert "4 codes deactivated" in page
    assert "The sheet follows with the next sync" in page
    assert len(codes(database, "active")) == 2


def test_raising_the_seats_is_done_at_once(desk: Desk, database: Database):
    new_contract(desk)
    desk.open("/contracts/leadership-2026/edit")
    page = desk.send("/contracts/leadership-2026/edit", max_learners="5", description="More", do="save")
    assert desk.path == "/contracts/leadership-2026"
    assert "Changed: Description, Seats." in page or "Changed: Seats, Description." in page
    assert len(codes(database, "active")) == 10


def test_the_second_of_two_managers_sees_what_changed_and_loses_nothing(desk: Desk, url: str, database: Database):
    new_contract(desk)
    with Desk(url, database) as other:
        other.sign_in("manage", "emails", name="Otto")
        other.open("/contracts/leadership-2026/edit")
        desk.open("/contracts/leadership-2026/edit")
        desk.send("/contracts/leadership-2026/edit", max_learners="5", do="save")
        page = other.send("/contracts/leadership-2026/edit", description="Otto's words", do="save")
        assert other.status == 409
        assert "Changed meanwhile" in page
        assert "Maria" in page
        assert re.search(r"Seats: <del>.*3</del> → <ins>.*5</ins>", page)
        assert "Otto&#39;s words" in page
        page = other.send("/contracts/leadership-2026/edit", do="save")
        assert "Changed: Description." in page
    desk.open("/contracts/leadership-2026/edit")
    assert 'name="max_learners" type="text" value="5"' in desk.page
    assert "Otto&#39;s words" in desk.page


def test_courseware_is_removed_after_a_question_in_numbers_and_comes_back_with_its_codes(
    desk: Desk, database: Database
):
    page = new_contract(desk)
    before = codes(database, "active")
    run = re.search(r"remove\?courseware=([^\"]+)\"", page)
    assert run
    page = desk.open(f"/contracts/leadership-2026/courseware/remove?courseware={run[1]}")
    assert "3 codes that no sheet shows stop working." in page
    assert "1 course run is no longer part of the contract" in page
    assert len(codes(database, "active")) == 6
    page = desk.send("/contracts/leadership-2026/courseware/remove")
    assert "3 codes deactivated" in page
    assert len(codes(database, "active")) == 3
    desk.open("/contracts/leadership-2026/courseware")
    page = desk.send("/contracts/leadership-2026/courseware", more=" ".join(COURSES))
    assert "Added course-v1:UAI_ACME" in page
    assert codes(database, "active") == before


def test_numbers_that_changed_since_the_question_are_asked_about_again(desk: Desk, url: str, database: Database):
    page = new_contract(desk)
    run = re.search(r"remove\?courseware=([^\"]+)\"", page)
    assert run
    desk.open(f"/contracts/leadership-2026/courseware/remove?courseware={run[1]}")
    with Desk(url, database) as other:
        other.sign_in("manage")
        other.open("/contracts/leadership-2026/edit")
        other.send("/contracts/leadership-2026/edit", max_learners="9", do="save")
    page = desk.send("/contracts/leadership-2026/courseware/remove")
    assert "The numbers changed meanwhile" in page
    assert "9 codes that no sheet shows stop working." in page
    assert len(codes(database, "active")) == 18


def test_learners_are_added_found_by_address_and_removed(desk: Desk, database: Database):
    new_contract(desk)
    desk.open("/contracts/leadership-2026/learners")
    page = desk.send("/contracts/leadership-2026/learners", email="jane@example.com", name="Jane")
    assert "The learner has a seat now" in page
    assert "jane@example.com" in page
    page = desk.send("/contracts/leadership-2026/learners", email="no address")
    assert "No learner was added." in page
    page = desk.open("/find?q=JANE@example.com")
    assert 'href="/contracts/leadership-2026">Leadership 2026</a>' in page
    assert "added by hand" in page
    learner = re.search(r"/learners/(\d+)/remove", desk.open("/contracts/leadership-2026/learners?search=jane"))
    assert learner
    page = desk.open(f"/contracts/leadership-2026/learners/{learner[1]}/remove")
    assert "Remove jane@example.com?" in page
    page = desk.send(f"/contracts/leadership-2026/learners/{learner[1]}/remove")
    assert "The learner was removed." in page
    assert "No learner with this address has a seat." in desk.open("/find?q=jane@example.com")


def test_a_code_is_found_with_whose_it_is_and_why_it_is_valid_or_not(desk: Desk, database: Database):
    new_contract(desk)
    first = codes(database)[0]
    page = desk.open(f"/find?q=%20{first.upper()}%20")
    assert ">Valid<" in page
    assert "/contracts/leadership-2026" in page
    desk.open("/contracts/leadership-2026/edit")
    desk.send("/contracts/leadership-2026/edit", active="no", do="save")
    desk.send("/contracts/leadership-2026/edit")
    assert "Not valid: contract not open" in desk.open(f"/find?q={first}")
    assert "No contract has this code." in desk.open("/find?q=nope")


def test_codes_are_searched_and_downloaded_with_formulas_made_texts(desk: Desk, url: str, database: Database):
    new_contract(desk)
    first = codes(database)[0]
    page = desk.open(f"/contracts/leadership-2026/codes?search={first[:8]}")
    assert page.count('<code class="copy">') == 1
    assert "No code fits." in desk.open("/contracts/leadership-2026/codes?state=used")
    with database.session() as session:
        session.execute(text("INSERT INTO learner (email) VALUES ('=cmd@example.com')"))
        session.execute(
            text(
                "INSERT INTO code_redemption (code_id, redemption_type, learner_id, kind) "
                "SELECT min(enrollment_code.id), 'one-time', min(learner.id), 'attach' FROM enrollment_code, learner"
            )
        )
    answer = desk.client.get("/contracts/leadership-2026/codes.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "'=cmd@example.com" in answer.text
    assert answer.text.startswith("Code,Product,Redeemed,Product URL")
    with Desk(url, database) as viewer:
        viewer.sign_in("read")
        masked = viewer.client.get("/contracts/leadership-2026/codes.csv").text
        assert "cmd@" not in masked
        assert "•••@example.com" in masked
        assert "Searching for addresses needs the right" in viewer.open("/find?q=jane@example.com")


def test_what_studio_refused_is_tried_again_with_a_button(desk: Desk, sandbox: Sandbox):
    new_contract(desk)
    sandbox.faults.answer(400, {"non_field_errors": ["Enter a valid value."]}, vendor="studio", times=100)
    page = desk.send("/contracts/leadership-2026/set-up")
    assert "2 of 2 runs failed" in page
    assert "Try again" in page
    sandbox.faults.clear()
    page = desk.send("/contracts/leadership-2026/set-up")
    assert "Runs in edX: 2 runs in edX." in page
    assert "Try again" not in page


def test_a_sheet_that_is_not_shared_is_said_with_whom_to_share_it_and_syncs_once_it_is(desk: Desk, sandbox: Sandbox):
    made, address = spreadsheet(sandbox, shared=False)
    new_contract(desk, sheet_url=address)
    page = desk.send("/contracts/leadership-2026/sync")
    assert ACCOUNT in page
    sandbox.google.spreadsheet(made).share(ACCOUNT)
    assert "Synced." in desk.send("/contracts/leadership-2026/sync")


def test_a_failure_of_googles_says_when_it_is_tried_again_with_the_button_that_does_it_sooner(
    desk: Desk, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("b2b_pipelines.vendors.google_sheets.client.LONGEST_BACKOFF", 0)
    _, address = spreadsheet(sandbox)
    new_contract(desk, sheet_url=address)
    for path in ("sync", "set-up"):
        sandbox.faults.answer(503, "busy", kind="read", times=5)
        page = desk.send(f"/contracts/leadership-2026/{path}")
        assert "the next refresh of all sheets tries again; to try sooner, use Sync now in a few minutes." in page
    assert "Synced." in desk.send("/contracts/leadership-2026/sync")


def test_a_rebuild_shows_its_plan_and_is_in_the_history(desk: Desk, sandbox: Sandbox):
    _, address = spreadsheet(sandbox)
    new_contract(desk, sheet_url=address)
    desk.send("/contracts/leadership-2026/sync")
    assert "Rebuild the sheet?" in desk.open("/contracts/leadership-2026/rebuild")
    page = desk.send("/contracts/leadership-2026/rebuild")
    assert "Rebuilt." in page
    assert "Sheet rebuilt" in desk.open("/contracts/leadership-2026/history")


def test_a_manager_of_one_organization_acts_on_that_one_only(desk: Desk, url: str, database: Database):
    new_contract(desk)
    with Desk(url, database) as other:
        desk.open("/new-contract")
        desk.send(
            "/new-contract", organization="new", new_organization="Globex", org_key="GLOBEX", name="Theirs", do="create"
        )
        other.sign_in("manage", organization="GLOBEX")
        for path in ("", "/edit", "/codes", "/learners", "/history", "/replace", "/courseware"):
            other.open(f"/contracts/leadership-2026{path}")
            assert other.status == 404, path
        other.open("/contracts/theirs/edit")
        assert other.status == 200
        for path in ("/licenses/", "/academies/", "/status/"):
            other.open(path)
            assert other.status == 404, path
        other.open("/new-contract")
        assert "A new organization" not in other.page
