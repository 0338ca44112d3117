"""Use cases on licenses: import them, decide, end enrollments, unlink learners.

Ending and unlinking are HTTP requests with a record after each. They therefore take the `Database` and commit each
confirmed step at once: a process that is killed in between repeats one request. Imports, readings and batches of one
customer exclude each other (see `work`).
"""

from uuid import UUID

from sqlalchemy.orm import Session

from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.licenses import brakes, store, verdicts
from b2b_pipelines.licenses.brakes import HeldPlan
from b2b_pipelines.licenses.confirming import SAMPLE, confirm_unlinked
from b2b_pipelines.licenses.facts import Policy, policy
from b2b_pipelines.licenses.importing import Imported, NoAgreement, import_files, read_license_manager
from b2b_pipelines.licenses.outcome import Forgotten, Outcome
from b2b_pipelines.licenses.rules import Verdict
from b2b_pipelines.licenses.terminating import terminate
from b2b_pipelines.licenses.unlinking import UnlinkedTooEarly, unlink
from b2b_pipelines.licenses.work import LOCK
from b2b_pipelines.settings import Settings

__all__ = [
    "LOCK",
    "SAMPLE",
    "Forgotten",
    "Imported",
    "NoAgreement",
    "Outcome",
    "UnlinkedTooEarly",
    "confirm_plan",
    "confirm_unlinked",
    "decide",
    "import_files",
    "policy",
    "purged_too_early",
    "read_license_manager",
    "terminate",
    "unlink",
]


def decide(session: Session, customer: UUID, policy: Policy) -> list[Verdict]:
    """Decide about the customer's expired licenses; store decisions and reasons.

    Raises `NotFound`.
    """
    decided = [row.verdict for row in verdicts.decide(session, policy, customer=customer).decided]
    store.replace_decisions(session, customer, policy, decided)
    return decided


def confirm_plan(session: Session, plan: UUID, policy: Policy) -> tuple[UUID, HeldPlan | None]:
    """End the hold of a plan, which confirms its expiration date.

    Return its customer and the ended hold; None when the plan was not held. Raises `NotFound`.
    """
    customer = brakes.customer_of(session, plan)
    transaction_lock(session, LOCK, str(customer))
    return customer, brakes.end_hold(session, plan, policy.now, policy.hold)


def purged_too_early(session: Session, settings: Settings, customer: UUID | None = None) -> list[str]:
    """Return a sentence for each customer whose learners are erased before they are unlinked.

    License-manager erases them. For one customer, or for all that are enabled for unlinking.
    """
    customers = settings.unlink_customers if customer is None else {customer}
    return [
        f"B2B_UNLINK_AFTER_DAYS ({settings.unlink_after_days}) is not below the {days} days after which license-manager "
        f"erases the holders of expired licenses of customer {purged}: learners that no earlier reading listed stay linked"
        for purged, days in store.purge_days(session, customers).items()
        if settings.unlink_after_days >= days
    ]
