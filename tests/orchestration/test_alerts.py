"""Recipients, contents and number of alerts: runs in a Dagster instance, a counting webhook."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.partitioned import Output, work_through
from b2b_pipelines.alerts import outbox
from b2b_pipelines.alerts.models import UnsentAlert
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import PermanentError, TransientError
from b2b_pipelines.faults import rules, service, store
from b2b_pipelines.faults.rules import REASON_LENGTH, TEXT_LENGTH, Finished, News, Seen, Subject
from b2b_pipelines.vendors.google_sheets import GoogleRefused
from schedules.alerts import WILL_RETRY, alert_on_failure, alert_on_recovery
from tests.orchestration.conftest import Webhook
from tests.orchestration.processes import DELIVERIES, Processes, looks, wait_until
from tests.sheets.conftest import ACCOUNT, Delivery

places = dg.DynamicPartitionsDefinition(name="places")


class Place:
    """Partitions of one asset that fail on request, and a check of them."""

    def __init__(self) -> None:
        self.broken: dict[str, Exception] = {}
        self.tries: list[str] = []
        self.doubted: set[str] = set()
        self.asset = "thing"

    def make(self, key: str) -> dg.MaterializeResult[None]:
        self.tries.append(key)
        if key in self.broken:
            raise self.broken[key]
        return dg.MaterializeResult(metadata={"reads": 1})

    def look(self, key: str) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=key not in self.doubted, description="something is odd")

    @property
    def definition(self) -> dg.AssetsDefinition:
        @dg.multi_asset(
            name="step",
            specs=[dg.AssetSpec(self.asset, skippable=True)],
            check_specs=[dg.AssetCheckSpec("thing_is_right", asset=self.asset, partitions_def=places)],
            partitions_def=places,
            can_subset=True,
            retry_policy=dg.RetryPolicy(max_retries=2, delay=0),
        )
        def things(context: dg.AssetExecutionContext) -> Iterator[Output]:
            yield from work_through(context, {self.asset: self.make}, {self.asset: {"thing_is_right": self.look}})

        return things


class Installation:
    """Runs things, and lets the sensors look at each run that is over, as the daemon does."""

    def __init__(self, database: Database, instance: dg.DagsterInstance) -> None:
        self.database, self.instance, self.place = database, instance, Place()
        instance.add_dynamic_partitions("places", ["a", "b", "c"])

    def run(self, **tags: str) -> dg.ExecuteInProcessResult:
        covers = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
        result = dg.materialize(
            [self.place.definition], instance=self.instance, tags={**covers, **tags}, raise_on_error=False
        )
        self.look(result)
        return result

    def look(self, result: dg.ExecuteInProcessResult) -> None:
        last = [event for event in result.all_events if event.is_run_failure or event.is_job_success][-1]
        context = dg.build_run_status_sensor_context(
            "sensor", last, self.instance, result.dagster_run, resources={"database": self.database}
        )
        if last.is_run_failure:
            alert_on_failure(context.for_run_failure())
        else:
            alert_on_recovery(context)


@pytest.fixture
def here(database: Database, instance: dg.DagsterInstance) -> Installation:
    return Installation(database, instance)


def test_a_contract_that_keeps_failing_is_tried_three_times_told_once_and_once_when_it_is_over(
    here: Installation, webhook: Webhook
) -> None:
    here.place.broken["b"] = TransientError("Google does not answer: try again later")
    result = here.run()
    assert here.place.tries.count("b") == 3
    assert here.place.tries.count("a") == here.place.tries.count("c") == 1
    assert not result.success
    here.run()
    here.run()
    assert webhook.events() == ["run_failed"]
    assert webhook.posted[0]["failures"] == [
        {"what": "thing", "partition": "b", "reason": "Google does not answer: try again later"}
    ]
    assert webhook.posted[0]["run_id"] == result.run_id
    del here.place.broken["b"]
    here.run()
    here.run()
    assert webhook.events() == ["run_failed", "recovered"]
    assert webhook.posted[1]["recovered"][0]["partition"] == "b"


def test_what_will_not_pass_is_tried_once_and_told_once(here: Installation, webhook: Webhook) -> None:
    here.place.broken["a"] = PermanentError("share the sheet")
    here.run()
    assert here.place.tries.count("a") == 1
    assert webhook.events() == ["run_failed"]


def test_another_contract_that_begins_to_fail_is_told_of_alone(here: Installation, webhook: Webhook) -> None:
    here.place.broken["a"] = PermanentError("share the sheet")
    here.run()
    here.place.broken["b"] = PermanentError("no such tab")
    here.run()
    assert [failure["partition"] for failure in webhook.posted[1]["failures"]] == ["b"]


def test_what_google_refuses_the_account_is_one_alert_for_all_contracts(here: Installation, webhook: Webhook) -> None:
    here.place.asset = "sheet_snapshots"
    here.place.broken = {key: GoogleRefused("the Google Sheets API is not enabled") for key in ("a", "b")}
    here.run()
    here.place.broken["c"] = GoogleRefused("the Google Sheets API is not enabled")
    here.run()
    assert webhook.events() == ["run_failed"]
    assert [failure["partition"] for failure in webhook.posted[0]["failures"]] == [None]
    here.place.broken.clear()
    here.run()
    assert webhook.events() == ["run_failed", "recovered"]


def test_nothing_is_told_while_a_retry_is_to_come(here: Installation, webhook: Webhook) -> None:
    here.place.broken["a"] = PermanentError("share the sheet")
    here.run(**{WILL_RETRY: "true"})
    assert webhook.posted == []
    here.run(**{WILL_RETRY: "false"})
    assert webhook.events() == ["run_failed"]


def test_a_check_that_fails_in_a_run_that_goes_well_is_told_once_and_its_end_too(
    here: Installation, webhook: Webhook
) -> None:
    here.place.doubted = {"a", "b"}
    assert here.run().success
    here.run()
    assert webhook.events() == ["check_failed"]
    assert webhook.posted[0]["check"] == "thing_is_right (thing)"
    assert [failure["partition"] for failure in webhook.posted[0]["failures"]] == ["a", "b"]
    here.place.doubted = set()
    here.run()
    assert webhook.events() == ["check_failed", "recovered"]


def test_an_error_that_nobody_foresaw_is_told_without_its_text(
    database: Database, instance: dg.DagsterInstance, webhook: Webhook
) -> None:
    @dg.asset
    def frail() -> None:
        raise ValueError("jo@example.com")

    result = dg.materialize([frail], instance=instance, raise_on_error=False)
    Installation(database, instance).look(result)
    [message] = webhook.posted
    assert message["failures"] == [{"what": "frail", "partition": None, "reason": "ValueError (see the run's log)"}]
    assert "jo@example.com" not in str(message)


def test_a_failure_that_is_looked_at_after_the_run_that_mended_it_is_not_told(
    here: Installation, webhook: Webhook
) -> None:
    here.place.broken["b"] = PermanentError("share the sheet")
    look: Callable[[Any], None] = here.look
    here.look = lambda _: None  # type: ignore[method-assign]
    failed = here.run()
    del here.place.broken["b"]
    mended = here.run()
    look(mended)
    look(failed)
    assert webhook.posted == []


def waiting(session: Session) -> list[UnsentAlert]:
    return list(session.scalars(select(UnsentAlert)))


def run_that_showed(*seen: Seen) -> Finished:
    return Finished("1f", "job", failed=True, seen=seen)


FAULT = Seen(Subject("step", "academy_catalogs"), False, "the catalog does not answer")


def test_a_message_that_was_not_taken_is_kept_and_sent_before_the_next(database: Database, webhook: Webhook) -> None:
    webhook.status = 503
    service.record_run(database, run_that_showed(FAULT))
    with pytest.raises(outbox.AlertNotTaken):
        outbox.send(database, webhook.url)
    webhook.status = 200
    service.record_run(database, run_that_showed(Seen(FAULT.subject, True)))
    assert outbox.send(database, webhook.url) == 2
    assert webhook.events() == ["run_failed", "recovered"]
    assert outbox.send(database, webhook.url) == 0


@pytest.mark.parametrize(("status", "kept"), [(413, 0), (400, 0), (404, 2), (429, 2), (500, 2)])
def test_only_what_a_webhook_refuses_for_what_it_is_is_dropped(
    database: Database, webhook: Webhook, status: int, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong URL takes every message once it is right; one that is too large would hold up the others for good."""
    service.record_run(database, run_that_showed(FAULT))
    service.record_run(database, run_that_showed(Seen(FAULT.subject, True)))
    webhook.status = status
    with pytest.raises(outbox.AlertNotTaken) if kept else nullcontext():
        outbox.send(database, webhook.url)
    with database.session() as session:
        assert len(waiting(session)) == kept
    assert ("academy_catalogs" in caplog.text) is (kept == 0)


