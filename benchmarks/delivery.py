"""The cost of an unchanged contract: `python -m benchmarks.delivery`.

CPU of this process for delivering contracts in which nothing changed (runs, codes, the check, the sheet), eight at a
time as the assets do it. The stand-in of Google runs in the same process. The cost of a read of the same tab by itself,
client and stand-in together, is therefore measured apart and subtracted.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import event

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.delivery import deliver
from b2b_pipelines.sheets import store, targets
from b2b_pipelines.vendors.google_sheets import Requests
from benchmarks.sync import Bench, bench

CONTRACTS = 200
CODES_EACH = 10
THREADS = 8
MOST_MILLISECONDS = 12


def spent(work: Callable[[str], object], slugs: Sequence[str]) -> float:
    """Return the milliseconds of CPU for each contract, the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, slugs))
        best = min(best, time.process_time() - began)
    return 1000 * best / len(slugs)


def transactions(app: Bench, slug: str) -> int:
    """Return the number of transactions that one delivery of an unchanged contract begins."""
    begun: list[Any] = []

    def note(connection: Any) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            begun.append(connection)

    event.listen(app.database.engine, "begin", note)
    deliver(app.database, slug, sheets=lambda: app.sheets)
    event.remove(app.database.engine, "begin", note)
    return len(begun)


def main() -> None:
    with bench() as app:
        slugs = [app.contract(f"contract-{number}", CODES_EACH) for number in range(CONTRACTS)]

        def one(slug: str) -> object:
            return deliver(app.database, slug, sheets=lambda: app.sheets)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(one, slugs))
        with app.database.session() as session:
            known = {}
            for slug in slugs:
                contract = contract_store.contract(session, slug)
                known[slug] = (contract, store.target_of(session, contract.id))

        def read(slug: str) -> object:
            return targets.read_tab(app.sheets.counting(Requests()), *known[slug])

        whole, reading = spent(one, slugs), spent(read, slugs)
        begun = transactions(app, slugs[0])
    table = Table("an unchanged contract", "CPU, ms", "at most", title=f"{CONTRACTS} contracts, {THREADS} at a time")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("a delivery, with the stand-in's answer", f"{whole:.1f}", "")
    table.add_row("  of this a read of its tab, stand-in and client", f"{reading:.1f}", "")
    table.add_row("  of that the rest", f"{whole - reading:.1f}", str(MOST_MILLISECONDS))
    table.add_row("transactions of a delivery", str(begun), "4")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
