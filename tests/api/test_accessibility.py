"""Every page with axe-core, wide and narrow, light and dark; and the hour's forms by keyboard alone."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from b2b_pipelines.db.engine import Database
from b2b_pipelines.people import service as people
from b2b_pipelines.people.rules import Role
from b2b_pipelines.tokens import service as tokens
from sandbox.server import Sandbox
from tests.api.desk import Desk
from tests.api.every_page import NOT_PAGES, filled, routes
from tests.api.pages_world import ONE, furnish, license_customers, publish_academies
from tests.api.workplace import COURSES, connected
from tests.sheets.conftest import ACCOUNT
from tests.shop import Shop

pytestmark = pytest.mark.long

PASSWORD = "four words in a row"
LEADERSHIP = "/contracts/leadership-2026"
LOOKS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
LARGE = ("docs_page", "reference_page")
"""Pages of thousands of elements, which axe-core takes seconds for."""
GRAVE = ("serious", "critical")
QUERIES = {
    "sign_in_page": "?failed=true",
    "find_page": "?q=jane.0@example.com",
    "compare_page": "?earlier={earlier}&later={later}",
    "restore_page": "?snapshot={snapshot}",
    "remove_courseware_page": f"?courseware={quote(COURSES[0])}",
}


@pytest.fixture
def url(sandbox: Sandbox, database: Database, tmp_path: Path) -> Iterator[str]:
    with connected(sandbox, database, tmp_path) as url:
        yield url


@pytest.fixture
def world(url: str, sandbox: Sandbox, database: Database, shop: Shop) -> dict[str, object]:
    """Something to see on every page: contracts, one of them with a conflict in its sheet, faults, licenses, academies."""
    furnish(shop)
    license_customers(shop)
    publish_academies(shop)
    made = sandbox.google.create_spreadsheet("Acme", shared_with=[ACCOUNT], tabs={"Codes": []})
    with Desk(url, database) as desk:
        desk.sign_in("manage", "emails").open("/new-contract")
        terms = {"new_organization": "Umbrella", "name": "Leadership 2026", "max_learners": "3", "organization": "new"}
        address = sandbox.google.spreadsheet_url(made)
        desk.send("/new-contract", **terms, courseware=list(COURSES), sheet_url=address, do="create")
        desk.send(f"{LEADERSHIP}/set-up")
        sandbox.google.spreadsheet(made).tabs[0].type("A3", "Ann has this one")
        desk.send(f"{LEADERSHIP}/sync")
    learner, snapshot = (shop.run(f"SELECT max(id) FROM {table}")[0] for table in ("learner", "sheet_snapshot"))
    earlier, _, later, *_ = shop.run(
        "SELECT id FROM sheet_snapshot WHERE contract_id = (SELECT id FROM contract WHERE slug = 'acme-2026') ORDER BY id"
    )
    shop.run(
        "INSERT INTO fault (kind, name, partition, words, run_id, since, alerted_at) VALUES ('partition', "
        "'sheet_snapshots', 'closed', 'share it with b2b@sandbox.test', 'run-1', now() - interval '3 hours', now())"
    )
    with database.session() as session:
        secret = people.add(session, "new@example.com", Role.VIEWER, datetime.now(UTC))[1]
    found = {"learner": learner, "snapshot": snapshot, "earlier": earlier, "later": later}
    return found | {"slug": "leadership-2026", "customer": ONE, "secret": secret}


@pytest.fixture
def manager(browser: Any, url: str, database: Database) -> Iterator[Callable[[], Any]]:
    """`manager()`: a page of a browser in which a manager is signed in."""
    contexts = []

    def signed_in() -> Any:
        with database.session() as session:
            caller = tokens.recognize(session, tokens.create(session, "Maria", ["manage", "emails"], None)[1])
            assert caller is not None
            secret = tokens.open_session(session, caller, datetime.now(UTC))
        context = browser.new_context(viewport={"width": 1280, "height": 900}, timezone_id="America/New_York")
        context.add_cookies([{"name": "b2b_session", "value": secret, "url": url}])
        contexts.append(context)
        return context.new_page()

    yield signed_in
    for context in contexts:
        context.close()


def addresses(world: dict[str, object]) -> dict[str, str]:
    """Return an address of every page, by the name of its route, and of pages that refuse or ask."""
    every = {
        name: filled(path + QUERIES.get(name, ""), world)
        for method, path, name in routes()
        if method == "GET" and name not in NOT_PAGES
    }
    every["compare_page"] = every["compare_page"].replace("leadership-2026", "acme-2026")
    every["learners_page"] = every["learners_page"].replace("leadership-2026", "acme-2026")
    every["remove_learner_page"] = every["remove_learner_page"].replace("leadership-2026", "acme-2026")
    return every | {"failing": "/?state=failing", "nothing": "/?search=nothing", "codes": "/contracts/acme-2026/codes"}


def grave(page: Any) -> list[str]:
    """Return what axe-core finds serious or critical, each with its elements."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{each['id']}: {[node['target'] for node in each['nodes']][:5]} {each['nodes'][0]['failureSummary']}"
        for each in found
        if each["impact"] in GRAVE
    ]


