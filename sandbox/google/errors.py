"""Google's error bodies: `error.code, message, status` and `details`, without the `errors` list that Drive still has.

Recorded: gspread's cassettes (400 with `google.rpc.BadRequest`, 403 and 404 without details) and r-lib/gargle's recorded
errors (429 RATE_LIMIT_EXCEEDED and 403 SERVICE_DISABLED with `google.rpc.ErrorInfo`). Reasons and their metadata:
https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto
"""

from typing import Any

PROJECT_NUMBER = "402000000000"
CONSUMER = f"projects/{PROJECT_NUMBER}"
SERVICE = "sheets.googleapis.com"
CONSOLE = "https://console.developers.google.com"
_TYPE = "type.googleapis.com/google.rpc."

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CREDENTIALS = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_MESSAGES = {
    401: f"Request had invalid authentication credentials. {_CREDENTIALS}",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    409: "The operation was aborted.",
    499: "The operation was cancelled.",
    500: "Internal error encountered.",
    502: "The service is currently unavailable.",
    503: "The service is currently unavailable.",
    504: "Deadline expired before operation could complete.",
}
MISSING_TOKEN = f"Request is missing required authentication credential. {_CREDENTIALS}"
OFFICE_FILE = "This operation is not supported for this document. The document must not be an Office file."
_METRICS = {"read": "Read requests", "write": "Write requests"}

Details = list[dict[str, Any]]


class ApiError(Exception):
    """An answer in Google's form, other than 200. `status_name` where the code alone does not say it."""

    def __init__(
        self, status: int, message: str | None = None, details: Details | None = None, status_name: str | None = None
    ) -> None:
        super().__init__(message or _MESSAGES.get(status, "The request failed."))
        self.status = status
        self.details = details or []
        self.status_name = status_name

    @property
    def body(self) -> dict[str, Any]:
        return error_body(self.status, str(self), self.details, self.status_name)

    @property
    def drive_body(self) -> dict[str, Any]:
        """The same as Drive v3 says it (r-lib/gargle's recorded 404)."""
        reasons = {401: "authError", 403: "insufficientFilePermissions", 404: "notFound"}
        reason = {"message": str(self), "domain": "global", "reason": reasons.get(self.status, "badRequest")}
        return {"error": {"errors": [reason], "code": self.status, "message": str(self)}}


def error_body(
    status: int, message: str | None = None, details: Details | None = None, status_name: str | None = None
) -> dict[str, Any]:
    """Google's JSON for an error, in its own words if none are given."""
    if message is None:
        if status == 429:
            return quota_exceeded("read").body
        message = _MESSAGES.get(status, "The request failed.")
    error: dict[str, Any] = {
        "code": status,
        "message": message,
        "status": status_name or _STATUS.get(status, "UNKNOWN"),
    }
    if details:
        error["details"] = details
    return {"error": error}


def bad_field(message: str, field: str = "") -> ApiError:
    """400 for a request that does not fit the API's description."""
    violation = {"description": message} | ({"field": field} if field else {})
    return ApiError(400, message, [{"@type": _TYPE + "BadRequest", "fieldViolations": [violation]}])


def office_file() -> ApiError:
    """400 for an Excel file that Drive opens in the browser.

    Source: reports of the Sheets API, for example "This operation is not supported for this document. The document must
    not be an Office file." (FAILED_PRECONDITION), for reads and writes alike.
    """
    return ApiError(400, OFFICE_FILE, status_name="FAILED_PRECONDITION")


def quota_exceeded(kind: str, status: int = 429) -> ApiError:
    """429 (some projects: 403) for a request too many. There is no `Retry-After`; r-lib/gargle recorded the body."""
    metric = _METRICS.get(kind, _METRICS["read"])
    name = "ReadRequests" if metric == _METRICS["read"] else "WriteRequests"
    info = error_info(
        "RATE_LIMIT_EXCEEDED",
        quota_metric=f"{SERVICE}/{metric.lower().replace(' ', '_')}",
        quota_limit=f"{name}PerMinutePerUser",
        quota_limit_value="60",
        quota_location="global",
        quota_unit="1/min/{project}/{user}",
    )
    link = {
        "description": "Request a higher quota limit.",
        "url": "https://cloud.google.com/docs/quotas/help/request_increase",
    }
    return ApiError(
        status,
        f"Quota exceeded for quota metric '{metric}' and limit '{metric} per minute per user' of service "
        f"'{SERVICE}' for consumer 'project_number:{PROJECT_NUMBER}'.",
        [info, {"@type": _TYPE + "Help", "links": [link]}],
        "RESOURCE_EXHAUSTED",
    )


