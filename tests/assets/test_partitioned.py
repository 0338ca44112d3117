"""One result for each partition of a run, whatever becomes of the others."""

import signal
from collections import Counter
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterEventType as Type
from dagster._core.events import DagsterEvent
from dagster._core.storage.event_log import InMemoryEventLogStorage
from sqlalchemy.exc import OperationalError

from assets.partitioned import Output, Terminated, consecutive, work_through
from assets.partitioned.runner import pool
from b2b_pipelines.errors import PermanentError, TransientError
from tests.assets.stored import stored_events
from tests.waiting import take

places = dg.DynamicPartitionsDefinition(name="places")


def chain(first: dg.MaterializeResult[None] | object, made: Counter[str]) -> dg.AssetsDefinition:
    """Two assets one after the other, of which `first` is given."""

    def second(key: str) -> dg.MaterializeResult[None]:
        made[f"second {key}"] += 1
        return dg.MaterializeResult()

    @dg.multi_asset(
        specs=[dg.AssetSpec("first", skippable=True), dg.AssetSpec("second", deps=["first"], skippable=True)],
        partitions_def=places,
        can_subset=True,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=0),
    )
    def both(context: dg.AssetExecutionContext) -> Iterator[Output]:
        yield from work_through(context, {"first": first, "second": second}, concurrency=2)  # type: ignore[dict-item]

    return both


def materialize(
    assets: dg.AssetsDefinition, keys: list[str]
) -> tuple[dg.ExecuteInProcessResult, list[DagsterEvent], dict[str, set[str]]]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("places", keys)
        tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
        result = dg.materialize([assets], instance=instance, tags=tags, raise_on_error=False)
        done: dict[str, set[str]] = {"first": set(), "second": set()}
        events = stored_events(instance, result)
        for event in events:
            if event.event_type is Type.ASSET_MATERIALIZATION and event.asset_key:
                done[event.asset_key.to_user_string()].add(event.partition or "")
        return result, events, done


def test_what_may_pass_is_tried_again_and_what_was_done_is_not_done_twice() -> None:
    made: Counter[str] = Counter()

    def first(key: str) -> dg.MaterializeResult[None]:
        made[key] += 1
        if key == "b" and made[key] < 3:
            raise TransientError("too busy")
        return dg.MaterializeResult()

    result, _, done = materialize(chain(first, made), ["a", "b", "c"])
    assert result.success
    assert done == {"first": {"a", "b", "c"}, "second": {"a", "b", "c"}}
    assert made == {"a": 1, "b": 3, "c": 1, "second a": 1, "second b": 1, "second c": 1}


def test_what_will_not_pass_is_tried_once_though_others_are_tried_again() -> None:
    made: Counter[str] = Counter()

    def first(key: str) -> dg.MaterializeResult[None]:
        made[key] += 1
        if key == "a":
            raise PermanentError("share the sheet")
        raise TransientError("too busy")

    result, _, done = materialize(chain(first, made), ["a", "b"])
    assert not result.success
    assert done == {"first": set(), "second": set()}
    assert made == {"a": 1, "b": 3}


def test_an_error_that_nobody_foresaw_fails_its_partition_and_hides_its_text() -> None:
    made: Counter[str] = Counter()

    def first(key: str) -> dg.MaterializeResult[None]:
        if key == "a":
            raise KeyError("jo@example.com")
        return dg.MaterializeResult()

    result, events, done = materialize(chain(first, made), ["a", "b"])
    assert not result.success
    assert done["second"] == {"b"}
    reasons = {
        event.asset_key.to_user_string(): event.asset_observation_data.asset_observation.description
        for event in events
        if event.event_type is Type.ASSET_OBSERVATION and event.asset_key
    }
    assert reasons == {
        "first": "KeyError (see the log of the run)",
        "second": "not made, because first failed: KeyError (see the log of the run)",
    }


@pytest.mark.parametrize("lost", range(1, 5))
def test_a_storage_that_is_lost_while_an_event_is_stored_lets_the_step_resume(
    lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    kept = InMemoryEventLogStorage.store_event

    def store(storage: InMemoryEventLogStorage, entry: dg.EventLogEntry) -> None:
        if entry.dagster_event_type is Type.ASSET_MATERIALIZATION:
            stored["materializations"] += 1
            if stored["materializations"] == lost:
                raise OperationalError("INSERT", {}, Exception("server closed the connection unexpectedly"))
        kept(storage, entry)

    monkeypatch.setattr(InMemoryEventLogStorage, "store_event", store)
    result, _, done = materialize(chain(lambda _: dg.MaterializeResult(), made), ["a", "b"])
    assert result.success
    assert done == {"first": {"a", "b"}, "second": {"a", "b"}}


def test_a_step_that_is_interrupted_begins_no_other_partition() -> None:
    made: Counter[int] = Counter()

    def make(number: int) -> None:
        take(0.01)
        made[number] += 1

    with pytest.raises(KeyboardInterrupt), pool(2, (KeyboardInterrupt,)) as executor:
        for number in range(200):
            executor.submit(make, number)
        raise KeyboardInterrupt
    assert len(made) < 100


def test_a_terminated_run_is_canceled_and_keeps_what_it_made_without_a_retry(instance: dg.DagsterInstance) -> None:
    made: Counter[str] = Counter()

    def first(key: str) -> dg.MaterializeResult[None]:
        made[key] += 1
        if made.total() == 4:
            instance.report_run_canceling(instance.get_runs()[0])
            signal.raise_signal(signal.SIGINT)
        take(0.05)
        return dg.MaterializeResult()

    instance.add_dynamic_partitions("places", EVERY)
    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "j"}
    with pytest.raises(Terminated):
        dg.materialize([chain(first, made)], instance=instance, tags=tags)
    [run] = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.CANCELED
    kept = [instance.get_materialized_partitions(dg.AssetKey(asset)) for asset in ("first", "second")]
    assert kept[0] == kept[1] <= set(made)
    assert {made[key] for key in EVERY} == {0, 1}, "a partition was tried twice, or all were"


EVERY = list("abcdefghij")


@pytest.mark.parametrize(
    ("keys", "gap", "most", "ranges"),
    [
        pytest.param("cd", 0, 9, ["cd"], id="neighbours-share-a-run"),
        pytest.param("ac", 0, 9, ["aa", "cc"], id="without-a-gap-each-stands-alone"),
        pytest.param("ac", 1, 9, ["ac"], id="a-small-gap-is-run-along"),
        pytest.param("ad", 1, 9, ["aa", "dd"], id="a-wide-gap-is-not"),
        pytest.param("abcdefghij", 0, 4, ["ad", "eh", "ij"], id="no-run-is-larger-than-the-most"),
        pytest.param("xyz", 0, 4, [], id="what-is-no-partition-is-left-out"),
    ],
)
def test_ranges(keys: str, gap: int, most: int, ranges: list[str]) -> None:
    assert consecutive(list(keys), EVERY, gap=gap, most=most) == [(pair[0], pair[1]) for pair in ranges]
