"""Dagster's records after a run: checks, reasons, versions, and downstream assets."""

import logging
from collections.abc import Callable, Sequence

import dagster as dg
import pandas as pd
import pytest
from dagster import DagsterEventType as Type
from dagster import DagsterInstance
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from assets.partitions import contracts
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.definitions import defs
from b2b_pipelines.enrollment_codes import service as code_service
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

pytestmark = pytest.mark.usefixtures("surroundings")

CHECKS = [
    dg.AssetCheckKey(dg.AssetKey("enrollment_codes"), "codes_match_contract"),
    dg.AssetCheckKey(dg.AssetKey("enrollment_codes"), "no_code_redeemed_twice"),
    dg.AssetCheckKey(dg.AssetKey("sheet_snapshots"), "sheet_is_synced"),
    dg.AssetCheckKey(dg.AssetKey("sheet_snapshots"), "sheet_has_no_conflicts"),
]


def run(
    instance: DagsterInstance,
    slugs: Sequence[str],
    *,
    job: str = "contract_delivery_job",
    config: dict[str, object] | None = None,
    ranged: bool = True,
) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("contracts", list(slugs))
    range_tags = {"dagster/asset_partition_range_start": slugs[0], "dagster/asset_partition_range_end": slugs[-1]}
    if not ranged:
        range_tags = {"dagster/partition": config["contracts"][0]}  # type: ignore[index]
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=range_tags,
        run_config={"ops": {"contract_delivery": {"config": config or {}}}},
        raise_on_error=False,
    )


def shown(instance: DagsterInstance, keys: Sequence[dg.AssetCheckKey] = CHECKS) -> dict[tuple[str, str], bool]:
    """The results by check and partition that count: those of the latest materialization."""
    return {
        (info.check_key.name, info.partition_key or ""): info.latest_execution_status is Status.SUCCEEDED
        for info in instance.event_log_storage.get_asset_check_partition_info(list(keys))
        if info.is_current and info.latest_execution_status is not Status.PLANNED
    }


def events(instance: DagsterInstance, run_id: str, kind: Type) -> list[dg.DagsterEvent]:
    records = instance.get_records_for_run(run_id, of_type=kind).records
    return [event for record in records if (event := record.event_log_entry.dagster_event) is not None]


def test_every_check_of_a_run_belongs_to_its_materialization(deliver: Deliver, instance: DagsterInstance) -> None:
    slugs = [deliver(name=f"Acme-{n}").slug for n in range(3)]
    assert run(instance, slugs).success
    assert shown(instance) == {(key.name, slug): True for key in CHECKS for slug in slugs}


