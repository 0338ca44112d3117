"""Contracts through Dagster: one run for many, each contract by itself."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType as Type
from dagster import DagsterInstance, ExecuteInProcessResult
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.definitions import defs
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET, callers
from sandbox.server import Sandbox
from tests.assets.stored import stored_events
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

pytestmark = pytest.mark.usefixtures("surroundings")


def run(instance: DagsterInstance, slugs: list[str], job: str = "contract_delivery_job") -> ExecuteInProcessResult:
    instance.add_dynamic_partitions("contracts", slugs)
    tags = {"dagster/asset_partition_range_start": slugs[0], "dagster/asset_partition_range_end": slugs[-1]}
    return defs.resolve_job_def(job).execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def materialized(instance: DagsterInstance, result: ExecuteInProcessResult, asset: str) -> set[str]:
    return {
        event.partition or ""
        for event in stored_events(instance, result)
        if event.event_type is Type.ASSET_MATERIALIZATION and event.asset_key == dg.AssetKey(asset)
    }


def test_one_unshared_sheet_of_many_fails_alone_with_the_words_that_help(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    deliveries = [deliver(name=f"Acme-{n}", shared=n != 2) for n in range(5)]
    slugs = [delivery.slug for delivery in deliveries]
    result = run(instance, slugs)
    assert not result.success
    assert (
        materialized(instance, result, "contract_runs")
        == materialized(instance, result, "enrollment_codes")
        == set(slugs)
    )
    assert materialized(instance, result, "sheet_snapshots") == set(slugs) - {"acme-2"}
    words = result.filter_events(lambda event: event.event_type is Type.STEP_FAILURE)[0]
    failure = words.step_failure_data.user_failure_data
    assert failure is not None
    assert "1 of 5 partitions failed: acme-2" in str(failure.description)
    assert "share it with b2b@sandbox.test as an editor" in str(failure.description)
    statuses = instance.get_status_by_partition(
        dg.AssetKey("sheet_snapshots"), slugs, dg.DynamicPartitionsDefinition(name="contracts")
    )
    assert statuses is not None
    assert {slug: status.value for slug, status in statuses.items() if status} == {
        slug: "FAILED" if slug == "acme-2" else "MATERIALIZED" for slug in slugs
    }


def test_a_second_run_writes_nothing_and_has_the_same_data_version(deliver: Deliver, instance: DagsterInstance) -> None:
    delivery = deliver(cap=7)
    first = run(instance, [delivery.slug])
    delivery.sandbox.log.reset()
    second = run(instance, [delivery.slug])
    versions = [
        result.asset_materializations_for_node("contract_delivery")[-1].tags["dagster/data_version"]
        for result in (first, second)
    ]
    assert versions[0] == versions[1]
    assert delivery.sandbox.google.counts()["write"] == 0
    assert delivery.sandbox.google.counts()["read"] == 1


def test_metadata_holds_counts_requests_link_and_picture_but_no_code_or_address(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    delivery = deliver(cap=7)
    code = delivery.codes()[0]
    delivery.redeem(code, "jo@example.com")
    result = run(instance, [delivery.slug])
    found = {
        event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
        for event in stored_events(instance, result)
        if event.event_type is Type.ASSET_MATERIALIZATION and event.asset_key
    }
    sheet = found["sheet_snapshots"]
    assert (sheet["appended"].value, sheet["reads"].value, sheet["writes"].value) == (7, 1, 1)
    assert delivery.spreadsheet.spreadsheet_id in str(sheet["sheet"].value)
    assert "data:image/svg+xml" in str(sheet["seats by state"].value)
    assert "1 redeemed, 6 handed out, 0 free" in str(sheet["seats by state"].value)
    shown = repr(found) + repr([event.message for event in stored_events(instance, result)])
    assert "jo@example.com" not in shown
    assert code not in shown


def test_codes_that_are_not_in_line_keep_the_sheet_from_being_written(
    deliver: Deliver, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = deliver(name="Good"), deliver(name="Bad")
    monkeypatch.setattr("b2b_pipelines.enrollment_codes.store.carry_out", carry_out_nothing_for(bad))
    bad.statement("UPDATE enrollment_code SET active = false WHERE contract_id = :contract AND id % 2 = 0")
    result = run(instance, [good.slug, bad.slug])
    assert materialized(instance, result, "sheet_snapshots") == {"good"}
    checks = [
        (event.asset_check_evaluation_data.partition, event.asset_check_evaluation_data.passed)
        for event in stored_events(instance, result)
        if event.event_type is Type.ASSET_CHECK_EVALUATION
        and event.asset_check_evaluation_data.check_name == "codes_match_contract"
    ]
    assert sorted(checks) == [("bad", False), ("good", True)]


def carry_out_nothing_for(broken: Delivery) -> Callable[..., None]:
    """`carry_out` as it is, except that for one contract it does nothing: the fault that the check is for."""
    from b2b_pipelines.enrollment_codes.store import carry_out

    def carry_out_most(session: Session, contract_id: int, *rest: Any) -> None:
        if session.get_one(Contract, contract_id).slug != broken.slug:
            carry_out(session, contract_id, *rest)

    return carry_out_most


def test_a_contract_without_a_sheet_is_materialized_and_says_so(deliver: Deliver, instance: DagsterInstance) -> None:
    delivery = deliver()
    delivery.modify(sheet_url=None)
    result = run(instance, [delivery.slug], "sheet_refresh_job")
    assert result.success
    metadata = result.asset_materializations_for_node("contract_delivery")[0].metadata
    assert "no sheet" in str(metadata["not synced"].value)


def test_conflicts_are_a_number_and_their_kinds_are_listed_when_there_are_any(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    delivery = deliver(cap=3)

    def conflicts() -> tuple[object, object]:
        made = run(instance, [delivery.slug], "sheet_refresh_job").asset_materializations_for_node("contract_delivery")
        [metadata] = [each.metadata for each in made if each.asset_key.path == ["sheet_snapshots"]]
        kinds = metadata.get("conflicts by kind")
        return metadata["conflicts"].value, kinds and kinds.value

    assert conflicts() == (0, None)
    delivery.spreadsheet.tabs[0].type("A2", "6f1c8e0a-5f0e-4a0d-9c1e-2f1f0a7f3b11")
    assert conflicts() == (1, {"unknown_code": 1})


def test_a_snapshot_is_loaded_as_a_data_frame(deliver: Deliver, instance: DagsterInstance) -> None:
    delivery = deliver(cap=3)
    run(instance, [delivery.slug])
    frame = defs.load_asset_value("sheet_snapshots", partition_key=delivery.slug, instance=instance)
    assert list(frame["Enrollment Code"]) == delivery.codes()
    assert list(frame["row"]) == [2, 3, 4]


def test_a_run_that_studio_refuses_warns_and_is_made_by_the_next_run(
    deliver: Deliver, instance: DagsterInstance, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_STUDIO_URL", sandbox.studio.url)
    monkeypatch.setenv("B2B_LMS_URL", sandbox.lms.url)
    monkeypatch.setenv("B2B_OAUTH_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("B2B_OAUTH_CLIENT_SECRET", CLIENT_SECRET)
    delivery = deliver()
    sandbox.lms.accounts.act_as(callers.OPERATOR_NOT_STAFF)
    (refused,) = in_edx(instance, run(instance, [delivery.slug]))
    assert (refused.passed, refused.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert refused.partition == delivery.slug
    assert "403" in str(refused.description)
    sandbox.lms.accounts.act_as(callers.OPERATOR)
    (made,) = in_edx(instance, run(instance, [delivery.slug]))
    assert made.passed
    assert sandbox.studio.runs


def in_edx(instance: DagsterInstance, result: ExecuteInProcessResult) -> list[Any]:
    return [
        event.asset_check_evaluation_data
        for event in stored_events(instance, result)
        if event.event_type is Type.ASSET_CHECK_EVALUATION
        and event.asset_check_evaluation_data.check_name == "runs_are_in_edx"
    ]
