"""Decide the remaining work after an earlier attempt: a retried step, or a re-executed run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Note:
    """One event of an earlier attempt: an asset of a partition was made, or the reason why not."""

    asset: str
    partition: str
    made: bool
    permanent: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Assets made, and partitions that failed permanently (with the reason), by partition."""

    made: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def left(self, keys: Sequence[str], assets: Iterable[str]) -> dict[str, frozenset[str]]:
        """Return the partitions with assets left to make, each with the assets that are done."""
        wanted = set(assets)
        done = {key: self.made.get(key, frozenset()) for key in keys if key not in self.refused}
        return {key: made for key, made in done.items() if not wanted or wanted - made}


def earlier(notes: Iterable[Note], *, keep_refusals: bool) -> Earlier:
    """Read the events of earlier attempts, oldest first.

    An asset that was made and whose blocking check then failed is made again. A permanent failure is final within a
    run (`keep_refusals`); a re-execution tries it again, because a person asked for it.
    """
    made: dict[str, set[str]] = {}
    refused: dict[str, str] = {}
    for note in notes:
        assets = made.setdefault(note.partition, set())
        if note.made:
            assets.add(note.asset)
            refused.pop(note.partition, None)
            continue
        assets.discard(note.asset)
        if note.permanent and keep_refusals:
            refused.setdefault(note.partition, note.reason)
    return Earlier({key: frozenset(assets) for key, assets in made.items() if assets}, refused)
