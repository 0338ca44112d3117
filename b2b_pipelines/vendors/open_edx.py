"""Open edX: signing in with client credentials, which the LMS gives out tokens for, and the LMS's enterprise endpoints."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.bounds import bounded_listing
from b2b_pipelines.vendors.http import (
    AnswerMalformed,
    Authorization,
    HttpClient,
    Patience,
    SignInUnavailable,
    VendorRefused,
    VendorUnavailable,
)

SIGN_IN = "/oauth2/access_token"
ENTERPRISE = "/enterprise/api/v1"
EXPIRE = f"{ENTERPRISE}/licensed-enterprise-course-enrollment/bulk_licensed_enrollments_expiration/"
UNLINK = ENTERPRISE + "/enterprise-customer/{customer}/unlink_users/"
LEARNERS = f"{ENTERPRISE}/enterprise-learner/"

EARLY = 5.0
"""Seconds before its end from which on a token is not used any more."""


class ClientCredentials:
    """`Authorization: JWT …` headers for every Open edX service, from the LMS's `/oauth2/access_token`.

    One token is shared by all threads and kept until 5 s before it expires. Raises `VendorRefused` when the LMS does
    not know the client, `SignInUnavailable` when it cannot answer, `AnswerMalformed` for an answer without a token.
    """

    def __init__(
        self,
        lms_url: str,
        client_id: str,
        client_secret: str,
        *,
        timeout: float = 30.0,
        patience: Patience | None = None,
    ) -> None:
        self._client = HttpClient(lms_url, vendor="the LMS", timeout=timeout, patience=patience)
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "token_type": "jwt",
        }
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = 0.0

    def close(self) -> None:
        self._client.close()

    def header(self) -> str:
        """`JWT <token>`, from the cache while that is good."""
        with self._lock:
            if time.monotonic() >= self._good_until:
                self._fetch()
            return f"JWT {self._token}"

    def renewed(self, stale: str) -> str:
        """A header to use instead of one that was answered with 401; another thread may have renewed it already."""
        with self._lock:
            if f"JWT {self._token}" == stale or time.monotonic() >= self._good_until:
                self._fetch()
            return f"JWT {self._token}"

    def _fetch(self) -> None:
        asked_at = time.monotonic()
        try:
            answer: Any = self._client.json("POST", SIGN_IN, form=self._form, private=[self._form["client_secret"]])
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


@contextmanager
def client_credentials(settings: Settings) -> Iterator[ClientCredentials | None]:
    """Signing in to every Open edX service, when `B2B_LMS_URL`, `B2B_OAUTH_CLIENT_ID` and `B2B_OAUTH_CLIENT_SECRET` are
    set; None while one of them is missing."""
    if not (settings.lms_url and settings.oauth_client_id and settings.oauth_client_secret):
        yield None
        return
    secret = settings.oauth_client_secret.get_secret_value()
    credentials = ClientCredentials(
        settings.lms_url, settings.oauth_client_id, secret, timeout=settings.lms_timeout_seconds
    )
    try:
        yield credentials
    finally:
        credentials.close()


class EnterpriseLms:
    """The LMS's enterprise endpoints. Every request is harmless to repeat, and is repeated when it may help.

    Raises `VendorUnavailable`, `VendorRefused` (with the LMS's words, without addresses) and `AnswerMalformed`.
    """

    def __init__(
        self, lms_url: str, authorization: Authorization, *, timeout: float = 30.0, patience: Patience | None = None
    ) -> None:
        self.http = HttpClient(
            lms_url, vendor="the LMS", timeout=timeout, patience=patience, authorization=authorization
        )

    def close(self) -> None:
        self.http.close()

    def expire_enrollments(self, licenses: Sequence[UUID], *, ignore_modified_after: datetime | None) -> None:
        """End the course enrollments that these licenses paid for (at most 100 at once), but those changed after a moment.

        Refused with 422 when some of the enrollments could not be ended: the others are.
        """
        moment = ignore_modified_after.astimezone(UTC).isoformat() if ignore_modified_after else None
        self.http.request(
            "POST",
            EXPIRE,
            body={
                "expired_license_uuids": list(map(str, licenses)),
                "ignore_enrollments_modified_after": moment,
            },
            expect=[200],
        )

    def unlink(self, customer: UUID, addresses: Sequence[str]) -> None:
        """Unlink these learners (at most 100 at once) from the customer, so that they may be linked again.

        Success also for who is unknown or unlinked already. Refused with 400 as a whole when one address is malformed.
        """
        path = UNLINK.format(customer=customer)
        # Always said: left out it means false, which no later call can correct.
        body = {"user_emails": list(addresses), "is_relinkable": True}
        response = self.http.request("POST", path, body=body, expect=[200], private=addresses)
        if "html" in response.headers.get("Content-Type", ""):
            raise AnswerMalformed(f"the LMS answered POST {path} with a web page: is B2B_LMS_URL the LMS itself?")

    @bounded_listing
    def is_linked(self, customer: UUID, address: str) -> bool:
        """Whether a learner with that address is linked to the customer."""
        page = 1
        while True:
            answer = self.http.json(
                "GET",
                LEARNERS,
                params={"enterprise_customer_uuid": str(customer), "email": address, "page": page},
                private=[address],
            )
            try:
                if any(_is_of(learner, address) for learner in answer["results"]):
                    return True
                if not answer["next"]:
                    return False
            except (TypeError, KeyError, AttributeError):
                raise AnswerMalformed(f"the LMS answered GET {LEARNERS} without a list of learners") from None
            page += 1


def _is_of(learner: dict[str, Any], address: str) -> bool:
    """Whether a listed learner has that address; one that is listed without any was found by it."""
    user = learner.get("user") or {}
    listed = user.get("email") or learner.get("user_email")
    return listed is None or str(listed).lower() == address.lower()
