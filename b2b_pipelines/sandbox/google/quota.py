"""Google's limits on requests: so many reads, and so many writes, in any minute and for each account."""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

METRICS = {"read": "Read requests", "write": "Write requests"}


@dataclass(slots=True)
class Quota:
    """Reads and writes that an account may make in any `window` seconds; None is without limit.

    A request that was refused does not count.
    """

    reads: int | None = None
    writes: int | None = None
    window: float = 60.0
    _made: defaultdict[tuple[str, str], deque[float]] = field(default_factory=lambda: defaultdict(deque), repr=False)

    def admits(self, account: str, kind: str) -> bool:
        """Whether one more request is inside of the limit; it then counts."""
        limit = self.reads if kind == "read" else self.writes
        if limit is None:
            return True
        now = time.monotonic()
        made = self._made[account, kind]
        while made and made[0] <= now - self.window:
            made.popleft()
        if len(made) >= limit:
            return False
        made.append(now)
        return True


def exceeded(kind: str) -> str:
    """Google's words for a request too many."""
    metric = METRICS.get(kind, METRICS["read"])
    return (
        f"Quota exceeded for quota metric '{metric}' and limit '{metric} per minute per user' of service "
        "'sheets.googleapis.com' for consumer 'project_number:402000000000'."
    )
