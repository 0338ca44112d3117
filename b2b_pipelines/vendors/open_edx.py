"""Open edX: sign-in with client credentials at the LMS, and the LMS's enterprise endpoints."""

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

import httpx

from b2b_pipelines.vendors.http import punctual
from b2b_pipelines.vendors.http.bounds import bounded_listing
from b2b_pipelines.vendors.http.client import Patience, VendorClient
from b2b_pipelines.vendors.http.errors import AnswerMalformed, SignInUnavailable, VendorRefused, VendorUnavailable
from b2b_pipelines.vendors.http.listing import pages

SIGN_IN = "/oauth2/access_token"
ENTERPRISE = "/enterprise/api/v1"
EXPIRE = f"{ENTERPRISE}/licensed-enterprise-course-enrollment/bulk_licensed_enrollments_expiration/"
UNLINK = ENTERPRISE + "/enterprise-customer/{customer}/unlink_users/"
LEARNERS = f"{ENTERPRISE}/enterprise-learner/"

AT_ONCE = 100
"""Learners a page, and user ids a request, of the listing: its paginator's maximum."""

EARLY = 5.0
"""Seconds before its end from which on a token is not used any more."""


class ClientCredentials(VendorClient, httpx.Auth):
    """Signs requests to every Open edX service in, with `Authorization: JWT …`.

    The LMS's `/oauth2/access_token` gives the tokens. One token is shared by all threads and kept until 5 s before it
    expires. Raises `VendorRefused` when the LMS does not know the client, `SignInUnavailable` when it cannot answer,
    `AnswerMalformed` for an answer without a token.
    """

    vendor = "the LMS"

    def __init__(
        self,
        lms_url: str,
        client_id: str,
        client_secret: str,
        *,
        timeout: float = 30.0,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(lms_url, timeout=timeout, patience=patience)
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "token_type": "jwt",
        }
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = 0.0

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with a token, and once more with a new one when the answer is 401."""
        request.headers["Authorization"] = stale = self.header()
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            punctual.drain(response)
            request.headers["Authorization"] = self.renewed(stale)
            yield request

    def header(self) -> str:
        """Return `JWT <token>`, from the cache while it is valid."""
        with self._lock:
            if time.monotonic() >= self._good_until:
                self._fetch()
            return f"JWT {self._token}"

    def renewed(self, stale: str) -> str:
        """Return a header that replaces one answered with 401.

        Another thread may have renewed it already.
        """
        with self._lock:
            if f"JWT {self._token}" == stale or time.monotonic() >= self._good_until:
                self._fetch()
            return f"JWT {self._token}"

    def _fetch(self) -> None:
        asked_at = time.monotonic()
        try:
            answer: Any = self.http.json("POST", SIGN_IN, form=self._form, private=[self._form["client_secret"]])
        except VendorUnavailable as error:
            raise SignInUnavailable(
                error.message, status=error.status, words=error.words, retry_after=error.retry_after
            ) from None
        except VendorRefused as error:
            raise VendorRefused(
                f"{error.message} (check B2B_OAUTH_CLIENT_ID and B2B_OAUTH_CLIENT_SECRET)",
                status=error.status,
                words=error.words,
            ) from None
        try:
            self._token, lifetime = str(answer["access_token"]), float(answer["expires_in"])
        except (TypeError, KeyError, ValueError):
            raise AnswerMalformed(f"the LMS answered POST {SIGN_IN} without a token and its lifetime") from None
        self._good_until = asked_at + lifetime - EARLY


@dataclass(frozen=True, slots=True)
class LinkedLearner:
    """A learner whom the LMS lists as linked to a customer.

    None marks fields that the listing omits.
    """

    user_id: int | None
    email: str | None


class EnrollmentsNotEnded(VendorRefused):
    """Some enrollments of the batch could not be ended.

    Those of the other licenses are (recorded: `expiration-one-refused`: 422 with an empty body).
    """

    code = "enrollments_not_ended"


class AddressesRefused(VendorRefused):
    """The LMS refused the whole batch of addresses, and unlinked none of them.

    `places` are the places of the refused ones in the list that was sent, with the LMS's words; empty when the LMS
    names none.
    """

    code = "addresses_refused"

    def __init__(self, message: str, *, status: int, words: str, places: Mapping[int, str]) -> None:
        super().__init__(message, status=status, words=words)
        self.places = dict(places)


class EnterpriseLms(VendorClient):
    """The LMS's enterprise endpoints.

    Every request is harmless to repeat, and is repeated when it may help. Raises `VendorUnavailable`, `VendorRefused`
    (with the LMS's words, without addresses), `AnswerMalformed` and `ListUnsettled`.
    """

    vendor = "the LMS"

    def expire_enrollments(
        self, licenses: Sequence[UUID], *, ignore_modified_after: datetime | None, patience: Patience | None = None
    ) -> None:
        """End the course enrollments of these licenses (at most 100).

        Enrollments that changed after `ignore_modified_after` stay. Returns when all are ended. Raises
        `EnrollmentsNotEnded` (422) when some could not be ended: the others are. Raises `VendorUnavailable` with status
        500 when one enrollment broke the request: then it is unknown which of the batch are ended, and a smaller batch
        can succeed. `patience` replaces the client's own.
        """
        moment = ignore_modified_after.astimezone(UTC).isoformat() if ignore_modified_after else None
        body = {"expired_license_uuids": list(map(str, licenses)), "ignore_enrollments_modified_after": moment}
        try:
            response = self.http.request("POST", EXPIRE, body=body, expect=[200], patience=patience)
        except VendorRefused as error:
            if error.status != httpx.codes.UNPROCESSABLE_ENTITY:
                raise
            message = "the LMS could not end some of these enrollments (422); the others are ended"
            raise EnrollmentsNotEnded(message, status=error.status, words=error.words) from None
        _refuse_web_page(response, EXPIRE)

    def unlink(self, customer: UUID, addresses: Sequence[str]) -> None:
        """Unlink these learners (at most 100) from the customer, so that they may be linked again.

        Also returns for addresses that are unknown or unlinked already. Raises `AddressesRefused` (400) when an address
        is malformed: no learner is unlinked then.
        """
        path = UNLINK.format(customer=customer)
        # Always sent: left out it means false, which no later call can correct.
        body = {"user_emails": list(addresses), "is_relinkable": True}
        response = self.http.request("POST", path, body=body, expect=[200, 400, 404], private=addresses)
        if response.status_code == httpx.codes.OK:
            _refuse_web_page(response, path)
            return
        self._refuse_unlinking(path, response, addresses)

    @bounded_listing()
    def is_linked(self, customer: UUID, address: str) -> bool:
        """Return whether a learner with that address is linked to the customer.

        A pending one is not listed.
        """
        params = {"email": address}
        return any(
            learner.email is None or learner.email.lower() == address.lower()
            for learner in self._learners(customer, params, private=[address])
        )

    @bounded_listing()
    def linked_users(self, customer: UUID, user_ids: Sequence[int]) -> list[LinkedLearner]:
        """Return those of these LMS users who are linked to the customer, under any address.

        100 a request.
        """
        wanted = sorted(set(user_ids))
        return [
            learner
            for start in range(0, len(wanted), AT_ONCE)
            for learner in self._users(customer, wanted[start : start + AT_ONCE])
        ]

    def may_expire(self) -> None:
        """Ask for the end of no license's enrollments.

        Raises `VendorRefused` (403) for a user without the role. The LMS checks the role before it misses the licenses
        (recorded: `expiration-no-licenses`, 400).
        """
        body: dict[str, Any] = {"expired_license_uuids": [], "ignore_enrollments_modified_after": None}
        response = self.http.request("POST", EXPIRE, body=body, expect=[200, 400])
        _refuse_web_page(response, EXPIRE)

    def lists_anybody(self, customer: UUID | None = None) -> bool:
        """Return whether the listing shows any learner of the customer, or of any customer.

        False when no learner is linked, and when the caller is not Django staff: such a caller sees only themselves
        (recorded: `learners-operator-not-staff`), so an empty answer about one learner confirms nothing.
        """
        return next(self._learners(customer, {}), None) is not None

    def _users(self, customer: UUID, user_ids: Sequence[int]) -> list[LinkedLearner]:
        params = {"user_ids": ",".join(map(str, user_ids))}
        # A server that does not know the parameter would list every learner.
        return [learner for learner in self._learners(customer, params) if learner.user_id in user_ids]

    def _learners(
        self, customer: UUID | None, params: Mapping[str, str], *, private: Sequence[str] = ()
    ) -> Iterator[LinkedLearner]:
        whose = {} if customer is None else {"enterprise_customer_uuid": str(customer)}
        for page in pages(self.http, LEARNERS, {**whose, **params, "page_size": AT_ONCE}, private=private):
            try:
                learners = [_learner(row) for row in page["results"]]
            except (TypeError, AttributeError):
                raise AnswerMalformed(f"the LMS answered GET {LEARNERS} without a list of learners") from None
            yield from learners

    def _refuse_unlinking(self, path: str, response: httpx.Response, addresses: Sequence[str]) -> NoReturn:
        refusal = self.http.refused("POST", path, response, private=addresses)
        if response.status_code == httpx.codes.NOT_FOUND:
            causes = (
                "either the customer is unknown or deactivated in the LMS, "
                "or the OAuth client's user is not Django staff: the LMS then hides the customer"
            )
            raise VendorRefused(f"{refusal.message} ({causes})", status=refusal.status, words=refusal.words)
        places = _places(response, len(addresses))
        raise AddressesRefused(refusal.message, status=refusal.status, words=refusal.words, places=places)


def _places(response: httpx.Response, sent: int) -> dict[int, str]:
    """Return the places that a refusal names, with its messages.

    The body is `{"user_emails": {"1": ["Enter a valid …"]}}`. Empty when any key is not a place in the list that was
    sent: then nothing in it is trusted.
    """
    try:
        named = response.json()["user_emails"]
        places = {int(key): "; ".join(map(str, words)) for key, words in named.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
    return places if all(0 <= place < sent for place in places) else {}


def _refuse_web_page(response: httpx.Response, path: str) -> None:
    if "html" in response.headers.get("Content-Type", ""):
        raise AnswerMalformed(f"the LMS answered POST {path} with a web page: is B2B_LMS_URL the LMS itself?")


def _learner(row: dict[str, Any]) -> LinkedLearner:
    user = row.get("user") or {}
    user_id, email = user.get("id", row.get("user_id")), user.get("email") or row.get("user_email")
    return LinkedLearner(user_id if isinstance(user_id, int) else None, None if email is None else str(email))
