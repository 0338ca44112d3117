"""The columns of every asset, taken from the tables that hold them."""

from collections.abc import Mapping, Sequence

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

DESCRIPTIONS: Mapping[str, str] = {
    # course runs
    "courseware_id": "The course run's id in edX: course-v1:ORG+NUMBER+RUN.",
    "run_tag": "The last part of the course run's id.",
    "title": "The title that learners see.",
    "start": "When the run starts (UTC).",
    "end": "When the run ends (UTC).",
    "enrollment_start": "When enrollment opens (UTC).",
    "enrollment_end": "When enrollment closes (UTC).",
    "live": "Whether learners can be enrolled.",
    "self_paced": "Whether the run has no fixed pace.",
    "is_source": "Whether runs of contracts are copied from this one.",
    "edx_state": "The state of the copy in edX: pending, created or failed.",
    "edx_error": "Why edX refused the copy.",
    # codes
    "code": "The enrollment code, as handed out.",
    "redemption_type": "one-time, or unlimited for a contract without a cap.",
    "amount": "The amount that the learner pays with the code, in major units.",
    "payment_type": "The payer of the code.",
    "discount_type": "How the amount is applied.",
    "is_bulk": "Whether the code was made with others of its contract.",
    "active": "Whether it is in use now.",
    "deactivated_at": "When it was taken back (UTC).",
    "activates_at": "From when the code can be redeemed (UTC).",
    "expires_at": "Until when it counts (UTC).",
    "sheet_target": "The spreadsheet and tab that hold the code.",
    "sheet_row": "The code's row in the sheet, from 1.",
    # licenses
    "status": "activated, assigned, revoked or unassigned.",
    "user_email": "The address of the license's holder. Personal data: never shown in metadata.",
    "email_key": "The address in the form in which two are compared.",
    "lms_user_id": "The holder's id in the LMS.",
    "assigned_date": "When the license was assigned (UTC).",
    "activation_date": "When the license was activated (UTC).",
    "revoked_date": "When the license was revoked (UTC).",
    "renewed_to": "The license of the renewal that follows this one.",
    "unseen_since": "Since when license-manager no longer lists it (UTC).",
    "license_uuid": "The license.",
    "plan_uuid": "The subscription plan.",
    "customer_agreement_id": "The agreement with the customer.",
    "decision": "The action that is due for the license.",
    "reason": "Why that was decided.",
    "decided_at": "When it was decided (UTC).",
    "event_name": "The action: terminated or unlinked.",
    "plan_expiration": "When the plan had expired (UTC).",
    "run_id": "The Dagster run that did it.",
    "at": "When it was done (UTC).",
    # academies
    "customer": "The enterprise customer.",
    "academies": "The academies as the catalog lists them.",
    "catalogs": "The catalogs as enterprise-catalog lists them.",
    "content_hash": "The same for the same content.",
    "taken_at": "When it was first answered so (UTC).",
    "verified_at": "When it was last answered so (UTC).",
    "lookup_key": "The key by which Stripe finds the price.",
    "state": "The state.",
    "price": "The price as Stripe has it, in minor units.",
    "checked_at": "When Stripe was last asked (UTC).",
    "slug": "The name in addresses.",
    "product_key": "The name by which shops know the academy.",
    "name": "The name that people see.",
    "long_name": "The name in full.",
    "description": "The catalog's description.",
    "marketing_url": "The page that sells it.",
    "thumbnail_url": "Its picture.",
    "tags": "The subjects of the academy.",
    "stripe_product_id": "The product at Stripe.",
    "catalog_query_id": "The catalog query that fills the academy.",
    "display_order": "The place in the list, from 0.",
    "price_state": "priced, or the reason for a missing price.",
    "stale": "Whether Stripe could not confirm the price when it was last asked.",
    # checkout
    "enterprise_name": "The name of the enterprise to be made.",
    "enterprise_slug": "The address of the enterprise to be made.",
    "quantity": "Seats that are bought.",
    "country": "The buyer's country.",
    "terms_metadata": "The terms that the buyer agreed to.",
    "stripe_checkout_session_id": "The checkout session at Stripe.",
    "payment": "The payment at Stripe.",
    "lost_place": "Whether the reserved name was taken when the payment came.",
    "last_error": "The last error.",
    "state_changed_at": "When the state last changed (UTC).",
    "created_at": "When it began (UTC).",
    "id": "The row's number.",
    "uuid": "Its id.",
}
"""Descriptions of columns by name: one name means one thing in every table."""