def test_axe_finds_nothing_serious_on_any_page(
    manager: Callable[[], Any], url: str, world: dict[str, object], tmp_path: Path
) -> None:
    page = manager()
    found: list[str] = []
    shown = 0

    def look(name: str) -> None:
        nonlocal shown
        page.evaluate(AXE_SCRIPT)
        for width, scheme in LOOKS[::3] if name in LARGE else LOOKS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            found.extend(f"{name}, {width}, {scheme}: {each}" for each in grave(page))
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append(f"{name} is wider than {width}")
            if (width, scheme) in ((1280, "light"), (390, "dark")):
                page.screenshot(path=tmp_path / f"{name}-{width}.png", full_page=True)
        shown += 1

    for name, address in addresses(world).items():
        answer = page.goto(f"{url}{address}")
        assert answer.status == 200, (name, answer.status)
        if name == "docs_page":
            page.locator(".opblock").first.wait_for()
        look(name)
    page.goto(f"{url}/contracts/none")
    look("refused")
    page.goto(f"{url}{LEADERSHIP}/edit")
    page.get_by_label("Seats").fill("1")
    with manager() as other:
        other.goto(f"{url}{LEADERSHIP}/edit")
        other.get_by_label("Seats").fill("2")
        other.get_by_role("button", name="Save", exact=True).click()
        other.get_by_role("button", name="Change the terms").click()
        other.get_by_text("Changed: Seats.").wait_for()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("heading", name="Changed meanwhile").wait_for()
    look("changed-meanwhile")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Change the terms").wait_for()
    look("asked")
    page.goto(f"{url}/new-contract")
    page.get_by_label("Name of the contract").fill("Sales")
    page.get_by_label("Seats").fill("many")
    page.get_by_role("button", name="Create the contract").click()
    page.get_by_role("alert").wait_for()
    look("not-made")
    assert shown > 25
    assert not found, "\n".join(dict.fromkeys(found))


FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  return {
    tag: element.tagName.toLowerCase(),
    text: (element.innerText || element.value || "").trim(),
    label: element.labels?.length ? element.labels[0].innerText.trim() : element.getAttribute("aria-label") || "",
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    place: [...document.querySelectorAll("*")].indexOf(element),
    hidden: element.closest("[aria-hidden=true]") !== null,
    inside: element.getBoundingClientRect().width > 0,
  };
}"""


class Keyboard:
    """A person who uses the keyboard alone. Each stop of the Tab key is checked: named, visible, further down."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def focused(self) -> dict[str, Any]:
        return self.page.evaluate(FOCUSED)

    def next(self) -> dict[str, Any]:
        """Press Tab and return where the focus is; `body` after the last stop."""
        self.page.keyboard.press("Tab")
        stop = self.focused()
        if stop["tag"] != "body":
            assert stop["outline"] >= 2, f"the focus is not visible: {stop}"
            assert stop["label"] or stop["text"], f"without a name: {stop}"
            assert stop["inside"], stop
            assert not stop["hidden"], stop
        return stop

    def to(self, name: str, tags: str = "a button input select") -> None:
        """Press Tab until an element of that name has the focus."""
        seen = []
        for _ in range(120):
            stop = self.next()
            names = (stop["label"], stop["text"])
            if stop["tag"] in tags.split() and any(re.match(rf"{re.escape(name)}(?!\w)", each) for each in names):
                return
            seen.append(names)
        raise AssertionError(f"no Tab leads to {name}: {seen}")

    def fill(self, name: str, text: str) -> None:
        self.to(name)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def enter(self) -> None:
        """Press Enter and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def press(self, name: str) -> None:
        self.to(name)
        self.enter()


def test_the_hours_forms_work_by_keyboard_alone(browser: Any, url: str, sandbox: Sandbox, database: Database) -> None:
    with database.session() as session:
        link = f"/welcome/{people.add(session, 'maria@example.com', Role.MANAGER, datetime.now(UTC))[1]}"
    made = sandbox.google.create_spreadsheet("Acme codes", shared_with=[ACCOUNT], tabs={"Codes": []})
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    keys = Keyboard(page)
    page.goto(f"{url}{link}")
    assert keys.focused()["label"] == "New password"
    page.keyboard.type(PASSWORD)
    keys.fill("The same again", PASSWORD)
    keys.enter()
    assert page.url == f"{url}/"

    assert keys.next()["text"] == "Skip to content"
    page.keyboard.press("Enter")
    assert keys.next()["text"] == "New contract", "the link leads past the navigation"
    keys.enter()
    assert page.url == f"{url}/new-contract"

    places = []
    while (stop := keys.next())["tag"] != "body":
        places.append(stop["place"])
    assert len(places) > 20
    assert places == sorted(places), "the order of the Tab key is the order of the page"
    keys.fill("Name of the new organization", "Acme Corporation")
    keys.fill("Name of the contract", "Leadership 2026")
    keys.fill("Seats", "3")
    for course in ("Course 1", "Course 2"):
        keys.to(course, "input")
        page.keyboard.press("Space")
    keys.fill("Address of the Google Sheet", sandbox.google.spreadsheet_url(made))
    page.get_by_text("Shared: Acme codes").wait_for()
    assert keys.focused()["label"] == "Address of the Google Sheet", "the answer takes no focus from who types"
    keys.press("Create the contract")
    assert page.url == f"{url}{LEADERSHIP}"
    assert "6 codes created" in keys.focused()["text"], "a screen reader begins with the result"

    keys.press("Set up now")
    page.get_by_text("Runs in edX: 2 runs in edX.").wait_for()
    keys.press("Edit")
    keys.fill("Seats", "1")
    keys.enter()
    page.get_by_text("2 codes that were handed out stop working.").wait_for()
    keys.press("Change the terms")
    page.get_by_text("Changed: Seats.").wait_for()
    keys.press("Preview")
    keys.press("Sync now")
    page.get_by_text("Synced.").wait_for()
    keys.press("History")
    keys.press("Restore…")
    keys.press("Restore")
    page.get_by_text("Restored:").wait_for()
    keys.press("Learners")
    keys.fill("E-mail address", "jane@example.com")
    keys.enter()
    page.get_by_text("The learner has a seat now").wait_for()
    keys.press("Find")
    assert keys.focused()["label"].startswith("Code or e-mail address")
    page.keyboard.type("jane@example.com")
    keys.enter()
    page.get_by_role("heading", name=re.compile("Seats")).wait_for()
    page.close()
