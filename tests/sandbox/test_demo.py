"""The demo as a person uses it: every button of every scene pressed in a browser, and the tour in a terminal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.browser import chromium
from sandbox.commands.speaking import CHECKOUT
from sandbox.demo.processes import free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("demo")]

B2B = str(Path(sys.executable).with_name("b2b"))
READY_WITHIN = 240.0
PRESSED_WITHIN = 240_000


@dataclass(frozen=True)
class Demo:
    """A running demo: where it starts, and what its terminal shows."""

    url: str
    terminal: Path

    def document(self) -> dict:
        return httpx.get(f"{self.url}/demo.json").json()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    ports = {option: free_port() for option in ("--port", "--sandbox-port", "--api-port")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("B2B_", "DAGSTER_"))}
    terminal = folder / "terminal"
    with (
        terminal.open("wb") as out,
        subprocess.Popen(
            [B2B, "demo", *(word for option, port in ports.items() for word in (option, str(port)))],
            env={**kept, "B2B_HOME": str(folder / ".b2b")},
            cwd=CHECKOUT,
            stdout=out,
            stderr=out,
            start_new_session=True,
        ) as process,
    ):
        url = f"http://127.0.0.1:{ports['--sandbox-port']}"

        def ready() -> bool:
            assert process.poll() is None, terminal.read_text()
            with suppress(httpx.HTTPError):
                return bool(httpx.get(f"{url}/demo.json").json()["ready"])
            return False

        wait_until(ready, READY_WITHIN, terminal.read_text, pause=0.3)
        yield Demo(url, terminal)
        process.send_signal(signal.SIGINT)
        process.wait(30)


def test_every_button_shows_what_it_should(demo: Demo) -> None:
    scenes = demo.document()["scenes"]
    assert [scene["number"] for scene in scenes] == [1, 2, 3, 4, 5, 6]
    missed = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PRESSED_WITHIN)
        page.goto(demo.url)
        for scene in scenes:
            for action in scene["actions"]:
                page.locator(f'form[action="/demo/{scene["number"]}/{action["name"]}"] button').click()
                outcome = page.locator(f"#outcome-{scene['number']}-{action['name']}")
                outcome.wait_for()
                if outcome.locator(".bad").count() or not outcome.locator(".ok").count():
                    missed.append(f"{scene['title']}, {action['label']}: {outcome.inner_text()}")
    assert missed == []


def test_every_asset_is_green_in_open_groups_of_dagsters_page(demo: Demo) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1800, "height": 1800})
        page.set_default_timeout(60_000)
        page.goto(demo.document()["links"]["Dagster"])
        for asset in ("academy_products", "checkout_intents", "enrollment_codes", "unlinked_learners", "code_columns"):
            page.get_by_text(asset, exact=True).first.wait_for()
    query = "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { timestamp } } }"
    ui = str(httpx.URL(demo.document()["links"]["Dagster"]).join("/graphql"))
    nodes = httpx.post(ui, json={"query": query}, timeout=60).json()["data"]["assetNodes"]
    assert [node["assetKey"]["path"] for node in nodes if not node["assetMaterializations"]] == []


def test_a_button_signs_maria_in_to_her_contract(demo: Demo) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(demo.url)
        page.get_by_role("link", name="The contract, signed in as Maria").click()
        page.wait_for_load_state()
        assert page.url.endswith("/contracts/leadership-2026")
        assert "Leadership 2026" in page.content()


def test_every_page_that_a_scene_names_opens(demo: Demo) -> None:
    document = demo.document()
    links = {**document["links"], **{name: url for scene in document["scenes"] for name, url in scene["links"].items()}}
    for name, url in links.items():
        answer = httpx.get(str(httpx.URL(demo.url).join(url)), follow_redirects=True, timeout=30)
        assert answer.status_code == 200, name


def test_the_tour_walks_a_scene_in_the_terminal(demo: Demo) -> None:
    command = [B2B, "tour", "--url", demo.url, "--scene", "2"]
    walked = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300)
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert "NOT SEEN" not in walked.stdout
    assert "seen: Each code stands there once." in walked.stdout
    shown = subprocess.run([*command, "--json"], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=300)
    [scene] = json.loads(shown.stdout)
    assert all(action["ok"] for action in scene["actions"])


def test_progress_is_printed_into_a_pipe_too(demo: Demo) -> None:
    lines = demo.terminal.read_text().splitlines()
    assert [line[0] for line in lines if line[:2] in ("1.", "2.", "3.", "4.")] == ["1", "2", "3", "4"]
    assert any(line.startswith("Start here: ") for line in lines)


def test_a_tour_without_a_demo_names_the_command_that_starts_one() -> None:
    command = [B2B, "tour", "--url", f"http://127.0.0.1:{free_port()}"]
    refused = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "b2b demo" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
