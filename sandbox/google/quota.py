"""Google's limits on requests: so many reads, and so many writes, in a minute and for each account.

Source: https://developers.google.com/workspace/sheets/api/limits. Recorded: a refused account is refused until the end of
its minute (41 to 51 s after 60 requests), and the answer has no `Retry-After`.
"""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Quota:
    """Reads and writes that an account may make in any `window` seconds; None is without limit.

    A request that was refused does not count. After it all requests of its kind are refused until the window has passed
    that began with the first one that counted.
    """

    reads: int | None = None
    writes: int | None = None
    window: float = 60.0
    _made: defaultdict[tuple[str, str], deque[float]] = field(default_factory=lambda: defaultdict(deque), repr=False)
    _exhausted: dict[str, float] = field(default_factory=dict, repr=False)
    _refused: dict[tuple[str, str], float] = field(default_factory=dict, repr=False)

    def exhaust(self, kind: str, seconds: float) -> None:
        """Refuse every request of a kind for so long, as when another program uses the same account."""
        self._exhausted[kind] = time.monotonic() + seconds

    def admits(self, account: str, kind: str) -> bool:
        """Whether one more request is inside of the limit; it then counts."""
        now = time.monotonic()
        if now < self._exhausted.get(kind, 0) or now < self._refused.get((account, kind), 0):
            return False
        limit = self.reads if kind == "read" else self.writes
        if limit is None:
            return True
        made = self._made[account, kind]
        while made and made[0] <= now - self.window:
            made.popleft()
        if len(made) >= limit:
            self._refused[account, kind] = (made[0] if made else now) + self.window
            return False
        made.append(now)
        return True
