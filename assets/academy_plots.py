"""A small picture of the published academies."""

from collections import Counter
from collections.abc import Sequence
from html import escape

import dagster as dg

from assets.plots import WIDTH, picture
from b2b_pipelines.academies.prices import PRICED
from b2b_pipelines.academies.rules import Product

GOOD, STALE, LACKING = "#2f6f4f", "#e0a030", "#b23a48"
ROW = 26
LABEL = 190
NUMBER = 40


def price_states(products: Sequence[Product]) -> dg.MarkdownMetadataValue:
    """How many academies have a price, a stale one, or none and why: a bar for each state, the priced ones first."""
    counts = Counter(
        f"{PRICED}, stale" if product.price and product.stale else product.price_state for product in products
    )
    ranked = sorted(counts.items(), key=lambda item: (not item[0].startswith(PRICED), item[0]))
    longest = max(counts.values(), default=1)
    drawing = "".join(_bar(place, state, number, longest) for place, (state, number) in enumerate(ranked))
    summary = ", ".join(f"{number} {state}" for state, number in ranked) or "no academies"
    return picture(summary, drawing, float(ROW * max(len(ranked), 1)))


def _bar(place: int, state: str, number: int, longest: int) -> str:
    color = GOOD if state == PRICED else STALE if state.startswith(PRICED) else LACKING
    top, width = place * ROW, (WIDTH - LABEL - NUMBER) * number / longest
    return (
        f'<text x="0" y="{top + 16}">{escape(state)}</text>'
        f'<rect x="{LABEL}" y="{top + 3}" width="{width:.1f}" height="18" fill="{color}"/>'
        f'<text x="{LABEL + width + 6:.1f}" y="{top + 16}">{number}</text>'
    )
