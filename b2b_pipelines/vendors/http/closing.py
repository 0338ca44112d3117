"""Clients as context managers."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Closes its connections at the end of a `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the open connections."""
