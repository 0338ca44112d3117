"""Signing in to Google as the settings say, inside the pace that the installation allows itself."""

from sqlalchemy import Engine

from b2b_pipelines.db.limiter import Limiter
from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.google_sheets import GoogleSheets, account


def connect_sheets(settings: Settings, engine: Engine) -> GoogleSheets:
    """A client of Google Sheets whose pace is shared with every other process of this installation.

    Raises `NotConfigured` without credentials, and `SignInRefused` for a key file that is none.
    """
    who = account(settings)
    pace = Limiter(engine, who.identity, settings.gsheets_requests_per_minute)
    return GoogleSheets(who, pace, sheets_url=settings.google_sheets_url, drive_url=settings.google_drive_url)
