"""Worlds of plans and licenses, put into the database as they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses.identity import email_key, person_key
from b2b_pipelines.licenses.models import (
    CustomerAgreement,
    License,
    LicenseEvent,
    PlanRenewal,
    RefusedAddress,
    SubscriptionPlan,
)
from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import ClientCredentials, EnterpriseLms
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.open_edx.rest import Throttles
from sandbox.server import Sandbox
from tests.licenses.reference import LicenseFacts

TABLES = (
    "license_event",
    "refused_address",
    "expired_license",
    "license",
    "plan_renewal",
    "subscription_plan",
    "customer_agreement",
)

Put = Callable[[LicenseFacts], None]


@pytest.fixture
def put(database: Database) -> Put:
    """Replaces what the database knows of licenses by a world of the rules."""

    def replace(world: LicenseFacts) -> None:
        customers = sorted(
            {plan.customer for plan in world.plans.values()} | {customer for customer, _ in world.refusals}
        )
        numbers: dict[UUID, int] = {customer: number for number, customer in enumerate(customers, 1)}
        rows = {
            CustomerAgreement: [
                {"id": number, "enterprise_customer_uuid": customer, "name": f"Customer {number}"}
                for customer, number in numbers.items()
            ],
            SubscriptionPlan: [
                {
                    "uuid": plan.uuid,
                    "customer_agreement_id": numbers[plan.customer],
                    "title": str(plan.uuid),
                    "start_date": plan.expiration_date.replace(year=2000),
                    "expiration_date": plan.expiration_date,
                    "is_active": plan.is_active,
                    "for_internal_use_only": plan.internal,
                    "plan_type": plan.plan_type,
                    "held_since": plan.hold.since if plan.hold else None,
                    "held_from": plan.hold.moved_from if plan.hold else None,
                    "renewal_gone_at": plan.renewal_gone,
                }
                for plan in world.plans.values()
            ],
            PlanRenewal: [
                {
                    "prior_plan_uuid": plan.uuid,
                    "renewed_plan_uuid": plan.renewal.renewed_plan,
                    "processed": plan.renewal.processed,
                    "effective_date": plan.renewal.effective_date,
                }
                for plan in world.plans.values()
                if plan.renewal
            ],
            License: [
                {
                    "uuid": held.uuid,
                    "plan_uuid": held.plan,
                    "status": held.status,
                    "user_email": held.address,
                    "email_key": email_key(held.address),
                    "person_key": person_key(held.address),
                    "lms_user_id": held.lms_user_id,
                    "renewed_to": held.renewed_to,
                    "retired_at": held.retired,
                    "unseen_since": held.unseen,
                }
                for held in world.licenses.values()
            ],
            LicenseEvent: [
                {"license_uuid": uuid, "event_name": name, "plan_expiration": expiration, "run_id": "test", "at": at}
                for (uuid, name, expiration), at in world.events.items()
            ],
            RefusedAddress: [
                {
                    "customer_agreement_id": numbers[customer],
                    "email_key": key,
                    "words": "No.",
                    "run_id": "test",
                    "at": at,
                }
                for (customer, key), at in world.refusals.items()
            ],
        }
        with database.session() as session:
            session.execute(text("; ".join(f"DELETE FROM {table}" for table in TABLES)))
            for model, some in rows.items():
                if some:
                    session.execute(insert(model).values(some))  # in one statement: licenses name each other

    return replace


@contextmanager
def quick_lms(sandbox: Sandbox, timeout: float) -> Iterator[EnterpriseLms]:
    """Yield a client that is quick to try again."""
    credentials = ClientCredentials(sandbox.lms.url, CLIENT_ID, CLIENT_SECRET)
    client = EnterpriseLms(sandbox.lms.url, credentials, timeout=timeout, patience=Patience(first_wait=0.005))
    yield client
    client.close()
    credentials.close()


@pytest.fixture
def lms(sandbox: Sandbox) -> Iterator[EnterpriseLms]:
    """A client that is quick to try again."""
    with quick_lms(sandbox, timeout=1) as client:
        yield client


@pytest.fixture
def patient_lms(sandbox: Sandbox) -> Iterator[EnterpriseLms]:
    """A client that waits for slow answers."""
    with quick_lms(sandbox, timeout=30) as client:
        yield client


@pytest.fixture
def impatient_lms(sandbox: Sandbox) -> Iterator[EnterpriseLms]:
    """A client that gives a slow answer up at once."""
    with quick_lms(sandbox, timeout=0.05) as client:
        yield client


@pytest.fixture
def license_manager(sandbox: Sandbox) -> Iterator[LicenseManager]:
    """A client that does not pace itself, and a license-manager without limits."""
    sandbox.license_manager.throttles = Throttles()
    credentials = ClientCredentials(sandbox.lms.url, CLIENT_ID, CLIENT_SECRET)
    client = LicenseManager(
        sandbox.license_manager.url, credentials, timeout=5, patience=Patience(first_wait=0.005), rates=()
    )
    yield client
    client.close()
    credentials.close()
