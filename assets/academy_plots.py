"""A small picture of the published academies."""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from assets import plots
from b2b_pipelines.academies.prices import PRICED
from b2b_pipelines.academies.rules import Product


def price_states(products: Sequence[Product]) -> dg.MarkdownMetadataValue:
    """Draw the number of academies in each price state, one bar for each, the priced ones first."""
    counts = Counter(
        f"{PRICED}, stale" if product.price and product.stale else product.price_state for product in products
    )
    ranked = sorted(counts.items(), key=lambda item: (not item[0].startswith(PRICED), item[0]))
    return plots.bars([(state, number, _color(state)) for state, number in ranked], "no academies")


def _color(state: str) -> str:
    if state == PRICED:
        return plots.GOOD
    return plots.WAITING if state.startswith(PRICED) else plots.BAD
