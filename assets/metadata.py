"""Metadata of materializations as Dagster's UI shows it best."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import dagster as dg

ROWS_SHOWN = 100
"""The most rows that a reader of the UI can use."""


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | str:
    """Return the first rows as a table; a word for an empty one."""
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows[:ROWS_SHOWN]]) if rows else "none"


def version_of(content: object) -> dg.DataVersion:
    """Return a version that is equal for equal content."""
    return dg.DataVersion(blake2b(repr(content).encode(), digest_size=16).hexdigest())
