"""The API with its intents behind a real server, and Stripe's events signed as Stripe signs them."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from b2b_pipelines.api.app import create_app
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings
from sandbox.stripe import checkout_event, signed
from tests.api.conftest import Connect, connecting, serving
from tests.webhook import Webhook, listening

SECRET = "whsec_test"
PATH = "/api/v1/checkout-intents/"
EVENTS = "/api/v1/stripe/events/"


@pytest.fixture(scope="session")
def listening_webhook() -> Iterator[Webhook]:
    with listening() as webhook:
        yield webhook


@pytest.fixture
def webhook(listening_webhook: Webhook) -> Webhook:
    """The alert webhook, as new."""
    listening_webhook.status, listening_webhook.refused = 200, 0
    listening_webhook.posted.clear()
    return listening_webhook


@pytest.fixture(scope="session")
def server(
    one_database: Database, listening_webhook: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        stripe_webhook_secret=SecretStr(SECRET),
        alert_webhook_url=listening_webhook.url,
    )
    of_the_server = Database(one_database.url)
    with serving(create_app(settings, of_the_server)) as url:
        yield url
    of_the_server.dispose()


@pytest.fixture
def url(server: str, database: Database) -> str:
    return server


@pytest.fixture
def connect(url: str, database: Database) -> Iterator[Connect]:
    """`connect("checkout")`: a client with a token of those scopes."""
    with connecting(url, database) as connect:
        yield connect


@pytest.fixture
def shop(connect: Connect) -> httpx.Client:
    return connect("checkout", "emails")


@pytest.fixture
def provisioning(connect: Connect) -> httpx.Client:
    return connect("provisioning")


class StripeSide:
    """Delivers events to the webhook."""

    def __init__(self, url: str) -> None:
        self.url = url + EVENTS
        self._numbers = count(1)

    def deliver(self, event: dict[str, Any], *, at: float | None = None, secret: str = SECRET) -> httpx.Response:
        body, headers = signed(event, secret, at=at)
        return httpx.post(self.url, content=body, headers=headers, timeout=30)

    def tell(self, event: dict[str, Any], **options: Any) -> str:
        """Deliver an event; the effect."""
        answer = self.deliver(event, **options)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["effect"])

    def session(self, kind: str, intent: dict[str, Any] | None, session_id: str = "cs_1", **session: Any) -> str:
        """Tell a new event `checkout.session.…` of a session; the effect."""
        uuid = intent["uuid"] if intent else None
        event_id = f"evt_session_{next(self._numbers)}"
        kind = f"checkout.session.{kind}"
        event = checkout_event(event_id, kind=kind, client_reference_id=uuid, **{"id": session_id, **session})
        return self.tell(event)

    def pays(self, intent: dict[str, Any] | str, **session: Any) -> str:
        """Tell that the intent was paid; the effect."""
        uuid = intent if isinstance(intent, str) else intent["uuid"]
        event = checkout_event(f"evt_{next(self._numbers)}", client_reference_id=uuid, **session)
        answer = self.deliver(event)
        assert answer.status_code == 200, answer.text
        return answer.json()["effect"]


@pytest.fixture
def stripe(url: str) -> StripeSide:
    return StripeSide(url)


class Intents:
    """Makes and reads intents through the API."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def post(self, email: str = "jane@example.com", **wish: Any) -> httpx.Response:
        return self.client.post(PATH, json={"learner": {"email": email}, **wish})

    def make(self, email: str = "jane@example.com", **wish: Any) -> dict[str, Any]:
        answer = self.post(email, **wish)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, intent: dict[str, Any]) -> dict[str, Any]:
        return self.client.get(f"{PATH}{intent['uuid']}/").json()


@pytest.fixture
def intents(shop: httpx.Client) -> Intents:
    return Intents(shop)
