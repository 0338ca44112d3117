"""The licenses chain through Dagster: each customer by itself, and in order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance, ExecuteInProcessResult
from sqlalchemy import func, select, update

from assets.licenses import license_chain, listed_subscriptions, lms_enrollments
from b2b_pipelines.db.engine import Database
from b2b_pipelines.faults.rules import Subject
from b2b_pipelines.faults.store import every, subject
from b2b_pipelines.licenses.facts import EventName, LicenseStatus
from b2b_pipelines.licenses.models import CustomerAgreement, ExpiredLicense, License, LicenseEvent
from resources.database import DatabaseResource
from resources.license_manager import LicenseManagerResource
from resources.open_edx import EnterpriseLmsResource
from sandbox.license_manager import license_row, plan
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox
from schedules.alerts import alert_on_failure, alert_on_recovery
from schedules.licenses import customer_partitions, customers_to_add, expiry, license_expiry, requests
from tests.assets.stored import stored_events
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan

ONE, TWO = UUID(int=1), UUID(int=2)
CHAIN = ["subscription_licenses", "expired_licenses", "enrollment_terminations", "unlinked_learners"]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, database_url: str, sandbox: Sandbox) -> None:
    monkeypatch.setenv("B2B_DATABASE_URL", database_url)
    monkeypatch.setenv("B2B_LMS_URL", sandbox.lms.url)
    monkeypatch.setenv("B2B_LICENSE_MANAGER_URL", sandbox.license_manager.url)
    monkeypatch.setenv("B2B_OAUTH_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("B2B_OAUTH_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("B2B_UNLINK_CUSTOMERS", f"{ONE},{TWO}")
    monkeypatch.setenv("B2B_LICENSE_HOLD_HOURS", "0")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return dg.Definitions(
        assets=[listed_subscriptions, lms_enrollments, license_chain],
        jobs=[expiry],
        schedules=[license_expiry],
        sensors=[customer_partitions],
        resources={
            "database": DatabaseResource(),
            "lms": EnterpriseLmsResource(),
            "license_manager": LicenseManagerResource(),
        },
    )


def list_customer(sandbox: Sandbox, customer: UUID, licenses: int = 3, days: int = 100) -> list[str]:
    """A customer in license-manager and the LMS whose plan expired so many days ago; the addresses of their learners."""
    plan_uuid = UUID(int=customer.int * 10)
    end = datetime.now(UTC) - timedelta(days=days)
    start = end - timedelta(days=365)
    sandbox.license_manager.put_agreement(customer, [plan(plan_uuid, "Plan", start.isoformat(), end.isoformat())])
    addresses = [f"c{customer.int}p{number}@example.com" for number in range(licenses)]
    rows = [
        license_row(UUID(int=customer.int * 1000 + number), plan_uuid, address)
        for number, address in enumerate(addresses)
    ]
    sandbox.license_manager.put_licenses(plan_uuid, rows)
    sandbox.lms.link(customer, addresses)
    return addresses


def run(
    definitions: dg.Definitions,
    instance: DagsterInstance,
    customers: Sequence[UUID],
    assets: Sequence[str] = CHAIN,
    **config: Any,
) -> ExecuteInProcessResult:
    keys = [str(customer) for customer in customers]
    instance.add_dynamic_partitions("enterprise_customers", keys)
    return definitions.resolve_job_def("license_expiry_job").execute_in_process(
        instance=instance,
        tags={"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]},
        asset_selection=[AssetKey(asset) for asset in assets],
        run_config={"ops": {"license_chain": {"config": config}}} if config else None,
        raise_on_error=False,
    )


def made(instance: DagsterInstance, result: ExecuteInProcessResult) -> dict[tuple[str, str], dict[str, Any]]:
    """Metadata of every materialization, by asset and partition."""
    return {
        (event.asset_key.to_user_string(), event.partition or ""): dict(
            event.step_materialization_data.materialization.metadata
        )
        for event in stored_events(instance, result)
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION and event.asset_key
    }


def observed(instance: DagsterInstance, result: ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetObservation]:
    """Every observation, by asset and partition."""
    return {
        (event.asset_key.to_user_string(), event.partition or ""): event.asset_observation_data.asset_observation
        for event in stored_events(instance, result)
        if event.event_type is DagsterEventType.ASSET_OBSERVATION and event.asset_key
    }


def checked(instance: DagsterInstance, result: ExecuteInProcessResult) -> dict[str, bool]:
    return {
        event.asset_check_evaluation_data.check_name: event.asset_check_evaluation_data.passed
        for event in stored_events(instance, result)
        if event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION
    }


def events(database: Database, name: EventName) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).where(LicenseEvent.event_name == name)) or 0


def test_the_chain_goes_from_license_manager_to_the_unlinked_learners(
    definitions: dg.Definitions, instance: DagsterInstance, database: Database, sandbox: Sandbox
) -> None:
    list_customer(sandbox, ONE)
    sandbox.lms.link(ONE, ["another@example.com"])
    result = run(definitions, instance, [ONE])
    assert result.success
    assert [asset for asset, _ in made(instance, result)] == CHAIN
    assert sandbox.lms.linked(ONE) == {"another@example.com"}
    assert len(sandbox.lms.ended()) == 3
    assert checked(instance, result) == {
        "import_is_complete": True,
        "renewals_are_kept": True,
        "terminated_before_unlinked": True,
        "unlink_confirmed": True,
    }
    with database.session() as session:
        assert {row.decision for row in session.query(ExpiredLicense)} == {"terminate"}


def test_a_second_run_changes_nothing_and_has_the_same_data_versions(
    definitions: dg.Definitions, instance: DagsterInstance, sandbox: Sandbox
) -> None:
    list_customer(sandbox, ONE)
    run(definitions, instance, [ONE])
    second = run(definitions, instance, [ONE])
    sandbox.log.reset()
    third = run(definitions, instance, [ONE])
    assert sandbox.log.counts()["write"] == 0
    versions = [
        [
            event.step_materialization_data.materialization.tags["dagster/data_version"]
            for event in stored_events(instance, result)
            if event.event_type is DagsterEventType.ASSET_MATERIALIZATION
        ]
        for result in (second, third)
    ]
    assert versions[0] == versions[1]


def test_one_customers_failure_touches_nobody_else(
    definitions: dg.Definitions, instance: DagsterInstance, database: Database, sandbox: Sandbox
) -> None:
    list_customer(sandbox, ONE)
    list_customer(sandbox, TWO)
    sandbox.lms.stuck = {str(UUID(int=1000))}
    result = run(definitions, instance, [ONE, TWO])
    assert not result.success
    assert {partition for asset, partition in made(instance, result) if asset == "unlinked_learners"} == {str(TWO)}
    assert sandbox.lms.linked(TWO) == set()
    assert len(sandbox.lms.linked(ONE)) == 3
    failure = result.filter_events(lambda event: event.event_type is DagsterEventType.STEP_FAILURE)[0]
    description = str(failure.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]
    assert "1 × 422" in description
    assert str(UUID(int=1000)) in description
    assert "@" not in description


def test_unlinking_launched_alone_without_terminations_unlinks_nobody_and_says_why(
    definitions: dg.Definitions, instance: DagsterInstance, database: Database, sandbox: Sandbox
) -> None:
    list_customer(sandbox, ONE)
    run(definitions, instance, [ONE], ["subscription_licenses"])
    sandbox.log.reset()
    result = run(definitions, instance, [ONE], ["unlinked_learners"])
    assert result.success
    metadata = made(instance, result)["unlinked_learners", str(ONE)]
    assert "materialize enrollment_terminations" in metadata["notes"].value
    assert metadata["licenses unlinked"].value == 0
    assert sandbox.log.counts()["write"] == 0
    assert len(sandbox.lms.linked(ONE)) == 3


def test_a_dry_run_asks_nothing_and_writes_no_row(
    definitions: dg.Definitions, instance: DagsterInstance, database: Database, sandbox: Sandbox
) -> None:
    list_customer(sandbox, ONE)
    run(definitions, instance, [ONE], ["subscription_licenses"])
    sandbox.log.reset()
    result = run(definitions, instance, [ONE], dry_run=True)
    assert result.success
    assert sandbox.log.entries() == []
    with database.session() as session:
        for model in (LicenseEvent, ExpiredLicense):
            assert session.scalar(select(func.count()).select_from(model)) == 0
    assert made(instance, result) == {}
    shown = observed(instance, result)
    assert [asset for asset, _ in shown] == CHAIN
    assert all("would" in str(observation.description) for observation in shown.values())
    assert shown["enrollment_terminations", str(ONE)].metadata["licenses would be terminated"].value == 3
    assert "would be kept" in str(shown["unlinked_learners", str(ONE)].metadata["notes"].value)


def test_by_a_dry_run_nothing_is_right_again_and_nothing_has_begun_to_fail(
    definitions: dg.Definitions, instance: DagsterInstance, database: Database, sandbox: Sandbox
) -> None:
    list_customer(sandbox, ONE)
    sandbox.lms.stuck = {str(UUID(int=1000))}

    def faults() -> set[Subject]:
        with database.session() as session:
            return {subject(fault) for fault in every(session)}

    def look(result: ExecuteInProcessResult) -> None:
        [last] = [event for event in stored_events(instance, result) if event.is_run_failure or event.is_job_success]
        context = dg.build_run_status_sensor_context(
            "sensor", last, instance, result.dagster_run, resources={"database": database}
        )
        if last.is_run_failure:
            alert_on_failure(context.for_run_failure())
        else:
            alert_on_recovery(context)

    look(run(definitions, instance, [ONE]))
    assert faults() == {Subject("partition", "enrollment_terminations", str(ONE))}
    look(run(definitions, instance, [ONE], dry_run=True))
    assert faults() == {Subject("partition", "enrollment_terminations", str(ONE))}
    look(run(definitions, instance, [TWO], dry_run=True))
    assert faults() == {Subject("partition", "enrollment_terminations", str(ONE))}


def test_internal_plans_are_taken_in_when_the_config_says_so(
    definitions: dg.Definitions, instance: DagsterInstance, put: Any, sandbox: Sandbox, database: Database
) -> None:
    internal = Plan(UUID(int=10), ONE, datetime.now(UTC).replace(microsecond=0) - timedelta(days=1), internal=True)
    seat = HeldLicense(UUID(int=1000), internal.uuid, LicenseStatus.ACTIVATED, "jane@example.com")
    put(LicenseFacts({internal.uuid: internal}, {seat.uuid: seat}))
    run(definitions, instance, [ONE], ["enrollment_terminations"])
    assert events(database, EventName.TERMINATED) == 0
    run(definitions, instance, [ONE], ["enrollment_terminations"], include_internal=True)
    assert events(database, EventName.TERMINATED) == 1


def test_somebody_unlinked_too_early_blocks_that_customer_only(
    definitions: dg.Definitions, instance: DagsterInstance, database: Database, sandbox: Sandbox
) -> None:
    for customer in (ONE, TWO):
        list_customer(sandbox, customer)
    run(definitions, instance, [ONE, TWO], ["subscription_licenses"])
    with database.session() as session:
        license_uuid = UUID(int=1000)
        end = datetime(2020, 1, 1, tzinfo=UTC)
        session.add(LicenseEvent(license_uuid=license_uuid, event_name=EventName.UNLINKED, plan_expiration=end))
        assert session.get(License, license_uuid)
    result = run(definitions, instance, [ONE, TWO])
    assert not result.success
    assert {partition for asset, partition in made(instance, result) if asset == "unlinked_learners"} == {str(TWO)}
    assert not run(definitions, instance, [ONE], ["unlinked_learners"]).success
    assert len(sandbox.lms.linked(ONE)) == 3


def test_a_learner_whom_the_lms_still_lists_fails_the_check(
    definitions: dg.Definitions, instance: DagsterInstance, sandbox: Sandbox
) -> None:
    addresses = list_customer(sandbox, ONE)
    sandbox.faults.call(lambda: sandbox.lms.link(ONE, addresses[:1]), "after", path="unlink_users")
    result = run(definitions, instance, [ONE])
    assert checked(instance, result)["unlink_confirmed"] is False


def test_without_license_manager_the_chain_works_with_what_files_brought_in(
    definitions: dg.Definitions,
    instance: DagsterInstance,
    put: Any,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
) -> None:
    monkeypatch.delenv("B2B_LICENSE_MANAGER_URL")
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=100)
    seat = HeldLicense(UUID(int=1000), UUID(int=10), LicenseStatus.ACTIVATED, "jane@example.com")
    put(LicenseFacts({UUID(int=10): Plan(UUID(int=10), ONE, end)}, {seat.uuid: seat}))
    sandbox.lms.link(ONE, ["jane@example.com"])
    assert run(definitions, instance, [ONE]).success
    assert sandbox.lms.linked(ONE) == set()


def test_without_an_lms_the_failure_says_what_to_set(
    definitions: dg.Definitions,
    instance: DagsterInstance,
    put: Any,
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
) -> None:
    monkeypatch.delenv("B2B_LMS_URL")
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=100)
    seat = HeldLicense(UUID(int=1000), UUID(int=10), LicenseStatus.ACTIVATED, "jane@example.com")
    put(LicenseFacts({UUID(int=10): Plan(UUID(int=10), ONE, end)}, {seat.uuid: seat}))
    result = run(definitions, instance, [ONE])
    failure = result.filter_events(lambda event: event.event_type is DagsterEventType.STEP_FAILURE)[0]
    assert "set B2B_LMS_URL" in str(failure.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]


def test_no_address_gets_into_metadata(
    definitions: dg.Definitions, instance: DagsterInstance, sandbox: Sandbox
) -> None:
    list_customer(sandbox, ONE)
    result = run(definitions, instance, [ONE])
    assert "example.com" not in str(
        [event.to_json() if hasattr(event, "to_json") else event for event in stored_events(instance, result)]
    )


@pytest.mark.long
def test_a_run_of_many_customers_makes_each_a_partition(
    definitions: dg.Definitions, instance: DagsterInstance, sandbox: Sandbox
) -> None:
    customers = [UUID(int=number) for number in range(1, 21)]
    for customer in customers:
        list_customer(sandbox, customer, licenses=1)
    result = run(definitions, instance, customers)
    assert result.success
    assert len(made(instance, result)) == 20 * len(CHAIN)


def test_partitions_are_added_and_never_taken_away() -> None:
    assert customers_to_add([TWO, ONE], [ONE], [str(ONE), "gone"]) == [str(TWO)]
    assert customers_to_add([], [ONE], []) == [str(ONE)]
    assert customers_to_add([], [], ["gone"]) == []


def test_the_sensor_adds_the_customers_that_are_known(
    instance: DagsterInstance, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("B2B_UNLINK_CUSTOMERS")
    put(LicenseFacts({UUID(int=10): Plan(UUID(int=10), TWO, datetime(2026, 1, 1, tzinfo=UTC))}, {}))
    with dg.build_sensor_context(instance=instance, resources={"database": DatabaseResource()}) as context:
        data = customer_partitions.evaluate_tick(context)
    assert [request.partition_keys for request in data.dynamic_partitions_requests or []] == [[str(TWO)]]


def test_the_schedule_asks_for_one_run_a_hundred_customers() -> None:
    asked = requests([f"c{number:03}" for number in range(250)], "2026-06-01")
    assert [request.run_key for request in asked] == ["2026-06-01 c000", "2026-06-01 c100", "2026-06-01 c200"]
    assert asked[-1].tags["dagster/asset_partition_range_end"] == "c249"


def test_customers_are_shown_by_name(
    definitions: dg.Definitions, instance: DagsterInstance, database: Database, sandbox: Sandbox
) -> None:
    list_customer(sandbox, ONE)
    run(definitions, instance, [ONE], ["subscription_licenses"])
    with database.session() as session:
        session.execute(update(CustomerAgreement).values(name="Acme University, Inc."))
    result = run(definitions, instance, [ONE], CHAIN[1:])
    assert {str(metadata["customer"].value) for metadata in made(instance, result).values()} == {
        "Acme University, Inc."
    }
    tagged = instance.get_run_by_id(result.run_id)
    assert tagged is not None
    assert tagged.tags["b2b/customers"] == "Acme University, Inc."
