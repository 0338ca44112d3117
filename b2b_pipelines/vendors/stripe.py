"""Stripe: prices by lookup key, and the signature of its events.

Through the package `stripe`.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import stripe

from b2b_pipelines.errors import InvalidInput, PermanentError, TransientError
from b2b_pipelines.vendors.http import bounds, punctual
from b2b_pipelines.vendors.http.bounds import bounded_listing
from b2b_pipelines.vendors.http.closing import Closing
from b2b_pipelines.vendors.http.counting import count

KEYS_A_CALL = 10
PAGE_SIZE = 100
TRIES = 3
PASSING = (408, 429)
SIGNATURE_AGE = 300
"""The allowed difference, in seconds, between the time of a signature and this machine's."""


class StripeUnavailable(TransientError):
    """Stripe did not answer, answered 5xx or asked to slow down, at every try."""

    code = "stripe_unavailable"


class StripeRefused(PermanentError):
    """Stripe refuses our key or our request, or its answer is not valid: a person must act."""

    code = "stripe_refused"


class EventRefused(InvalidInput):
    """The event is not signed by Stripe, or its signature is too old."""

    code = "invalid_signature"


class EventMalformed(InvalidInput):
    """Stripe signed a body that is not an event."""

    code = "invalid_event"


class _BoundedHttp(stripe.HTTPClient):
    """The package's HTTP client over httpx.

    It keeps within the bounds of every vendor, and retries a request that Stripe gave up (408) or rate-limits (429).
    """

    name = "httpx"

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._client = punctual.client(timeout=timeout, follow_redirects=False)

    def request(
        self, method: str, url: str, headers: Any, post_data: Any = None, *, _usage: Any = None
    ) -> tuple[Any, int, Any]:
        count()
        try:
            with (
                bounds.answer("Stripe", httpx.TimeoutException) as came,
                self._client.stream(method, url, headers=headers, content=post_data) as response,
            ):
                punctual.read(response, came)
        except httpx.HTTPError as error:
            failure: Any = stripe.APIConnectionError
            raise failure("Stripe could not be reached", should_retry=True) from error
        return response.content, response.status_code, response.headers

    def close(self) -> None:
        self._client.close()

    def _should_retry(self, response: Any, error: Any, tried: int, most: int | None) -> bool:
        if response is not None and tried < (most or 0):
            _, status, headers = response
            if status in PASSING and headers.get("Stripe-Should-Retry") != "false":
                return True
        return bool(super()._should_retry(response, error, tried, most))


class Stripe(Closing):
    """Stripe's API at `base_url` (`B2B_STRIPE_API_URL`), with the account's secret key.

    Raises `StripeUnavailable` after three tries, `StripeRefused` at once for a key that is refused.
    """

    def __init__(self, api_key: str, *, base_url: str = "https://api.stripe.com", timeout: float = 30.0) -> None:
        self._http = _BoundedHttp(timeout)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": base_url},
            max_network_retries=TRIES - 1,
            http_client=self._http,
        )

    def close(self) -> None:
        self._http.close()

    @bounded_listing()
    def prices(self, lookup_keys: Sequence[str]) -> list[dict[str, Any]]:
        """Return every price with one of those lookup keys, active or not, as Stripe has it.

        Each has its product. One call for ten keys, and one more for each further page.
        """
        batches = [lookup_keys[start : start + KEYS_A_CALL] for start in range(0, len(lookup_keys), KEYS_A_CALL)]
        return _asked(lambda: [price for batch in batches for price in self._prices(batch)])

    def _prices(self, lookup_keys: Sequence[str]) -> list[dict[str, Any]]:
        page = self._client.v1.prices.list(
            {"lookup_keys": list(lookup_keys), "expand": ["data.product"], "limit": PAGE_SIZE}
        )
        return [price.to_dict() for price in page.auto_paging_iter()]


def _asked(ask: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the result of `ask`, with the package's errors turned into ours.

    Stripe's messages are not shown, because they quote keys.
    """
    try:
        return ask()
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise StripeRefused(f"Stripe refuses the key ({error.http_status}): check B2B_STRIPE_API_KEY") from None
    except stripe.APIConnectionError as error:
        reason = type(error.__cause__).__name__ if error.__cause__ else "connection failed"
        raise StripeUnavailable(f"Stripe could not be reached, tried {TRIES} times: {reason}") from None
    except stripe.StripeError as error:
        status = error.http_status
        if status is None or status in (*PASSING, 409) or status >= 500:
            raise StripeUnavailable(f"Stripe answered {status or 'nothing'} to GET /v1/prices") from None
        if status < 300:
            raise StripeRefused("Stripe answered GET /v1/prices with something that is not a list of prices") from None
        raise StripeRefused(
            f"Stripe answered {status} to GET /v1/prices ({error.code or type(error).__name__})"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError):
        raise StripeRefused("Stripe answered GET /v1/prices with something that is not a list of prices") from None


def verified_event(body: bytes, signature: str | None, secret: str) -> dict[str, Any]:
    """Return the event in a webhook's raw body, if Stripe signed it.

    The signature may differ from this machine's time by five minutes. Raises `EventRefused`, and `EventMalformed` for a
    signed body that is not an event. The age of the event does not matter, because Stripe retries for days and signs
    each delivery again.
    """
    if signature is not None and not signature.isascii():  # which the package cannot compare
        signature = None
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, tolerance=SIGNATURE_AGE)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        raise EventRefused("The Stripe-Signature header does not fit the body and the secret, or is too old.") from None
    if _signed_at(signature or "") > time.time() + SIGNATURE_AGE:  # which the package accepts
        raise EventRefused("The Stripe-Signature header is from the future: set the clock of this machine right.")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise EventMalformed("The body is not JSON.") from None
    if not isinstance(event, dict) or not _is_name(event.get("id")) or not _is_name(event.get("type")):
        raise EventMalformed("The body is not an event: its id or type is missing, too long (255) or not plain text.")
    return event


def _signed_at(signature: str) -> int:
    """Return the time in a verified header, parsed as the package does."""
    parts = (part.split("=", 2) for part in signature.split(","))
    return int(next(part[1] for part in parts if part[0] == "t"))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable()
