"""Dagster's GraphQL API as its UI uses it: questions, launches, re-executions and backfills."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "b2b_pipelines"}
PARTITIONS = """
query($asset: AssetKeyInput!, $partitions: [String!]!) {
  assetNodeOrError(assetKey: $asset) { ... on AssetNode {
    partitionStats { numMaterialized numFailed numMaterializing numPartitions }
    staleStatusByPartition(partitions: $partitions)
    assetChecksOrError { ... on AssetChecks { checks { name
      partitionStatuses { ... on AssetCheckDefaultPartitionStatuses {
        succeededPartitions failedPartitions inProgressPartitions skippedPartitions executionFailedPartitions } }
      executionForLatestMaterialization { status evaluation { targetMaterialization { runId } } } } } }
  } }
}
"""
PARTITION_PAGE = """
query($asset: AssetKeyInput!, $partition: String!) {
  assetOrError(assetKey: $asset) { ... on Asset {
    definition { latestRunForPartition(partition: $partition) { status } }
    assetEventHistory(
      partitions: [$partition], limit: 1000, eventTypeSelectors: [MATERIALIZATION, OBSERVATION, FAILED_TO_MATERIALIZE]
    ) { results { __typename
      ... on ObservationEvent { description metadataEntries { label ... on TextMetadataEntry { text } } }
    } }
  } }
}
"""
"""As the page of a partition asks (`AssetPartitionDetailQuery`). It shows observations since the last materialization as
metadata; without a materialization, Dagster's page shows them behind *View all historical events*."""
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } }
}
"""
REEXECUTE = """
mutation($params: ReexecutionParams!) {
  launchPipelineReexecution(reexecutionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } }
}
"""
COUNTS = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status
    assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
      numPartitionsTargeted numPartitionsInProgress numPartitionsMaterialized numPartitionsFailed } } } } }
}
"""


def ask(url: str, query: str, **variables: Any) -> Any:
    """The answer to a query or mutation with one field: that field."""
    answer = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer["errors"]
    [field] = answer["data"].values()
    return field


def is_up(url: str) -> bool:
    """Whether the webserver answers and has loaded the code location."""
    try:
        return bool(ask(url, PARTITIONS, asset=key("sheet_snapshots"), partitions=[]).get("partitionStats"))
    except (httpx.HTTPError, AssertionError, KeyError):
        return False


def key(asset: str) -> dict[str, list[str]]:
    return {"path": [asset]}


def launch(
    url: str,
    job: str,
    *,
    config: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
    checks: Sequence[tuple[str, str]] | None = None,
) -> str:
    """Launch a job, as the Launchpad does, or checks alone, as the Checks tab does; the run's id."""
    chosen = {} if checks is None else _only(checks)
    params = {
        "selector": {**REPOSITORY, "jobName": job, **chosen},
        "mode": "default",
        "runConfigData": json.dumps(config or {}),
        "executionMetadata": {"tags": [{"key": name, "value": value} for name, value in (tags or {}).items()]},
    }
    return str(_launched(ask(url, LAUNCH, params=params))["run"]["runId"])


def _only(checks: Sequence[tuple[str, str]]) -> dict[str, object]:
    return {
        "assetSelection": [],
        "assetCheckSelection": [{"assetKey": key(asset), "name": name} for asset, name in checks],
    }


def reexecute(url: str, run_id: str, strategy: str) -> str:
    """Re-execute a run, as the button of its page does; the new run's id."""
    return str(_launched(ask(url, REEXECUTE, params={"parentRunId": run_id, "strategy": strategy}))["run"]["runId"])


def backfill(url: str, assets: Sequence[str], partitions: Sequence[str]) -> str:
    """Launch a backfill, as the dialog *Materialize* does; its id."""
    params = {"assetSelection": [key(asset) for asset in assets], "partitionNames": list(partitions), "tags": []}
    return str(_launched(ask(url, BACKFILL, params=params))["backfillId"])


def _launched(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    assert "Success" in answer["__typename"], answer
    return answer
