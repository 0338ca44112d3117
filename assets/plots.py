"""Small pictures for materializations: what people would rather see than read.

They are SVG, drawn here: a run may materialize hundreds of partitions, and a plotting library takes longer for a bar
than the partition's work does.
"""

import base64
from collections.abc import Sequence
from datetime import date, timedelta
from html import escape

import dagster as dg

REDEEMED, HANDED_OUT, FREE = "#2f6f4f", "#e0a030", "#d0d7de"
INK = "#57606a"
WIDTH = 560.0


def seats(
    redeemed: int, handed_out: int, free: int | None, attached_by_day: Sequence[tuple[date, int]] = ()
) -> dg.MarkdownMetadataValue:
    """A contract's seats: a bar of redeemed, handed out and free ones, below it the seats redeemed over time.

    `free` is None for a contract without a cap. `attached_by_day` holds days (UTC) and how many were attached on each.
    """
    parts = [("redeemed", redeemed, REDEEMED), ("handed out", handed_out, HANDED_OUT), ("free", free or 0, FREE)]
    drawing = [stacked_bar(parts)]
    height = 64.0
    if attached_by_day:
        drawing.append(steps(attached_by_day, top=84.0, height=90.0))
        height = 200.0
    unlimited = " (no cap)" if free is None else ""
    return picture(
        f"{redeemed} redeemed, {handed_out} handed out, {free or 0} free{unlimited}", "".join(drawing), height
    )


def stacked_bar(parts: Sequence[tuple[str, int, str]], *, top: float = 30.0) -> str:
    """A bar of labelled parts `(label, number, color)` over the whole width, with a legend above it."""
    total = sum(number for _, number, _ in parts) or 1
    drawing, left, place = [], 0.0, 0.0
    for label, number, color in parts:
        width = WIDTH * number / total
        drawing.append(f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="24" fill="{color}"/>')
        text = f"{number:,} {label}"
        drawing.append(f'<rect x="{place:.0f}" y="6" width="11" height="11" rx="2" fill="{color}"/>')
        drawing.append(f'<text x="{place + 16:.0f}" y="16">{escape(text)}</text>')
        left, place = left + width, place + 34 + 7.2 * len(text)
    return "".join(drawing)


def steps(by_day: Sequence[tuple[date, int]], *, top: float, height: float) -> str:
    """The running total of numbers by day, as steps from the day before the first to the last."""
    first, last = by_day[0][0] - timedelta(days=1), by_day[-1][0]
    total = sum(number for _, number in by_day)
    span = max((last - first).days, 1)
    points, sum_so_far = [f"M0,{top + height:.1f}"], 0
    for day, number in by_day:
        sum_so_far += number
        points.append(f"H{WIDTH * (day - first).days / span:.1f}V{top + height * (1 - sum_so_far / total):.1f}")
    line = "".join(points) + f"H{WIDTH:.0f}"
    return (
        f'<path d="{line}V{top + height:.1f}Z" fill="{REDEEMED}" opacity="0.15"/>'
        f'<path d="{line}" fill="none" stroke="{REDEEMED}" stroke-width="2"/>'
        f'<text x="0" y="{top + height + 18:.0f}">{first}</text>'
        f'<text x="{WIDTH:.0f}" y="{top + height + 18:.0f}" text-anchor="end">{last}: {total:,} redeemed</text>'
    )


def picture(says: str, drawing: str, height: float) -> dg.MarkdownMetadataValue:
    """A drawing as metadata that the UI shows as a picture; `says` is its text for those who cannot see it."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" font-family="sans-serif" font-size="12" fill="{INK}">'
        f"<title>{escape(says)}</title>{drawing}</svg>"
    )
    return dg.MetadataValue.md(f"![{says}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")
