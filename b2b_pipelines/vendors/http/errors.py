"""Failures of requests to a vendor: transient or permanent, each with the words of the vendor."""

from b2b_pipelines.errors import PermanentError, TransientError
from b2b_pipelines.vendors.http.bounds import BoundExceeded


class VendorUnavailable(TransientError):
    """The vendor cannot answer now, after every retry.

    Causes are 408, 429, 5xx, a time-out or a cut connection. `status`: None without an answer. `retry_after` is the
    vendor's request, in seconds.
    """

    code = "vendor_unavailable"

    def __init__(
        self, message: str, *, status: int | None = None, words: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.words = words
        self.retry_after = retry_after


class SignInUnavailable(VendorUnavailable):
    """The sign-in failed after every retry.

    The request that needs the token is not retried on top of that.
    """


class VendorRefused(PermanentError):
    """The vendor answered, and the answer is no.

    `words` are the vendor's own, without e-mail addresses.
    """

    code = "vendor_refused"

    def __init__(self, message: str, *, status: int, words: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.words = words


class AnswerMalformed(PermanentError):
    """The vendor's answer breaks its interface. It never counts as an empty answer."""

    code = "answer_malformed"


class ListUnsettled(TransientError):
    """The list changed while it was read, or never became complete."""

    code = "list_unsettled"


VENDOR_ERRORS = (VendorUnavailable, VendorRefused, AnswerMalformed, ListUnsettled, BoundExceeded)
"""Any error of a request to a vendor."""
