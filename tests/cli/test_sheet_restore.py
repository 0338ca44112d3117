"""Snapshots that are restored over codes that stand twice, merged cells and edits, through `b2b sheet` over HTTP."""

import pytest

from sandbox.google.model import Tab
from tests.cli.conftest import ADDRESS, codes, error, sync
from tests.commands import Run


def newest(run: Run) -> int:
    """Return the number of the newest snapshot."""
    return int(run("b2b sheet history acme --json").json[0]["id"])


def restore(run: Run, number: int) -> None:
    done = run(f"b2b sheet restore acme --yes --snapshot {number}")
    assert done.status == 0, done.err


def test_a_code_that_stands_twice_is_restored_from_its_row_without_a_merge(run, make):
    tab = make().tabs[0]
    sync(run)
    tab.type("A5", tab.shown("A2"))
    sync(run)
    tab.merge("B4:B5")
    assert [(found["kind"], found["row"]) for found in sync(run)["conflicts"]] == [("duplicate", 5), ("merged", 5)]
    tab.type("B2", "typed")
    restore(run, newest(run))
    assert (tab.shown("B2"), tab.shown("B4")) == ("one-time", "one-time")


@pytest.mark.parametrize("merged", ["B3:B4", "B4:B5"])
def test_a_restore_of_a_code_that_stands_twice_can_be_undone(run, make, merged):
    """The snapshot that a restore keeps knows which row of the code had a covered cell."""
    tab = make().tabs[0]
    sync(run)
    first = newest(run)
    tab.type("A5", tab.shown("A4"))
    tab.merge(merged)
    sync(run)
    copy = 4 if merged == "B4:B5" else 5
    tab.type(f"B{copy}", "typed")
    before = shown(tab)
    restore(run, first)
    assert tab.shown(f"B{copy}") == "one-time"
    restore(run, newest(run) - 1)
    assert shown(tab) == before


def test_a_dry_run_of_a_snapshot_writes_nothing_and_a_restore_is_undone(run, make):
    tab = make().tabs[0]
    sync(run)
    first = newest(run)
    tab.type("C2", "7")
    tab.type("G2", "=C2")
    before = shown(tab)
    planned = run(f"b2b sheet restore acme --dry-run --json --snapshot {first}").json
    assert (planned["cells"], planned["rows"], planned["writes"], shown(tab)) == (1, 1, 0, before)
    restore(run, first)
    assert (tab.shown("C2"), tab.shown("G2"), len(codes(tab))) == ("0", "0", 3)
    restore(run, newest(run) - 1)
    assert shown(tab) == before


def shown(tab: Tab) -> list[list[str]]:
    return [row[:7] for row in tab.grid()]


def problems(run: Run) -> list[dict]:
    """Return the current problems of the contract."""
    return [problem for problem in run("b2b status --json").json["problems"] if problem["partition"] == "acme"]


def test_a_sheet_that_refuses_a_command_is_a_problem_until_a_sync_succeeds(run, make):
    sheet = make()
    sheet.unshare(ADDRESS)
    for _ in range(2):
        assert error(run, "b2b sheet sync acme")[0] == "sheet_unshared"
    [problem] = problems(run)
    assert ADDRESS in problem["do"]
    assert run("b2b contract show acme --json").json["set_up"]["sheet"]["state"] == "failed"
    sheet.share(ADDRESS)
    sync(run)
    assert problems(run) == []


def test_a_question_for_consent_is_not_a_problem(run, make):
    make(tabs=["Sheet1", "Theirs"]).tabs[0].type("A1", "theirs")
    assert error(run, "b2b sheet sync acme")[0] == "target_not_empty"
    assert problems(run) == []


def test_the_history_of_a_contract_names_rebuilds_and_restores_of_commands(run, make):
    make()
    sync(run)
    assert run("b2b sheet rebuild acme --yes").status == 0
    assert run(f"b2b sheet restore acme --yes --snapshot {newest(run)}").status == 0
    changes = run("b2b contract show acme --json").json["changes"]
    assert [change["action"] for change in changes[:2]] == ["sheet_restored", "sheet_rebuilt"]
