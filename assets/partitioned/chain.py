"""Work through the partitions of a run.

Each passes the chain by itself and has its own result.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import dagster as dg
from dagster._utils.interrupts import capture_interrupts, pop_captured_interrupt
from sqlalchemy.exc import OperationalError

from assets.partitioned import backfills, history
from assets.partitioned.recorder import Failing, Output, Recorder
from assets.partitioned.retry import Earlier
from assets.partitioned.runner import Chain, Check, Link, attempts, pool, selected
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError, TransientError

RETRIED_WHEN_PASSING = dg.RetryPolicy(max_retries=2, delay=60)
"""Two more tries of an asset without partitions that failed with something that may pass."""
RESUMED = dg.RetryPolicy(max_retries=2, delay=5)
"""For a chain whose partitions later runs retry: the step resumes when Dagster's own storage was lost under it, because
then nothing notes the partitions that are left."""
CHAIN_RETRIES = 2
"""Later runs that try the partitions of a chain again which failed with something that may pass."""
MOST_TAKEN = 500
"""Partitions of a run that takes over queued runs of the same backfill."""

INTERRUPTS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)


class Terminated(dg.DagsterError, KeyboardInterrupt):
    """The run was terminated.

    Dagster retries an interrupted step by its retry policy unless the error is one of Dagster's own; as an interrupt, it
    cancels the run.
    """


def work_through(
    context: dg.AssetExecutionContext,
    links: Mapping[str, Link],
    checks: Mapping[str, Mapping[str, Check]] | None = None,
    *,
    concurrency: int = 1,
    dry_run: bool = False,
    quiet: bool = False,
    keys: Sequence[str] = (),
    state_checks: Mapping[str, str] | None = None,
    is_customers: Callable[[Exception], bool] = lambda _: False,
    later_retries: int = 0,
    names: Callable[[Sequence[str]], Sequence[str]] | None = None,
    database: Database | None = None,
) -> Iterator[Output]:
    """Take every partition of the run through the selected assets, several at a time.

    `links` maps asset keys, in the order of the chain, to the function that makes one partition; `checks` maps asset
    keys to their checks by name. A link returns a `MaterializeResult` with metadata and data version. Each partition is
    recorded as soon as it is ready: materialization, then checks, or the reason at each asset that was not made. In a
    dry run, observations replace materializations. In a `quiet` run, an unchanged partition adds one line to the log
    and no event.

    `keys` are the partitions of a run that names them in its configuration; without them the run's own are taken.
    `state_checks` maps an asset to a check that this function evaluates: whether the last attempt succeeded.
    `is_customers` identifies the errors on which the customer must act. They fail that check, and the run only the
    first time. `later_retries` is the number of later runs that retry a transient failure. `names` returns the names of
    the customers of partitions, for a tag of the run. Runs of a backfill exclude each other by a lock in `database`
    when they take over queued runs; without it these stay in the queue.

    Yields the outputs for downstream at the end. Raises `dagster.Failure` when a partition failed with a
    new cause or with a defect; retried only for transient failures (`TransientError`, or PostgreSQL did not answer).
    """
    run = _Run(
        context, links, checks or {}, keys, states=state_checks or {}, dry_run=dry_run, quiet=quiet, database=database
    )
    waiting = run.earlier.left(run.keys, run.assets)
    if names is not None:
        history.tag_customers(context.instance, context.run.run_id, names(list(waiting)))
    failed: dict[str, str] = dict(run.earlier.refused)
    alarming, may_pass, known = bool(failed), False, 0
    retry_follows = history.attempt_of(context.run) <= later_retries
    try:
        with pool(concurrency, INTERRUPTS) as executor:
            for attempt in attempts(executor, run.chain, waiting):
                if attempt.error is None:
                    with _uninterrupted():
                        run.recorder.succeed(attempt)
                    continue
                failing = _failing(attempt.error, is_customers, retry_follows)
                with _uninterrupted():
                    news = run.recorder.is_news(attempt, failing)
                    run.recorder.fail(attempt, failing)
                failed[attempt.key] = failing.reason
                known += failing.customer and not news
                alarming |= news or not failing.customer
                may_pass |= not failing.permanent
    except INTERRUPTS as interrupt:
        raise Terminated from interrupt
    if alarming:
        raise _failure(failed, len(run.keys), known, may_pass and not later_retries)
    if failed:
        context.log.warning(f"{len(failed)} of {len(run.keys)} partitions wait for their customers, as before")
    yield from run.recorder.outputs()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Raise an interrupt at the end of the block.

    A terminated run would otherwise record some assets and checks of a partition that it has made, and not the others.
    """
    interrupted = False
    try:
        with capture_interrupts():
            try:
                yield
            finally:
                interrupted = pop_captured_interrupt()
    finally:
        if interrupted:
            raise dg.DagsterExecutionInterruptedError


