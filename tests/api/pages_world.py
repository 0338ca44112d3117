"""Contracts and snapshots for the pages to show."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from b2b_pipelines.sheets.models import SheetSnapshot, SheetTarget
from tests.shop import Shop, Sold
from tests.worlds import kept

SHEET = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
BEGAN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def furnish(shop: Shop) -> Sold:
    """Four contracts, one of them with three snapshots, of which the last met a conflict; that one is returned."""
    return kept(shop.database, "furnished", lambda: _furnish(shop))


def _furnish(shop: Shop) -> Sold:
    sold = shop.sell(
        "Acme 2026",
        cap=12,
        price="199.00",
        start=date(2026, 1, 1),
        end=date(2999, 12, 31),
        sheet_url=f"https://docs.google.com/spreadsheets/d/{SHEET}/edit",
    )
    for number in range(4):
        shop.attach(sold.every_code[number], f"jane.{number}@example.com")
    snapshots(shop, sold)
    shop.sell("Learning for all", organization="Globex & Söhne", integration="sso")
    shop.sell(
        "Pilot of a rather long name which somebody thought would fit",
        organization="Initech",
        cap=3,
        end=date(2020, 1, 1),
    )
    closed = shop.sell("Closed", organization="Initech", cap=5)
    shop.change(closed.slug, active=False)
    return sold


def snapshots(shop: Shop, sold: Sold, spreadsheet: str = SHEET) -> None:
    """Three syncs: the first fill, a redemption with a moved row and an added one, and a redemption with a conflict."""
    codes = sold.every_code[:8]
    first = [row(number, code) for number, code in enumerate(codes[:7], 2)]
    second = [row(2, codes[1]), row(3, codes[0], "jane.0@example.com"), *first[2:], row(9, codes[7])]
    third = [second[0], second[1], row(4, codes[2], "jane.2@example.com"), *second[3:-1]]
    with shop.database.session() as session:
        contract = shop.run("SELECT id FROM contract WHERE slug = :slug", slug=sold.slug)[0]
        for number, rows in enumerate((first, second, third)):
            conflicts = [{"kind": "unknown_code", "row": 9, "code": codes[7]}] if number == 2 else []
            session.execute(
                insert(SheetSnapshot).values(
                    contract_id=contract,
                    kind="after",
                    spreadsheet_id=spreadsheet,
                    sheet_id=0,
                    title="Sheet1",
                    taken_at=BEGAN + timedelta(hours=number),
                    verified_at=BEGAN + timedelta(hours=number, minutes=40),
                    columns=[0, 1, 2, 3, 4, 5],
                    column_count=26,
                    rows=rows,
                    row_count=len(rows),
                    conflicts=conflicts,
                    updated=0 if number == 0 else 1,
                    appended=7 if number == 0 else 1,
                    unchanged=5,
                    reads=1,
                    writes=1,
                    content_hash=str(number),
                    run_id=None,
                )
            )
        session.execute(
            insert(SheetTarget).values(
                contract_id=contract,
                spreadsheet_id=spreadsheet,
                sheet_id=0,
                title="Sheet1",
                requested_url=spreadsheet,
                requested_tab="Sheet1",
                written_at=BEGAN,
                synced_revision=1000,
            )
        )
    shop.run(
        "UPDATE enrollment_code SET sheet_target = :target, sheet_row = 2 WHERE code = ANY(:codes)",
        target=f"{spreadsheet}/0",
        codes=codes,
    )


def row(number: int, code: str, redeemer: str = "") -> list[Any]:
    redeemed_on = "2026-11-20 10:00:00 UTC" if redeemer else ""
    return [number, code, [code, "one-time", 1 if redeemer else 0, redeemed_on, redeemer, redeemed_on]]
