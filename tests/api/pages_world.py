"""Contracts and snapshots for the pages to show."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from b2b_pipelines.academies import service as academies
from b2b_pipelines.academies.selection import Selection
from b2b_pipelines.sheets.models import SheetSnapshot, SheetTarget
from tests.shop import Shop, Sold
from tests.worlds import kept

SHEET = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
BEGAN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
PLAN, GRACE, OVER = (f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
NOW = datetime.now(UTC).replace(microsecond=0)


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


def license_customers(shop: Shop) -> None:
    """Add two customers: one with a held plan, one plan in grace of three people, and one plan that is over for one."""
    shop.run(
        "INSERT INTO customer_agreement (id, enterprise_customer_uuid, name) VALUES (1, :one, 'Acme'), (2, :other, 'Beta')",
        one=ONE,
        other=OTHER,
    )
    for plan, customer, days, held in ((PLAN, 1, 1, NOW), (GRACE, 1, 10, None), (OVER, 2, 100, None)):
        shop.run(
            "INSERT INTO subscription_plan (uuid, customer_agreement_id, title, start_date, expiration_date, is_active, "
            "held_since, held_from) VALUES (:plan, :customer, 'Plan ' || CAST(:plan AS text), :start, :end, true, :held, :moved)",
            plan=plan,
            customer=customer,
            start=NOW - timedelta(days=400),
            end=NOW - timedelta(days=days),
            held=held,
            moved=NOW + timedelta(days=30) if held else None,
        )
    for plan, number in ((PLAN, 1), (GRACE, 3), (OVER, 1)):
        for each in range(number):
            shop.run(
                "INSERT INTO license (uuid, plan_uuid, status, user_email, email_key, person_key) "
                "VALUES (gen_random_uuid(), :plan, 'activated', :email, :email, :email)",
                plan=plan,
                email=f"jane.{plan[-1]}.{each}@example.com",
            )
    shop.run(
        "INSERT INTO license_event (license_uuid, event_name, plan_expiration, at) "
        "SELECT license.uuid, 'terminated', plan.expiration_date, plan.expiration_date + interval '1 hour' "
        "FROM license JOIN subscription_plan plan ON plan.uuid = plan_uuid WHERE plan.uuid = :grace",
        grace=GRACE,
    )


def publish_academies(shop: Shop) -> None:
    """Publish one academy; another one is refused."""
    shop.run(
        "INSERT INTO academy_catalog (customer, academies, catalogs, content_hash, taken_at, verified_at) VALUES "
        "(:one, CAST(:academies AS json), '[]', '', now(), now())",
        one=ONE,
        academies='[{"uuid": "55555555-5555-4555-8555-555555555555", "title": "Data <Academy>", "active": true}, '
        '{"uuid": "not one", "title": "Broken"}]',
    )
    with shop.database.session() as session:
        academies.publish(session, Selection(), NOW)
