"""The memory and the requests of a sync in a wide sheet. `benchmarks/wide.py` shows the CPU, too."""

import pytest

from benchmarks import wide


@pytest.mark.long
def test_a_sync_beside_14_columns_of_texts_takes_one_read_and_at_most_200_mb():
    unchanged, added = wide.costs()
    assert (unchanged.reads, unchanged.writes, added.reads, added.writes) == (1, 0, 1, 1)
    assert max(unchanged.memory, added.memory) <= 200 * 10**6
