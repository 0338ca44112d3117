"""Dagster's GraphQL numbers for the UI after a run in which a few of 30 contracts fail."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.definitions import defs
from b2b_pipelines.enrollment_codes import service as code_service
from tests.orchestration.processes import Processes, wait_until
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

PARTITIONS = """
query($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) { ... on AssetNode {
    partitionStats { numMaterialized numFailed numMaterializing numPartitions }
    staleStatusByPartition(partitions: ["acme-05"])
    assetChecksOrError { ... on AssetChecks { checks { name
      partitionStatuses { ... on AssetCheckDefaultPartitionStatuses {
        succeededPartitions failedPartitions inProgressPartitions skippedPartitions executionFailedPartitions } }
      executionForLatestMaterialization { status evaluation { targetMaterialization { runId } } } } } }
  } }
}
"""
REASONS = """
query($asset: AssetKeyInput!, $partition: String!) {
  assetNodeOrError(assetKey: $asset) { ... on AssetNode {
    assetObservations(partitions: [$partition], limit: 1) { description partition }
    latestMaterializationByPartition(partitions: [$partition]) { partition }
  } }
}
"""


def ask(url: str, query: str, **variables: Any) -> Any:
    answer = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]["assetNodeOrError"]


def is_up(url: str) -> bool:
    try:
        return bool(ask(url, PARTITIONS, asset={"path": ["sheet_snapshots"]}).get("partitionStats"))
    except (httpx.HTTPError, AssertionError, KeyError):
        return False


def counts(shown: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """By check: passed, failed and missing partitions of 30."""
    found = {}
    for check in shown["assetChecksOrError"]["checks"]:
        if check["name"] == "sheet_is_fresh":
            continue
        statuses = check["partitionStatuses"]
        passed, failed = len(statuses["succeededPartitions"]), len(statuses["failedPartitions"])
        assert not statuses["inProgressPartitions"]
        found[check["name"]] = (passed, failed, 30 - passed - failed)
    return found


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_thirty_contracts_of_which_four_are_not_right_show_exactly_that(
    processes: Processes, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    unshared, conflicting, blocked = {"acme-03", "acme-04"}, "acme-07", "acme-09"
    deliveries = {
        f"acme-{n:02}": deliver(name=f"Acme-{n:02}", cap=2, shared=f"acme-{n:02}" not in unshared) for n in range(30)
    }
    slugs = list(deliveries)
    deliveries[conflicting].sync()
    code = deliveries[conflicting].shown()[0]
    deliveries[conflicting].tab.type("A2", f"{code} for Jo")
    with deliveries[blocked].database.session() as session:
        session.execute(
            text(
                "UPDATE enrollment_code SET active = false WHERE contract_id IN (SELECT id FROM contract WHERE slug = :s)"
            ),
            {"s": blocked},
        )
    ensure = code_service.ensure_and_check

    def leave_blocked(session: Session, contract: Contract) -> Any:
        if contract.slug != blocked:
            return ensure(session, contract)
        return code_service.CodeChange(blocked), code_service.outstanding(session, [contract])[blocked]

    monkeypatch.setattr(code_service, "ensure_and_check", leave_blocked)
    tags = {"dagster/asset_partition_range_start": slugs[0], "dagster/asset_partition_range_end": slugs[-1]}
    with processes.instance() as instance:
        instance.add_dynamic_partitions("contracts", slugs)
        job = defs.resolve_job_def("contract_delivery_job")
        result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
        assert not result.success
        url = processes.webserver()
        wait_until(lambda: is_up(url), processes, 180)
        codes = ask(url, PARTITIONS, asset={"path": ["enrollment_codes"]})
        sheets = ask(url, PARTITIONS, asset={"path": ["sheet_snapshots"]})
        assert counts(codes) == {"codes_match_contract": (29, 1, 0), "no_code_redeemed_twice": (29, 0, 1)}
        assert counts(sheets) == {"sheet_is_synced": (27, 2, 1), "sheet_has_no_conflicts": (26, 1, 3)}
        assert codes["partitionStats"] == {
            "numMaterialized": 30,
            "numFailed": 0,
            "numMaterializing": 0,
            "numPartitions": 30,
        }
        assert sheets["partitionStats"]["numMaterialized"] == 27
        assert sheets["partitionStats"]["numFailed"] == 3
        assert sheets["staleStatusByPartition"] == ["FRESH"]
        for slug, words in {
            "acme-03": "share it with b2b@sandbox.test",
            blocked: "not made, because enrollment_codes failed: codes_match_contract did not pass",
        }.items():
            shown = ask(url, REASONS, asset={"path": ["sheet_snapshots"]}, partition=slug)
            assert words in shown["assetObservations"][0]["description"]
            assert shown["latestMaterializationByPartition"] == [None]
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.FAILURE}
