"""What can go wrong with Google Sheets, and what a person must do about it."""

from b2b_pipelines.errors import PermanentError, TransientError


class SheetUnshared(PermanentError):
    """The spreadsheet does not exist, or is not shared with us."""

    code = "sheet_unshared"


class SheetProtected(PermanentError):
    """A protected range forbids the write."""

    code = "sheet_protected"


class SheetFull(PermanentError):
    """The spreadsheet would exceed Google's ten million cells."""

    code = "sheet_full"


class SignInRefused(PermanentError):
    """Google does not accept our credentials."""

    code = "sign_in_refused"


class GoogleRefused(PermanentError):
    """Google refuses the request for another reason, in its own words."""

    code = "google_refused"


class GoogleUnavailable(TransientError):
    """Google does not answer, or says that it is too much. `retry_after` are the seconds it asks for, if it does;
    `concerns_everybody`: it said so to the account, not to the one request."""

    code = "google_unavailable"

    def __init__(self, message: str, retry_after: float | None = None, *, concerns_everybody: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.concerns_everybody = concerns_everybody


class WriteUnsettled(GoogleUnavailable):
    """A write failed on the way: it may have been applied. Read before writing again."""

    code = "google_unavailable"


class TabMoved(TransientError):
    """There is no tab of that title or number, or not so large a one: it was renamed, deleted or made smaller."""

    code = "tab_moved"
