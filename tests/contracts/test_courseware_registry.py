"""Registering courses and programs: idempotent, all or nothing, and in words that name the line."""

import json

import pytest

from b2b_pipelines.contracts import catalog
from b2b_pipelines.contracts import courseware_registry as registry
from b2b_pipelines.contracts.courseware_registry import Registration, Tally
from b2b_pipelines.errors import InvalidInput
from tests.shop import Shop
from tests.statements import statements

FILE = """{
  "courses": [
    {"readable_id": "course-v1:MITx+1", "title": "One",
     "runs": [{"run_tag": "SOURCE", "is_source": true}, {"run_tag": "2025"}]},
    {"readable_id": "course-v1:MITx+2", "title": "Two",
     "runs": [
       {"run_tag": "R"}
     ]}
  ],
  "programs": [
    {"readable_id": "program-v1:MITx+P", "title": "P", "requires":
      {"all_of": ["course-v1:MITx+1",
                  {"min_number_of": 1, "of": ["course-v1:MITx+2", "program-v1:MITx+Q"]}]}},
    {"readable_id": "program-v1:MITx+Q", "title": "Q", "requires": "course-v1:MITx+2"}
  ]
}"""


def import_into(shop: Shop, content: str) -> Registration:
    with shop.database.session() as session:
        return registry.register(session, catalog.read_catalog(content))


def test_a_file_is_registered_and_a_second_time_changes_nothing(shop: Shop):
    assert import_into(shop, FILE) == Registration(Tally(created=2), Tally(created=3), Tally(created=2))
    assert import_into(shop, FILE) == Registration(Tally(unchanged=2), Tally(unchanged=3), Tally(unchanged=2))
    assert shop.run("SELECT courseware_id FROM course_run WHERE is_source") == ["course-v1:MITx+1+SOURCE"]
    assert shop.run("SELECT requirements FROM program WHERE title = 'Q'") == [{"all_of": ["course-v1:MITx+2"]}]


def test_what_differs_is_updated(shop: Shop):
    import_into(shop, FILE)
    changed = FILE.replace('"Two"', '"Zwei"').replace('{"run_tag": "2025"}', '{"run_tag": "2026"}')
    changed = changed.replace('"title": "P"', '"title": "Pi"')
    assert import_into(shop, changed) == Registration(
        Tally(updated=1, unchanged=1), Tally(created=1, unchanged=2), Tally(updated=1, unchanged=1)
    )
    assert len(shop.run("SELECT id FROM course_run")) == 4


def test_another_source_run_takes_the_mark(shop: Shop):
    import_into(shop, FILE)
    with shop.database.session() as session:
        done = registry.register(session, catalog.course("course-v1:MITx+1", "One", ["A"], source_run="2025"))
    assert done.runs == Tally(created=1, updated=2)
    assert shop.run("SELECT run_tag FROM course_run WHERE is_source") == ["2025"]


def test_further_runs_leave_the_mark_where_it_is(shop: Shop):
    import_into(shop, FILE)
    with shop.database.session() as session:
        registry.register(session, catalog.course("course-v1:MITx+1", "One", ["A"]))
    assert shop.run("SELECT run_tag FROM course_run WHERE is_source") == ["SOURCE"]


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        pytest.param('"title": "Two",', '"title": "Two"', 6, "not JSON", id="syntax"),
        pytest.param('"title": "Two"', '"title": "T\\ud800"', 5, "title", id="half-a-character"),
        pytest.param(
            '"requires": "course-v1:MITx+2"', '"requires": "course-v1:\\ud800+2"', 14, "not storable text", id="half-id"
        ),
        pytest.param('"title": "Two"', '"title": ""', 5, "title", id="empty-title"),
        pytest.param('"course-v1:MITx+2", "title"', '"MITx/2", "title"', 5, "course id", id="no-course-id"),
        pytest.param('{"run_tag": "R"}', '{"run_tag": "R R"}', 7, "run tag", id="blank-in-tag"),
        pytest.param('{"run_tag": "R"}', '{"run_tag": "R", "start": 1}', 7, "start", id="unknown-field"),
        pytest.param('{"run_tag": "R"}', '"R"', 5, "a run", id="run-is-no-object"),
        pytest.param('{"run_tag": "2025"}', '{"run_tag": "SOURCE"}', 4, "twice", id="run-twice"),
        pytest.param('{"run_tag": "2025"}', '{"run_tag": "2025", "is_source": true}', 4, "second", id="two-sources"),
        pytest.param('{"run_tag": "2025"}', '{"run_tag": "2025", "is_source": 1}', 4, "true or false", id="not-a-bool"),
        pytest.param('MITx+2", "title"', 'MITx+1", "title"', 5, "listed twice", id="course-twice"),
        pytest.param('"min_number_of": 1', '"min_number_of": 3', 13, "does not fit", id="too-many-electives"),
        pytest.param('"of": ["course-v1:MITx+2"', '"of": ["course-v1:MITx+9"', 13, "not registered", id="no-course"),
        pytest.param('["course-v1:MITx+1",', '["course-v1:MITx+8",', 12, "not registered", id="no-course-above"),
        pytest.param('"program-v1:MITx+Q"]', '"program-v1:MITx+Z"]', 13, "program", id="unknown-program"),
        pytest.param('"requires": "course-v1:MITx+2"', '"requires": "program-v1:MITx+P"', 11, "itself", id="cycle"),
        pytest.param('"requires": "course-v1:MITx+2"', '"requires": []', 14, "requirement", id="malformed-tree"),
        pytest.param(', "requires": "course-v1:MITx+2"', "", 14, "lacks requires", id="nothing-required"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_registered(shop: Shop, before: str, after: str, line: int, words: str):
    assert before in FILE
    with pytest.raises(InvalidInput) as refused:
        import_into(shop, FILE.replace(before, after, 1))
    assert refused.value.message.startswith(f"line {line}: ")
    assert words in refused.value.message
    assert shop.run("SELECT count(*) FROM course") == [0]


def test_a_contract_run_of_another_course_is_not_taken_for_a_course_of_that_name(shop: Shop):
    sold = shop.sell()
    mine = catalog.course("course-v1:UAI_ACME+1.00", "Mine", [f"2026_C{sold.id}"])
    with (
        pytest.raises(InvalidInput, match=r"belongs to the course course-v1:MITx\+1\.00"),
        shop.database.session() as session,
    ):
        registry.register(session, mine)


def test_many_courses_cost_few_statements(shop: Shop):
    courses = [{"readable_id": f"course-v1:X+{n}", "title": "T", "runs": [{"run_tag": "R"}]} for n in range(2500)]
    heard: list[int] = []
    with statements(shop.database) as sent, shop.database.session() as session:
        registry.register(session, catalog.read_catalog(json.dumps({"courses": courses})), heard.append)
    assert len(sent) <= 1 + 3 * 4 + 3
    assert heard == [1000, 1000, 500]
