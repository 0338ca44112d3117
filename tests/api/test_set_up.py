"""Whether a contract is set up, and its sheet, over HTTP: against stand-ins of Studio and Google."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from b2b_pipelines.api.app import create_app
from b2b_pipelines.faults.rules import SYNCED
from b2b_pipelines.tokens import service as tokens
from sandbox.server import Sandbox
from tests.api.conftest import serving
from tests.api.workplace import settings_of
from tests.sheets.conftest import ACCOUNT, Delivery
from tests.sheets.conftest import deliver as deliver  # noqa: PLC0414
from tests.sheets.conftest import sheets as sheets  # noqa: PLC0414
from tests.shop import Shop

Deliver = Callable[..., Delivery]


@pytest.fixture
def api(sandbox: Sandbox, database, tmp_path: Path) -> Iterator[httpx.Client]:
    """The API of an installation that is connected to Studio and Google."""
    with database.session() as session:
        _, text = tokens.create(session, "a manager", ["manage"])
    with (
        serving(create_app(settings_of(sandbox, tmp_path), database)) as url,
        httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {text}"}, timeout=60) as client,
    ):
        yield client


def states(answer: httpx.Response) -> tuple[str, str, str]:
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    return shown["runs"]["state"], shown["codes"]["state"], shown["sheet"]["state"]


def test_a_new_contract_is_pending_and_done_once_it_was_delivered(api: httpx.Client, deliver: Deliver):
    delivery = deliver(cap=3)
    path = f"/contracts/{delivery.slug}/set-up/"
    assert states(api.get(path)) == ("pending", "done", "pending")
    assert states(api.post(path)) == ("done", "done", "done")
    shown = api.get(path).json()
    assert shown["sheet"]["message"].startswith("3 rows, verified ")
    assert [run["state"] for run in shown["runs"]["runs"]] == ["done"]
    assert len(delivery.shown()) == 3


def test_what_studio_refuses_is_named_and_trying_again_works_when_it_no_longer_does(
    api: httpx.Client, deliver: Deliver, sandbox: Sandbox
):
    delivery = deliver(cap=2)
    path = f"/contracts/{delivery.slug}/set-up/"
    sandbox.faults.answer(400, {"non_field_errors": ["Enter a valid value."]}, vendor="studio", times=100)
    failed = api.post(path)
    assert states(failed) == ("failed", "done", "done")
    assert "1 of 1 run failed: " in failed.json()["runs"]["message"]
    sandbox.faults.clear()
    assert states(api.post(path)) == ("done", "done", "done")


def test_a_sheet_that_is_not_shared_is_named_with_whom_to_share_it(api: httpx.Client, deliver: Deliver):
    delivery = deliver(cap=2, shared=False)
    path = f"/contracts/{delivery.slug}/set-up/"
    failed = api.post(path).json()["sheet"]
    assert (failed["state"], failed["error_code"]) == ("failed", "sheet_unshared")
    assert ACCOUNT in failed["message"]
    assert api.get(path).json()["sheet"]["state"] == "failed", "a failure outlives the answer that reported it"
    delivery.spreadsheet.share(ACCOUNT)
    assert api.post(path).json()["sheet"]["state"] == "done"
    assert api.get(path).json()["sheet"]["state"] == "done"


def test_a_sync_that_the_sheet_refuses_is_a_fault_until_one_succeeds(api: httpx.Client, deliver: Deliver, shop: Shop):
    delivery = deliver(cap=2, shared=False)
    for _ in range(2):
        assert api.post(f"/contracts/{delivery.slug}/sheet/sync/").json()["error_code"] == "sheet_unshared"
    assert shop.run("SELECT name || ' of ' || partition FROM fault") == [f"{SYNCED} of {delivery.slug}"]
    delivery.spreadsheet.share(ACCOUNT)
    assert api.post(f"/contracts/{delivery.slug}/sheet/sync/").json()["appended"] == 2
    assert shop.run("SELECT name FROM fault") == []


def test_a_sheet_is_planned_synced_and_rebuilt(api: httpx.Client, deliver: Deliver):
    delivery = deliver(cap=3)
    path = f"/contracts/{delivery.slug}/sheet"
    planned = api.post(f"{path}/plan/").json()
    assert (planned["appended"], planned["writes"], planned["dry_run"], delivery.shown()) == (3, 0, True, [])
    keyed = {"Idempotency-Key": "one"}
    synced = api.post(f"{path}/sync/", headers=keyed)
    assert (synced.json()["appended"], delivery.shown()) == (3, delivery.codes())
    assert api.post(f"{path}/sync/", headers=keyed).content == synced.content
    assert api.post(f"{path}/sync/").json()["unchanged"] == 3
    would = api.post(f"{path}/rebuild/?dry_run=true").json()
    assert (would["contract"], would["dry_run"]) == (delivery.slug, True)
    assert api.post(f"{path}/rebuild/").status_code == 200
    assert delivery.shown() == delivery.codes()
    newest = api.get(f"/contracts/{delivery.slug}/changes/").json()["results"][0]
    assert newest["action"] == "sheet_rebuilt"


def test_what_a_sheet_held_before_is_put_back(api: httpx.Client, deliver: Deliver):
    delivery = deliver(cap=2, tabs={"Codes": [["Theirs", "=1+1"]]}, sheet_tab="Codes")
    path = f"/contracts/{delivery.slug}/sheet"
    assert api.post(f"{path}/sync/").json()["replaced"]
    would = api.post(f"{path}/restore/?dry_run=true", json={"before": True})
    assert (would.status_code, would.json()["dry_run"], delivery.tab.column("A")[0]) == (200, True, "Enrollment Code")
    assert api.post(f"{path}/restore/", json={"before": True}).status_code == 200
    assert delivery.tab.column("A")[0] == "Theirs"
    for body in ({}, {"before": True, "snapshot": 1}, {"snapshot": 0}):
        assert api.post(f"{path}/restore/", json=body).status_code == 400
    assert api.post(f"{path}/restore/", json={"snapshot": 99}).status_code == 404


def test_what_google_refuses_is_a_conflict_with_the_words_that_help(api: httpx.Client, deliver: Deliver):
    refused = api.post(f"/contracts/{deliver(shared=False).slug}/sheet/sync/")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "sheet_unshared")
    assert ACCOUNT in refused.json()["detail"]