class _Run:
    """The selection of one run, and its recorder."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        links: Mapping[str, Link],
        checks: Mapping[str, Mapping[str, Check]],
        keys: Sequence[str],
        *,
        states: Mapping[str, str],
        dry_run: bool,
        quiet: bool,
        database: Database | None,
    ) -> None:
        keys, announced = partitions_of(context, keys, database)
        names = {key.to_user_string() for key in context.selected_asset_keys}
        self.assets = [asset for asset in links if asset in names]
        self.keys = keys
        wanted: dict[str, list[str]] = {}
        for check_key in context.selected_asset_check_keys:
            wanted.setdefault(check_key.asset_key.to_user_string(), []).append(check_key.name)
        self.chain = Chain(
            selected(self.assets, links),
            {asset: selected(names, checks.get(asset, {})) for asset, names in _ordered(wanted, links)},
            partial(_blocks, context),
        )
        self.recorder = Recorder(
            context,
            keys,
            self.assets,
            {} if dry_run else wanted,
            announced,
            state_checks=states,
            quiet=quiet,
            dry_run=dry_run,
        )
        self.earlier: Earlier = history.left_by_earlier_attempts(context)


def partitions_of(
    context: dg.AssetExecutionContext, named: Sequence[str], database: Database | None
) -> tuple[list[str], frozenset[str]]:
    """Return the partitions of the run, and those that Dagster announced for it.

    A run has the partitions that its configuration names, else its own, with those of queued runs of the same backfill.
    A run of checks alone without partitions takes every partition. Dagster gives a run one partition or one range; a
    run over a list names one of them in its tags.
    """
    own = list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else []
    others = _others(context)
    if named:
        if others and set(named) != set(own):
            raise dg.Failure(
                f"the run names its partitions in its configuration, and Dagster would make {', '.join(sorted(others))} "
                "for one of them only: choose a range of partitions instead, or leave these assets out",
                allow_retries=False,
            )
        return list(dict.fromkeys(named)), frozenset(own)
    definition = context.assets_def.partitions_def
    every = (
        list(context.instance.get_dynamic_partitions(str(definition.name)))
        if isinstance(definition, dg.DynamicPartitionsDefinition)
        else []
    )
    if own:
        taken = backfills.taken_over_before(context, every)
        if database is not None and not others:
            taken += backfills.take_over(context, [*own, *taken], every, MOST_TAKEN, database)
        if taken:
            context.log.info(f"{len(taken)} queued partitions of the same backfill are made by this run")
        return list(dict.fromkeys([*own, *taken])), frozenset(own)
    if context.selected_asset_keys or not every:
        raise dg.Failure(
            "the run names no partitions: choose them in the UI, or pass --partition or --partition-range",
            allow_retries=False,
        )
    return every, frozenset()


def _others(context: dg.AssetExecutionContext) -> set[str]:
    """Return the assets of the run that are not in the chain: Dagster gives them the run's own partitions only."""
    keys = context.job_def.asset_layer.selected_asset_keys - set(context.assets_def.keys)
    return {key.to_user_string() for key in keys}


def _ordered(wanted: Mapping[str, Sequence[str]], links: Mapping[str, Link]) -> Iterator[tuple[str, Sequence[str]]]:
    return ((asset, wanted[asset]) for asset in links if asset in wanted)


def _blocks(context: dg.AssetExecutionContext, asset: str, check: str, result: dg.AssetCheckResult) -> str | None:
    spec = context.assets_def.get_spec_for_check_key(dg.AssetCheckKey(dg.AssetKey(asset), check))
    if result.passed or not spec.blocking or result.severity is not dg.AssetCheckSeverity.ERROR:
        return None
    return f"{check} did not pass: {result.description or 'see its metadata'}"


def _failing(error: Exception, is_customers: Callable[[Exception], bool], retry_follows: bool) -> Failing:
    may_pass = isinstance(error, TransientError | OperationalError)
    return Failing(
        reason=_reason(error),
        cause=error.code if isinstance(error, B2BError) else type(error).__name__,
        permanent=not may_pass,
        customer=is_customers(error),
        retry_follows=may_pass and retry_follows,
    )


def _reason(error: Exception) -> str:
    """Return the message for people.

    An unexpected error shows its type only, because its text may hold private data.
    """
    return error.message if isinstance(error, B2BError) else f"{type(error).__name__} (see the log of the run)"


def _failure(failed: Mapping[str, str], partitions: int, known: int, is_retried: bool) -> dg.Failure:
    before = f" ({known} as before)" if known else ""
    return dg.Failure(
        description=f"{len(failed)} of {partitions} partitions failed{before}: "
        + "; ".join(f"{key}: {reason}" for key, reason in sorted(failed.items())[:20])
        + (" …" if len(failed) > 20 else ""),
        metadata={"failed": dg.MetadataValue.json(dict(failed)), "failed_partitions": len(failed)},
        allow_retries=is_retried,
    )


__all__ = ["CHAIN_RETRIES", "RESUMED", "RETRIED_WHEN_PASSING", "Output", "Terminated", "work_through"]