CODES, SNAPSHOTS = dg.AssetKey("enrollment_codes"), dg.AssetKey("sheet_snapshots")
SHEET_COLUMNS: Mapping[str, tuple[str, Sequence[str]]] = {
    "Enrollment Code": ("The code that a learner redeems.", ["code"]),
    "Use Type": ("Whether the code is spent once or by many.", ["redemption_type"]),
    "Total Redemptions": ("The number of learners who redeemed the code.", ["id"]),
    "Invalidated On": (
        "The day on which the code was taken back or the contract ended.",
        ["deactivated_at", "expires_at"],
    ),
    "Redeemed By": ("The learners who redeemed the code, by address.", ["id"]),
    "Redeemed On": ("The day of the last redemption.", ["id"]),
}
"""Each of our six columns: its description, and its sources among the columns of `enrollment_codes`."""
SHEET = dg.TableSchema(
    columns=[
        dg.TableColumn("contract", "text", "The contract's slug."),
        dg.TableColumn("row", "integer", "The row of the sheet, from 1."),
        *(dg.TableColumn(header, "text", SHEET_COLUMNS[header][0]) for header in HEADERS),
    ]
)
SHEET_LINEAGE = dg.TableColumnLineage(
    {
        "contract": [dg.TableColumnDep(CODES, "contract_id")],
        **{header: [dg.TableColumnDep(CODES, source) for source in SHEET_COLUMNS[header][1]] for header in HEADERS},
    }
)
RUNS = dg.AssetKey("contract_runs")
LINEAGE: Mapping[str, dg.TableColumnLineage] = {
    "sheet_snapshots": SHEET_LINEAGE,
    "enrollment_codes": dg.TableColumnLineage(
        {
            "contract_id": [dg.TableColumnDep(RUNS, "contract_id")],
            "product_id": [dg.TableColumnDep(RUNS, "id")],
            "expires_at": [dg.TableColumnDep(RUNS, "contract_id")],
        }
    ),
}
"""Where columns come from: contract → code → column of the sheet."""


def metadata(asset: str) -> Mapping[str, object]:
    """Return the columns and table of an asset for the UI.

    Empty for an asset outside the database.
    """
    lineage = {"dagster/column_lineage": LINEAGE[asset]} if asset in LINEAGE else {}
    if asset == "sheet_snapshots":
        return {"dagster/column_schema": SHEET, "dagster/table_name": "sheet_snapshot", **lineage}
    if asset not in TABLES:
        return {}
    table = TABLES[asset].__table__
    assert isinstance(table, Table)
    return {"dagster/column_schema": schema_of(table), "dagster/table_name": table.name, **lineage}


def schema_of(table: Table) -> dg.TableSchema:
    """Return a table's columns as Dagster shows them, named and typed as in PostgreSQL."""
    return dg.TableSchema(columns=[_column(column) for column in table.columns])


def _column(column: Column[object]) -> dg.TableColumn:
    refers = ", ".join(sorted(key.target_fullname for key in column.foreign_keys))
    return dg.TableColumn(
        column.name,
        str(column.type.compile(postgresql.dialect())).lower(),  # type: ignore[no-untyped-call]
        f"Refers to {refers}." if refers else DESCRIPTIONS.get(column.name),
        constraints=dg.TableColumnConstraints(
            nullable=bool(column.nullable), unique=bool(column.unique or column.primary_key)
        ),
    )
