"""The whole graph as plain data, so that a review shows each change of it.

`.venv/bin/python -m tests.orchestration.graph` writes it again.
"""

from pathlib import Path
from typing import Any

import yaml

SNAPSHOT = Path(__file__).with_name("graph.yaml")


def graph() -> dict[str, Any]:
    """Assets, checks, jobs, schedules, sensors and resources of the code location, sorted by name."""
    from b2b_pipelines.definitions import defs

    repository = defs.get_repository_def()
    nodes = repository.asset_graph
    keys = sorted(nodes.get_all_asset_keys(), key=lambda key: key.to_user_string())
    checks = sorted(nodes.asset_check_keys, key=lambda key: (key.asset_key.to_user_string(), key.name))
    return {
        "assets": {key.to_user_string(): _asset(nodes, key) for key in keys},
        "checks": {f"{key.asset_key.to_user_string()}: {key.name}": _check(nodes, key) for key in checks},
        "jobs": {
            job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
            + sorted(f"check {key.name}" for key in job.asset_layer.asset_graph.asset_check_keys)
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: {
                "job": schedule.job_name,
                "cron": schedule.cron_schedule,
                "zone": schedule.execution_timezone,
                "on": schedule.default_status.value,
            }
            for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name)
        },
        "sensors": {
            sensor.name: {
                "kind": sensor.sensor_type.value,
                "jobs": sorted(target.job_name for target in sensor.targets if target.job_name != "__ASSET_JOB"),
                "seconds": sensor.minimum_interval_seconds,
                "on": sensor.default_status.value,
            }
            for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name)
        },
        "resources": sorted(repository.get_top_level_resources()),
    }


def _asset(nodes: Any, key: Any) -> dict[str, Any]:
    node = nodes.get(key)
    found: dict[str, Any] = {
        "description": node.description,
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": sorted(node.owners),
        "made from": sorted(parent.to_user_string() for parent in node.parent_keys),
    }
    if node.is_external:
        return found | {"external": True}
    computed = node.assets_def
    step = computed.op
    policy = node.backfill_policy
    retry = step.retry_policy
    return found | {
        "step": step.name,
        "code version": node.code_version,
        "partitions": node.partitions_def.name if node.partitions_def else None,
        "partitions a run": policy.max_partitions_per_run if policy else None,
        "retries": f"{retry.max_retries} after {retry.delay} s" if retry else None,
        "pool": step.pool,
        "fresh within": _window(node.freshness_policy),
        "columns": [column.name for column in node.metadata["dagster/column_schema"].columns],
    }


def _window(policy: Any) -> str | None:
    if policy is None:
        return None
    warned, failed = policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()
    return f"{warned} warns, {failed} fails"


def _check(nodes: Any, key: Any) -> dict[str, Any]:
    spec = nodes.get_check_spec(key)
    return {
        "description": spec.description,
        "blocking": spec.blocking,
        "partitions": spec.partitions_def.name if spec.partitions_def else None,
    }


def as_yaml() -> str:
    return yaml.safe_dump(graph(), sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


if __name__ == "__main__":
    SNAPSHOT.write_text(as_yaml(), encoding="utf-8")