def error_info(reason: str, **metadata: str) -> dict[str, Any]:
    """A `google.rpc.ErrorInfo`."""
    return {
        "@type": _TYPE + "ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"consumer": CONSUMER, "service": SERVICE, **metadata},
    }


def insufficient_scope() -> ApiError:
    """403 for a token whose scopes do not cover the request."""
    info = error_info(
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT", method="google.apps.sheets.v4.SpreadsheetsService.BatchUpdateSpreadsheet"
    )
    info["metadata"].pop("consumer")
    return ApiError(403, "Request had insufficient authentication scopes.", [info])


_ENABLE = f"{CONSOLE}/apis/api/{SERVICE}/overview?project={PROJECT_NUMBER}"
_IAM = f"{CONSOLE}/iam-admin/iam/project?project={PROJECT_NUMBER}"
_BILLING = f"{CONSOLE}/billing/enable?project={PROJECT_NUMBER}"


def _help(description: str, url: str) -> dict[str, Any]:
    return {"@type": _TYPE + "Help", "links": [{"description": description, "url": url}]}


REFUSALS: dict[str, ApiError | str] = {
    "SERVICE_DISABLED": ApiError(
        403,
        f"Google Sheets API has not been used in project {PROJECT_NUMBER} before or it is disabled. Enable it by visiting "
        f"{_ENABLE} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our "
        "systems and retry.",
        [
            _help("Google developers console API activation", _ENABLE),
            error_info("SERVICE_DISABLED", serviceTitle="Google Sheets API", activationUrl=_ENABLE),
        ],
    ),
    "CONSUMER_SUSPENDED": ApiError(
        403, f"Permission denied: Consumer '{CONSUMER}' has been suspended.", [error_info("CONSUMER_SUSPENDED")]
    ),
    "USER_PROJECT_DENIED": ApiError(
        403,
        f"Caller does not have required permission to use project {PROJECT_NUMBER}. Grant the caller the "
        "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission, by "
        f"visiting {_IAM} and then retry. Propagation of the new permission may take a few minutes.",
        [_help("Google developer console IAM admin", _IAM), error_info("USER_PROJECT_DENIED")],
    ),
    "BILLING_DISABLED": ApiError(
        403,
        f"This API method requires billing to be enabled. Please enable billing on project #{PROJECT_NUMBER} by visiting "
        f"{_BILLING} then retry. If you enabled billing for this project recently, wait a few minutes for the action to "
        "propagate to our systems and retry.",
        [_help("Google developers console billing", _BILLING), error_info("BILLING_DISABLED")],
    ),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": insufficient_scope(),
    "SECURITY_POLICY_VIOLATED": ApiError(
        403,
        "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: a1b2c3d4e5f6",
        [
            {
                "@type": _TYPE + "PreconditionFailure",
                "violations": [{"type": "VPC_SERVICE_CONTROLS", "description": "a1b2c3d4e5f6"}],
            },
            error_info("SECURITY_POLICY_VIOLATED", uid="a1b2c3d4e5f6"),
        ],
    ),
    "RATE_LIMIT_EXCEEDED": quota_exceeded("read", 403),
    "PROXY_PAGE": (
        "<!DOCTYPE html>\n<html><head><title>Access Denied</title></head><body><h1>Access Denied</h1>"
        "<p>The proxy of your organization does not allow sheets.googleapis.com.</p></body></html>\n"
    ),
    "PERMISSION_DENIED": ApiError(403),
}
"""Causes of the same 403. All but the last are about the calling account, its project or the network.

SERVICE_DISABLED is recorded by r-lib/gargle; the others follow error_reason.proto and Google's pages on them; the page of
a proxy is HTML, as the gateways of large organizations answer.
"""
