"""The cost of a sync in a wide sheet, in seconds of CPU and in memory: `python -m benchmarks.wide`.

10,000 codes beside 14 columns of the customer's texts. Each sync is the command `b2b sheet sync` in a process of its
own; the stand-in of Google runs in another one, and its CPU is counted apart.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.sync import ADDRESS, Bench, bench

CODES = 10_000
COLUMNS = 14
CHANGED = 50

MEASURED = """
import atexit, os, re, sys
from pathlib import Path

def tell():
    times = os.times()
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    print(f"{times.user + times.system} {int(peak) * 1024}", file=sys.stderr)

atexit.register(tell)
from b2b_pipelines.cli import console, main
console.run(main.commands(), "b2b", sys.argv[1:])
"""
"""The command, which tells its CPU and its own high-water mark: `ru_maxrss` begins with that of the process before it."""


@dataclass(frozen=True)
class Cost:
    """The cost of one sync."""

    what: str
    reads: int
    writes: int
    seconds: float
    memory: int
    standin_seconds: float


def sync(running: Bench, slug: str, what: str) -> Cost:
    """Sync once, with the command in a process of its own."""
    with TemporaryDirectory() as home:
        key = Path(home) / "key.json"
        key.write_text(json.dumps(running.sandbox.google.make_service_account(ADDRESS)))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("B2B_")},
            "B2B_HOME": home,
            "B2B_DATABASE_URL": running.database.url,
            "B2B_GOOGLE_SERVICE_ACCOUNT_FILE": str(key),
            "B2B_GOOGLE_SHEETS_URL": running.sandbox.url,
            "B2B_GOOGLE_DRIVE_URL": running.sandbox.url,
        }
        before = time.process_time()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "sheet", "sync", slug, "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        own = time.process_time() - before
    result = json.loads(done.stdout)
    seconds, memory = done.stderr.split()[-2:]
    return Cost(what, result["reads"], result["writes"], float(seconds), int(memory), own)


def wide(running: Bench) -> str:
    """Make a contract whose sheet holds its codes beside the customer's texts; return its slug."""
    slug = running.contract("wide", CODES)
    running.sync(slug)
    tab = running.sandbox.google.spreadsheets()[-1].tabs[0]
    texts = [
        [f"A text of the customer, column {column}, row {row}" for column in range(COLUMNS)] for row in range(CODES)
    ]
    tab.paste("G2", texts)
    return slug


def costs() -> Iterator[Cost]:
    """Yield the costs of a sync that finds nothing to do, and of one that adds 50 rows."""
    with bench() as running:
        slug = wide(running)
        yield sync(running, slug, "nothing changed")
        running.add_codes(slug, CHANGED)
        yield sync(running, slug, f"{CHANGED} codes more")


def main() -> None:
    table = Table(
        title=f"{CODES:,} codes beside {COLUMNS} columns of the customer's texts, by `b2b sheet sync`",
        title_justify="left",
    )
    for heading in ("what", "reads", "writes", "s of CPU", "MB at most", "the stand-in's s"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for cost in costs():
        table.add_row(
            *(cost.what, str(cost.reads), str(cost.writes), f"{cost.seconds:.2f}"),
            *(f"{cost.memory / 1e6:.0f}", f"{cost.standin_seconds:.2f}"),
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
