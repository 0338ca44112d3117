"""Run the measurements: all for `make bench`, some for `python -m benchmarks codes plan`."""

import sys
from importlib import import_module

from rich.console import Console

from benchmarks.host import Theft

MEASUREMENTS = {
    "commands": "processor seconds of commands",
    "codes": "enrollment codes made and exported, beside a raw COPY",
    "plan": "the plan of a sync of 10,000 codes",
    "sync": "syncs: requests and time",
    "wide": "a sync in a wide sheet: CPU and memory, the stand-in's apart",
    "delivery": "the cost of an unchanged contract",
    "orchestration": "a refresh of 1,000 contracts, beside a run for each",
    "urgency": "a changed contract during a refresh of 1,000 and a backfill of 50",
    "backfill": "50 scattered contracts from the UI, 130 from the command",
    "licenses": "a million licenses, beside a query for each",
    "academies": "the public list, beside Django REST framework",
    "api": "the API, beside Django REST framework",
}


def main(chosen: list[str]) -> None:
    console = Console(width=110)
    unknown = set(chosen) - MEASUREMENTS.keys()
    if unknown:
        sys.exit(f"unknown measurement {', '.join(sorted(unknown))}: use {', '.join(MEASUREMENTS)}")
    for name, says in MEASUREMENTS.items():
        if not chosen or name in chosen:
            console.rule(f"{name}: {says}")
            theft = Theft()
            import_module(f"benchmarks.{name}").main()
            console.print(f"[dim]meanwhile the host took {theft.share:.1%} of this machine's cores")


if __name__ == "__main__":
    main(sys.argv[1:])
