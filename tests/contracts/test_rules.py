"""Decisions on contracts: names, days, runs and the courses of programs."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.contracts import rules
from b2b_pipelines.contracts.rules import IntegrationType, RunDates, SourceRun
from b2b_pipelines.errors import InvalidInput, Refused

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"


@pytest.mark.parametrize(
    ("name", "otherwise", "slug"),
    [
        pytest.param("Leadership 2026", "x", "leadership-2026", id="words"),
        pytest.param("École — “Été”!", "x", "ecole-ete", id="accents-are-folded"),
        pytest.param("日本", "NIHON", "nihon", id="without-a-latin-letter"),
        pytest.param("2026", "x", "contract-2026", id="a-number-could-be-an-id"),
        pytest.param("a" * 300, "x", "a" * 240, id="room-for-a-number"),
    ],
)
def test_a_slug_is_made_of_the_name(name: str, otherwise: str, slug: str):
    assert rules.contract_slug_from(name, otherwise) == slug


def test_a_name_without_a_letter_needs_another_one():
    with pytest.raises(InvalidInput, match="no Latin letter or digit"):
        rules.slug_from("日本", "東京")
    with pytest.raises(InvalidInput, match="--org-key"):
        rules.org_key_from("日本")


@given(st.text(), st.text())
def test_whatever_the_name_a_slug_fits_an_address(name: str, otherwise: str):
    try:
        slug = rules.contract_slug_from(name, otherwise)
    except InvalidInput:
        return
    assert slug.isascii()
    assert slug == slug.lower()
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not slug.isdecimal()
    assert 0 < len(slug) <= 255


@given(st.sets(st.sampled_from(["a", "a-2", "a-3", "a-4", "b"])))
def test_a_slug_is_unique_and_kept_when_it_is_free(taken: set[str]):
    slug = rules.unique_slug("a", taken)
    assert slug not in taken
    assert (slug == "a") == ("a" not in taken)


@pytest.mark.parametrize(
    ("name", "key"), [("Acme Corporation", "ACMECORPORATION"), ("Éco & Co. 2", "ECOCO2"), ("x" * 40, "X" * 30)]
)
def test_an_org_key_is_made_of_letters_and_digits(name: str, key: str):
    assert rules.org_key_from(name) == key
    assert rules.ORG_KEY.fullmatch(key)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *((name, IntegrationType.SSO) for name in ("sso", "SSO", "managed", "auto")),
        *((name, IntegrationType.NON_SSO) for name in ("non-sso", " code ")),
    ],
)
def test_integration_types_have_other_names(name: str, meant: IntegrationType):
    assert rules.integration_type(name) is meant


@pytest.mark.parametrize("name", ["", "both", "non_sso", "sso, code"])
def test_another_name_is_not_an_integration_type(name: str):
    with pytest.raises(InvalidInput, match="is not an integration type"):
        rules.integration_type(name)


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "day", "is_open"),
    [
        pytest.param(FIRST, LAST, FIRST, True, id="the-first-day-counts"),
        pytest.param(FIRST, LAST, LAST, True, id="the-last-day-counts"),
        pytest.param(FIRST, LAST, date(2025, 12, 31), False, id="the-day-before"),
        pytest.param(FIRST, LAST, date(2027, 1, 1), False, id="the-day-after"),
        pytest.param(None, None, FIRST, True, id="without-days"),
    ],
)
def test_a_contract_is_open_on_its_days(starts_on: date | None, ends_on: date | None, day: date, is_open: bool):
    assert rules.is_open(True, starts_on, ends_on, day) is is_open
    assert rules.is_open(False, starts_on, ends_on, day) is False


def test_a_run_has_the_days_of_its_contract():
    assert rules.run_dates(FIRST, LAST, NOW) == RunDates(
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    )
    assert rules.run_dates(None, None, NOW) == RunDates(NOW, None)


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_a_run_ends_early_only_after_its_contract_was_extended(made_for: date, ends_on: date | None):
    run = rules.run_dates(None, made_for, NOW)
    assert rules.ends_early(run.end, ends_on) == (ends_on is None or ends_on > made_for)
    assert not rules.ends_early(None, ends_on)


@pytest.mark.parametrize(
    ("taken", "tag"),
    [
        pytest.param([], "2026_C7", id="the-first"),
        pytest.param(["2026_C7"], "2026_C7_2", id="a-rerun"),
        pytest.param(["2026_C7", "2026_C7_9", "2026_C7_10"], "2026_C7_11", id="compared-as-numbers"),
        pytest.param(["2026_C77", "2025_C7", "2026_C7x"], "2026_C7", id="of-others"),
        pytest.param(["2026_C7_x"], "2026_C7_2", id="not-a-number"),
    ],
)
def test_a_run_tag_is_numbered(taken: list[str], tag: str):
    assert rules.run_tag(2026, 7, taken) == tag


def test_the_key_of_a_run_has_the_organization_and_the_number_of_the_course():
    key = rules.courseware_id("UAI_", "ACME", "course-v1:MITx+6.00", "2026_C7")
    assert key == "course-v1:UAI_ACME+6.00+2026_C7"
    with pytest.raises(InvalidInput, match="is not a course id"):
        rules.courseware_id("UAI_", "ACME", "course-v1:MITx+6.00+R", "2026_C7")


@pytest.mark.parametrize(
    ("runs", "chosen"),
    [
        pytest.param([], None, id="none"),
        pytest.param([(1, "SOURCE", False), (2, "R", True)], SourceRun(2), id="the-marked-one"),
        pytest.param([(2, "R", False), (3, "SOURCE", False)], SourceRun(3), id="the-one-with-the-tag"),
        pytest.param([(5, "R", False), (4, "Q", False)], SourceRun(4, guessed=True), id="the-oldest-as-a-guess"),
    ],
)
def test_one_run_is_copied(runs: list[tuple[int, str, bool]], chosen: SourceRun | None):
    assert rules.source_run(runs) == chosen


A, B, C = (f"course-v1:X+{letter}" for letter in "ABC")


def test_a_program_means_every_course_of_its_tree_once():
    trees = {
        "program-v1:X+P": {"all_of": [A, {"min_number_of": 1, "of": [B, "program-v1:X+Q"]}]},
        "program-v1:X+Q": {"all_of": [C, A]},
    }
    assert rules.leaves(trees["program-v1:X+P"]) == [A, B, "program-v1:X+Q"]
    assert rules.courses_of("program-v1:X+P", trees) == [A, B, C]


def test_a_program_that_requires_itself_or_an_unknown_one_is_refused():
    circle = {"program-v1:X+P": "program-v1:X+Q", "program-v1:X+Q": "program-v1:X+P"}
    with pytest.raises(Refused, match=r"requires itself: program-v1:X\+P → program-v1:X\+Q → program-v1:X\+P"):
        rules.courses_of("program-v1:X+P", circle)
    with pytest.raises(Refused, match=r"no program program-v1:X\+Q, which program-v1:X\+P requires"):
        rules.courses_of("program-v1:X+P", {"program-v1:X+P": "program-v1:X+Q"})


@pytest.mark.parametrize(
    "node",
    [
        pytest.param("nonsense", id="not-an-id"),
        pytest.param(7, id="a-number"),
        pytest.param({"all_of": A}, id="not-a-list"),
        pytest.param({"all_of": [A], "of": [B]}, id="two-kinds"),
        pytest.param({"min_number_of": 3, "of": [A, B]}, id="too-many"),
        pytest.param({"min_number_of": 0, "of": [A]}, id="too-few"),
        pytest.param({"min_number_of": True, "of": [A]}, id="a-boolean"),
    ],
)
def test_a_malformed_requirement_is_refused(node: object):
    with pytest.raises(InvalidInput):
        rules.leaves({"all_of": [node]})


@pytest.mark.parametrize(
    "address",
    [
        ID,
        f"  <https://docs.google.com/spreadsheets/d/{ID}/edit#gid=0> ",
        f"docs.google.com/spreadsheets/d/{ID}",
        f"https://docs.google.com/a/acme.com/spreadsheets/u/1/d/{ID}/edit?usp=sharing",
        f"https://spreadsheets.google.com/ccc?key={ID}&hl=en",
        f"https://drive.google.com/open?id={ID}",
        f"http://127.0.0.1:8790/google/spreadsheets/d/{ID}/edit",
    ],
)
def test_a_sheet_is_named_as_people_paste_it(address: str):
    assert rules.spreadsheet_id(address) == ID


@pytest.mark.parametrize(
    "address",
    [
        "",
        "short",
        f"https://example.com/spreadsheets/d/{ID}",
        f"https://docs.google.com.evil.example/spreadsheets/d/{ID}",
        f"https://docs.google.com/document/d/{ID}/edit",
        f"ftp://docs.google.com/spreadsheets/d/{ID}",
        f"https://docs.google.com/spreadsheets/d/{ID} /edit",
        "https://[broken/spreadsheets/d/1",
    ],
)
def test_another_address_is_not_a_sheet(address: str):
    with pytest.raises(InvalidInput, match="not a Google Sheet"):
        rules.spreadsheet_id(address)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param((f"{ID}#gid=5", None), (f"https://docs.google.com/spreadsheets/d/{ID}/edit?gid=5", None), False),
        pytest.param((ID, "Codes"), (ID, " codes "), True, id="titles-have-no-case"),
        pytest.param((ID, None), (ID, None), True, id="the-default-tab"),
        pytest.param((ID, "Codes"), (ID, None), False, id="by-title-and-by-default"),
    ],
)
def test_equal_references_mean_the_same_tab(one: tuple[str, str | None], other: tuple[str, str | None], same: bool):
    assert (rules.tab_reference(*one) == rules.tab_reference(*other)) is same


def test_the_number_of_a_tab_is_in_its_address():
    base = f"https://docs.google.com/spreadsheets/d/{ID}/edit"
    assert rules.tab_number(f"{base}?gid=7#gid=8") == 8
    assert rules.tab_number(f"{base}?gid=7") == 7
    assert rules.tab_number(base) is rules.tab_number(ID) is None
    with pytest.raises(InvalidInput, match="Save as Google"):
        rules.refuse_office_file(f"{base}?rtpof=true&sd=true")
    rules.refuse_office_file(base)
