"""Signing in to Google as the settings say, inside the pace that the installation allows itself."""

from threading import Lock

from sqlalchemy import Engine

from b2b_pipelines.db.limiter import Limiter
from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.google_sheets import GoogleSheets, account

ROUTINE_SHARE = 0.75
"""The share of the pace that refreshes and backfills may take: the rest is free for a contract that changed."""


def connect_sheets(settings: Settings, engine: Engine, *, share: float = 1) -> GoogleSheets:
    """A client of Google Sheets whose pace is shared with every other process of this installation.

    Raises `NotConfigured` without credentials, and `SignInRefused` for a key file that is none.
    """
    who = account(settings)
    pace = Limiter(engine, who.identity, settings.gsheets_requests_per_minute, share=share)
    return GoogleSheets(who, pace, sheets_url=settings.google_sheets_url, drive_url=settings.google_drive_url)


class SheetsConnection:
    """A client that signs in when it is first asked for: what does without Google works without credentials."""

    def __init__(self, settings: Settings, engine: Engine, *, share: float = 1) -> None:
        self._settings = settings
        self._share = share
        self._engine = engine
        self._lock = Lock()
        self._client: GoogleSheets | None = None

    def client(self) -> GoogleSheets:
        """The signed-in client, the same each time. Raises what `connect_sheets` raises."""
        with self._lock:
            if self._client is None:
                self._client = connect_sheets(self._settings, self._engine, share=self._share)
            return self._client

    @property
    def asks_before_replacing(self) -> bool:
        """Whether every new target that holds something waits for consent (`B2B_SHEET_REPLACE=ask`)."""
        return self._settings.sheet_replace == "ask"

    def close(self) -> None:
        """Close its connections, if there are any."""
        if self._client is not None:
            self._client.close()
