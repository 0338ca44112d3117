"""The spreadsheet as its sheets know it."""

import threading
from collections.abc import Sequence
from typing import Any, Protocol

from sandbox.google.regions import Hypotheses


class Workbook(Protocol):
    """The spreadsheet that a sheet is in."""

    owner: str
    hypotheses: Hypotheses
    recorded: list[tuple[int, int, int]] | None
    version: int
    lock: threading.RLock

    @property
    def tabs(self) -> Sequence[Any]:
        """The sheets, in their order."""

    def check_size(self, more: int) -> None:
        """Raise `SheetError` when so many more cells are too many."""
