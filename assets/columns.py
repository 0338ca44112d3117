"""The columns of every asset, taken from the tables that hold them."""

from collections.abc import Mapping

import dagster as dg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from b2b_pipelines.academies.models import AcademyCatalog, AcademyProduct, StripePrice
from b2b_pipelines.contracts.models import CourseRun
from b2b_pipelines.db.base import Base
from b2b_pipelines.enrollment_codes.models import EnrollmentCode
from b2b_pipelines.intents.models import CheckoutIntent
from b2b_pipelines.licenses.models import ExpiredLicense, License, LicenseEvent
from b2b_pipelines.sheets.layout import HEADERS

TABLES: Mapping[str, type[Base]] = {
    "contract_runs": CourseRun,
    "enrollment_codes": EnrollmentCode,
    "subscription_licenses": License,
    "expired_licenses": ExpiredLicense,
    "enrollment_terminations": LicenseEvent,
    "unlinked_learners": LicenseEvent,
    "academy_catalogs": AcademyCatalog,
    "stripe_prices": StripePrice,
    "academy_products": AcademyProduct,
    "checkout_intents": CheckoutIntent,
}
"""Which table holds an asset; `sheet_snapshots` is a sheet."""

SHEET = dg.TableSchema(
    columns=[
        dg.TableColumn("contract", "text", "The contract's slug."),
        dg.TableColumn("row", "integer", "The row of the sheet, from 1."),
        *(dg.TableColumn(header, "text", "As the sheet shows it.") for header in HEADERS),
    ]
)


def metadata(asset: str) -> Mapping[str, object]:
    """What the UI shows of an asset's shape: its columns and the table that holds it. Nothing for what is outside."""
    if asset == "sheet_snapshots":
        return {"dagster/column_schema": SHEET, "dagster/table_name": "sheet_snapshot"}
    if asset not in TABLES:
        return {}
    table = TABLES[asset].__table__
    assert isinstance(table, Table)
    return {"dagster/column_schema": schema_of(table), "dagster/table_name": table.name}


def schema_of(table: Table) -> dg.TableSchema:
    """A table's columns as Dagster shows them, named and typed as in PostgreSQL."""
    return dg.TableSchema(columns=[_column(column) for column in table.columns])


def _column(column: Column[object]) -> dg.TableColumn:
    refers = ", ".join(sorted(key.target_fullname for key in column.foreign_keys))
    return dg.TableColumn(
        column.name,
        str(column.type.compile(postgresql.dialect())).lower(),  # type: ignore[no-untyped-call]
        f"Refers to {refers}." if refers else None,
        constraints=dg.TableColumnConstraints(
            nullable=bool(column.nullable), unique=bool(column.unique or column.primary_key)
        ),
    )
