"""Stripe, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.stripe import Stripe


class StripeResource(dg.ConfigurableResource[Stripe | None]):
    """Hands out `Stripe`, or None while `B2B_STRIPE_API_KEY` is not set."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Stripe | None, None, None]:
        settings = read_settings()
        if settings.stripe_api_key is None:
            yield None
            return
        with Stripe(settings.stripe_api_key.get_secret_value(), base_url=settings.stripe_api_url) as stripe:
            yield stripe
