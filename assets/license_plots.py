"""A small picture of a customer's expired licenses."""

from collections.abc import Mapping
from html import escape

import dagster as dg

from assets.plots import WIDTH, picture
from b2b_pipelines.licenses.rules import Decision

NOTHING_TO_DO, TO_DO, IN_THE_WAY = "#2f6f4f", "#e0a030", "#b23a48"
COLORS = {
    Decision.TERMINATE: TO_DO,
    Decision.UNLINK: TO_DO,
    Decision.NO_EMAIL: IN_THE_WAY,
    Decision.REFUSED: IN_THE_WAY,
}
ROW = 26
LABEL = 160
NUMBER = 60


def by_decision(counts: Mapping[Decision, int]) -> dg.MarkdownMetadataValue:
    """How many licenses have each decision, in the order of the rules: green is done, amber to do, red in the way."""
    shown = [(decision, counts[decision]) for decision in Decision if counts.get(decision)]
    longest = max((number for _, number in shown), default=1)
    drawing = "".join(_bar(place, decision, number, longest) for place, (decision, number) in enumerate(shown))
    summary = ", ".join(f"{number:,} {decision}" for decision, number in shown) or "no expired licenses"
    return picture(summary, drawing, float(ROW * max(len(shown), 1)))


def _bar(place: int, decision: Decision, number: int, longest: int) -> str:
    top, width = place * ROW, (WIDTH - LABEL - NUMBER) * number / longest
    return (
        f'<text x="0" y="{top + 16}">{escape(decision)}</text>'
        f'<rect x="{LABEL}" y="{top + 3}" width="{width:.1f}" height="18" fill="{COLORS.get(decision, NOTHING_TO_DO)}"/>'
        f'<text x="{LABEL + width + 6:.1f}" y="{top + 16}">{number:,}</text>'
    )
