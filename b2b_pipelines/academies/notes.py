"""Advice on a published list, in the words that commands, checks and pages show."""

NOTHING_IS_PRICED = (
    "No academy has a price, because neither the catalog nor B2B_ACADEMY_OVERRIDES names a stripe_price_lookup_key:"
    " fill in the file that `b2b academies overrides --template` writes"
)
