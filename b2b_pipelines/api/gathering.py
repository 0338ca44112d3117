"""Look-ups of several requests in one round trip: those that arrive while one runs go together into the next."""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

from b2b_pipelines.api.turns import LONGEST_QUEUE, busy

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class Gathered(Generic[Question, Answer]):
    """One look-up at a time, for every request that waits. Belongs to one event loop.

    `look_up` runs in a thread and returns the answers that there are. What it raises, each of the requests raises.
    """

    def __init__(self, look_up: Callable[[Sequence[Question]], Mapping[Question, Answer]]) -> None:
        self._look_up = look_up
        self._waiting: list[tuple[Question, asyncio.Future[Answer | None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = CapacityLimiter(1)

    async def ask(self, question: Question) -> Answer | None:
        """Return the answer, or None when there is none. Raises `Busy` when too many wait already."""
        if len(self._waiting) >= LONGEST_QUEUE:
            raise busy()
        answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                questions = list(dict.fromkeys(question for question, _ in asked))
                try:
                    found = await to_thread.run_sync(self._look_up, questions, limiter=self._thread)
                except BaseException as error:  # noqa: BLE001 - every request of the round gets it
                    for _, answer in asked:
                        if not answer.done():
                            answer.set_exception(error)
                    continue
                for question, answer in asked:
                    if not answer.done():  # its client went away
                        answer.set_result(found.get(question))
        finally:
            self._task = None
