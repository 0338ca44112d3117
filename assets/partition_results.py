"""Working through the partitions of a run: each by itself, several at a time, one result each.

A run may hold hundreds of contracts or customers, and a chain of assets for each. Dagster gives all partitions of a run
one result and skips what is downstream of a step that failed; here a partition goes through its chain alone: what fails
stops its own chain, and every other partition is materialized. The run then fails, naming the partitions that did, and
exactly those show as failed in the UI.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from sqlalchemy.exc import OperationalError

from b2b_pipelines.errors import B2BError, TransientError

RETRIED_WHEN_PASSING = dg.RetryPolicy(max_retries=2, delay=60)
"""Two more tries of the partitions that failed with something that may pass; permanent failures are not tried again."""

DATA_VERSION = "dagster/data_version"
DATA_VERSION_GIVEN = "dagster/data_version_is_user_provided"
PERMANENT = "permanent"
ERROR_CODE = "error_code"
WOULD = "dry run: this is what would be done, and nothing was"

Event = dg.AssetMaterialization | dg.AssetObservation
Link = Callable[[str], dg.MaterializeResult[Any]]
Check = Callable[[str], dg.AssetCheckResult]


class CheckFailed(B2BError):
    """A blocking check did not pass: nothing downstream of it is made for this partition."""

    code = "check_failed"


class Terminated(dg.DagsterError, KeyboardInterrupt):
    """The run is to end. Dagster tries an interrupted step again, by its retry policy, but for an error of Dagster's own;
    and as an interrupt, that cancels the run."""


@dataclass
class _Partition:
    """What became of one partition."""

    key: str
    events: list[Event] = field(default_factory=list)
    evaluations: list[dg.AssetCheckEvaluation] = field(default_factory=list)
    failed_at: str = ""
    error: Exception | None = None


def work_through(
    context: dg.AssetExecutionContext,
    links: Mapping[str, Link],
    checks: Mapping[str, Mapping[str, Check]] | None = None,
    *,
    concurrency: int = 1,
    dry_run: bool = False,
) -> Iterator[Event]:
    """Take every partition of the run through the chain of assets that is selected.

    `links` maps asset keys, in the order of the chain, to what makes one partition; `checks` maps asset keys to their
    checks by name. A link returns a `MaterializeResult` with metadata and data version. What is yielded belongs to one
    partition each: a materialization, or in a dry run an observation, by which nothing counts as made. Raises
    `dagster.Failure` at the end if any partition failed, retried only for those that failed with something that may pass
    (`TransientError`, or PostgreSQL not answering).
    """
    chain = _Chain(context, links, checks or {}, dry_run)
    earlier = _Earlier.of(context)
    waiting = [key for key in context.partition_keys if key not in earlier.refused]
    failed: dict[str, str] = dict(earlier.refused)
    may_pass = False
    with _pool(concurrency) as pool:
        futures = [pool.submit(chain.go, key, earlier.made.get(key, frozenset())) for key in waiting]
        for done, future in enumerate(as_completed(futures), start=1):
            partition = future.result()
            for evaluation in partition.evaluations:
                context.log_event(evaluation)
            yield from partition.events
            if partition.error is not None:
                passing = _may_pass(partition.error)
                may_pass = may_pass or passing
                failed[partition.key] = _words(partition.error)
                _log_failure(context, partition)
                yield _observed(partition, permanent=not passing)
            if done % 50 == 0:
                context.log.info(f"{done} of {len(waiting)} partitions done")
    if failed:
        raise dg.Failure(
            description=f"{len(failed)} of {len(context.partition_keys)} partitions failed: "
            + "; ".join(f"{key}: {words}" for key, words in sorted(failed.items())[:20])
            + (" …" if len(failed) > 20 else ""),
            metadata={"failed": dg.MetadataValue.json(failed), "failed_partitions": len(failed)},
            allow_retries=may_pass,
        )


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more when the step is interrupted. Whatever else befalls it, say that what was made cannot
    be noted now, they work through everything."""
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="partition")
    try:
        yield pool
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as interrupt:
        pool.shutdown(cancel_futures=True)
        raise Terminated from interrupt
    finally:
        pool.shutdown()


