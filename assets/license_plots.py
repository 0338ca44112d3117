"""A small picture of a customer's expired licenses."""

from collections.abc import Mapping

import dagster as dg

from assets import plots
from b2b_pipelines.licenses.rules import Decision

COLORS = {
    Decision.TERMINATE: plots.WAITING,
    Decision.UNLINK: plots.WAITING,
    Decision.NO_EMAIL: plots.BAD,
    Decision.REFUSED: plots.BAD,
}


def by_decision(counts: Mapping[Decision, int]) -> dg.MarkdownMetadataValue:
    """Draw the number of licenses by decision, in the order of the rules.

    Green is done, amber to do, red blocked.
    """
    shown = [decision for decision in Decision if counts.get(decision)]
    parts = [(decision, counts[decision], COLORS.get(decision, plots.GOOD)) for decision in shown]
    return plots.bars(parts, "no expired licenses")
