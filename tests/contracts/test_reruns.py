"""Contract runs in edX: asked for, failed, asked for again."""

from datetime import date

from b2b_pipelines.contracts import reruns, store
from b2b_pipelines.db.engine import Database
from b2b_pipelines.vendors.studio import Studio
from sandbox.server import Sandbox
from tests.shop import Shop

RUN_1 = "course-v1:UAI_ACME+1.00+2026_C1"
RUN_2 = "course-v1:UAI_ACME+2.00+2026_C1"


def states(shop: Shop) -> list[str | None]:
    return shop.run("SELECT edx_state FROM course_run WHERE contract_id IS NOT NULL ORDER BY id")


def ask(database: Database, studio: Studio | None, slug: str) -> reruns.RerunReport:
    """Ask for the runs of a contract, as a delivery does."""
    with database.session() as session:
        waiting = reruns.waiting(session, store.contract(session, slug).id)
    return reruns.ask(database, studio, waiting)


def test_studio_is_asked_for_every_run_of_the_contract(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell(courses=2, start=date(2026, 9, 1), end=date(2027, 6, 30))
    report = ask(shop.database, studio, sold.slug)
    assert report == reruns.RerunReport(created=[RUN_1, RUN_2])
    assert states(shop) == ["created", "created"]
    first = sandbox.studio.clones[0]
    assert (first.run, first.source) == (RUN_1, "course-v1:MITx+1.00+SOURCE")
    run = sandbox.studio.runs[RUN_1]
    assert (run["title"], run["pacing_type"]) == ("Course 1", "self_paced")
    assert run["schedule"] == {
        "start": "2026-09-01T00:00:00Z",
        "end": "2027-06-30T23:59:59Z",
        "enrollment_start": "2026-09-01T00:00:00Z",
        "enrollment_end": "2027-06-30T23:59:59Z",
    }
    assert sandbox.log.counts(vendor="lms")["token"] == 1


def test_asking_again_asks_for_nothing(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell()
    ask(shop.database, studio, sold.slug)
    sandbox.log.reset()
    assert ask(shop.database, studio, sold.slug) == reruns.RerunReport()
    assert sandbox.log.entries() == []


def test_without_a_studio_runs_stay_pending(shop: Shop):
    sold = shop.sell()
    assert ask(shop.database, None, sold.slug) == reruns.RerunReport(pending=[RUN_1])
    assert states(shop) == ["pending"]


def test_500_twice_and_then_fine_is_created(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell()
    sandbox.faults.answer(500, vendor="studio", times=2)
    assert ask(shop.database, studio, sold.slug).created == [RUN_1]
    assert len(sandbox.log.entries(vendor="studio")) == 2 + 2


def test_a_run_that_edx_has_already_counts_as_created(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell()
    sandbox.studio.add([RUN_1, "course-v1:MITx+1.00+SOURCE"])
    assert ask(shop.database, studio, sold.slug).created == [RUN_1]
    assert states(shop) == ["created"]


def test_down_for_an_hour_fails_and_is_created_the_next_time(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell(courses=3, cap=2)
    before = shop.run("SELECT code FROM enrollment_code ORDER BY id")
    sandbox.faults.answer(503, vendor="studio", times=1000)
    report = ask(shop.database, studio, sold.slug)
    assert list(report.failed) == shop.run("SELECT courseware_id FROM course_run WHERE contract_id = 1 ORDER BY id")
    assert all("503" in reason for reason in report.failed.values())
    assert states(shop) == ["failed"] * 3
    assert len(sandbox.log.entries(vendor="studio")) == 4 + 1 + 1
    assert shop.run("SELECT code FROM enrollment_code ORDER BY id") == before
    sandbox.faults.clear()
    assert len(ask(shop.database, studio, sold.slug).created) == 3
    assert shop.run("SELECT count(*) FROM course_run WHERE edx_error IS NOT NULL") == [0]


def test_one_course_failing_leaves_the_others(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell(courses=3)
    sandbox.studio.add(["course-v1:MITx+1.00+SOURCE", "course-v1:MITx+3.00+SOURCE"])
    report = ask(shop.database, studio, sold.slug)
    assert list(report.failed) == [RUN_2]
    assert len(report.created) == 2
    assert states(shop) == ["created", "failed", "created"]
    assert (
        "Source course does not exist." in shop.run("SELECT edx_error FROM course_run WHERE edx_error IS NOT NULL")[0]
    )


def test_a_400_about_anything_else_is_a_failure(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell()
    sandbox.faults.answer(400, {"non_field_errors": ["Enter a valid value."]}, vendor="studio")
    assert "Enter a valid value" in ask(shop.database, studio, sold.slug).failed[RUN_1]


def test_what_studio_says_is_kept_without_addresses(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell()
    sandbox.faults.answer(400, {"title": ["ask jane@example.com"]}, vendor="studio")
    report = ask(shop.database, studio, sold.slug)
    assert report.failed[RUN_1].endswith('["ask (address)"]')


def test_a_401_renews_the_token_once(shop: Shop, sandbox: Sandbox, studio: Studio):
    first, second = shop.sell("One"), shop.sell("Two")
    ask(shop.database, studio, first.slug)
    sandbox.lms.forget_tokens()
    assert len(ask(shop.database, studio, second.slug).created) == 1
    assert sandbox.log.counts(vendor="lms")["token"] == 2


def test_an_answer_that_is_cut_off_after_the_work_counts_as_created(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell()
    sandbox.faults.cut("after", vendor="studio")
    assert ask(shop.database, studio, sold.slug).created == [RUN_1]
    assert len(sandbox.studio.clones) == 1


def test_an_open_ended_contract_sends_no_end_and_is_created(shop: Shop, sandbox: Sandbox, studio: Studio):
    sold = shop.sell(start=date(2026, 9, 1))
    assert ask(shop.database, studio, sold.slug).failed == {}
    assert sandbox.studio.runs[RUN_1]["schedule"] == {
        "start": "2026-09-01T00:00:00Z",
        "end": None,
        "enrollment_start": "2026-09-01T00:00:00Z",
        "enrollment_end": None,
    }


def test_a_clone_whose_times_could_not_be_set_is_failed_and_set_the_next_time(
    shop: Shop, sandbox: Sandbox, studio: Studio
):
    sold = shop.sell(end=date(2027, 6, 30))
    sandbox.faults.answer(403, vendor="studio", method="PATCH")
    assert "403" in ask(shop.database, studio, sold.slug).failed[RUN_1]
    assert states(shop) == ["failed"]
    assert sandbox.studio.runs[RUN_1]["schedule"]["end"] is None
    assert ask(shop.database, studio, sold.slug).created == [RUN_1]
    assert sandbox.studio.runs[RUN_1]["schedule"]["end"] == "2027-06-30T23:59:59Z"
    assert len(sandbox.studio.clones) == 1


def test_a_run_that_studio_has_under_another_key_is_failed_and_both_are_named(
    shop: Shop, sandbox: Sandbox, studio: Studio
):
    sold = shop.sell()
    sandbox.faults.answer(200, {"id": "course-v1:MITx+1.00+2026_C1"}, vendor="studio", method="PATCH")
    failed = ask(shop.database, studio, sold.slug).failed[RUN_1]
    assert "course-v1:MITx+1.00+2026_C1" in failed and RUN_1 in failed
    assert states(shop) == ["failed"]
