"""Stripe, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from b2b_pipelines.vendors.connections import stripe
from b2b_pipelines.vendors.stripe import Stripe
from resources.fields import settings_of


class StripeResource(dg.ConfigurableResource[Stripe | None]):
    """Hands out `Stripe`, or None while `B2B_STRIPE_API_KEY` is not set."""

    stripe_api_key: str | None = Field(default=None, description="Secret key of Stripe.")
    stripe_api_url: str | None = Field(default=None, description="Base URL of Stripe.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Stripe | None, None, None]:
        with stripe(settings_of(self)) as client:
            yield client
