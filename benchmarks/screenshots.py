"""The pictures of the docs, taken from a running demo with Chromium: `make screenshots`.

Starts `b2b demo` on ports of its own, makes one contract's sheet fail, and looks at the pages as a person would.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from b2b_pipelines.settings import PROJECT
from benchmarks.browser import choose_all_partitions, chromium, graph, switch

IMAGES = PROJECT / "docs" / "images"
UI, SANDBOX, API = 3117, 8817, 8117
STARTED_WITHIN = 180.0


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with running_demo() as (environment, sheet), chromium() as browser:
        manager = f"http://127.0.0.1:{SANDBOX}/demo/sign-in?to=/contracts/leadership-2026"
        take(browser, "contract", manager, "Sync now", width=1200, height=900)
        take(
            browser,
            "lineage",
            f"http://127.0.0.1:{UI}/asset-groups",
            "academies",
            width=1700,
            height=1500,
            click=expand,
        )
        partition = f"http://127.0.0.1:{UI}/assets/sheet_snapshots?view=partitions&partition=leadership-2026"
        take(browser, "partition", partition, "seats by state", height=1000)
        take(
            browser,
            "automation",
            f"http://127.0.0.1:{UI}/automation",
            "nightly_sweep",
            height=1180,
            click=switch_off_and_on,
        )
        delivery = graph(f"http://127.0.0.1:{UI}", "contract_runs", "enrollment_codes", "sheet_snapshots")
        take(browser, "backfill", delivery, "Materialize all", click=choose_all)
        take(browser, "sheet", sheet, "Enrollment Code", width=1700, height=620)
        break_sharing(environment)
        failure = f"http://127.0.0.1:{UI}/assets/sheet_snapshots?view=partitions&partition=engineering"
        take(browser, "failure", failure, "Failed", width=1920)
    for picture in sorted(IMAGES.glob("*.png")):
        print(f"{picture.relative_to(PROJECT)}  {picture.stat().st_size // 1024} kB")


@contextmanager
def running_demo() -> Iterator[tuple[dict[str, str], str]]:
    """Yield the environment of a finished demo, and the URL of its first sheet's page."""
    with tempfile.TemporaryDirectory(prefix="b2b-pictures-") as folder:
        home = Path(folder) / "home"
        command = [
            str(Path(sys.executable).with_name("b2b")),
            "demo",
            "--port",
            str(UI),
            "--sandbox-port",
            str(SANDBOX),
            "--api-port",
            str(API),
        ]
        log = Path(folder) / "demo.log"
        with log.open("w") as out:
            demo = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**os.environ, "B2B_HOME": str(home)},
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
            )
        try:
            until = time.monotonic() + STARTED_WITHIN
            while "Ctrl-C stops everything" not in log.read_text():
                if demo.poll() is not None or time.monotonic() > until:
                    sys.exit(f"the demo did not start:\n{log.read_text()}")
                time.sleep(0.5)
            lines = log.read_text().splitlines()
            sheet = next(
                line.split()[-1] for line in lines if line.split()[:1] == ["leadership-2026"] and "http" in line
            )
            named = (home.with_name("home-demo") / "env").read_text().splitlines()
            settings = dict(line.removeprefix("export ").replace("'", "").split("=", 1) for line in named)
            yield {**os.environ, **settings}, sheet
        finally:
            os.kill(demo.pid, signal.SIGINT)
            try:
                demo.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(demo.pid, signal.SIGKILL)


def expand(page: Page) -> None:
    """Show the assets of every group of the graph."""
    page.mouse.click(1100, 160, button="right")
    page.get_by_text("Expand all groups").locator("visible=true").first.click()
    page.wait_for_timeout(4000)


def switch_off_and_on(page: Page) -> None:
    """Switch the schedule `sheet_refresh` off, and on again."""
    for _ in range(2):
        switch(page, "sheet_refresh")
        page.wait_for_timeout(1500)


def choose_all(page: Page) -> None:
    """Ask for a backfill of every contract, up to the click that launches it."""
    choose_all_partitions(page)
    page.wait_for_timeout(1500)


def take(
    browser: Browser,
    name: str,
    url: str,
    until: str,
    *,
    width: int = 1400,
    height: int = 860,
    click: Callable[[Page], None] | None = None,
) -> None:
    """Take a picture of a page once it shows some text."""
    page: Page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(url)
    page.get_by_text(until).first.wait_for(state="attached", timeout=60_000)
    page.wait_for_timeout(4000)
    if click is not None:
        click(page)
    page.screenshot(path=IMAGES / f"{name}.png")
    page.close()
    print(f"{name}: {url}", flush=True)


def break_sharing(environment: dict[str, str]) -> None:
    """Stop sharing the sheet of one contract, as its customer, so that its refresh fails."""
    b2b = str(Path(sys.executable).with_name("b2b"))
    elsewhere = "https://docs.google.com/spreadsheets/d/1SheetThatNobodyShared/edit"
    change = [b2b, "contract", "modify", "engineering", "--sheet", elsewhere]
    subprocess.run(change, env=environment, cwd=PROJECT, check=True, capture_output=True)
    time.sleep(45)


if __name__ == "__main__":
    main()
