"""Settings about academies."""

import json

import pytest

from b2b_pipelines.academies.selection import folded, read_overrides, read_selection
from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.settings import read_settings

UUID_TEXT = "A1111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_overrides_are_read_from_yaml_or_json(tmp_path, kind):
    path = tmp_path / f"overrides.{kind}"
    said = {UUID_TEXT: {"name": " Data ", "display_order": 2}, "Machine Learning": {"slug": "ml"}}
    yaml_text = f"{UUID_TEXT}:\n  name: ' Data '\n  display_order: 2\nMachine Learning: {{slug: ml}}\n"
    path.write_text(json.dumps(said) if kind == "json" else yaml_text)
    assert read_overrides(path) == {
        UUID_TEXT.lower(): {"name": "Data", "display_order": 2},
        "machine learning": {"slug": "ml"},
    }


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("x: {nmae: y}", "nmae", id="unknown-field"),
        pytest.param("x: {display_order: '3'}", "display_order", id="order-in-text"),
        pytest.param("x: {display_order: -1}", "display_order", id="negative-order"),
        pytest.param("x: {catalog_query_id: true}", "catalog_query_id", id="id-is-boolean"),
        pytest.param("x: {name: 7}", "name", id="name-is-a-number"),
        pytest.param("x: 7", "x", id="no-mapping"),
        pytest.param("- x", "the file", id="a-list"),
        pytest.param("x: [", "neither YAML nor JSON", id="broken"),
        pytest.param("Data: {slug: a}\nData: {slug: b}", "the key Data is repeated at line 2", id="the-same-twice"),
        pytest.param('{"Data": {"slug": "a",\n"slug": "b"}}', "the key slug is repeated at line 2", id="a-field-twice"),
        pytest.param("Data:\n  name: 2024-02-30", "invalid value at line 2", id="no-such-day"),
        pytest.param("Data: {display_order: !!int 'zz'}", "invalid value at line 1", id="no-number"),
        pytest.param("Data: {name: !!bool 'zz'}", "invalid value at line 1", id="no-boolean"),
        pytest.param("Data: {name: !!timestamp 'zz'}", "invalid value at line 1", id="no-time"),
        pytest.param("{? [a] : 1}", "neither YAML nor JSON at line 1", id="a-list-as-key"),
        pytest.param("[" * 3000, "nested too deeply", id="deep"),
        pytest.param("Data: {slug: a}\n' data': {slug: b}", "is repeated", id="twice"),
    ],
)
def test_a_bad_file_of_overrides_is_refused_in_one_line_that_says_where(tmp_path, text, named):
    path = tmp_path / "overrides.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="B2B_ACADEMY_OVERRIDES") as refusal:
        read_overrides(path)
    assert named in refusal.value.message
    assert "\n" not in refusal.value.message


def test_a_file_of_overrides_may_repeat_by_reference(tmp_path):
    path = tmp_path / "overrides.yaml"
    path.write_text("A: &a {slug: a, display_order: 1}\nB: &b\n  <<: *a\n  slug: b\nC: {<<: *b, slug: c}\n")
    orders = {key: (said["slug"], said["display_order"]) for key, said in read_overrides(path).items()}
    assert orders == {"a": ("a", 1), "b": ("b", 1), "c": ("c", 1)}


def test_a_missing_file_of_overrides_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_overrides(tmp_path / "none.yaml")


def test_the_selection_is_read_from_the_environment(monkeypatch, tmp_path):
    path = tmp_path / "overrides.yaml"
    path.write_text("Data: {display_order: 1}")
    monkeypatch.setenv("B2B_ACADEMY_UUIDS", json.dumps([UUID_TEXT]))
    monkeypatch.setenv("B2B_ACADEMY_NAMES", '["Data", " "]')
    monkeypatch.setenv("B2B_ACADEMY_CATALOG_QUERY_IDS", json.dumps({UUID_TEXT: 7, "Data": 8}))
    monkeypatch.setenv("B2B_ACADEMY_OVERRIDES", str(path))
    monkeypatch.setenv("B2B_ACADEMY_MAX_DEACTIVATED", "0.25")
    selection = read_selection(read_settings())
    assert {str(uuid) for uuid in selection.uuids} == {UUID_TEXT.lower()}
    assert selection.names == ("Data",)
    assert selection.catalog_query_ids == {UUID_TEXT.lower(): 7, "data": 8}
    assert selection.overrides == {"data": {"display_order": 1}}
    assert str(selection.max_deactivated) == "0.25"


def test_names_fold_without_case_and_uuids_to_their_usual_writing():
    assert folded(" Straße ") == "strasse"
    assert folded(UUID_TEXT.replace("-", "")) == UUID_TEXT.lower()
