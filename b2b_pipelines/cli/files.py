"""Files that commands write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import IO

from b2b_pipelines.errors import Refused


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Raise `Refused`, which names the file, when it cannot be written."""
    try:
        yield
    except OSError as error:
        raise Refused(f"Cannot write {file}: {error.strerror}.") from None


def replacing(file: Path) -> str:
    """Return the sentence that an earlier file of this name was replaced, or nothing. Call it before the file is written."""
    return " The earlier file was replaced." if file.is_file() and file.stat().st_size else ""


@contextmanager
def private_file(path: Path) -> Iterator[IO[str]]:
    """Open a text file that only its owner may read, because it holds codes or addresses."""
    with open(path, "w", encoding="utf-8", newline="", opener=_for_its_owner) as file:
        if S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fchmod(file.fileno(), 0o600)
        yield file


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
