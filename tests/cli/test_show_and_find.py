"""A manager's lookups (contract, code, learner, courses, programs) and answers to changes."""

import pytest

from tests.commands import Run


@pytest.fixture
def acme(run: Run, courses: None) -> Run:
    """A contract with two seats and a course."""
    assert run("b2b contract create Acme Leadership non-sso --create --max-learners 2").status == 0
    assert run("b2b contract courseware leadership course-v1:UAI+C1").status == 0
    return run


def test_a_contract_is_shown_with_terms_seats_runs_and_changes(acme: Run) -> None:
    found = acme("b2b contract show leadership --json").json
    assert found.items() >= acme("b2b_list contracts --json").json[0].items()
    assert [run["courseware_id"] for run in found["runs"]] == [
        row["courseware_id"] for row in acme("b2b_list courseware --json").json
    ]
    assert found["set_up"]["codes"]["state"] == "done"
    assert [change["action"] for change in found["changes"]] == ["courseware_given", "created"]
    shown = acme(f"b2b contract show {found['id']}").out
    for words in (
        f"Leadership (leadership, ID {found['id']})",
        "0 of 2 seats taken",
        "2 active",
        "the contract has no sheet",
    ):
        assert words in shown
    assert acme("b2b contract show nope").status == 1


def test_a_contract_is_renamed_and_keeps_its_slug(acme: Run) -> None:
    done = acme("b2b contract modify leadership --name", "Leadership for All")
    assert done.status == 0
    assert "Name: Leadership -> Leadership for All" in done.out
    row = acme("b2b_list contracts --json").json[0]
    assert (row["slug"], row["name"]) == ("leadership", "Leadership for All")
    again = acme("b2b contract modify leadership --name", "Leadership for All")
    assert again.out.startswith("No change to the contract leadership")
    assert acme("b2b contract modify leadership --name", " ").status == 1


def test_answers_name_what_changed_and_how_many_codes_follow(acme: Run) -> None:
    more = acme("b2b contract modify leadership --max-learners 3").out
    assert "Seats: 2 -> 3" in more
    assert "3 codes. 0 of 3 seats taken." in more
    given = acme("b2b contract courseware leadership course-v1:UAI+C2").out
    assert given.startswith("Created: course-v1:")
    assert given.endswith("3 codes created.\n")
    would = acme("b2b contract courseware leadership course-v1:UAI+C2 --rerun --dry-run").out
    assert would.startswith("Would create: course-v1:")
    assert "Dry run: 3 codes created." in would
    free = acme("b2b contract modify leadership --no-learner-cap").out
    assert "0 learners, no seat limit." in free


def test_a_code_is_found_with_its_contract_and_whether_it_is_valid(acme: Run) -> None:
    code = acme("b2b codes output --json").json[0]["code"]
    (found,) = acme("b2b codes find", code.upper(), "--json").json
    assert (found["code"], found["contract"], found["valid"], found["reason"]) == (code, "leadership", True, "valid")
    assert "Valid: The code admits a new learner." in acme("b2b codes find", code).out
    acme(f"b2b learner attach {code} kim@example.com")
    (spent,) = acme("b2b codes find kim@example.com --json").json
    assert (spent["code"], spent["valid"], spent["reason"]) == (code, False, "spent")
    shown = acme("b2b codes find", code).out
    assert "attached kim@example.com" in shown
    assert "Not valid: A learner attached" in shown


@pytest.mark.parametrize(("wanted", "words"), [("nope", "does not exist"), ("a@b.example", "has not redeemed a code")])
def test_a_code_that_does_not_exist_is_status_1(acme: Run, wanted: str, words: str) -> None:
    missing = acme("b2b codes find", wanted)
    assert (missing.status, missing.out) == (1, "")
    assert words in missing.err
    assert acme("b2b codes find", wanted, "--json").json["error"]["code"] == "not_found"


def test_registered_courses_and_programs_are_listed(acme: Run) -> None:
    acme("b2b program add program-v1:UAI+P Program --course course-v1:UAI+C1")
    rows = acme("b2b course list --json").json
    assert [(row["readable_id"], row["title"], row["has_source_run"]) for row in rows] == [
        ("course-v1:UAI+C1", "Course1", True),
        ("course-v1:UAI+C2", "Course2", True),
    ]
    assert [row["readable_id"] for row in acme("b2b course list --search c2 --json").json] == ["course-v1:UAI+C2"]
    (program,) = acme("b2b program list --json").json
    assert program["requirements"]["all_of"] == ["course-v1:UAI+C1"]


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("b2b contract modify leadership", "b2b contract modify"),
        ("b2b_contract create Acme", "b2b_contract create"),
        ("b2b_list contracts --nope", "b2b_list contracts"),
        ("b2b_codes nope", "b2b_codes"),
        ("b2b contract modify leadership --start 31/12/2026", "b2b contract modify"),
    ],
)
def test_a_usage_error_names_the_help_of_the_very_command(acme: Run, words: str, path: str) -> None:
    refused = acme(words)
    assert refused.status == 2
    assert f"(see `{path} --help`)" in refused.err
