"""Academies: what the catalog and Stripe say, joined into the published product list."""
