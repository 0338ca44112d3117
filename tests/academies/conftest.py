"""Academies in the sandbox's catalog, prices in its Stripe, and Dagster on an ephemeral instance over both."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from uuid import UUID

import dagster as dg
import pytest
from dagster._core.execution.plan import active
from stripe import HTTPClient

from assets.academies import academy_catalogs, academy_products, stripe_prices
from assets.academy_checks import catalog_is_plausible, every_academy_has_a_price
from b2b_pipelines.db.engine import Database
from b2b_pipelines.vendors.http import client as http
from resources.database import DatabaseResource
from resources.enterprise_catalog import AcademySelectionResource, EnterpriseCatalogResource
from resources.stripe import StripeResource
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox

CUSTOMER = UUID("378d5bf0-f67d-4bf7-8b2a-cbbc53d0f772")
CHAIN = (academy_catalogs, stripe_prices, academy_products, catalog_is_plausible, every_academy_has_a_price)

Materialize = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, database_url: str) -> None:
    """The settings of an installation whose database, catalog and Stripe are those of the test."""
    settings = {
        "DATABASE_URL": database_url,
        "LMS_URL": sandbox.lms.url,
        "ENTERPRISE_CATALOG_URL": sandbox.enterprise_catalog.url,
        "OAUTH_CLIENT_ID": CLIENT_ID,
        "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "ACADEMY_CUSTOMER": str(CUSTOMER),
        "STRIPE_API_KEY": "sk_test_1",
        "STRIPE_API_URL": sandbox.stripe.url,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"B2B_{name}", value)
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(HTTPClient, "MAX_DELAY", 0.02)


class HurriedClock:
    """Time as Dagster sees it while it waits to try again: a sleep passes at once."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def time(self) -> float:
        return time.time() + self.skipped

    def sleep(self, seconds: float) -> None:
        self.skipped += seconds


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> HurriedClock:
    clock = HurriedClock()
    monkeypatch.setattr(active, "time", clock)
    monkeypatch.setattr(http, "time", SimpleNamespace(sleep=lambda seconds: None))
    return clock


@pytest.fixture
def materialize(
    configured: None, hurried: HurriedClock, database: Database, instance: dg.DagsterInstance
) -> Materialize:
    """`materialize()` runs the whole chain with its checks; `materialize("academy_products")` a part of it."""

    def run(*keys: str) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            CHAIN,
            selection=dg.AssetSelection.assets(*keys) if keys else None,
            instance=instance,
            resources={
                "database": DatabaseResource(),
                "enterprise_catalog": EnterpriseCatalogResource(),
                "academy_selection": AcademySelectionResource(),
                "stripe": StripeResource(),
            },
            raise_on_error=False,
        )

    return run
