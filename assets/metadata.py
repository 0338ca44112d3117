"""Metadata of materializations as Dagster's UI shows it best."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import dagster as dg

ROWS_SHOWN = 100
"""More rows than that nobody reads in the UI."""


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | str:
    """The first rows as a table; a word where there is none."""
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows[:ROWS_SHOWN]]) if rows else "none"


def version_of(content: object) -> dg.DataVersion:
    """The same for the same content."""
    return dg.DataVersion(blake2b(repr(content).encode(), digest_size=16).hexdigest())
