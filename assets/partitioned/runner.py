"""Threads and results: each partition passes the chain by itself, several at a time.

Free of Dagster.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from b2b_pipelines.errors import B2BError

Link = Callable[[str], Any]
"""Makes one partition of an asset; returns its result."""
Check = Callable[[str], Any]
"""Evaluates one check of a partition; returns its result."""
Blocks = Callable[[str, str, Any], str | None]
"""The reason why a check's result (asset, check, result) stops the chain, or None."""


class CheckFailed(B2BError):
    """A blocking check failed: nothing downstream of it is made for this partition."""

    code = "check_failed"


@dataclass(frozen=True, slots=True)
class Made:
    """A made asset of the partition, with its link's result."""

    asset: str
    result: Any


@dataclass(frozen=True, slots=True)
class Checked:
    """An evaluated check, with its result."""

    asset: str
    check: str
    result: Any


@dataclass
class Attempt:
    """The result of one partition. `skipped` are the assets that come after the one that failed."""

    key: str
    steps: list[Made | Checked] = field(default_factory=list)
    failed_at: str = ""
    error: Exception | None = None
    skipped: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def made(self) -> list[Made]:
        return [step for step in self.steps if isinstance(step, Made)]

    @property
    def checked(self) -> list[Checked]:
        return [step for step in self.steps if isinstance(step, Checked)]


@dataclass(frozen=True)
class Chain:
    """The links of the selected assets, in the chain's order, and the checks of each asset."""

    links: Mapping[str, Link]
    checks: Mapping[str, Mapping[str, Check]]
    blocks: Blocks

    def attempt(self, key: str, done: Collection[str] = frozenset()) -> Attempt:
        """Make one partition, link by link, without the assets that are done. Never raises."""
        began = time.monotonic()
        attempt = Attempt(key)
        order = list(dict.fromkeys([*self.links, *self.checks]))
        for place, asset in enumerate(order):
            try:
                if asset in self.links and asset not in done:
                    attempt.steps.append(Made(asset, self.links[asset](key)))
                attempt.steps.extend(
                    Checked(asset, name, check(key)) for name, check in self.checks.get(asset, {}).items()
                )
                self._stop_if_blocked(attempt, asset)
            except Exception as error:  # noqa: BLE001  one partition's error, whatever it is, must not end the others
                attempt.failed_at, attempt.error = asset, error
                attempt.skipped = tuple(after for after in order[place + 1 :] if after in self.links)
                break
        attempt.seconds = time.monotonic() - began
        return attempt

    def _stop_if_blocked(self, attempt: Attempt, asset: str) -> None:
        """Raise `CheckFailed` for the first check of the asset that blocks. All of its checks are evaluated before."""
        for step in attempt.checked:
            if step.asset == asset and (reason := self.blocks(asset, step.check, step.result)) is not None:
                raise CheckFailed(reason)


def attempts(executor: ThreadPoolExecutor, chain: Chain, waiting: Mapping[str, Collection[str]]) -> Iterator[Attempt]:
    """Yield the result of every partition in `waiting` as it is ready.

    `waiting` maps partitions to the assets that are done.
    """
    futures = [executor.submit(chain.attempt, key, done) for key, done in waiting.items()]
    yield from (future.result() for future in as_completed(futures))


@contextmanager
def pool(threads: int, interrupts: tuple[type[BaseException], ...]) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread pool that starts no further partitions once the step is interrupted.

    On any other error, such as a result that cannot be recorded, the queued partitions still run.
    """
    executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="partition")
    try:
        yield executor
    except interrupts:
        executor.shutdown(cancel_futures=True)
        raise
    finally:
        executor.shutdown()


def selected(names: Iterable[str], of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a mapping whose names are selected, in the mapping's order."""
    wanted = set(names)
    return {name: value for name, value in of.items() if name in wanted}
