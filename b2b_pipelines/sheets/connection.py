"""Sign in to Google with the settings' account, within the installation's pace."""

from threading import Lock

from sqlalchemy import Engine

from b2b_pipelines.db.limiter import Limiter
from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.google_sheets import GoogleSheets, account
from b2b_pipelines.vendors.http.closing import Closing


def connect_sheets(settings: Settings, engine: Engine, *, share: float = 1) -> GoogleSheets:
    """Return a client of Google Sheets that shares the installation's pace.

    Raises `NotConfigured` without credentials, and `SignInRefused` for an invalid key file.
    """
    who = account(settings)
    pace = Limiter(engine, who.identity, settings.gsheets_requests_per_minute, share=share)
    return GoogleSheets(who, pace, sheets_url=settings.google_sheets_url, drive_url=settings.google_drive_url)


class SheetsConnection(Closing):
    """A client that signs in at the first request.

    Work without Google therefore needs no credentials.
    """

    def __init__(self, settings: Settings, engine: Engine, *, share: float = 1) -> None:
        self._settings = settings
        self._share = share
        self._engine = engine
        self._lock = Lock()
        self._client: GoogleSheets | None = None

    def client(self) -> GoogleSheets:
        """Return the signed-in client, the same each time. Raises the errors of `connect_sheets`."""
        with self._lock:
            if self._client is None:
                self._client = connect_sheets(self._settings, self._engine, share=self._share)
            return self._client

    @property
    def asks_before_replacing(self) -> bool:
        """Return whether every new target with contents waits for consent (`B2B_SHEET_REPLACE=ask`)."""
        return self._settings.sheet_replace == "ask"

    def close(self) -> None:
        """Close the open connections."""
        if self._client is not None:
            self._client.close()
