"""Errors of Google Sheets by Google's answer, each with the action that a person must take.

Sources: https://cloud.google.com/apis/design/errors (the body with `status` and `details`),
https://developers.google.com/workspace/drive/api/guides/handle-errors (the older body with an `errors` list).
"""

import json
import re
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from b2b_pipelines.errors import PermanentError, TransientError
from b2b_pipelines.vendors.google_sheets.tabs import Kind

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")
LONGEST_WORDS = 300
TAB_IS_ELSEWHERE = (
    "Unable to parse range",
    "exceeds grid limits",
    "No grid with id",
    "beyond the last requested",
    "is after last row in grid",
    "is after last column in grid",
)
RATE_LIMITS = {"RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"}
UNSPECIFIC = {"forbidden", "badRequest", "notFound", "failedPrecondition", "required", "backendError", "global"}
"""Reasons of the older body that add nothing to the status."""
MAY_PASS = {408, 409, 499}
HINTS = {
    "SERVICE_DISABLED": "the Google Sheets API is not enabled for the account's project: enable it in Google Cloud",
    "CONSUMER_SUSPENDED": "the account's Google Cloud project is suspended: see its notices in Google Cloud",
    "CONSUMER_INVALID": "the account's Google Cloud project does not exist any more: make a key in another project",
    "USER_PROJECT_DENIED": "the account may not use its quota project: grant it the role Service Usage Consumer",
    "BILLING_DISABLED": "billing is disabled for the account's Google Cloud project: enable it",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "the token was made without the scope `spreadsheets`: make it again with it",
    "SECURITY_POLICY_VIOLATED": "a security policy of an organization (VPC Service Controls) blocks the account",
}


class SheetUnshared(PermanentError):
    """The spreadsheet does not exist, or is not shared with this installation."""

    code = "sheet_unshared"


class SheetViewOnly(PermanentError):
    """The spreadsheet is shared for viewing only: it can be read and not written."""

    code = "sheet_view_only"


class SheetIsOfficeFile(PermanentError):
    """The file is an Excel file opened in Drive, which the API neither reads nor writes."""

    code = "sheet_is_office_file"

    HELP: ClassVar[str] = "open it, choose File › Save as Google Sheets, share that one, and give its address"


class SheetProtected(PermanentError):
    """A protected range forbids the write."""

    code = "sheet_protected"


class SheetFull(PermanentError):
    """The spreadsheet would exceed Google's ten million cells."""

    code = "sheet_full"


class SignInRefused(PermanentError):
    """Google rejects the installation's credentials."""

    code = "sign_in_refused"


class GoogleRefused(PermanentError):
    """Google refuses the installation's account, or a request.

    A customer cannot repair the cause.
    """

    code = "google_refused"


class GoogleUnavailable(TransientError):
    """Google does not answer, or limits the rate.

    `happened` is the message without the advice that follows it. `retry_after` are the seconds in Google's answer, if
    any. `concerns_everybody`: the limit is the account's, not the one request's. `until_minute_ends`: the account's
    quota of this minute is spent.
    """

    code = "google_unavailable"

    ADVICE: ClassVar[str] = "try again in a few minutes"

    def __init__(
        self,
        happened: str,
        retry_after: float | None = None,
        *,
        concerns_everybody: bool = False,
        until_minute_ends: bool = False,
    ) -> None:
        super().__init__(f"{happened}: {self.ADVICE}")
        self.happened = happened
        self.retry_after = retry_after
        self.concerns_everybody = concerns_everybody
        self.until_minute_ends = until_minute_ends

    def advising(self, advice: str) -> Self:
        """Return the error with that advice in its message."""
        error = copy(self)
        error.args = (f"{self.happened}: {advice}",)
        return error


class WriteUnsettled(GoogleUnavailable):
    """A write failed on the way: it may have been applied. Read before writing again."""

    code = "google_unavailable"


