"""Failures of assets without partitions: a message, and retries for transient errors only."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.errors import B2BError, TransientError


@contextmanager
def as_dagster_failure() -> Iterator[None]:
    """Raise this product's errors as `dagster.Failure` with a message.

    Permanent ones are not retried.
    """
    try:
        yield
    except B2BError as error:
        raise dg.Failure(description=error.message, allow_retries=isinstance(error, TransientError)) from error
