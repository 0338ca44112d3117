"""Record the results of partitions as Dagster's events.

The order of a partition's events matters to the UI: its materialization comes first, and its check evaluations name that
materialization as their target. Dagster counts an evaluation without its target as *Missing*.

Events are logged and not yielded. Dagster stores a yielded event outside of the step's own code: if its storage is lost at
that moment, the step fails without a retry, and no later run knows the partitions that are left. A logged event fails
inside of the step, which then resumes.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as RECORDED_ALREADY
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from assets.partitioned.history import PAGE, latest_target, shown_results
from assets.partitioned.runner import Attempt, Checked, Made
from assets.partitioned.tags import CAUSE, CUSTOMER, DOWNSTREAM_OF, FOR_THE_CUSTOMER, PERMANENT, RETRY_FOLLOWS
from b2b_pipelines.errors import B2BError

Type = dg.DagsterEventType
Output = dg.MaterializeResult[Any] | dg.Output[Any]
REHEARSED = "dry run: shows what would happen; nothing was changed"


@dataclass(frozen=True, slots=True)
class Failing:
    """How the failure of a partition is recorded."""

    reason: str
    cause: str
    permanent: bool
    customer: bool
    retry_follows: bool


@dataclass
class Recorder:
    """Records the attempts of one run.

    `assets` and `checks` are the run's selection; `keys` its partitions. `announced` holds the partitions that Dagster
    itself announced as planned for this run; a failure of any other partition is announced here, or the UI would not
    show it as failed. `state_checks` maps an asset to the check for the success of its last attempt.
    """

    context: dg.AssetExecutionContext
    keys: Sequence[str]
    assets: Sequence[str]
    checks: Mapping[str, Sequence[str]]
    announced: frozenset[str]
    state_checks: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False
    dry_run: bool = False
    _seen: str | None = None
    _made: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    _targets: dict[tuple[str, str], Target] = field(default_factory=dict)

    def succeed(self, attempt: Attempt) -> None:
        """Record a partition that passed the chain; in a quiet run only its changes.

        Announced items are always recorded: an announced check without a result shows as skipped.
        """
        if self.quiet and attempt.key not in self.announced and self._unchanged(attempt):
            self.context.log.info(f"{attempt.key}: unchanged ({attempt.seconds:.1f} s)")
            return
        self._record(attempt)
        for asset in self.assets:
            self._evaluate_state(attempt.key, asset, passed=True)
        self._repeat_states(attempt.key)
        made = ", ".join(step.asset for step in attempt.made) or "nothing"
        self.context.log.info(
            f"{attempt.key}: {'rehearsed' if self.dry_run else 'made'} {made} ({attempt.seconds:.1f} s)"
        )

    def fail(self, attempt: Attempt, failing: Failing) -> None:
        """Record the made assets of a failed partition, and the reason at each other asset."""
        assert attempt.error is not None
        self._record(attempt)
        downstream = f"not made, because {attempt.failed_at} failed: {failing.reason}"
        reasons = {attempt.failed_at: failing.reason, **dict.fromkeys(attempt.skipped, downstream)}
        for asset, reason in reasons.items():
            self._announce(asset, attempt.key)
            self.context.log_event(self._reason(asset, attempt.key, reason, failing, attempt.failed_at))
        self._evaluate_state(attempt.key, attempt.failed_at, passed=False, failing=failing)
        line = f"{attempt.key}: {attempt.failed_at} failed: {failing.reason} ({attempt.seconds:.1f} s)"
        if failing.customer:
            self.context.log.warning(line)
        else:
            self.context.log.error(line)
        if not isinstance(attempt.error, B2BError):
            frames = "".join(traceback.format_tb(attempt.error.__traceback__))
            self.context.log.error(f"{attempt.key}: {type(attempt.error).__name__} at\n{frames}")

    def is_news(self, attempt: Attempt, failing: Failing) -> bool:
        """Return whether the failure differs from the last result of the asset's state check.

        Call it before `fail`.
        """
        name = self.state_checks.get(attempt.failed_at)
        if name is None or name not in self.checks.get(attempt.failed_at, ()):
            return True
        last = self._last_state(attempt.failed_at, name, attempt.key)
        return last is None or last.passed or last.description != failing.reason

    def outputs(self) -> Iterator[Output]:
        """Yield the outputs that let downstream assets and checks of the run start.

        They record nothing again.
        """
        if self.dry_run or not _is_partitioned(self.context):
            return
        for asset in self.assets:
            yield dg.MaterializeResult(asset_key=asset, metadata={RECORDED_ALREADY: True})
        layer = self.context.job_def.asset_layer
        for key in self.context.selected_asset_check_keys:
            yield dg.Output(None, output_name=layer.get_op_output_name(key))

    def _record(self, attempt: Attempt) -> None:
        for step in attempt.steps:
            if isinstance(step, Checked):
                self._evaluate(attempt.key, step)
                continue
            self.context.log_event(self._event(step, attempt.key))
            if not self.dry_run:
                self._note_last(step.asset, attempt.key)

    def _event(self, step: Made, key: str) -> dg.AssetMaterialization | dg.AssetObservation:
        metadata = dict(step.result.metadata or {})
        if self.dry_run:
            return dg.AssetObservation(asset_key=step.asset, partition=key, description=REHEARSED, metadata=metadata)
        tags = dict(step.result.tags or {}) | self._input_versions(step.asset, key)
        spec = self.context.assets_def.get_asset_spec(dg.AssetKey(step.asset))
        if spec.code_version is not None:
            tags[CODE_VERSION_TAG] = spec.code_version
        if step.result.data_version is not None:
            tags |= {DATA_VERSION_TAG: step.result.data_version.value, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}
        return dg.AssetMaterialization(asset_key=step.asset, partition=key, metadata=metadata, tags=tags)

    def _input_versions(self, asset: str, key: str) -> dict[str, str]:
        """Return the versions of the partition's inputs.

        With them Dagster compares contents and not times.
        """
        tags: dict[str, str] = {}
        for parent in sorted(self.context.assets_def.asset_deps[dg.AssetKey(asset)]):
            name = parent.to_user_string()
            version, pointer = self._made.get((name, key)) or self._before.get((name, key)) or self._outside(parent)
            tags[get_input_data_version_tag(parent)] = version
            tags[get_input_event_pointer_tag(parent)] = str(pointer) if pointer else NULL_EVENT_POINTER
        return tags

    def _outside(self, parent: dg.AssetKey) -> tuple[str, int]:
        """Return the version of an input outside of the chain, read once a run."""
        name = parent.to_user_string()
        if (name, "") not in self._made:
            record = self.context.instance.get_latest_data_version_record(parent)
            version = extract_data_version_from_entry(record.event_log_entry) if record else None
            self._made[name, ""] = (
                (version or DEFAULT_DATA_VERSION).value,
                record.storage_id if record else 0,
            )
        return self._made[name, ""]

    @cached_property
    def _before(self) -> dict[tuple[str, str], tuple[str, int]]:
        """Return data version and event of each asset and partition before this run.

        Two queries an asset.
        """
        storage = self.context.instance.event_log_storage
        found: dict[tuple[str, str], tuple[str, int]] = {}
        for asset_key in self.context.assets_def.keys_by_output_name.values():
            tags = storage.get_latest_tags_by_partition(
                asset_key, Type.ASSET_MATERIALIZATION, [DATA_VERSION_TAG], asset_partitions=list(self.keys)
            )
            ids = storage.get_latest_storage_id_by_partition(asset_key, Type.ASSET_MATERIALIZATION, set(self.keys))
            for key, storage_id in ids.items():
                version = tags.get(key, {}).get(DATA_VERSION_TAG, DEFAULT_DATA_VERSION.value)
                found[asset_key.to_user_string(), key] = (version, storage_id)
        return found

    def _note_last(self, asset: str, key: str) -> None:
        """Find the event that was just stored.

        It is the newest materialization of this run, which has one writer.
        """
        page = self.context.instance.get_records_for_run(
            self.context.run.run_id, cursor=self._seen, of_type=Type.ASSET_MATERIALIZATION, limit=PAGE
        )
        while page.has_more:
            page = self.context.instance.get_records_for_run(
                self.context.run.run_id, cursor=page.cursor, of_type=Type.ASSET_MATERIALIZATION, limit=PAGE
            )
        self._seen = page.cursor
        record = page.records[-1]
        event = record.event_log_entry
        version = extract_data_version_from_entry(event) or DEFAULT_DATA_VERSION
        self._made[asset, key] = (version.value, record.storage_id)
        self._targets[asset, key] = Target(storage_id=record.storage_id, run_id=event.run_id, timestamp=event.timestamp)

    def _target(self, asset: str, key: str) -> Target | None:
        """Return the materialization that an evaluation concerns: this run's, else the last one."""
        if (asset, key) in self._targets:
            return self._targets[asset, key]
        return latest_target(self.context.instance, dg.AssetKey(asset), key)

    def _evaluate(self, key: str, step: Checked) -> None:
        check_key = dg.AssetCheckKey(dg.AssetKey(step.asset), step.check)
        self.context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=check_key.asset_key,
                check_name=step.check,
                passed=step.result.passed,
                metadata=step.result.metadata,
                target_materialization_data=self._target(step.asset, key),
                severity=step.result.severity,
                description=step.result.description,
                blocking=self.context.assets_def.get_spec_for_check_key(check_key).blocking,
                partition=key,
            )
        )

    def _evaluate_state(self, key: str, asset: str, *, passed: bool, failing: Failing | None = None) -> None:
        name = self.state_checks.get(asset)
        if self.dry_run or name is None or name not in self.checks.get(asset, ()):
            return
        result = dg.AssetCheckResult(
            passed=passed,
            description=failing.reason if failing else None,
            metadata={FOR_THE_CUSTOMER: failing.customer, "retry follows": failing.retry_follows} if failing else {},
        )
        self._evaluate(key, Checked(asset, name, result))

    def _repeat_states(self, key: str) -> None:
        """Repeat the last results of state checks of assets that the run does not make.

        The run has no new result for them.
        """
        for asset, name in self.state_checks.items():
            if asset in self.assets or name not in self.checks.get(asset, ()):
                continue
            if (last := self._last_state(asset, name, key)) is not None:
                self._evaluate(
                    key,
                    Checked(
                        asset,
                        name,
                        dg.AssetCheckResult(
                            passed=last.passed, description=last.description, metadata=dict(last.metadata)
                        ),
                    ),
                )

    def _last_state(self, asset: str, name: str, key: str) -> dg.AssetCheckEvaluation | None:
        history = self.context.instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey(asset), name),
            limit=1,
            status={Status.FAILED, Status.SUCCEEDED},
            partition_filter=PartitionKeyFilter(key=key),
        )
        return history[0].evaluation if history else None

    def _unchanged(self, attempt: Attempt) -> bool:
        """Return whether the last events of the partition equal this attempt's result."""
        for made in attempt.made:
            before = self._before.get((made.asset, attempt.key))
            if before is None or made.result.data_version is None or made.result.data_version.value != before[0]:
                return False
        results = {(step.asset, step.check): bool(step.result.passed) for step in attempt.checked}
        results |= {(asset, name): True for asset, name in self.state_checks.items() if asset in self.assets}
        wanted = {(asset, name) for asset in self.assets for name in self.checks.get(asset, ())}
        return wanted == set(results) and all(
            self._shown.get((*check, attempt.key)) is passed for check, passed in results.items()
        )

    @cached_property
    def _shown(self) -> dict[tuple[str, str, str], bool]:
        """Return the shown result of each check and partition: that of the latest materialization."""
        keys = [dg.AssetCheckKey(dg.AssetKey(asset), name) for asset, names in self.checks.items() for name in names]
        return {
            (check.asset_key.to_user_string(), check.name, partition): passed
            for (check, partition), passed in shown_results(self.context.instance, keys, self.keys).items()
        }

    def _announce(self, asset: str, key: str) -> None:
        """Announce a partition that Dagster did not, so that it shows as failed when the run fails."""
        if key in self.announced or self.dry_run:
            return
        run = self.context.run
        event = DagsterEvent.build_asset_materialization_planned_event(
            run.job_name, self._step, AssetMaterializationPlannedData(dg.AssetKey(asset), partition=key)
        )
        self.context.instance.report_dagster_event(event, run.run_id)

    @property
    def _step(self) -> str:
        return str(self.context.op_execution_context.get_step_execution_context().step.key)

    def _reason(self, asset: str, key: str, reason: str, failing: Failing, failed_at: str) -> dg.AssetObservation:
        """Return the failure as an event of the partition.

        Its page then shows the action to take.
        """
        after = {DOWNSTREAM_OF: failed_at} if failed_at != asset else {}
        return dg.AssetObservation(
            asset_key=asset,
            partition=key,
            description=reason,
            metadata={"failed": reason, "will be tried again": failing.retry_follows or not failing.permanent},
            tags={
                PERMANENT: str(failing.permanent).lower(),
                CUSTOMER: str(failing.customer).lower(),
                RETRY_FOLLOWS: str(failing.retry_follows).lower(),
                CAUSE: failing.cause,
                **after,
            },
        )


def _is_partitioned(context: dg.AssetExecutionContext) -> bool:
    return bool(context.has_partition_key or context.has_partition_key_range)
