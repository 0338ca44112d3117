"""A manager's first hour in a real browser, on a wide and a narrow screen, and once without a script."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person
from b2b_pipelines.people import service as people
from b2b_pipelines.people.rules import Role
from sandbox.server import Sandbox
from tests.api.desk import Desk
from tests.api.workplace import COURSES, connected
from tests.sheets.conftest import ACCOUNT

PASSWORD = "four words in a row"
CONTRACT = "/contracts/leadership-2026"


@pytest.fixture
def url(sandbox: Sandbox, database: Database, tmp_path: Path) -> Iterator[str]:
    with connected(sandbox, database, tmp_path) as url:
        yield url


def invited(database: Database) -> str:
    """Return the path of the link with which Maria sets her password."""
    with database.session() as session:
        return f"/welcome/{people.add(session, 'maria@example.com', Role.MANAGER, datetime.now(UTC))[1]}"


@pytest.mark.long
def test_what_is_down_or_not_shared_is_named_with_try_again_which_works_when_it_is_back(
    browser: Any, url: str, database: Database, sandbox: Sandbox, tmp_path: Path
) -> None:
    made = sandbox.google.create_spreadsheet("Acme codes", shared_with=[], tabs={"Codes": []})
    with Desk(url, database) as desk:
        desk.sign_in("manage", "emails").open("/new-contract")
        terms = {"organization": "new", "new_organization": "Acme", "name": "Leadership 2026", "max_learners": "3"}
        address = sandbox.google.spreadsheet_url(made)
        desk.send("/new-contract", **terms, courseware=list(COURSES), sheet_url=address, do="create")
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(f"{url}{invited(database)}")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set password and sign in").click()
    page.goto(f"{url}{CONTRACT}")
    steps = page.get_by_role("region", name="Set-up")
    assert steps.get_by_text("Pending").count() == 2
    sandbox.faults.answer(503, vendor="studio", times=1000)
    page.get_by_role("button", name="Set up now").click()
    again = page.get_by_role("button", name="Try again")
    again.wait_for()
    page.reload()
    assert steps.get_by_text("Failed").count() == 2, "a failure outlives the page that reported it"
    assert "2 of 2 runs failed" in steps.inner_text()
    assert "503" in steps.inner_text()
    assert ACCOUNT in steps.inner_text()
    page.screenshot(path=tmp_path / "failed.png", full_page=True)
    page.goto(f"{url}/")
    assert page.get_by_role("listitem").get_by_text("Sync failing").is_visible()
    assert page.get_by_text("2 runs failed in edX").is_visible()
    page.goto(f"{url}{CONTRACT}")
    sandbox.faults.clear()
    again.click()
    page.get_by_text("Runs in edX: 2 runs in edX.").wait_for()
    assert steps.get_by_text("Failed").count() == 1
    sandbox.google.spreadsheet(made).share(ACCOUNT)
    again.click()
    page.get_by_text(re.compile("Sheet: 3 rows, verified")).wait_for()
    assert steps.count() == again.count() == 0
    assert page.get_by_text("Sync failing").count() == 0
    page.close()


@pytest.mark.long
@pytest.mark.parametrize(
    ("width", "script", "scheme"),
    [(1280, True, "light"), (390, True, "dark"), (1280, False, "light")],
    ids=["wide", "narrow-and-dark", "without-a-script"],
)
def test_the_first_hour(
    browser: Any,
    url: str,
    database: Database,
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    width: int,
    script: bool,
    scheme: str,
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        java_script_enabled=script,
        color_scheme=scheme,
        timezone_id="America/New_York",
        accept_downloads=True,
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: None if request.url.startswith(url) else foreign.append(request.url))
    shots = 0

    def look(name: str) -> None:
        """Keep a picture, and see that nothing is wider than the screen."""
        nonlocal shots
        shots += 1
        page.screenshot(path=tmp_path / f"{shots:02}-{name}.png", full_page=True)
        if script:
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_load_state()

    page.goto(f"{url}{invited(database)}")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    press("Set password and sign in")
    look("empty")

    made = sandbox.google.create_spreadsheet("Acme codes", shared_with=[], tabs={"Codes": []})
    address = sandbox.google.spreadsheet_url(made)
    page.get_by_role("link", name="New contract").click()
    page.get_by_label("Name of the new organization").fill("Acme Corporation")
    page.get_by_label("Name of the contract").fill("Leadership 2026")
    page.get_by_label("Last day").fill("2999-12-31")
    page.get_by_label("Seats").fill("3")
    page.get_by_role("checkbox", name=re.compile("Course 1")).check()
    page.get_by_role("checkbox", name=re.compile("Course 2")).check()
    page.get_by_label("Address of the Google Sheet").fill(address)
    if not script:
        press("Check the sheet")
    page.get_by_text("Not shared yet").wait_for()
    assert ACCOUNT in page.locator("#tried").inner_text()
    look("not-shared")
    sandbox.google.spreadsheet(made).share(ACCOUNT)
    press("Check the sheet")
    page.get_by_text("Shared: Acme codes").wait_for()
    press("Create the contract")
    page.wait_for_url(f"{url}{CONTRACT}")
    assert "6 codes created" in page.locator(".note").inner_text()
    look("made")
    press("Set up now")
    page.get_by_text("Runs in edX: 2 runs in edX.").wait_for()
    tab = sandbox.google.spreadsheet(made).tabs[0]
    assert len([cell for cell in tab.column("A") if cell]) == 4

    tab.type("A3", "Ann has this one")
    page.get_by_role("link", name="Preview").click()
    look("preview")
    press("Sync now")
    link = page.get_by_role("link", name="A3 in Google Sheets").get_attribute("href")
    assert link.endswith("#gid=0&range=A3")
    assert page.get_by_text("Ann has this one").is_visible()
    look("conflict")
    for letter in "ABCDEF":
        tab.type(f"{letter}3", "")
    press("Sync now")
    page.get_by_text("No conflicts.").wait_for()

    with database.session() as session:
        code = session.scalar(text("SELECT code FROM enrollment_code WHERE sheet_row IS NOT NULL ORDER BY id LIMIT 1"))
        learners.attach(session, code, Person("jane@example.com", "Jane"), datetime.now(UTC))
    page.get_by_role("link", name=re.compile("^Edit")).click()
    page.get_by_label("Seats").fill("1")
    press("Save")
    assert page.get_by_text("2 codes that were handed out stop working.").is_visible()
    look("asked")
    press("Change the terms")
    page.get_by_text("Changed: Seats.").wait_for()
    press("Sync now")
    look("lowered")

    page.get_by_role("link", name="History", exact=True).click()
    look("history")
    page.get_by_role("link", name=re.compile("^Restore…")).last.click()
    look("restore")
    press("Restore")
    page.get_by_text("Restored:").wait_for()

    page.get_by_role("link", name="Codes", exact=True).click()
    look("codes")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download all as CSV").click()
    assert "jane@example.com" in Path(waiting.value.path()).read_text()

    page.get_by_role("link", name="Find", exact=True).click()
    page.get_by_label("Code or e-mail address").fill("Jane@Example.com")
    press("Find")
    assert page.get_by_role("link", name="Leadership 2026").is_visible()
    look("found")
    page.get_by_role("link", name="Leadership 2026").click()
    page.get_by_role("link", name="Learners", exact=True).click()
    look("learners")
    if script:
        assert "your time" in page.locator("time + .local").first.inner_text()
    page.get_by_role("link", name=re.compile("^Remove")).click()
    press("Remove the learner")
    page.get_by_text("No learner has joined yet.").wait_for()
    for place in ("Status", "Licenses", "Academies", "Contracts"):
        page.get_by_role("navigation", name="Site").get_by_role("link", name=place, exact=True).click()
        look(place.lower())
    assert complaints == foreign == []
    context.close()
