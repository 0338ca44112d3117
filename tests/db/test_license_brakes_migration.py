"""Migration 0003 on the licenses of version 0001."""

from sqlalchemy import text

from b2b_pipelines.db import schema
from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses.identity import email_key, person_key
from tests.db.test_migrations import installation

__all__ = ["installation"]

SPELLINGS = [
    "Jane@example.com",
    "straße@exámple.com",
    "ja\u200bne@example.com",
    "ｊ@bücher.example",
    "é" * 900 + "@b.c",  # too long for the index
]


def test_the_migration_recognizes_people_as_the_product_does(installation: Database) -> None:
    with installation.session() as session:
        known = session.scalars(text("SELECT uuid FROM license ORDER BY uuid")).all()[: len(SPELLINGS)]
        assert len(known) == len(SPELLINGS)
        for uuid, spelling in zip(known, SPELLINGS, strict=True):
            given = {"uuid": uuid, "key": email_key(spelling)}
            session.execute(text("UPDATE license SET email_key = :key WHERE uuid = :uuid"), given)
    schema.upgrade(installation.engine)
    with installation.session() as session:
        keys = dict(session.execute(text("SELECT uuid, person_key FROM license")).all())
    assert [keys[uuid] for uuid in known] == [person_key(spelling) for spelling in SPELLINGS]
