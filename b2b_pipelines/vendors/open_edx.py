"""Open edX: signing in with client credentials, which the LMS gives out tokens for, and the LMS's enterprise endpoints."""

import threading
import time
from typing import Any

from b2b_pipelines.vendors.http import (
    AnswerMalformed,
    HttpClient,
    Patience,
    SignInUnavailable,
    VendorRefused,
    VendorUnavailable,
)

SIGN_IN = "/oauth2/access_token"
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
