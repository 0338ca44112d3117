"""`b2b academies`: what is published and what was left out."""

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.academies import service
from b2b_pipelines.academies.notes import NOTHING_IS_PRICED
from b2b_pipelines.academies.overrides_file import Entry, as_yaml_file
from b2b_pipelines.academies.selection import Override, Selection, read_overrides
from b2b_pipelines.vendors.enterprise_catalog import CatalogAnswer
from sandbox.enterprise_catalog import academy
from tests.academies.conftest import CUSTOMER


@pytest.fixture
def b2b(run):
    def b2b(*arguments):
        ran = run("b2b academies", *arguments)
        assert ran.status == 0, ran
        return ran.json if "--json" in arguments else ran.out

    return b2b


def publish(database, rows, selection=Selection()):
    now = datetime.now(UTC)
    with database.session() as session:
        service.keep_catalog(session, CUSTOMER, CatalogAnswer(rows, [], str(now)), now)
        service.publish(session, selection, now, run_id="run-1")


def test_refused_items_and_settings_that_fit_nothing_are_listed(b2b, database):
    bad = academy("Odd", display_order="third")
    publish(database, [academy("Data"), bad], Selection(names=("Data", "Odd", "Nowhere")))
    assert b2b("refused", "--json") == {
        "refused": [
            {"uuid": bad["uuid"], "name": "Odd", "reason": "its display_order is not a whole number from 0 on"}
        ],
        "unmatched": [{"setting": "B2B_ACADEMY_NAMES", "entry": "Nowhere"}],
        "notes": [NOTHING_IS_PRICED],
    }
    shown = b2b("refused")
    assert "display_order" in shown
    assert "Nowhere" in shown


def test_before_the_first_publication_nothing_was_left_out(b2b):
    assert b2b("refused", "--json") == {"refused": [], "unmatched": [], "notes": []}
    assert "Nothing was refused" in b2b("refused")


def test_without_any_lookup_key_one_line_says_that_nothing_has_a_price_and_what_to_do(b2b, database):
    publish(database, [academy("Data"), academy("Art")])
    assert b2b("refused").count("b2b academies overrides --template") == 1
    publish(database, [academy("Data", stripe_price_lookup_key="data"), academy("Art")])
    assert b2b("refused", "--json")["notes"] == []


def test_the_template_of_overrides_names_each_academy_and_is_accepted_as_it_is(b2b, database, tmp_path, monkeypatch):
    rows = [academy('Data: the "best"\n# of it'), academy("Art")]
    publish(database, rows)
    file = tmp_path / "overrides.yaml"
    file.write_text(b2b("overrides", "--template"))
    for row in rows:
        assert f"{row['uuid']}:" in file.read_text()
    assert "# Art" in file.read_text()
    assert read_overrides(file) == {row["uuid"]: {} for row in rows}
    file.write_text(file.read_text().replace("lookup_key: null", "lookup_key: yearly"))
    monkeypatch.setenv("B2B_ACADEMY_OVERRIDES", str(file))
    filled = {row["uuid"]: {"stripe_price_lookup_key": "yearly"} for row in rows}
    assert read_overrides(file) == filled
    assert b2b("overrides", "--json") == [{"academy": uuid, **values} for uuid, values in read_overrides(file).items()]
    again = tmp_path / "again.yaml"
    b2b("overrides", "--template", "--output", str(again))
    assert read_overrides(again) == filled


def test_the_template_as_json_is_accepted_too(b2b, database, tmp_path):
    publish(database, [academy("Data")])
    file = tmp_path / "overrides.json"
    file.write_text(json.dumps(b2b("overrides", "--template", "--json")))
    assert read_overrides(file) == {academy("Data")["uuid"]: {"name": "Data"}}


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_and_any_override_survive_the_file(name, marketing_url):
    try:
        values = Override.model_validate({"marketing_url": marketing_url}).model_dump(exclude_none=True)
        marketing_url.encode()
    except ValueError:
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "overrides.yaml"
        file.write_text(as_yaml_file([Entry(str(CUSTOMER), name, {"slug": None, **values})]), encoding="utf-8")
        assert read_overrides(file) == {str(CUSTOMER): values}


def test_the_published_list_and_its_history(b2b, database):
    publish(database, [academy("Data")])
    publish(database, [academy("Data", marketing_url="https://example.com")])
    (listed,) = b2b("list", "--json")
    assert (listed["name"], listed["slug"], listed["price"], listed["price_state"]) == (
        "Data",
        "data",
        None,
        "no lookup key",
    )
    newest, first = b2b("history", "--json")
    assert (newest["kind"], newest["changes"]) == ("changed", {"marketing_url": ["", "https://example.com"]})
    assert (first["kind"], first["run_id"]) == ("published", "run-1")
    assert "data" in b2b("list")
    assert "marketing_url" in b2b("history")


@pytest.mark.parametrize("content", [None, "Data: {nmae: x}"], ids=["missing", "unknown-field"])
def test_a_file_of_overrides_that_cannot_be_used_is_told_by_the_doctor_and_refused_by_the_api(
    run, monkeypatch, tmp_path, content
):
    path = tmp_path / "overrides.yaml"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("B2B_ACADEMY_OVERRIDES", str(path))
    said = {row["capability"]: row for row in run("b2b doctor --json").json["capabilities"]}["enterprise_catalog"]
    assert said["on"] is False
    assert said["says"].startswith(f"B2B_ACADEMY_OVERRIDES: {path}")
    refused = run("b2b api --port 0")
    assert (refused.status, refused.out) == (1, "")
    assert said["says"] in refused.err


def test_a_refresh_reads_catalog_and_prices_and_publishes(b2b, run, configured, sandbox):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data"), academy("Art")])
    first = b2b("refresh", "--json")
    assert (first["academies"], first["published"], first["refused"]) == (2, 2, 0)
    assert first["notes"][-1] == NOTHING_IS_PRICED
    assert {row["name"] for row in b2b("list", "--json")} == {"Art", "Data"}
    assert "Academies on the list: 2 (nothing changed)." in b2b("refresh")
    sandbox.enterprise_catalog.put(CUSTOMER, [])
    refused = run("b2b academies", "refresh", "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "implausible_catalog")
    assert len(b2b("list", "--json")) == 2
