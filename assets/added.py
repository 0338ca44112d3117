"""Refuse definitions that others add when Dagster would do less than they ask for."""

from collections.abc import Collection

import dagster as dg


def without_partitioned_checks(added: dg.Definitions, chain: Collection[dg.AssetKey]) -> dg.Definitions:
    """Return the added definitions. Raises `DagsterInvalidDefinitionError` if a check of the chain has partitions.

    Dagster evaluates such a check once for a run over many partitions (dagster issue #33035): for the first of a list,
    and for a range without naming a partition.
    """
    specs = [spec for check in added.asset_checks or () for spec in check.check_specs]
    for spec in specs:
        if spec.asset_key in chain and spec.partitions_def is not None:
            raise dg.DagsterInvalidDefinitionError(
                f"the check {spec.name} of {spec.asset_key.to_user_string()} has partitions, and Dagster evaluates it only "
                "once for a run over many: leave out its partitions_def"
            )
    return added
