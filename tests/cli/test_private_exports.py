"""Files of codes: for their owner alone, and harmless to a spreadsheet."""

import csv
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.csv_cells import FORMULA_STARTS, csv_cell
from tests.commands import Run
from tests.shop import Shop


@given(st.text())
def test_no_cell_begins_like_a_formula_and_no_text_is_lost(text: str):
    cell = csv_cell(text)
    assert isinstance(cell, str)
    assert not cell.startswith(FORMULA_STARTS)
    assert cell in (text, f"'{text}")


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_every_export_neutralizes_what_a_spreadsheet_would_run(
    run: Run, shop: Shop, tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch
):
    sold = shop.sell(cap=2)
    shop.attach(sold.every_code[0], "jane@example.com")
    shop.run("UPDATE learner SET email = :email", email=f"{start}cmd@example.com")
    shop.run("UPDATE product SET description = :text", text=f"{start}1+1")
    monkeypatch.setenv("B2B_PRODUCT_URL_BASE", "=HYPERLINK(")
    written = {
        "output": tmp_path / "output.csv",
        "all": tmp_path / "all.csv",
        "list": tmp_path / "list.csv",
    }
    run("b2b_codes output", "--contract", sold.slug, "--filename", str(written["output"]))
    run("b2b_codes output", "--all", "--contract", sold.slug, "--filename", str(written["all"]))
    run("b2b_list contracts", "--codes", sold.slug, "--codes-out", str(written["list"]))
    for name, file in written.items():
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.reader(lines))
        cells = [cell for row in rows for cell in row]
        assert len(rows) > 1
        assert [cell for cell in cells if cell.startswith(FORMULA_STARTS)] == []
        assert f"'{start}1+1".encode() in file.read_bytes(), name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_becomes_private(run: Run, shop: Shop, tmp_path: Path):
    sold = shop.sell(cap=1)
    file = tmp_path / "codes.csv"
    file.touch(0o644)
    run("b2b_codes output", "--contract", sold.slug, "--filename", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
