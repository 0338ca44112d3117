"""The Google account that the settings sign in as."""

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import google.auth.exceptions
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

from b2b_pipelines.errors import NotConfigured
from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.google_sheets.errors import SignInRefused

SCOPES = ("https://www.googleapis.com/auth/spreadsheets",)
SIGN_IN = "https://oauth2.googleapis.com/token"


@dataclass(frozen=True)
class Account:
    """The signed-in account: its credentials, and its address for sharing a sheet, if known."""

    credentials: Any = field(repr=False)
    email: str | None
    identity: str
    """The key under which the pace is counted."""

    SHARE_WITH_USER: ClassVar[str] = "the Google account that B2B_GOOGLE_OAUTH_TOKEN_FILE was made with"

    @property
    def share_with(self) -> str:
        return self.email or self.SHARE_WITH_USER


def account(settings: Settings) -> Account:
    """Return the account that the settings name.

    Raises `NotConfigured` or `SignInRefused`, which name the setting and never its value.
    """
    if settings.google_service_account_file:
        name = "B2B_GOOGLE_SERVICE_ACCOUNT_FILE"
        return _service_account(name, _read(name, settings.google_service_account_file))
    if settings.google_service_account_json:
        return _service_account(
            "B2B_GOOGLE_SERVICE_ACCOUNT_JSON", settings.google_service_account_json.get_secret_value()
        )
    if settings.google_oauth_token_file:
        name = "B2B_GOOGLE_OAUTH_TOKEN_FILE"
        return _authorized_user(name, _read(name, settings.google_oauth_token_file))
    raise NotConfigured(
        "no Google credentials: set B2B_GOOGLE_SERVICE_ACCOUNT_FILE (or _JSON) or B2B_GOOGLE_OAUTH_TOKEN_FILE"
    )


def _service_account(name: str, text: str) -> Account:
    try:
        info = json.loads(text)
        made = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)
    except (ValueError, TypeError, AttributeError, google.auth.exceptions.GoogleAuthError):
        raise SignInRefused(f"{name} is not a service account's key: download it as JSON from Google Cloud") from None
    return Account(made, info["client_email"], info["client_email"])


def _authorized_user(name: str, text: str) -> Account:
    """Make the credentials of an authorized user.

    google-auth's own reader of such a file ignores its `token_uri`.
    """
    try:
        info = json.loads(text)
        made = user_credentials.Credentials(
            None,
            refresh_token=info["refresh_token"],
            token_uri=info.get("token_uri") or SIGN_IN,
            client_id=info["client_id"],
            client_secret=info["client_secret"],
            scopes=SCOPES,
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        raise SignInRefused(
            f"{name} is not an authorized user's token (client_id, client_secret, refresh_token)"
        ) from None
    return Account(made, info.get("account") or None, f"user:{info['client_id']}:{info.get('account', '')}")


def _read(name: str, path: Any) -> str:
    try:
        return str(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SignInRefused(f"{name}: the file cannot be read ({error.strerror})") from None
