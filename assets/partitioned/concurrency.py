"""The number of partitions that a run works on at a time, refused before the run when it is out of range."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._config import ConfigScalar, ConfigScalarKind, PostProcessingError

MOST = 32
"""Threads of a run at most: each may hold a connection to PostgreSQL."""


class Concurrency(ConfigScalar):
    """An integer from 1 to `MOST`.

    Dagster checks the types of a run's configuration before it creates the run. It evaluates the bounds of a pydantic
    field only within the run, so the bounds belong to the type.
    """

    def __init__(self) -> None:
        super().__init__(
            "Concurrency", "Concurrency", ConfigScalarKind.INT, description=f"An integer from 1 to {MOST}."
        )

    def post_process(self, value: Any) -> int:
        """Return the value. Raises Dagster's `PostProcessingError` when it is out of range."""
        if not 1 <= value <= MOST:
            raise PostProcessingError(f"concurrency must be an integer from 1 to {MOST}, and is {value}")
        return int(value)


def config_schema(config: type[dg.Config]) -> Mapping[str, dg.Field]:
    """Return the schema of a step's configuration whose field `concurrency` has the type `Concurrency`."""
    fields: dict[str, dg.Field] = dict(config.to_fields_dict())
    concurrency = config.model_fields["concurrency"]
    fields["concurrency"] = dg.Field(
        Concurrency(), default_value=concurrency.default, is_required=False, description=concurrency.description
    )
    return fields