def test_a_message_is_small_however_much_there_is_to_tell() -> None:
    seen = tuple(
        Seen(Subject("partition", "thing", f"contract-{number}"), False, "why " * 1000) for number in range(50)
    )
    [message] = rules.messages(run_that_showed(*seen), News(begun=seen, over=()), {})
    assert len(message["text"]) <= TEXT_LENGTH + len("; and 30 more")
    assert message["text"].endswith("; and 30 more")
    assert {len(failure["reason"]) for failure in message["failures"]} == {REASON_LENGTH}


def test_without_a_webhook_nothing_waits_for_one_and_the_log_has_it(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    service.record_run(database, run_that_showed(FAULT))
    assert outbox.send(database, None) == 0
    assert "B2B_ALERT_WEBHOOK_URL is not set, so this alert is not sent: " in caplog.text
    assert FAULT.subject.name in caplog.text
    with database.session() as session:
        assert waiting(session) == []
        assert {store.subject(fault) for fault in store.every(session)} == {FAULT.subject}


def test_a_webhook_that_is_configured_later_hears_of_the_faults_that_last(database: Database, webhook: Webhook) -> None:
    gone = Seen(Subject("step", "stripe_prices"), False, "Stripe does not answer")
    service.record_run(database, run_that_showed(FAULT, gone), alert=False)
    service.record_run(database, run_that_showed(Seen(gone.subject, True)), alert=False)
    service.record_run(database, run_that_showed())
    service.record_run(database, run_that_showed())
    assert outbox.send(database, webhook.url) == 1
    assert [failure["what"] for failure in webhook.posted[0]["failures"]] == ["academy_catalogs"]
    service.record_run(database, run_that_showed(Seen(FAULT.subject, True)))
    outbox.send(database, webhook.url)
    assert webhook.events() == ["run_failed", "recovered"]


def test_a_known_fault_of_a_contract_does_not_hide_a_defect_in_the_same_place(
    here: Installation, webhook: Webhook
) -> None:
    here.place.broken["a"] = PermanentError("share the sheet")
    here.run()
    here.place.broken["a"] = KeyError("jo@example.com")
    here.run()
    here.run()
    assert webhook.events() == ["run_failed", "run_failed"]
    assert webhook.posted[1]["failures"][0]["reason"] == "KeyError (see the log of the run)"


def test_two_senders_send_a_message_once(database: Database, webhook: Webhook) -> None:
    from concurrent.futures import ThreadPoolExecutor

    service.record_run(database, run_that_showed(FAULT))
    with ThreadPoolExecutor(4) as pool:
        sent: Mapping[int, int] = dict(enumerate(pool.map(lambda _: outbox.send(database, webhook.url), range(4))))
    assert sum(sent.values()) == len(webhook.posted) == 1


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_a_running_daemon_tells_of_a_sheet_that_is_not_shared_once_and_once_that_it_is(
    webhook: Webhook, deliver: Callable[..., Delivery], processes: Processes
) -> None:
    shared, hidden = deliver(name="Shared"), deliver(name="Hidden", shared=False)
    with processes.instance() as instance:

        def looked_at(sensor: str) -> set[str]:
            return {run for look in looks(instance, sensor) for run in look.origin_run_ids or []}

        def deliveries() -> list[str]:
            return [run.run_id for run in instance.get_runs(DELIVERIES)]

        processes.daemon("--quick-sensors")
        wait_until(lambda: len(deliveries()) == 1, processes)
        hidden.modify(max_learners=6)  # another run, which is green: its customer's state is known
        wait_until(
            lambda: (
                len(deliveries()) == 2
                and looked_at("alert_on_failure") | looked_at("alert_on_recovery") >= {*deliveries()}
            ),
            processes,
        )
        assert webhook.events() == ["check_failed"]
        assert webhook.posted[0]["check"] == "sheet_is_synced (sheet_snapshots)"
        assert [failure["partition"] for failure in webhook.posted[0]["failures"]] == [hidden.slug]
        assert sorted(shared.shown()) == sorted(shared.codes())
        hidden.spreadsheet.share(ACCOUNT)
        hidden.modify(max_learners=7)
        wait_until(
            lambda: (
                len(deliveries()) == 3
                and looked_at("alert_on_failure") | looked_at("alert_on_recovery") >= {*deliveries()}
            ),
            processes,
        )
        assert webhook.events() == ["check_failed", "recovered"]
        assert [recovered["partition"] for recovered in webhook.posted[1]["recovered"]] == [hidden.slug]
    assert sorted(hidden.shown()) == sorted(hidden.codes())
    assert len(hidden.shown()) == 7
