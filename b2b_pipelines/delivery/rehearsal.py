"""Dry runs: the same code in a transaction that is rolled back together with its ids."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import service, store
from b2b_pipelines.db.engine import Database

SEQUENCES = ("organization_id_seq", "contract_id_seq", "course_run_id_seq", "product_id_seq")
"""Sequences whose numbers users see in run tags, product URLs and answers."""


@contextmanager
def rehearsal(database: Database, contract: str | int | None = None) -> Iterator[Session]:
    """Open a transaction that is always rolled back.

    `contract` is the contract to change, if it exists.

    PostgreSQL does not roll back a sequence, unless the sequence was altered in the same transaction. Altering locks
    it, so the locks of names and contract come first, as in every transaction that takes numbers.
    """
    with database.rehearsal() as session:
        service.lock_names(session)
        if contract is not None:
            store.contract(session, contract, lock=True)
        session.execute(text("; ".join(f"ALTER SEQUENCE {name} INCREMENT BY 1" for name in SEQUENCES)))
        yield session
