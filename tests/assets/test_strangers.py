"""Assets that other projects add downstream of a chain: they run for the partitions that changed, or are refused."""

from collections.abc import Callable, Sequence

import dagster as dg
import pytest
from dagster import DagsterEventType as Type
from dagster import DagsterInstance

from assets.added import without_partitioned_checks
from assets.partitions import contracts
from b2b_pipelines.definitions import defs
from tests.assets.test_recorded import events, run
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

pytestmark = pytest.mark.usefixtures("surroundings")


@dg.asset(
    deps=["sheet_snapshots"],
    partitions_def=contracts,
    automation_condition=dg.AutomationCondition.eager(),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def seats_by_team(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"contracts": list(context.partition_keys)})


THEIRS = dg.Definitions.merge(
    defs,
    dg.Definitions(
        assets=[seats_by_team],
        jobs=[
            dg.define_asset_job(
                "with_theirs", dg.AssetSelection.assets("enrollment_codes").downstream().materializable()
            )
        ],
    ),
)


def requested(
    instance: DagsterInstance, before: dg.EvaluateAutomationConditionsResult | None
) -> tuple[set[str | None], dg.EvaluateAutomationConditionsResult]:
    """The partitions that the condition requests, and the evaluation, for the next one to go on from."""
    result = dg.evaluate_automation_conditions(
        defs=THEIRS,
        instance=instance,
        asset_selection=dg.AssetSelection.assets(seats_by_team),
        cursor=before.cursor if before else None,
    )
    subset = result.get_requested_partitions(dg.AssetKey("seats_by_team"))
    return set(subset), result


def make_theirs(instance: DagsterInstance, slugs: Sequence[str]) -> None:
    for slug in slugs:
        assert dg.materialize([seats_by_team], partition_key=slug, instance=instance, selection=[seats_by_team]).success


def test_an_automation_condition_requests_the_contracts_whose_sheet_was_made_and_no_unchanged_one(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    deliveries = [deliver(name=f"Acme-{n}", cap=2) for n in range(3)]
    slugs = [delivery.slug for delivery in deliveries]
    instance.add_dynamic_partitions("contracts", slugs)
    _, at_first = requested(instance, None)
    assert run(instance, slugs).success
    made, after = requested(instance, at_first)
    assert made == set(slugs)
    make_theirs(instance, slugs)
    nothing, after = requested(instance, after)
    assert nothing == set()
    refresh = {"contracts": slugs, "quiet": True}
    deliveries[1].redeem(deliveries[1].codes()[0], "jo@example.com")
    assert run(instance, slugs, job="sheet_refresh_job", config=refresh, ranged=False).success
    changed, _ = requested(instance, after)
    assert slugs[2] not in changed
    assert slugs[1] in changed


def test_a_run_over_a_list_refuses_an_asset_that_dagster_would_make_for_one_contract_only(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    slugs = [deliver(name=f"Acme-{n}", cap=2).slug for n in range(3)]
    instance.add_dynamic_partitions("contracts", slugs)
    result = THEIRS.resolve_job_def("with_theirs").execute_in_process(
        instance=instance,
        partition_key=slugs[0],
        run_config={"ops": {"contract_delivery": {"config": {"contracts": slugs}}}},
        raise_on_error=False,
    )
    [failure] = result.filter_events(lambda event: event.event_type is Type.STEP_FAILURE)
    words = failure.step_failure_data.user_failure_data
    assert words is not None
    assert "seats_by_team" in str(words.description)
    assert "choose a range" in str(words.description)
    assert events(instance, result.run_id, Type.ASSET_MATERIALIZATION) == []


def test_a_failed_sheet_keeps_what_is_downstream_of_a_range_from_no_other_contract(
    deliver: Deliver, instance: DagsterInstance
) -> None:
    slugs = [deliver(name=f"Acme-{n}", cap=2).slug for n in range(3)]
    instance.add_dynamic_partitions("contracts", slugs)
    tags = {"dagster/asset_partition_range_start": slugs[0], "dagster/asset_partition_range_end": slugs[-1]}
    result = THEIRS.resolve_job_def("with_theirs").execute_in_process(instance=instance, tags=tags)
    made = events(instance, result.run_id, Type.ASSET_MATERIALIZATION)
    assert {event.partition for event in made if event.asset_key == dg.AssetKey("seats_by_team")} == set(slugs)


def test_a_check_with_partitions_is_refused_when_definitions_load() -> None:
    @dg.asset_check(asset="sheet_snapshots", partitions_def=contracts)
    def tidy() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset_check(asset="seats_by_team", partitions_def=contracts)
    def counted() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    chain = [dg.AssetKey("sheet_snapshots")]
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="tidy of sheet_snapshots has partitions"):
        without_partitioned_checks(dg.Definitions(asset_checks=[tidy]), chain)
    theirs = dg.Definitions(asset_checks=[counted])
    assert without_partitioned_checks(theirs, chain) is theirs
