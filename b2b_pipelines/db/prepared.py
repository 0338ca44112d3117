"""Statements that PostgreSQL parses and plans once for each connection. psycopg2 prepares none by itself."""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row

from b2b_pipelines.db.parameters import PARAMETER

_PREPARED = "prepared"


class Prepared:
    """A statement with named parameters (`:slug`), prepared at its first use on each connection.

    `types` names the PostgreSQL type of each parameter. A connection keeps its prepared statements until it closes, so
    a pooler between this process and PostgreSQL must not change servers between transactions.
    """

    def __init__(self, statement: str, **types: str) -> None:
        places = {name: f"${number}" for number, name in enumerate(types, 1)}
        body = PARAMETER.sub(lambda found: places[found[1]], statement)
        self._name = f"b2b_{hashlib.sha256(body.encode()).hexdigest()[:16]}"
        self._prepare = f"PREPARE {self._name} ({', '.join(types.values())}) AS {body}".replace("%", "%%")
        self._execute = f"EXECUTE {self._name} ({', '.join(f'%({name})s' for name in types)})"

    def first(self, connection: Connection, given: Mapping[str, Any]) -> Row[*tuple[Any, ...]] | None:
        """Execute the statement and return its first row."""
        prepared = connection.info.setdefault(_PREPARED, set())  # emptied with the connection
        if self._name not in prepared:
            connection.exec_driver_sql(self._prepare)
            prepared.add(self._name)
        return connection.exec_driver_sql(self._execute, given).first()
