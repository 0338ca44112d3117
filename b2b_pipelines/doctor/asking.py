"""One harmless request to each service that is on, with the role that the product needs."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import httpx
from sqlalchemy import Engine

from b2b_pipelines.doctor import open_edx
from b2b_pipelines.doctor.roles import ROLES
from b2b_pipelines.errors import B2BError, InvalidInput
from b2b_pipelines.settings import Settings
from b2b_pipelines.sheets.connection import connect_sheets
from b2b_pipelines.vendors.connections import client_credentials, stripe
from b2b_pipelines.vendors.google_sheets import Requests, SheetUnshared
from b2b_pipelines.vendors.http.client import Patience

NO_SUCH_SPREADSHEET = "b2b-doctor-asks-for-a-spreadsheet-that-is-none"
NO_SUCH_LOOKUP_KEY = "b2b-doctor"
WEBHOOK_TIMEOUT = 5.0
BRIEF = Patience(attempts=2, total_wait=5.0)


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of asking one service: whether it works, and a note or the missing role."""

    capability: str
    works: bool
    says: str

    @property
    def role(self) -> str:
        """Return the rights that the account at that service needs."""
        return ROLES[self.capability]


def ask_services(settings: Settings, engine: Engine, on: Iterable[str]) -> list[Reply]:
    """Ask those of the capabilities that are on and have a service behind them.

    Never raises a `B2BError`.
    """
    wanted = set(on)
    with ExitStack() as stack:
        credentials = stack.enter_context(client_credentials(settings, BRIEF))
        inquiries: Mapping[str, Callable[[], str]] = {
            **(open_edx.inquiries(settings, credentials, stack, BRIEF) if credentials else {}),
            "google_sheets": lambda: _google(settings, engine),
            "stripe_prices": lambda: _stripe(settings),
            "alerts": lambda: _webhook(settings),
            "heartbeat": lambda: _heartbeat(settings),
            "openid_connect": lambda: _issuer(settings),
        }
        return [_reply(capability, inquire) for capability, inquire in inquiries.items() if capability in wanted]


def _reply(capability: str, inquire: Callable[[], str]) -> Reply:
    try:
        return Reply(capability, True, inquire())
    except B2BError as error:
        return Reply(capability, False, error.message)


def _google(settings: Settings, engine: Engine) -> str:
    # SheetUnshared: signed in, and the API looked for the spreadsheet
    with connect_sheets(settings, engine) as sheets, suppress(SheetUnshared):
        sheets.counting(Requests()).open(NO_SUCH_SPREADSHEET)
    return "signed in, and the Google Sheets API answers"


def _stripe(settings: Settings) -> str:
    with stripe(settings) as client:
        assert client is not None
        client.prices([NO_SUCH_LOOKUP_KEY])
    return "the key may read prices"


def _webhook(settings: Settings) -> str:
    """Check only the connection, because a webhook takes nothing but messages.

    `b2b alerts test` sends one.
    """
    _connect(httpx.URL(str(settings.alert_webhook_url)), "the alert webhook", "B2B_ALERT_WEBHOOK_URL")
    return "the webhook's host answers; no message was sent"


def _heartbeat(settings: Settings) -> str:
    """Ask the top of the host, because a request to the URL itself counts as a sign of life."""
    top = httpx.URL(str(settings.heartbeat_url)).join("/")
    _connect(top, "the heartbeat's host", "B2B_HEARTBEAT_URL")
    return "the heartbeat's host answers; the URL was not called"


def _connect(url: httpx.URL, what: str, setting: str) -> None:
    try:
        httpx.head(url, timeout=WEBHOOK_TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"{what} could not be reached ({type(error).__name__}): check {setting}"
        raise InvalidInput(message) from None


def _issuer(settings: Settings) -> str:
    """Read the provider's public document, as the first sign-in does."""
    url = f"{str(settings.oidc_issuer).rstrip('/')}/.well-known/openid-configuration"
    try:
        httpx.get(url, timeout=WEBHOOK_TIMEOUT).raise_for_status().json()["authorization_endpoint"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        message = f"{url} is not an OpenID Connect document ({type(error).__name__}): check B2B_OIDC_ISSUER"
        raise InvalidInput(message) from None
    return "the issuer publishes its configuration; no person signed in"
