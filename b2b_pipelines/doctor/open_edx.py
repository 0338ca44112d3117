"""Asking the Open edX services, all of them as the one user behind the OAuth client.

A caller without a role often gets an empty 200 instead of a refusal, so an empty listing never counts as an answer.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TypeVar
from uuid import UUID

from b2b_pipelines.academies.selection import read_selection
from b2b_pipelines.doctor.roles import OPERATOR, STAFF
from b2b_pipelines.errors import PermanentError
from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from b2b_pipelines.vendors.http.client import Patience, VendorClient
from b2b_pipelines.vendors.http.errors import VENDOR_ERRORS, VendorRefused
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import ClientCredentials, EnterpriseLms
from b2b_pipelines.vendors.studio import Studio

FORBIDDEN = 403

Client = TypeVar("Client", bound=VendorClient)


class RoleMissing(PermanentError):
    """The service knows the OAuth client's user, who lacks a role that the product needs."""

    code = "role_missing"


def inquiries(
    settings: Settings, credentials: ClientCredentials, stack: ExitStack, patience: Patience
) -> Mapping[str, Callable[[], str]]:
    """Return the inquiries by capability, for the services that have a URL.

    Each inquiry returns a message, or raises.
    """

    def client(kind: type[Client], url: str) -> Client:
        made = kind(url, credentials, timeout=settings.lms_timeout_seconds, patience=patience)
        stack.callback(made.close)
        return made

    found: dict[str, Callable[[], str]] = {}
    studio = client(Studio, settings.studio_url) if settings.studio_url else None
    if studio:
        found["studio"] = partial(_studio, studio)
    if settings.lms_url:
        found["lms"] = partial(_lms, client(EnterpriseLms, settings.lms_url), studio, settings.unlink_customers)
    if settings.license_manager_url:
        manager = client(LicenseManager, settings.license_manager_url)
        found["license_manager"] = partial(_license_manager, manager, settings.unlink_customers)
    if settings.enterprise_catalog_url:
        catalog = client(EnterpriseCatalog, settings.enterprise_catalog_url)
        found["enterprise_catalog"] = partial(_catalog, catalog, settings)
    return found


def _studio(studio: Studio) -> str:
    try:
        studio.check_access()
    except VendorRefused as error:
        raise _missing(error, STAFF) from None
    return "the user may make course runs; access to an organization shows only when a run is made"


def _lms(lms: EnterpriseLms, studio: Studio | None, customers: frozenset[UUID]) -> str:
    try:
        lms.may_expire()
    except VendorRefused as error:
        raise _missing(error, f"the role {OPERATOR}") from None
    blind = [customer for customer in sorted(customers) if not lms.lists_anybody(customer)]
    if blind == sorted(customers) and not lms.lists_anybody():
        if _is_staff_in(studio):
            return "the user may end enrollments; the LMS lists no enterprise learner yet"
        raise RoleMissing(
            f"the LMS lists no enterprise learner: is the OAuth client's user {STAFF}? "
            "A user who is not sees only themselves (the listing is also empty while no learner is linked)"
        )
    if not blind:
        return "the user may end enrollments and sees the customers' learners"
    return f"the user may end enrollments; the LMS lists no learner of {_named(blind)}"


def _is_staff_in(studio: Studio | None) -> bool:
    """Return whether Studio, which has the LMS's users, treats the user as Django staff."""
    try:
        if studio is not None:
            studio.check_access()
    except VENDOR_ERRORS:
        return False
    return studio is not None


def _license_manager(manager: LicenseManager, customers: frozenset[UUID]) -> str:
    question = f"has the OAuth client's user the role {OPERATOR}?"
    try:
        unknown = [customer for customer in sorted(customers) if not manager.agreements(customer)]
        if not customers and not manager.sees_any_agreement():
            raise RoleMissing(
                f"license-manager lists no agreement of any customer: {question} (the listing is also empty while no "
                "agreement exists)"
            )
    except VendorRefused as error:
        raise _missing(error, f"the role {OPERATOR}") from None
    if unknown:
        raise RoleMissing(f"license-manager lists no agreement of {_named(unknown)}: {question}")
    return "the user sees customers' agreements"


def _catalog(catalog: EnterpriseCatalog, settings: Settings) -> str:
    customer = read_selection(settings).customer
    assert customer is not None
    answer = catalog.read(customer)
    return "; ".join([f"{len(answer.academies)} academies are listed for the customer", *answer.notes])


def _missing(error: VendorRefused, role: str) -> PermanentError:
    if error.status != FORBIDDEN:
        return error
    return RoleMissing(f"{error.message}: the OAuth client's user lacks {role}")


def _named(customers: list[UUID]) -> str:
    return ", ".join(map(str, customers))
