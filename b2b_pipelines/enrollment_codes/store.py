"""Count codes and carry out orders on them, for a whole contract at once."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.db.rows import rows_of
from b2b_pipelines.enrollment_codes import statements
from b2b_pipelines.enrollment_codes.rules import Orders, RedemptionType, Tally, tally_of

UNREDEEMED = "NOT EXISTS (SELECT FROM code_redemption WHERE code_redemption.code_id = enrollment_code.id)"


def tallies(session: Session, contract_ids: Iterable[int]) -> dict[int, list[Tally]]:
    """Return the tally of every active product of those contracts, by contract. One query."""
    rows = rows_of(session)(statements.TALLIES, contracts=list(contract_ids))
    return {
        contract_id: [tally_of(row) for row in group]
        for contract_id, group in groupby(rows, key=lambda row: row["contract_id"])
    }


def carry_out(session: Session, contract_id: int, price: Decimal, orders: Sequence[Orders]) -> None:
    """Apply the orders to a contract's codes. The number of statements is constant."""
    given = {"contract": contract_id, "price": price}

    def products(needs: str) -> list[int]:
        return [order.product_id for order in orders if getattr(order, needs)]

    def change(needs: str, statement: str) -> None:
        if ids := products(needs):
            session.execute(text(statement), {**given, "products": ids})

    concerned = "contract_id = :contract AND product_id = ANY(:products)"
    change("reprice_product", "UPDATE product SET price = :price WHERE id = ANY(:products)")
    change("delete_unredeemed", f"DELETE FROM enrollment_code WHERE {concerned} AND {UNREDEEMED}")
    change(
        "reprice_codes",
        f"UPDATE enrollment_code SET amount = :price WHERE {concerned} AND amount <> :price AND {UNREDEEMED}",
    )
    change(
        "retire_unlimited",
        f"""UPDATE enrollment_code SET active = false, deactivated_at = now()
            WHERE {concerned} AND active AND redemption_type = 'unlimited' AND NOT {UNREDEEMED}""",
    )
    for wanted in RedemptionType:
        if ids := [order.product_id for order in orders if order.convert and order.convert_to == wanted]:
            session.execute(
                text(f"""UPDATE enrollment_code SET redemption_type = :wanted
                         WHERE {concerned} AND active AND redemption_type <> :wanted AND {UNREDEEMED}"""),
                {**given, "products": ids, "wanted": wanted},
            )
    _pick(
        session,
        contract_id,
        orders,
        "deactivate_newest",
        among="active",
        direction="DESC",
        change="active = false, deactivated_at = now()",
    )
    _pick(
        session,
        contract_id,
        orders,
        "reactivate_oldest",
        among="NOT active",
        direction="ASC",
        change="active = true, deactivated_at = NULL, redemption_type = 'one-time'",
    )
    _create(session, contract_id, price, [order for order in orders if order.create])


def _pick(
    session: Session, contract_id: int, orders: Sequence[Orders], order: str, *, among: str, direction: str, change: str
) -> None:
    """Change the ordered number of unredeemed codes of each product.

    `direction` is `ASC` for the oldest codes first, `DESC` for the newest.
    """
    wanted = {item.product_id: getattr(item, order) for item in orders if getattr(item, order)}
    if not wanted:
        return
    session.execute(
        text(f"""
        UPDATE enrollment_code SET {change}
        FROM (
            SELECT enrollment_code.id, wanted.number,
                   row_number() OVER (PARTITION BY product_id ORDER BY enrollment_code.id {direction}) AS place
            FROM enrollment_code
            JOIN unnest(CAST(:products AS bigint[]), CAST(:numbers AS bigint[])) AS wanted (product, number)
              ON wanted.product = enrollment_code.product_id
            WHERE contract_id = :contract AND {among} AND {UNREDEEMED}
        ) AS picked
        WHERE picked.id = enrollment_code.id AND picked.place <= picked.number
        """),
        {"contract": contract_id, "products": list(wanted), "numbers": list(wanted.values())},
    )


def _create(session: Session, contract_id: int, price: Decimal, orders: Sequence[Orders]) -> None:
    """Create the codes inside PostgreSQL, so that no code crosses the connection.

    Each is a random (version 4) UUID.
    """
    if not orders:
        return
    session.execute(
        text("""
        INSERT INTO enrollment_code (code, contract_id, product_id, redemption_type, amount)
        SELECT gen_random_uuid()::text, :contract, wanted.product, wanted.type, :price
        FROM unnest(CAST(:products AS bigint[]), CAST(:numbers AS bigint[]), CAST(:types AS text[]))
                 AS wanted (product, number, type)
        CROSS JOIN generate_series(1, wanted.number)
        """),
        {
            "contract": contract_id,
            "price": price,
            "products": [order.product_id for order in orders],
            "numbers": [order.create for order in orders],
            "types": [order.create_as for order in orders],
        },
    )


def deactivate_unredeemed(session: Session, product_ids: Sequence[int]) -> int:
    """Deactivate the unredeemed codes of those products. Return their number."""
    if not product_ids:
        return 0
    statement = text(f"""UPDATE enrollment_code SET active = false, deactivated_at = now()
                         WHERE product_id = ANY(:products) AND active AND {UNREDEEMED}""")
    result: Any = session.execute(statement, {"products": list(product_ids)})
    return int(result.rowcount)


def reactivate_released(session: Session, product_ids: Sequence[int]) -> int:
    """Reactivate unredeemed codes that were deactivated when their product's run was released.

    Both happened in one transaction, so `deactivated_at` equals `released_at`. Return the number of codes.
    """
    if not product_ids:
        return 0
    statement = text(f"""
        UPDATE enrollment_code SET active = true, deactivated_at = NULL
        FROM product JOIN course_run run ON run.id = product.course_run_id
        WHERE product.id = enrollment_code.product_id AND product.id = ANY(:products)
          AND NOT enrollment_code.active AND enrollment_code.deactivated_at = run.released_at AND {UNREDEEMED}
    """)
    result: Any = session.execute(statement, {"products": list(product_ids)})
    return int(result.rowcount)
