"""Loading of `sheet_snapshots`: as a pandas DataFrame, for any consumer of it as an input.

pandas is imported when a snapshot is loaded, because it takes a fifth of the start of a run's process, and few runs
load one.
"""

from typing import TYPE_CHECKING

import dagster as dg

from b2b_pipelines.db.engine import Database
from b2b_pipelines.sheets import service
from b2b_pipelines.sheets.layout import HEADERS

if TYPE_CHECKING:
    import pandas as pd


class SnapshotLoader(dg.ConfigurableIOManager):
    """Loads our columns of a contract's sheet after the last sync.

    Columns: `contract` (slug), `row` (number in the sheet, from 1), then our six, named as in the sheet. It stores
    nothing, because a sync keeps its snapshot itself.
    """

    database: dg.ResourceDependency[Database]

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Do nothing, because the sync has stored its snapshot."""

    def load_input(self, context: dg.InputContext) -> "pd.DataFrame":
        import pandas as pd

        frames = [self._frame(key) for key in context.asset_partition_keys]
        return pd.concat(frames, ignore_index=True)

    def _frame(self, slug: str) -> "pd.DataFrame":
        import pandas as pd

        with self.database.session() as session:
            snapshot = service.find_snapshot(session, slug)
            rows = [[slug, row, *cells] for row, _, cells in snapshot.rows]
        return pd.DataFrame(rows, columns=["contract", "row", *HEADERS])
