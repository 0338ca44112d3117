"""Pages on which a person is enterprise-catalog, Stripe, license-manager or the LMS: below `/sandbox/vendors/`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.enterprise_catalog import EnterpriseCatalog, academy
from sandbox.license_manager import LicenseManager, license_row, plan
from sandbox.open_edx import Lms
from sandbox.open_edx.rest import uuid_of
from sandbox.pages.rendering import Change, form, render
from sandbox.requests_log import RequestLog
from sandbox.stripe import Stripe
from sandbox.stripe.sessions import ACTS

TOP = "/sandbox/vendors"
LMS_REQUESTS = {
    "bulk_licensed_enrollments_expiration": "End the enrollments of licenses",
    "unlink_users": "Unlink learners",
    "enterprise-learner": "List learners",
    "oauth2": "Sign in",
}
SHOWN = 200

Fields = dict[str, str]


class StandIns(Protocol):
    """The stand-ins that have a page here, and the log of their requests."""

    enterprise_catalog: EnterpriseCatalog
    license_manager: LicenseManager
    lms: Lms
    stripe: Stripe
    log: RequestLog


def routes(sandbox: StandIns) -> list[BaseRoute]:
    """Return the routes of every vendor's page."""
    return [
        _page("/", "vendors.html", dict),
        *_catalog(sandbox),
        *_stripe(sandbox),
        *_license_manager(sandbox),
        *_lms(sandbox),
    ]


def _page(path: str, template: str, values: Callable[[], dict[str, Any]]) -> Route:
    async def endpoint(request: Request) -> Response:
        return render(template, **values())

    return Route(f"{TOP}{path}", endpoint)


def _buttons(path: str, changes: dict[str, Change]) -> Sequence[BaseRoute]:
    top = f"{TOP}{path}"
    return [Route(f"{top}/{name}", form(change, top), methods=["POST"]) for name, change in changes.items()]


def _catalog(sandbox: StandIns) -> Sequence[BaseRoute]:
    catalog = sandbox.enterprise_catalog

    def put(customer: str, rows: list[Any]) -> None:
        catalog.put(customer, rows, catalog.catalogs.get(customer, []))

    def rename(fields: Fields) -> None:
        rows = catalog.academies[fields["customer"]]
        put(
            fields["customer"],
            [{**row, "title": fields["title"]} if row["uuid"] == fields["uuid"] else row for row in rows],
        )

    def archive(fields: Fields) -> None:
        rows = catalog.academies[fields["customer"]]
        put(fields["customer"], [row for row in rows if row["uuid"] != fields["uuid"]])

    def add(fields: Fields) -> None:
        customer, key = _uuid(fields["customer"]), fields.get("lookup_key")
        priced = {"stripe_price_lookup_key": key} if key else {}
        put(customer, [*catalog.academies.get(customer, []), academy(fields["title"], **priced)])

    return [
        _page("/catalog", "catalog.html", lambda: {"customers": catalog.academies}),
        *_buttons(
            "/catalog",
            {"rename": rename, "archive": archive, "add": add, "empty": lambda fields: put(fields["customer"], [])},
        ),
    ]


def _stripe(sandbox: StandIns) -> Sequence[BaseRoute]:
    stripe = sandbox.stripe

    def amount(fields: Fields) -> None:
        minor = int(fields["amount"])
        stripe.prices[fields["id"]] |= {"unit_amount": minor, "unit_amount_decimal": str(minor)}

    def active(fields: Fields) -> None:
        stripe.prices[fields["id"]]["active"] = bool(fields["active"])

    def add(fields: Fields) -> None:
        stripe.price(fields["lookup_key"], int(fields["amount"]), fields["currency"].lower())

    def open_session(fields: Fields) -> None:
        intent, amount = str(_uuid(fields["intent"])), int(fields["amount"])
        stripe.till.open(intent, amount_total=amount, currency=fields["currency"].lower())

    def act(fields: Fields) -> None:
        stripe.till.act(fields["session"], fields["act"])

    def values() -> dict[str, Any]:
        sessions = list(stripe.till.sessions.values())[::-1][:SHOWN]
        return {"prices": list(stripe.prices.values()), "sessions": sessions, "acts": ACTS, "url": stripe.till.url}

    return [
        _page("/stripe", "stripe.html", values),
        *_buttons("/stripe", {"amount": amount, "active": active, "add": add, "open": open_session, "act": act}),
    ]


def _license_manager(sandbox: StandIns) -> Sequence[BaseRoute]:
    manager = sandbox.license_manager

    def plans() -> dict[str, list[dict[str, Any]]]:
        return {customer: row["subscriptions"] for customer, row in manager.agreements.items()}

    def find(uuid: str) -> dict[str, Any]:
        found = [each for rows in plans().values() for each in rows if each["uuid"] == uuid]
        if not found:
            raise ValueError(f"there is no plan {uuid[:40]!r}")
        return found[0]

    def end(fields: Fields) -> None:
        find(fields["plan"])["expiration_date"] = _written(datetime.fromisoformat(fields["end"]))

    def day(fields: Fields) -> None:
        each = find(fields["plan"])
        each["expiration_date"] = _written(datetime.fromisoformat(each["expiration_date"]) - timedelta(days=1))

    def give(fields: Fields) -> None:
        rows = manager.licenses.get(fields["plan"], [])
        manager.put_licenses(fields["plan"], [*rows, license_row(uuid4(), fields["plan"], fields["email"])])

    def revoke(fields: Fields) -> None:
        revoked = {"status": "revoked", "revoked_date": _written(datetime.now(UTC))}
        rows = manager.licenses[fields["plan"]]
        changed = [{**row, **revoked} if row["uuid"] == fields["license"] else row for row in rows]
        manager.put_licenses(fields["plan"], changed)

    def add(fields: Fields) -> None:
        customer = _uuid(fields["customer"])
        start, last = (_written(datetime.fromisoformat(fields[name])) for name in ("start", "end"))
        manager.put_agreement(customer, [*plans().get(customer, []), plan(uuid4(), fields["title"], start, last)])

    def values() -> dict[str, Any]:
        renewed = {renewal.prior for renewal in manager.renewals}
        return {"customers": plans(), "licenses": manager.licenses, "renewed": renewed}

    return [
        _page("/license-manager", "license_manager.html", values),
        *_buttons("/license-manager", {"end": end, "day": day, "license": give, "revoke": revoke, "add": add}),
    ]


def _lms(sandbox: StandIns) -> Sequence[BaseRoute]:
    lms = sandbox.lms

    def unlink(fields: Fields) -> None:
        for learner in lms.learners(fields["customer"]):
            if learner.email == fields["email"]:
                learner.linked = False

    def journal() -> list[dict[str, Any]]:
        asked = [each for each in sandbox.log.entries(vendor=lms.name) if each.method == "POST"]
        return [{"at": each.at, "status": each.status, "what": _lms_request(each.path)} for each in asked[-SHOWN:]]

    def values() -> dict[str, Any]:
        customers = {customer: lms.learners(customer) for customer in lms.customers()}
        return {"customers": customers, "ended": lms.ended(), "journal": journal()}

    return [
        _page("/lms", "lms.html", values),
        *_buttons(
            "/lms",
            {"link": lambda fields: lms.link(_uuid(fields["customer"]), [fields["email"]]), "unlink": unlink},
        ),
    ]


def _lms_request(path: str) -> str:
    return next((name for part, name in LMS_REQUESTS.items() if part in path), path)


def _written(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2026-12-31T00:00:00Z")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _uuid(text: str) -> str:
    found = uuid_of(text.strip())
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a UUID")
    return str(found)
