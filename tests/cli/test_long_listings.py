"""A listing of a hundred thousand contracts: in seconds, and in as much memory as one of a thousand."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database

pytestmark = pytest.mark.long

LISTING = """
import re, sys
from pathlib import Path
from b2b_pipelines.cli.listing import run
sys.argv = ["b2b_list", "contracts", "--json"]
try:
    run()
finally:
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    print(peak, file=sys.stderr)
"""
CONTRACTS = """
INSERT INTO contract (organization_id, name, slug, integration_type, change_id)
SELECT :organization, 'Contract ' || number, 'contract-' || number, 'non-sso', 0 FROM generate_series(:first, :last) number
"""


def add_contracts(database: Database, first: int, last: int) -> None:
    with database.session() as session:
        organization = session.execute(
            text("INSERT INTO organization (name, slug, org_key) VALUES (:name, :name, :name) RETURNING id"),
            {"name": f"o{first}"},
        ).scalar_one()
        session.execute(text(CONTRACTS), {"organization": organization, "first": first, "last": last})


def listed(url: str, output: Path) -> tuple[int, float, int]:
    """Run the command; return the number of contracts, the seconds, and the most resident bytes."""
    began = time.monotonic()
    with output.open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", LISTING], env=os.environ | {"B2B_DATABASE_URL": url},
            stdout=file, stderr=subprocess.PIPE, text=True, check=True, timeout=120,
        )  # fmt: skip
    seconds = time.monotonic() - began
    return len(json.loads(output.read_bytes())), seconds, int(done.stderr.split()[-1]) * 1024


def test_a_hundred_thousand_contracts_are_listed_in_seconds_and_in_constant_memory(
    database: Database, database_url: str, tmp_path: Path
):
    add_contracts(database, 1, 1_000)
    few, _, least = listed(database_url, tmp_path / "few.json")
    add_contracts(database, 1_001, 100_000)
    many, seconds, most = listed(database_url, tmp_path / "many.json")
    print(f"{many} contracts: {seconds:.1f} s, {most / 10**6:.0f} MB; {few}: {least / 10**6:.0f} MB")
    assert (few, many) == (1_000, 100_000)
    assert seconds < 4 * max(os.getloadavg()[0] / (os.cpu_count() or 1), 1)
    assert most < least + 20 * 10**6
