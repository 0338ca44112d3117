"""Headless Chromium and actions in Dagster's UI, for the pictures of the docs and for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Locator, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield Debian's Chromium, of the package `chromium`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def graph(ui: str, *assets: str) -> str:
    """Return the page that shows some assets and their inputs."""
    return f"{ui}/asset-groups~" + quote(" or ".join(f'key:"{asset}"' for asset in assets))


def switch(page: Page, name: str) -> None:
    """Switch a schedule or a sensor on or off, on the page of automations."""
    row = page.locator("[data-index]").filter(has=page.get_by_text(name, exact=True))
    row.locator("label").nth(1).click()  # it has no name; the first label is the one that selects the row


def choose_all_partitions(page: Page) -> Locator:
    """Open the dialog for a backfill of all partitions, up to the click that launches it."""
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click()
    return dialog
