"""How an asset without partitions fails: in words, and tried again only for what may pass."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.errors import B2BError, TransientError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn our errors into `dagster.Failure`: what it says is what a person must do, and a permanent one is not retried."""
    try:
        yield
    except B2BError as error:
        raise dg.Failure(description=error.message, allow_retries=isinstance(error, TransientError)) from error