def test_a_failed_contract_has_a_reason_at_every_asset_that_was_not_made(
    deliver: Deliver, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = deliver(name="Good"), deliver(name="Bad")
    ensure = code_service.ensure_and_check

    def fail(session: object, contract: Contract) -> object:
        if contract.slug == bad.slug:
            raise KeyError("jo@example.com")
        return ensure(session, contract)  # type: ignore[arg-type]

    monkeypatch.setattr(code_service, "ensure_and_check", fail)
    result = run(instance, [good.slug, bad.slug])
    reasons = {
        (str(event.asset_key and event.asset_key.to_user_string()), event.partition): (
            event.asset_observation_data.asset_observation.description
        )
        for event in events(instance, result.run_id, Type.ASSET_OBSERVATION)
    }
    assert reasons == {
        ("contract_runs", "bad"): "KeyError (see the log of the run)",
        ("enrollment_codes", "bad"): "not made, because contract_runs failed: KeyError (see the log of the run)",
        ("sheet_snapshots", "bad"): "not made, because contract_runs failed: KeyError (see the log of the run)",
    }


def test_a_customers_state_is_news_once_and_then_a_failed_check_in_a_green_run(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    good, unshared = deliver(name="Good"), deliver(name="Unshared", shared=False)
    slugs = [good.slug, unshared.slug]
    assert not run(instance, slugs).success
    again = run(instance, slugs)
    assert again.success
    assert shown(instance)["sheet_is_synced", "unshared"] is False
    assert shown(instance)["sheet_is_synced", "good"] is True
    [failed] = [
        event.asset_check_evaluation_data
        for event in events(instance, again.run_id, Type.ASSET_CHECK_EVALUATION)
        if not event.asset_check_evaluation_data.passed
    ]
    assert failed.check_name == "sheet_is_synced"
    assert "share it with b2b@sandbox.test as an editor" in str(failed.description)
    unshared.spreadsheet.shared_with.add("b2b@sandbox.test")
    assert run(instance, slugs).success
    assert shown(instance)["sheet_is_synced", "unshared"] is True


def test_the_log_has_one_info_line_for_each_contract(deliver: Deliver, instance: DagsterInstance) -> None:
    slugs = [deliver(name=f"Acme-{n}").slug for n in range(2)]
    result = run(instance, slugs)
    for slug in slugs:
        lines = [
            entry.user_message
            for entry in instance.all_logs(result.run_id)
            if entry.dagster_event is None and entry.level == logging.INFO and slug in entry.user_message
        ]
        assert len(lines) == 1
        assert lines[0].startswith(f"{slug}: made contract_runs, enrollment_codes, sheet_snapshots")


def test_a_run_and_its_partitions_show_the_customers_by_name(deliver: Deliver, instance: DagsterInstance) -> None:
    slugs = [deliver(name=f"Acme-{n}").slug for n in range(2)]
    result = run(instance, slugs)
    done = instance.get_run_by_id(result.run_id)
    assert done is not None
    assert done.tags["b2b/customers"] == "Acme-0, Acme-1"
    for event in events(instance, result.run_id, Type.ASSET_MATERIALIZATION):
        metadata = event.step_materialization_data.materialization.metadata
        assert str(metadata["customer"].value).startswith("Acme-")


def test_a_quiet_run_records_only_what_changed(deliver: Deliver, instance: DagsterInstance) -> None:
    first, still, changed = (deliver(name=name) for name in ("First", "Still", "Changed"))
    slugs = [first.slug, still.slug, changed.slug]
    run(instance, slugs)
    before = shown(instance)
    changed.redeem(changed.codes()[0], "jo@example.com")
    result = run(instance, slugs, job="sheet_refresh_job", config={"contracts": slugs, "quiet": True}, ranged=False)
    assert result.success
    made = [event.partition for event in events(instance, result.run_id, Type.ASSET_MATERIALIZATION)]
    assert sorted(map(str, made)) == ["changed", "first"]  # the first is the one that Dagster announces for the run
    checked = {
        event.asset_check_evaluation_data.partition
        for event in events(instance, result.run_id, Type.ASSET_CHECK_EVALUATION)
    }
    assert checked == {"changed", "first"}
    assert shown(instance) == before


def test_a_run_over_a_list_fails_exactly_the_partitions_that_failed(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    deliveries = [deliver(name=f"Acme-{n}", shared=n != 2) for n in range(5)]
    slugs = [delivery.slug for delivery in deliveries]
    instance.add_dynamic_partitions("contracts", slugs)
    chosen = [slugs[0], slugs[2], slugs[4]]
    assert not run(instance, slugs, config={"contracts": chosen}, ranged=False).success
    statuses = instance.get_status_by_partition(dg.AssetKey("sheet_snapshots"), slugs, contracts)
    assert {slug: status and status.value for slug, status in (statuses or {}).items()} == {
        "acme-0": "MATERIALIZED",
        "acme-1": None,
        "acme-2": "FAILED",
        "acme-3": None,
        "acme-4": "MATERIALIZED",
    }


@pytest.mark.long
def test_a_re_execution_from_failure_tries_what_the_run_before_did_not_make(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    deliveries = [deliver(name=f"Acme-{n}", shared=n % 5 != 0) for n in range(10)]
    slugs = [delivery.slug for delivery in deliveries]
    first = run(instance, slugs)
    for delivery in deliveries:
        delivery.spreadsheet.shared_with.add("b2b@sandbox.test")
    parent = instance.get_run_by_id(first.run_id)
    assert parent is not None
    tags = {
        **parent.tags,
        "dagster/parent_run_id": parent.run_id,
        "dagster/root_run_id": parent.run_id,
        "dagster/is_resume_retry": "true",
    }
    job = defs.resolve_job_def("contract_delivery_job")
    created = instance.create_run_for_job(
        job, tags=tags, parent_run_id=parent.run_id, root_run_id=parent.run_id, run_config=parent.run_config
    )
    again = execute_run(InMemoryJob(job), created, instance)
    assert again.success
    made = {
        (str(event.asset_key and event.asset_key.to_user_string()), event.partition)
        for event in events(instance, created.run_id, Type.ASSET_MATERIALIZATION)
    }
    assert made == {("sheet_snapshots", "acme-0"), ("sheet_snapshots", "acme-5")}


def test_nothing_is_unsynced_after_a_refresh(deliver: Deliver, instance: DagsterInstance) -> None:
    from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
    from dagster._core.loader import LoadingContextForTest

    slug = deliver().slug
    run(instance, [slug])
    run(instance, [slug], job="sheet_refresh_job")
    graph = defs.get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    for asset in ("contract_runs", "enrollment_codes", "sheet_snapshots"):
        assert resolver.get_status(dg.AssetKey(asset), slug) is StaleStatus.FRESH, asset
        assert resolver.get_stale_causes(dg.AssetKey(asset), slug) == []


def test_a_strangers_assets_and_checks_downstream_run_with_the_chain(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    slugs = [deliver(name=f"Acme-{n}", cap=3).slug for n in range(2)]
    seen: dict[str, object] = {}

    @dg.asset(deps=["sheet_snapshots"], partitions_def=contracts, backfill_policy=dg.BackfillPolicy.single_run())
    def reported(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        seen["reported"] = list(context.partition_keys)
        return dg.MaterializeResult()

    @dg.asset(partitions_def=contracts, backfill_policy=dg.BackfillPolicy.single_run())
    def counted(sheet_snapshots: pd.DataFrame) -> dg.MaterializeResult[None]:
        seen["counted"] = len(sheet_snapshots)
        return dg.MaterializeResult()

    @dg.asset_check(asset="sheet_snapshots")
    def sheet_is_tidy() -> dg.AssetCheckResult:
        seen["checked"] = True
        return dg.AssetCheckResult(passed=True)

    together = dg.Definitions.merge(
        defs,
        dg.Definitions(
            assets=[reported, counted],
            asset_checks=[sheet_is_tidy],
            jobs=[
                dg.define_asset_job("theirs", dg.AssetSelection.assets("sheet_snapshots").downstream().materializable())
            ],
        ),
    )
    instance.add_dynamic_partitions("contracts", slugs)
    tags = {"dagster/asset_partition_range_start": slugs[0], "dagster/asset_partition_range_end": slugs[-1]}
    result = together.resolve_job_def("theirs").execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert result.success
    assert seen == {"reported": slugs, "counted": 6, "checked": True}
    made = events(instance, result.run_id, Type.ASSET_MATERIALIZATION)
    assert sorted(event.partition for event in made if event.asset_key == dg.AssetKey("sheet_snapshots")) == slugs


@pytest.mark.parametrize(
    ("step", "job"), [("contract_delivery", "contract_delivery_job"), ("license_chain", "license_expiry_job")]
)
@pytest.mark.parametrize("value", [99, 0, -1, "8", 1.5, True])
def test_a_concurrency_out_of_range_is_refused_before_the_run(
    instance: DagsterInstance, step: str, job: str, value: object
) -> None:
    config = {"ops": {step: {"config": {"concurrency": value}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="concurrency"):
        instance.create_run_for_job(defs.resolve_job_def(job), run_config=config)
    assert instance.get_runs() == []


def test_a_concurrency_is_an_integer(deliver: Deliver, instance: DagsterInstance) -> None:
    assert run(instance, [deliver().slug], config={"concurrency": 3}).success
