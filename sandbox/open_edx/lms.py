"""A stand-in of the LMS: tokens, and the enterprise endpoints that end enrollments and unlink learners.

Its answers are those of edx-enterprise, as recorded in `tests/recordings/lms-enterprise.json`; comments name the
exchange that a behaviour comes from.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from sandbox.open_edx.accounts import CLIENT_ID, CLIENT_SECRET, Accounts
from sandbox.open_edx.callers import ADMIN_ROLE, OPERATOR_ROLE, Caller
from sandbox.open_edx.learner_rows import Learner, features, learner_row
from sandbox.open_edx.rest import (
    Page,
    Refusal,
    Throttles,
    broken,
    forbidden,
    json_object,
    route,
    uuid_of,
)
from sandbox.vendor import Vendor

ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
PAGE_SIZE = 10
MOST_PER_PAGE = 100
PREFIX = "/enterprise/api/v1"
MISSING = "Parameter expired_license_uuids must be provided"
MALFORMED = "Parameter ignore_enrollments_modified_after is malformed, please provide a date in ISO-8601 format"
FIRST_USER = 1000


@dataclass(frozen=True)
class Unlinking:
    """An `unlink_users` request that was answered with 200."""

    customer: str
    addresses: tuple[str, ...]
    is_relinkable: bool


@dataclass(frozen=True)
class Expiration:
    """A bulk expiration that reached the LMS, and whether it was answered with 200."""

    licenses: tuple[str, ...]
    ignore_modified_after: str | None
    succeeded: bool


class Lms(Vendor):
    """A stand-in of the LMS: learners' links to customers, and licenses with ended enrollments.

    `refused` are addresses that are answered with 400 though they are well-formed. Of licenses: `stuck` ones have an
    enrollment that the enrollment API refuses (422), `broken` ones an enrollment in a deleted course (500), those
    `without_history` break only a request that names a date; `modified` says when an enrollment was changed last.
    `deactivated` are customers that were switched off. What was asked is kept in `unlinkings` and `expirations`.
    With `ignores_case` addresses are compared as MySQL does.
    """

    name = "lms"
    prefix = "/lms"

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.accounts = Accounts(world.lock)
        self.clear()

    def clear(self) -> None:
        self.accounts.clear()
        self.ignores_case = True
        self.throttles = Throttles()
        self.refused: set[str] = set()
        self.stuck: set[str] = set()
        self.broken: set[str] = set()
        self.without_history: set[str] = set()
        self.modified: dict[str, str] = {}
        self.deactivated: set[str] = set()
        self.unlinkings: list[Unlinking] = []
        self.expirations: list[Expiration] = []
        self._ended: set[str] = set()
        self._learners: dict[str, dict[str, Learner]] = {}
        self._next_user = FIRST_USER

    def dump(self) -> Any:
        return {
            "learners": {
                customer: [asdict(learner) for learner in learners.values()]
                for customer, learners in self._learners.items()
            },
            "ended": sorted(self._ended),
            "modified": self.modified,
            **{name: sorted(getattr(self, name)) for name in LICENSE_FLAWS},
        }

    def load(self, state: Any) -> None:
        self._learners = {
            customer: {str(row["email"]).lower(): Learner(**row) for row in rows}
            for customer, rows in state["learners"].items()
        }
        users = (learner.user_id for learners in self._learners.values() for learner in learners.values())
        self._next_user = max(users, default=FIRST_USER) + 1
        self._ended, self.modified = set(state["ended"]), state["modified"]
        for name in LICENSE_FLAWS:
            setattr(self, name, set(state[name]))

    def link(
        self, customer: UUID | str, addresses: Iterable[str] | Mapping[str, int], *, pending: bool = False
    ) -> None:
        """Link learners to a customer, who is known from then on. A mapping gives each address its LMS user id."""
        ids = addresses if isinstance(addresses, Mapping) else {}
        with self.world.lock:
            learners = self._learners.setdefault(str(customer), {})
            for address in addresses:
                known = learners.get(address.lower())
                if known is None:
                    self._next_user += 1
                    number = ids.get(address, self._next_user)
                    learners[address.lower()] = Learner(self._next_user, number, address, pending=pending)
                else:
                    known.linked, known.pending = True, pending

    def rename(self, old: str, new: str) -> None:
        """Let the account with an address have another one; it stays linked under that."""
        with self.world.lock:
            for learners in self._learners.values():
                if learner := learners.pop(old.lower(), None):
                    learner.email = new
                    learners[new.lower()] = learner

    def learners(self, customer: UUID | str) -> list[Learner]:
        """The customer's learners, unlinked and pending ones included."""
        with self.world.lock:
            return list(self._learners.get(str(customer), {}).values())

    def customers(self) -> list[str]:
        """Return the customers that have a learner."""
        with self.world.lock:
            return list(self._learners)

    def linked(self, customer: UUID | str) -> set[str]:
        """The addresses, in lower case, of the learners who are linked to the customer now."""
        return {learner.email.lower() for learner in self.learners(customer) if learner.linked}

    def ended(self) -> set[str]:
        """The licenses whose enrollments have ended."""
        with self.world.lock:
            return set(self._ended)

    def reopen(self, license_uuid: str) -> None:
        """Let the enrollments of a license be open again."""
        with self.world.lock:
            self._ended.discard(license_uuid)

    def kind(self, method: str, path: str) -> str:
        return "token" if path.startswith("/oauth2/") else super().kind(method, path)

    def routes(self) -> Sequence[BaseRoute]:
        licensed = f"{PREFIX}/licensed-enterprise-course-enrollment"
        return [
            route("/oauth2/access_token", post=self.accounts.sign_in),
            route("/oauth2/access_token/", post=self.accounts.sign_in),  # token-with-slash
            route(f"{licensed}/bulk_licensed_enrollments_expiration/", post=self._expire),
            route(PREFIX + "/enterprise-customer/{customer}/unlink_users/", post=self._unlink),
            route(f"{PREFIX}/enterprise-learner/", get=self._list_learners),
        ]

    async def _expire(self, request: Request) -> Response:
        caller = self._caller(request)
        if not caller.holds(OPERATOR_ROLE, ADMIN_ROLE):  # Django staff is not needed: expiration-operator-not-staff
            raise forbidden("Missing: enterprise.can_enroll_learners")
        body = await json_object(request)
        licenses: list[str] = body.get("expired_license_uuids") or []
        after = body.get("ignore_enrollments_modified_after")
        if not licenses:
            raise Refusal(400, MISSING)
        moment = _moment(after)
        if after and moment is None:
            raise Refusal(400, MALFORMED)
        if not all(uuid_of(str(each)) for each in licenses):  # expiration-not-a-uuid
            raise broken()
        return self._end(tuple(licenses), after, moment)

    def _end(self, licenses: tuple[str, ...], after: str | None, moment: datetime | None) -> Response:
        with self.world.lock:
            breaking = self.broken | (self.without_history if moment else set())
            failed = bool((breaking | self.stuck).intersection(licenses))
            self.expirations.append(Expiration(licenses, after, not failed))
            if breaking.intersection(licenses):
                # The platform runs a request in one transaction: none of the batch is ended.
                raise broken()
            self._ended.update(
                each for each in licenses if each not in self.stuck and not self._was_modified(each, moment)
            )
        return Response(status_code=422 if failed else 200)  # expiration-one-refused: an empty body, the others ended

    def _was_modified(self, license_uuid: str, moment: datetime | None) -> bool:
        modified = _moment(self.modified.get(license_uuid))
        return modified is not None and moment is not None and modified > moment

    async def _unlink(self, request: Request) -> Response:
        caller, customer = self._caller(request), request.path_params["customer"]
        if uuid_of(customer) is None:
            raise Refusal(404, {"detail": "Not found."})
        if not caller.reaches(customer, OPERATOR_ROLE, ADMIN_ROLE):
            raise forbidden("Missing: enterprise.can_access_admin_dashboard")
        body = await json_object(request)
        addresses: Any = body.get("user_emails")
        if wrong := self._complaints(addresses):  # before the customer: unlink-bad-address-unknown-customer
            raise Refusal(400, {"user_emails": wrong})
        if not caller.is_staff or customer not in self._learners or customer in self.deactivated:
            # Who is not Django staff does not see the customer: unlink-operator-not-staff.
            raise Refusal(404, {"detail": "No EnterpriseCustomer matches the given query."})
        relinkable = bool(body.get("is_relinkable", False))  # unlink-is-relinkable-left-out
        with self.world.lock:
            self.unlinkings.append(Unlinking(customer, tuple(addresses), relinkable))
            for address in addresses:
                self._unlink_one(customer, address, relinkable)
        return Response(status_code=200)

    def _unlink_one(self, customer: str, address: str, relinkable: bool) -> None:
        learner = self._learners[customer].get(address.lower())
        if learner is None or not self._same(learner.email, address):
            return
        if learner.pending:
            del self._learners[customer][address.lower()]  # unlink-pending: the pending link is deleted
        else:
            learner.linked, learner.relinkable = False, relinkable

    def _complaints(self, addresses: Any) -> Any:
        if addresses is None:
            return ["This field is required."]
        if not isinstance(addresses, list):
            return [f'Expected a list of items but got type "{type(addresses).__name__}".']
        if not addresses:
            return ["This list may not be empty."]
        found = {str(place): self._complaint(address) for place, address in enumerate(addresses)}
        return {place: [words] for place, words in found.items() if words}

    def _complaint(self, address: Any) -> str | None:
        if address is None:
            return "This field may not be null."
        if not str(address).strip():
            return "This field may not be blank."
        sound = ADDRESS.fullmatch(str(address)) and address not in self.refused
        return None if sound else "Enter a valid email address."

    async def _list_learners(self, request: Request) -> Response:
        caller, asked = self._caller(request), request.query_params
        customer, address, ids = (asked.get(name) for name in ("enterprise_customer_uuid", "email", "user_ids"))
        if customer is not None and uuid_of(customer) is None:  # learners-bad-uuid
            raise broken()
        if ids and not all(each.strip().isdecimal() for each in ids.split(",")):  # learners-by-user-ids-not-numbers
            raise broken()
        wanted = {int(each) for each in ids.split(",")} if ids else None
        rows = [
            (learner, each)
            for each in ([customer] if customer else list(self._learners))
            for learner in self.learners(each)
            if learner.linked
            and not learner.pending
            # Who is not Django staff sees only themselves: learners-operator-not-staff.
            and (caller.is_staff or learner.email == caller.email)
            and (not address or self._same(learner.email, address))
            and (wanted is None or learner.user_id in wanted)
        ]
        rows.sort(key=lambda row: -row[0].link_id)
        page = Page(request, len(rows), size=PAGE_SIZE, most=MOST_PER_PAGE)
        results = [learner_row(learner, each, each not in self.deactivated) for learner, each in rows]
        answer = page.in_detail(results[page.start : page.end])
        return JSONResponse({**answer, "enterprise_features": features()})

    def _same(self, stored: str, asked: str) -> bool:
        return stored == asked or (self.ignores_case and stored.lower() == asked.lower())

    def _caller(self, request: Request) -> Caller:
        caller = self.accounts.caller(request)
        with self.world.lock:
            self.throttles.take(caller.name)
        return caller


LICENSE_FLAWS = ("refused", "stuck", "broken", "without_history", "deactivated")


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None


__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Expiration", "Lms", "Unlinking"]
