"""The furniture of every HTTP client: requests, retries, bounds, sign-in, counting, and messages without addresses."""

from b2b_pipelines.vendors.http.bounds import BoundExceeded, bounded_listing
from b2b_pipelines.vendors.http.client import HttpClient, Patience, VendorClient, retry_after
from b2b_pipelines.vendors.http.counting import RequestTally, tallied_requests
from b2b_pipelines.vendors.http.errors import (
    VENDOR_ERRORS,
    AnswerMalformed,
    SignInUnavailable,
    VendorRefused,
    VendorUnavailable,
)
from b2b_pipelines.vendors.http.redaction import CODE, decoded
from b2b_pipelines.vendors.http.throttle import Rate, Throttle

__all__ = [
    "CODE",
    "VENDOR_ERRORS",
    "AnswerMalformed",
    "BoundExceeded",
    "HttpClient",
    "Patience",
    "Rate",
    "RequestTally",
    "SignInUnavailable",
    "Throttle",
    "VendorClient",
    "VendorRefused",
    "VendorUnavailable",
    "bounded_listing",
    "decoded",
    "retry_after",
    "tallied_requests",
]
