"""Before something is taken away, commands say in numbers what happens, and ask on a terminal."""

import pytest

from tests.commands import Run


@pytest.fixture
def acme(run: Run) -> Run:
    """A contract with five codes."""
    run("b2b course add course-v1:UAI+C1 One --source-run SOURCE")
    run("b2b_contract create Acme Leadership non-sso --create --max-learners 5")
    run("b2b_contract courseware leadership course-v1:UAI+C1")
    return run


def test_a_dry_run_says_what_would_happen_and_changes_nothing(acme: Run) -> None:
    before = acme("b2b_list contracts --json").out
    would = acme("b2b_contract modify leadership --max-learners 2 --dry-run")
    assert would.out.splitlines()[0].startswith("Would change the contract leadership")
    assert "3 codes that no sheet shows stop working." in would.out
    as_json = acme("b2b_contract modify leadership --max-learners 2 --dry-run --json").json
    assert (as_json["max_learners"], as_json["losses"], as_json["dry_run"]) == (2, {"codes": 3}, True)
    taken = acme("b2b_contract courseware leadership course-v1:UAI+C1 --remove --dry-run")
    assert "5 codes that no sheet shows stop working." in taken.out
    assert acme("b2b_list contracts --json").out == before


def test_a_script_is_not_asked(acme: Run) -> None:
    changed = acme("b2b_contract modify leadership --max-learners 2")
    assert (changed.status, "3 codes that no sheet shows stop working." in changed.out) == (0, True)
    assert acme("b2b_contract modify leadership --max-learners 1 --json").json["codes"] == 1


@pytest.mark.parametrize(("answer", "left", "status"), [("y", 2, 0), ("n", 5, 1)])
def test_on_a_terminal_it_asks(acme: Run, monkeypatch: pytest.MonkeyPatch, answer: str, left: int, status: int) -> None:
    asked: list[str] = []

    def confirm(question: str, **_: object) -> bool:
        asked.append(question)
        return answer == "y"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", confirm)
    assert acme("b2b_contract modify leadership --max-learners 2").status == status
    assert len(asked) == 1
    assert acme("b2b_contract modify leadership --yes --price 1").status == 0
    assert acme("b2b_contract modify leadership --description Text").status == 0  # takes nothing away
    assert len(asked) == 1
    assert acme("b2b_list contracts --json").json[0]["codes"] == left


def test_modify_without_an_option_is_wrong_usage(acme: Run) -> None:
    refused = acme("b2b_contract modify leadership")
    assert (refused.status, refused.out) == (2, "")
    assert "modify needs an option" in refused.err


def test_the_same_create_twice_says_that_there_is_such_a_contract(acme: Run) -> None:
    again = acme("b2b_contract create Acme Leadership non-sso")
    assert again.status == 0
    assert "already has a contract named 'Leadership': leadership. This one is leadership-2." in again.err
    third = acme("b2b_contract create Acme leadership sso --json")
    assert (third.err, third.json["slug"], third.json["same_name"]) == (
        "",
        "leadership-3",
        ["leadership", "leadership-2"],
    )


def test_no_cap_is_stored_and_shown_as_null(acme: Run) -> None:
    assert acme("b2b_contract modify leadership --max-learners 0 --json").json["max_learners"] is None
    assert acme("b2b_contract create Acme Other code --max-learners 0 --json").json["max_learners"] is None
    assert acme("b2b_codes stats --json").json[0]["seats"] is None


def test_other_names_of_the_integration_types_are_taken(acme: Run) -> None:
    made = [acme(f"b2b_contract create Acme {kind} {kind} --json").json for kind in ("managed", "auto", "code")]
    assert [each["integration_type"] for each in made] == ["sso", "sso", "non-sso"]


def test_a_dry_run_of_an_import_uses_no_number_up(acme: Run, tmp_path) -> None:
    file = tmp_path / "contract.json"
    file.write_text(acme("b2b_contract export leadership").out.replace('"leadership"', '"other"'))
    known = acme("b2b_list contracts --json").json[0]["id"]
    expected = (known + 1, [f"course-v1:UAI_ACME+C1+2026_C{known + 1}"])
    for _ in range(2):
        would = acme("b2b_contract import --dry-run --json", str(file)).json
        assert (would["id"], would["created"]) == expected
    made = acme("b2b_contract import --json", str(file)).json
    assert (made["id"], made["created"]) == expected
    first, second = (row["product_id"] for row in acme("b2b_list courseware --json").json)
    assert second == first + 1


def test_courseware_that_comes_back_is_listed_as_created(acme: Run) -> None:
    codes = acme("b2b_codes output --json").json
    runs = [row["courseware_id"] for row in acme("b2b_list courseware --json").json]
    acme("b2b_contract courseware leadership course-v1:UAI+C1 --remove")
    assert acme("b2b_codes output --json").json == []
    back = acme("b2b_contract courseware leadership course-v1:UAI+C1 --json").json
    assert back["created"] == runs
    assert acme("b2b_codes output --json").json == codes
