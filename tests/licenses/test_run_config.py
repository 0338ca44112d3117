"""A dry run is a dry run: run config that Dagster would drop is refused, and the job for it has it set."""

from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from dagster import DagsterInstance

from assets.licenses import UnknownConfig, require_known_config
from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses.facts import EventName
from sandbox.server import Sandbox
from schedules.alerts import is_dry
from schedules.licenses import dry_run
from tests.licenses.test_assets import (  # noqa: F401  (fixtures)
    CHAIN,
    ONE,
    definitions,
    events,
    list_customer,
    observed,
    run,
    surroundings,
)


@pytest.mark.parametrize(
    ("run_config", "named"),
    [
        pytest.param(
            {"ops": {"unlinked_learners": {"config": {"dry_run": True}}}}, "ops.unlinked_learners", id="asset"
        ),
        pytest.param({"ops": {"license_chains": {"config": {}}}}, "ops.license_chains", id="another-op"),
        pytest.param({"ops": {"license_chain": {"dry_run": True}}}, "ops.license_chain.dry_run", id="without-config"),
        pytest.param(
            {"ops": {"license_chain": {"config": {"dryrun": True}}}}, "ops.license_chain.config.dryrun", id="key"
        ),
        pytest.param({"op": {"license_chain": {}}}, "op,", id="top-level"),
        pytest.param({"solids": {}}, "solids", id="of-old"),
    ],
)
def test_run_config_that_names_what_does_not_exist_is_refused(run_config: dict[str, Any], named: str) -> None:
    with pytest.raises(UnknownConfig, match=named):
        require_known_config(run_config)


@pytest.mark.parametrize(
    "run_config",
    [{}, {"ops": None}, {"ops": {"license_chain": {"config": {"dry_run": True}}}, "execution": {}, "loggers": {}}],
)
def test_run_config_of_the_chain_is_taken(run_config: dict[str, Any]) -> None:
    require_known_config(run_config)


def test_a_dry_run_that_names_an_asset_asks_nothing_of_anybody(
    definitions: dg.Definitions,  # noqa: F811
    instance: DagsterInstance,
    database: Database,
    sandbox: Sandbox,
) -> None:
    list_customer(sandbox, ONE)
    instance.add_dynamic_partitions("enterprise_customers", [str(ONE)])
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        partition_key=str(ONE),
        asset_selection=[dg.AssetKey(asset) for asset in CHAIN],  # as the UI does: Dagster then drops the config
        run_config={"ops": {"unlinked_learners": {"config": {"dry_run": True}}}},
        raise_on_error=False,
    )
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "ops.unlinked_learners" in str(failure.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]
    assert sandbox.log.entries() == []
    assert len(sandbox.lms.linked(ONE)) == 3


@pytest.mark.parametrize("config", [None, {"ops": {"license_chain": {"config": {"concurrency": 1}}}}])
def test_the_dry_run_job_is_dry_whatever_its_config_is(
    definitions: dg.Definitions,  # noqa: F811
    instance: DagsterInstance,
    database: Database,
    sandbox: Sandbox,
    config: dict[str, Any] | None,
) -> None:
    list_customer(sandbox, ONE)
    run(definitions, instance, [ONE], ["subscription_licenses"])
    sandbox.log.reset()
    job = dg.Definitions(
        assets=definitions.assets, jobs=[dry_run], resources=dict(definitions.resources or {})
    ).resolve_job_def("license_expiry_dry_run")
    result = job.execute_in_process(instance=instance, partition_key=str(ONE), run_config=config)
    assert [asset for asset, _ in observed(instance, result)] == CHAIN
    assert sandbox.log.entries() == []
    assert events(database, EventName.TERMINATED) == 0
    assert is_dry(result.dagster_run)


def test_by_default_the_chain_unlinks_nobody_on_the_day_of_the_termination(
    definitions: dg.Definitions,  # noqa: F811
    instance: DagsterInstance,
    database: Database,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("B2B_LICENSE_HOLD_HOURS")
    list_customer(sandbox, ONE)
    for _ in range(2):
        assert run(definitions, instance, [ONE]).success
    assert events(database, EventName.TERMINATED) == 3
    assert len(sandbox.lms.linked(ONE)) == 3


def test_a_run_of_a_customer_without_an_agreement_fails_with_words(
    definitions: dg.Definitions,  # noqa: F811
    instance: DagsterInstance,
    sandbox: Sandbox,
) -> None:
    result = run(definitions, instance, [UUID(int=9)])
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    words = str(failure.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]
    assert f"license-manager lists no agreement of {UUID(int=9)}" in words
    assert "enterprise_openedx_operator" in words