class TabMoved(TransientError):
    """The tab with that title or number is missing or too small.

    It was renamed, deleted or made smaller.
    """

    code = "tab_moved"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal from Google: the HTTP status, Google's message and its machine-readable reasons.

    `is_json` is False for the page of a proxy or of a sign-in portal.
    """

    status: int
    words: str
    reasons: frozenset[str]
    is_json: bool

    @classmethod
    def read(cls, status: int, content: bytes, reason: str | None) -> "Refusal":
        """Read the body of an answer, in whichever of Google's two forms it is."""
        try:
            error: Any = json.loads(content)["error"]
            words = str(error["message"])
        except (ValueError, LookupError, TypeError):
            return cls(status, _scrubbed(reason or "no reason given"), frozenset(), is_json=False)
        found = [*_list(error.get("details")), *_list(error.get("errors"))]
        reasons = {str(each["reason"]) for each in found if isinstance(each, dict) and each.get("reason")}
        return cls(status, _scrubbed(words), frozenset(reasons - UNSPECIFIC), is_json=True)

    def as_error(self, kind: Kind, share_with: str, retry_after: float | None) -> Exception:
        """Return the error with a message and an action; `kind` is the attempted request."""
        answered = f"Google answers {self.status} ({self.words.rstrip('.')})"
        if self.status == 429 or (self.status == 403 and self.reasons & RATE_LIMITS):
            ends = retry_after is None
            spent = f"{answered}, because this installation's requests of the minute are spent"
            return GoogleUnavailable(spent, retry_after, concerns_everybody=True, until_minute_ends=ends)
        if self.status >= 500 or self.status in MAY_PASS:
            failed = WriteUnsettled if kind == "write" else GoogleUnavailable
            return failed(answered, retry_after, concerns_everybody=retry_after is not None)
        if not self.is_json:
            return GoogleRefused(
                f"{answered}, in a page that is not Google's API: check the proxy, or B2B_GOOGLE_SHEETS_URL"
            )
        return self._permanent(kind, share_with) or GoogleRefused(
            f"{answered}: ask the operators to report it as a bug of b2b_pipelines"
        )

    def _permanent(self, kind: Kind, share_with: str) -> Exception | None:
        words = self.words
        if "protected cell" in words or "protected range" in words:
            return SheetProtected(
                f"a protected range forbids writing: let {share_with} edit it, or remove the protection"
            )
        if self.status == 404:
            return SheetUnshared(
                "the spreadsheet does not exist, is in the bin, or is not shared with this installation:"
                f" restore it, or share it with {share_with} as an editor"
            )
        if self.status == 403:
            return self._forbidden(kind, share_with)
        if self.status == 401:
            return SignInRefused(f"Google refuses the token of {share_with}: check the credentials ({words})")
        if "not supported for this document" in words:
            return SheetIsOfficeFile(f"the file is an Excel file, not a Google Sheet: {SheetIsOfficeFile.HELP}")
        if "10000000 cells" in words.replace(",", ""):
            return SheetFull(
                "the spreadsheet is at Google's limit of 10 million cells: delete unused tabs or rows in it"
            )
        if any(each in words for each in TAB_IS_ELSEWHERE):
            return TabMoved("the tab was renamed, deleted or made smaller while it was looked at: try again")
        return None

    def _forbidden(self, kind: Kind, share_with: str) -> Exception:
        if self.reasons or "does not have permission" not in self.words:
            hint = next((HINTS[reason] for reason in sorted(self.reasons) if reason in HINTS), "")
            if not hint and ("has not been used in project" in self.words or "is disabled" in self.words):
                hint = HINTS["SERVICE_DISABLED"]
            hint = hint or "see the account's project in Google Cloud"
            return GoogleRefused(f"Google refuses this installation's account: {self.words.rstrip('.')}; {hint}")
        if kind == "write":
            return SheetViewOnly(f"the spreadsheet is shared for viewing only: share it with {share_with} as an editor")
        return SheetUnshared(
            f"the spreadsheet is not shared with this installation: share it with {share_with} as an editor"
        )


def sign_in_refused(share_with: str, error: Exception) -> SignInRefused:
    """Return the error for credentials that Google rejects, with Google's message."""
    words = _scrubbed(str(error.args[0]) if error.args else "no reason given")
    hint = (
        "set the clock of this machine"
        if "reasonable timeframe" in words or "iat" in words
        else "check the key and whether the account is enabled"
    )
    return SignInRefused(f"Google refuses to sign in {share_with} ({words}): {hint}")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _scrubbed(words: str) -> str:
    """Redact e-mail addresses and enrollment codes in a message of Google's."""
    return " ".join(word for word in words.split() if "@" not in word and not UUID.search(word))[:LONGEST_WORDS]