@dataclass(frozen=True)
class _Chain:
    """The links and checks that this run asks for."""

    context: dg.AssetExecutionContext
    links: Mapping[str, Link]
    checks: Mapping[str, Mapping[str, Check]]
    dry_run: bool

    def go(self, key: str, made: frozenset[str]) -> _Partition:
        """Make one partition, link by link; never raises."""
        partition = _Partition(key)
        for asset, link in self.links.items():
            try:
                if dg.AssetKey(asset) in self.context.selected_asset_keys and asset not in made:
                    partition.events.append(self.event(asset, key, link(key)))
                for evaluation in self.evaluated(asset, key):
                    partition.evaluations.append(evaluation)
                    _stop_if_blocked(evaluation)
            except Exception as error:  # noqa: BLE001  one partition's fault, whatever it is, must not end the others
                partition.failed_at, partition.error = asset, error
                break
        return partition

    def event(self, asset: str, key: str, result: dg.MaterializeResult[Any]) -> Event:
        """The event of one partition; with a data version, what is downstream can tell whether anything changed.

        It names no versions of its inputs: Dagster then calls it out of date when one of them was made after it.
        """
        metadata = dict(result.metadata or {})
        if self.dry_run:
            return dg.AssetObservation(asset_key=asset, partition=key, description=WOULD, metadata=metadata)
        tags = dict(result.tags or {})
        if result.data_version is not None:
            tags |= {DATA_VERSION: result.data_version.value, DATA_VERSION_GIVEN: "true"}
        return dg.AssetMaterialization(asset_key=asset, partition=key, metadata=metadata, tags=tags)

    def evaluated(self, asset: str, key: str) -> Iterator[dg.AssetCheckEvaluation]:
        selected = self.context.selected_asset_check_keys
        for name, check in self.checks.get(asset, {}).items():
            check_key = dg.AssetCheckKey(dg.AssetKey(asset), name)
            if check_key not in selected:
                continue
            result = check(key)
            yield dg.AssetCheckEvaluation(
                asset_key=check_key.asset_key,
                check_name=name,
                passed=result.passed,
                metadata=result.metadata,
                severity=result.severity,
                description=result.description,
                blocking=self.context.assets_def.get_spec_for_check_key(check_key).blocking,
                partition=key,
            )


@dataclass(frozen=True)
class _Earlier:
    """What an earlier attempt of this run left: assets made, and partitions refused for good, by partition."""

    made: Mapping[str, frozenset[str]]
    refused: Mapping[str, str]

    @classmethod
    def of(cls, context: dg.AssetExecutionContext) -> "_Earlier":
        if context.retry_number == 0:
            return cls({}, {})
        made: dict[str, frozenset[str]] = {}
        refused: dict[str, str] = {}
        events = [
            record.event_log_entry.dagster_event
            for kind in (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION)
            for record in context.instance.get_records_for_run(context.run.run_id, of_type=kind).records
        ]
        for event in events:
            if event is None or event.partition is None or event.asset_key is None:
                continue
            if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
                made[event.partition] = made.get(event.partition, frozenset()) | {event.asset_key.to_user_string()}
            elif event.asset_observation_data.asset_observation.tags.get(PERMANENT) == "true":
                refused[event.partition] = event.asset_observation_data.asset_observation.description or "failed"
        return cls(made, refused)


def _stop_if_blocked(evaluation: dg.AssetCheckEvaluation) -> None:
    if evaluation.blocking and not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
        raise CheckFailed(f"{evaluation.check_name} did not pass: {evaluation.description or 'see its metadata'}")


def _may_pass(error: Exception) -> bool:
    return isinstance(error, TransientError | OperationalError)


def _words(error: Exception) -> str:
    """What a person reads. An error that nobody foresaw shows its type only: its text may hold what is not to be shown."""
    return error.message if isinstance(error, B2BError) else f"{type(error).__name__} (see the log of the run)"


def _log_failure(context: dg.AssetExecutionContext, partition: _Partition) -> None:
    assert partition.error is not None
    context.log.error(f"{partition.key}: {partition.failed_at}: {_words(partition.error)}")
    if not isinstance(partition.error, B2BError):
        frames = traceback.format_tb(partition.error.__traceback__)
        context.log.error(f"{partition.key}: {type(partition.error).__name__} at\n{''.join(frames)}")


def _observed(partition: _Partition, *, permanent: bool) -> dg.AssetObservation:
    """The failure as an event of the partition, so that its page says what a person must do."""
    assert partition.error is not None
    return dg.AssetObservation(
        asset_key=partition.failed_at,
        partition=partition.key,
        description=_words(partition.error),
        metadata={"failed": _words(partition.error), "will be tried again": not permanent},
        tags={PERMANENT: "true" if permanent else "false", ERROR_CODE: getattr(partition.error, "code", "unexpected")},
    )


def consecutive(keys: Sequence[str], every: Sequence[str], *, gap: int, most: int) -> list[tuple[str, str]]:
    """Ranges of partitions, `(first, last)` in the order of `every`, that cover `keys`, of at most `most` partitions.

    A run takes one range. Keys at most `gap` others apart share one: those between are gone through as well, and are
    found to be right. Keys that are not partitions are left out.
    """
    wanted = set(keys)
    ranges: list[tuple[int, int]] = []
    for place in (place for place, key in enumerate(every) if key in wanted):
        if ranges and place - ranges[-1][1] <= gap + 1 and place - ranges[-1][0] < most:
            ranges[-1] = (ranges[-1][0], place)
        else:
            ranges.append((place, place))
    return [(every[first], every[last]) for first, last in ranges]
