"""Group commit of attaches: the requests that wait for one contract are decided in one transaction.

A worker per contract takes whatever waits, in the order of arrival. Each request waits `PATIENCE` seconds in all: for
its batch to begin, and for the contract's lock. A batch waits for the lock as long as its oldest request may.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from anyio import to_thread
from sqlalchemy.exc import OperationalError

from b2b_pipelines.api.database import STATEMENT_SECONDS, Connection, Hurried, Lanes
from b2b_pipelines.api.gathering import Gathered
from b2b_pipelines.api.turns import LONGEST_QUEUE, PATIENCE, busy
from b2b_pipelines.db.bounds import bound
from b2b_pipelines.db.locks import Busy
from b2b_pipelines.errors import B2BError
from b2b_pipelines.learners import batch, service, store
from b2b_pipelines.learners.batch import AttachRequest, LearnersChanged
from b2b_pipelines.learners.service import Attachment, reporting_conflicts
from b2b_pipelines.tokens import service as tokens
from b2b_pipelines.tokens.service import Caller

LARGEST_BATCH = 50
SHORTEST_WAIT = 0.1
"""Seconds that a batch waits for the lock at least, so that expiring requests do not cause a stream of tries."""
LOCKED = ("55P03", "57014", "40P01")
"""SQLSTATEs of a lock that was not obtained in time."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request, until its result is known."""

    request: AttachRequest
    result: asyncio.Future[Attachment]
    deadline: float
    expiry: asyncio.TimerHandle | None = None

    def resolve(self, outcome: Attachment | BaseException) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
        if self.result.done():  # its client went away
            return
        if isinstance(outcome, BaseException):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(outcome)


@dataclass(slots=True)
class _Queue:
    """The requests for one contract, and the task that works on them."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Attaching:
    """The queues of one process. Belongs to one event loop."""

    def __init__(self, connection: Connection, lanes: Lanes) -> None:
        self._connection = connection
        self._lanes = lanes
        self._queues: dict[int, _Queue] = {}
        self._look_ups = Gathered(self._found)

    async def look_up(self, token: str, code: str) -> tuple[Caller | None, int | None]:
        """Return who calls with that token, and the id of the contract of that code; None for what does not exist."""
        found = await self._look_ups.ask((token, code.strip().lower()))
        assert found is not None
        return found

    def _found(self, asked: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[Caller | None, int | None]]:
        with self._connection.reading() as session:
            callers = tokens.recognize_each(session, {token for token, _ in asked})
            contracts = store.contract_ids_of_codes(session, {code for _, code in asked})
        return {(token, code): (callers.get(token), contracts.get(code)) for token, code in asked}

    async def attach(self, contract_id: int, request: AttachRequest) -> Attachment:
        """Return the result of the request. Raises what `service.attach` raises, and `Busy`."""
        queue = self._queues.setdefault(contract_id, _Queue())
        if len(queue.waiting) >= LONGEST_QUEUE:
            raise busy()
        loop = asyncio.get_running_loop()
        item = _Waiting(request, loop.create_future(), time.monotonic() + PATIENCE)
        item.expiry = loop.call_later(PATIENCE, self._expire, queue, item)
        queue.waiting.append(item)
        if queue.task is None:
            queue.task = asyncio.create_task(self._work(contract_id, queue))
        return await item.result

    def _expire(self, queue: _Queue, item: _Waiting) -> None:
        """Refuse a request whose batch has not begun; one that is being decided is refused by its batch."""
        if item in queue.waiting:
            queue.waiting.remove(item)
            item.resolve(busy())

    async def _work(self, contract_id: int, queue: _Queue) -> None:
        """Decide batch after batch until none waits."""
        try:
            while queue.waiting:
                try:
                    async with self._lanes.writes.take(("contract", contract_id)):
                        items = [queue.waiting.popleft() for _ in range(min(len(queue.waiting), LARGEST_BATCH))]
                        await self._decide(contract_id, queue, items)
                except Busy:  # no turn; the requests that waited as long have expired
                    await asyncio.sleep(SHORTEST_WAIT)
        finally:
            del self._queues[contract_id]
            while queue.waiting:  # only when this task is cancelled
                queue.waiting.popleft().resolve(busy())

    async def _decide(self, contract_id: int, queue: _Queue, items: Sequence[_Waiting]) -> None:
        if not items:
            return
        patience = max(min(item.deadline for item in items) - time.monotonic(), SHORTEST_WAIT)
        work = partial(attach_batch, self._connection, contract_id, [item.request for item in items], patience)
        outcomes: Sequence[Attachment | BaseException]
        try:
            outcomes = await to_thread.run_sync(work, limiter=self._lanes.writers)
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) not in LOCKED:
                outcomes = [error] * len(items)
            else:
                still = time.monotonic() + SHORTEST_WAIT / 2
                again = [item for item in items if item.deadline > still]
                queue.waiting.extendleft(reversed(again))
                items, outcomes = [item for item in items if item.deadline <= still], [busy()] * len(items)
        except BaseException as error:  # noqa: BLE001 - every request of the batch gets it
            outcomes = [error] * len(items)
        for item, outcome in zip(items, outcomes, strict=False):
            item.resolve(outcome)


def attach_batch(
    connection: Connection, contract_id: int, requests: Sequence[AttachRequest], patience: float
) -> list[Attachment | BaseException]:
    """Decide the requests in one transaction, and those that it leaves over in one each.

    Waits `patience` seconds for the contract's lock. Raises what stops all of them.
    """
    results: Sequence[batch.AttachResult]
    try:
        with connection.session() as session:
            # PostgreSQL waits `lock_timeout` twice for a row that others wait for too: for their queue, and for the lock.
            bound(session, patience, locks=True, statements=True)
            contract = batch.lock_contract(session, contract_id)
            bound(session, STATEMENT_SECONDS, statements=True)
            results = batch.attach(session, contract, requests, datetime.now(UTC))
    except LearnersChanged:
        results = [None] * len(requests)
    hurried = Hurried(connection, patience)
    return [
        _attach_alone(hurried, request) if result is None else result
        for request, result in zip(requests, results, strict=True)
    ]


def _attach_alone(connection: Connection, request: AttachRequest) -> Attachment | BaseException:
    try:
        with reporting_conflicts(connection) as session:
            return service.attach(session, request.code, request.person, datetime.now(UTC), request.organization_id)
    except (B2BError, OperationalError) as error:  # of this request: the others were decided
        return error
