"""Academies: the answers of enterprise-catalog and Stripe, joined into the published list."""
