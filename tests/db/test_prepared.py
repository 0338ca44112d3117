"""Prepared statements on pooled connections."""

import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database, DatabaseUnavailable
from b2b_pipelines.db.prepared import Prepared
from tests.statements import statements

SUM = Prepared("SELECT :left + :right AS sum, '100 %' AS share, :left % 2 AS odd", left="bigint", right="bigint")


@pytest.fixture(autouse=True)
def one_connection(database: Database):
    """Close the connections that other tests left: one at a time then opens one, and gets it back."""
    database.engine.dispose()


def kinds(sent: list[str]) -> list[str]:
    return [statement.partition(" ")[0] for statement in sent]


def test_a_connection_prepares_a_statement_once(database: Database):
    with statements(database) as sent:
        rows = [database.first(SUM, {"left": left, "right": 2}) for left in (1, 2, 3)]
    assert [tuple(row or ()) for row in rows] == [(3, "100 %", 1), (4, "100 %", 0), (5, "100 %", 1)]
    assert kinds(sent) == ["PREPARE", "EXECUTE", "EXECUTE", "EXECUTE"]


def test_a_statement_is_planned_once(database: Database):
    for number in range(7):
        database.first(SUM, {"left": number, "right": 2})
    with database.session() as session:
        rows = session.execute(text("SELECT generic_plans, custom_plans FROM pg_prepared_statements")).all()
    assert rows
    assert all(generic and not custom for generic, custom in rows)


def test_a_new_connection_prepares_it_again(database: Database):
    database.first(SUM, {"left": 1, "right": 2})
    with database.session() as session:
        pid = session.execute(text("SELECT pg_backend_pid()")).scalar()
    with pytest.raises(DatabaseUnavailable), database.reading() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        session.execute(text("SELECT 1"))
    with statements(database) as sent:
        assert database.first(SUM, {"left": 1, "right": 2}) is not None
    assert kinds(sent) == ["PREPARE", "EXECUTE"]


def test_a_row_that_is_not_there_is_none(database: Database):
    assert database.first(Prepared("SELECT 1 WHERE :found", found="boolean"), {"found": False}) is None


def test_a_table_that_changes_does_not_break_the_statement(database: Database):
    of_table = Prepared("SELECT code FROM changing WHERE id = :id", id="bigint")
    with database.session() as session:
        session.execute(text("CREATE TABLE changing (id bigint, code text)"))
        session.execute(text("INSERT INTO changing VALUES (1, 'a')"))
    try:
        assert database.first(of_table, {"id": 1}) == ("a",)
        with database.session() as session:
            session.execute(text("ALTER TABLE changing ADD COLUMN more int, ALTER COLUMN code TYPE varchar(9)"))
        assert database.first(of_table, {"id": 1}) == ("a",)
    finally:
        with database.session() as session:
            session.execute(text("DROP TABLE changing"))


def test_a_connection_that_read_without_a_transaction_opens_one_again(database: Database):
    with database.reading() as session:
        session.execute(text("SELECT 1"))
    with database.rehearsal() as session:
        session.execute(text("CREATE TABLE rehearsed ()"))
    with database.reading() as session:
        assert session.execute(text("SELECT to_regclass('rehearsed')")).scalar() is None
