"""Small pictures for materializations, for numbers that are easier to see than to read.

They are SVG, drawn here: a run may materialize hundreds of partitions, and a plotting library takes longer for a bar
than the partition's work does. Dagster's UI shows Markdown of up to 1,000 characters at once and hides longer ones
behind a link. A picture is therefore short: its coordinates are whole pixels, and it is not in base64.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape

import dagster as dg

GOOD, WAITING, BAD, NEUTRAL = "#2f6f4f", "#e0a030", "#b23a48", "#d0d7de"
INK = "#57606a"
WIDTH = 480
STEPS = 20
"""The most steps of a line, because more would merge for the eye."""
ROW = 26
LABEL = 170
NUMBER = 60
GAP = "\u2003"
# Characters that end a destination in Markdown, or have another meaning in a URL.
ENCODED = str.maketrans({character: f"%{ord(character):02X}" for character in '<>#%&\\"'})

Part = tuple[str, int, str]
"""A label, its number and its color."""


def seats(
    redeemed: int, handed_out: int, free: int | None, attached_by_day: Sequence[tuple[date, int]] = ()
) -> dg.MarkdownMetadataValue:
    """Draw a contract's seats: redeemed, handed out and free ones, and redemptions over time.

    `free` stays None for a contract without a cap. `attached_by_day` holds days (UTC) with the number attached on each.
    """
    alternative = f"{redeemed} redeemed, {handed_out} handed out, {'no seat limit' if free is None else f'{free} free'}"
    parts = [("redeemed", redeemed, GOOD), ("handed out", handed_out, WAITING)]
    if free is None:  # nothing that a bar could be a part of
        drawing, height = f"<text y='16'>{legend(parts)}{GAP}no seat limit</text>", 24
    else:
        drawing, height = stacked_bar([*parts, ("free", free, NEUTRAL)]), 64
    if len(attached_by_day) < 2:  # one day has no course over time
        return picture(alternative, drawing, height)
    return picture(alternative, drawing + steps(attached_by_day, top=height + 20, height=90), height + 136)


def legend(parts: Sequence[Part]) -> str:
    """Return the meaning of the colors, with the numbers."""
    return GAP.join(f"<tspan fill='{color}'>■</tspan> {number:,} {escape(label)}" for label, number, color in parts)


def stacked_bar(parts: Sequence[Part]) -> str:
    """Draw a bar over the whole width, with a legend above it."""
    total = sum(number for _, number, _ in parts) or 1
    bar, so_far = [], 0
    for _, number, color in parts:
        left, right = (round(WIDTH * end / total) for end in (so_far, so_far + number))
        bar.append(f"<path d='M{left} 42H{right}' stroke='{color}'/>" if number else "")
        so_far += number
    return f"<text y='16'>{legend(parts)}</text><g stroke-width='24'>{''.join(bar)}</g>"


def steps(by_day: Sequence[tuple[date, int]], *, top: int, height: int) -> str:
    """Draw the running total by day, in steps from the day before the first to the last."""
    first, last = by_day[0][0] - timedelta(days=1), by_day[-1][0]
    total = sum(number for _, number in by_day)
    reached, so_far = {}, 0
    for day, number in by_day:
        so_far += number
        reached[-(-STEPS * (day - first).days // (last - first).days)] = so_far
    bottom = top + height
    line = "".join(f"H{WIDTH * x // STEPS}V{bottom - round(height * y / total)}" for x, y in reached.items())
    return (
        f"<path d='M0 {bottom}{line}V{bottom}' fill='{GOOD}' fill-opacity='.2' stroke='{GOOD}'/>"
        f"<text y='{bottom + 18}'>{first}</text>"
        f"<text x='{WIDTH}' y='{bottom + 18}' text-anchor='end'>{last}: {total:,} redeemed</text>"
    )


def bars(parts: Sequence[Part], text_if_empty: str) -> dg.MarkdownMetadataValue:
    """Draw bars below each other, by number.

    `text_if_empty` is the text of a picture without bars.
    """
    longest = max((number for _, number, _ in parts), default=1) or 1
    drawing = []
    for place, (label, number, color) in enumerate(parts):
        right = LABEL + round((WIDTH - LABEL - NUMBER) * number / longest)
        drawing.append(
            f"<path d='M{LABEL} {place * ROW + 12}H{right}' stroke='{color}' stroke-width='18'/>"
            f"<text y='{place * ROW + 16}'>{escape(label)}<tspan x='{right + 6}'>{number:,}</tspan></text>"
        )
    alternative = ", ".join(f"{number:,} {label}" for label, number, _ in parts)
    return picture(alternative or text_if_empty, "".join(drawing), ROW * max(len(parts), 1))


def picture(alternative: str, drawing: str, height: int) -> dg.MarkdownMetadataValue:
    """Return a drawing as metadata that the UI shows as a picture.

    `alternative` is its text for screen readers.
    """
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}'"
    svg = f"{head} style='font:12px sans-serif' fill='{INK}'>{drawing}</svg>"
    return dg.MetadataValue.md(f"![{alternative}](<data:image/svg+xml,{svg.translate(ENCODED)}>)")
