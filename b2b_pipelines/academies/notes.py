"""Advice on a published list, in the words that commands, checks and pages show."""

from collections.abc import Collection

NOTHING_IS_PRICED = (
    "No academy has a price, because neither the catalog nor B2B_ACADEMY_OVERRIDES names a stripe_price_lookup_key:"
    " fill in the file that `b2b academies overrides --template` writes"
)


def notes_on(lookup_keys: Collection[str]) -> list[str]:
    """Return advice on the shown academies, given the lookup key of each: one line when none of them names a price."""
    return [NOTHING_IS_PRICED] if lookup_keys and not any(lookup_keys) else []
