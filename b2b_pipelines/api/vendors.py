"""The vendors that routes ask: Google Sheets and Studio, connected when first needed."""

from threading import Lock

from b2b_pipelines.api.database import Connection
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery import set_up
from b2b_pipelines.set_up_state import SetUp
from b2b_pipelines.settings import Settings
from b2b_pipelines.sheets.connection import SheetsConnection
from b2b_pipelines.vendors import connections
from b2b_pipelines.vendors.google_sheets import GoogleSheets
from b2b_pipelines.vendors.http.client import Patience

OF_A_PERSON = Patience(attempts=2)
"""Somebody waits for the answer and can press the button again."""


class Vendors:
    """Clients for the requests of this process. Thread-safe."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._lock = Lock()
        self._sheets: SheetsConnection | None = None

    def sheets(self) -> GoogleSheets:
        """Return the signed-in client of Google Sheets. Raises `NotConfigured` without credentials."""
        with self._lock:
            if self._sheets is None:
                self._sheets = SheetsConnection(self._settings, self._connection.engine)
            return self._sheets.client()

    @property
    def asks(self) -> bool:
        """Whether every new target that holds something waits for consent."""
        return self._settings.sheet_replace == "ask"

    @property
    def alerts(self) -> bool:
        """Whether messages are made about faults."""
        return self._settings.alert_webhook_url is not None

    def set_up(self, database: Database, slug: str) -> SetUp:
        """Deliver a contract and return its set-up, as `set_up.retry` does."""
        with connections.studio(self._settings, OF_A_PERSON) as studio:
            return set_up.retry(database, slug, sheets=self.sheets, studio=studio, ask=self.asks, alert=self.alerts)

    def close(self) -> None:
        """Close the connections that were opened."""
        with self._lock:
            if self._sheets is not None:
                self._sheets.close()
