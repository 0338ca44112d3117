"""Pictures in metadata: that they are pictures, say what they show, and are short enough to be shown at once."""

import re
from collections import Counter
from datetime import date, timedelta
from urllib.parse import unquote
from xml.etree import ElementTree

import dagster as dg
import pytest

from assets import license_plots, plots
from b2b_pipelines.licenses.rules import Decision

SHOWN_AT_ONCE = 1000
SVG = "{http://www.w3.org/2000/svg}"
DAYS = [(date(2025, 1, 1) + timedelta(days=day), 3) for day in range(600)]


def drawn(value: dg.MarkdownMetadataValue) -> ElementTree.Element:
    found = re.fullmatch(r"!\[([^\]]*)\]\(<data:image/svg\+xml,([^<>#\"]*)>\)", value.md_str)
    assert found, value.md_str
    return ElementTree.fromstring(unquote(found[2]))


def words(picture: ElementTree.Element) -> str:
    return " ".join("".join(text.itertext()) for text in picture.iter(f"{SVG}text"))


@pytest.mark.parametrize(
    "value",
    [
        plots.seats(0, 0, 0),
        plots.seats(0, 0, None),
        plots.seats(3, 2, 20, DAYS[:2]),
        plots.seats(1_234_567, 234_567, 8_901_234, DAYS),
        license_plots.by_decision({}),
        license_plots.by_decision(
            Counter(dict.fromkeys([Decision.TERMINATE, Decision.UNLINK, Decision.NO_EMAIL], 99_999))
        ),
    ],
)
def test_a_picture_is_shown_at_once(value: dg.MarkdownMetadataValue) -> None:
    assert drawn(value).tag == f"{SVG}svg"
    assert len(value.md_str) < SHOWN_AT_ONCE


def test_the_parts_of_a_bar_fill_it_in_their_proportions() -> None:
    picture = drawn(plots.seats(5, 0, 15))
    assert words(picture) == "■ 5 redeemed\u2003■ 0 handed out\u2003■ 15 free"
    lines = [path.attrib["d"] for path in picture.iter(f"{SVG}path")]
    assert lines == ["M0 42H120", "M120 42H480"]


def test_steps_rise_to_the_total_and_keep_to_their_days() -> None:
    picture = drawn(plots.seats(4, 0, 6, [(date(2026, 3, 1), 1), (date(2026, 3, 5), 3)]))
    *_, line = (path.attrib["d"] for path in picture.iter(f"{SVG}path"))
    assert line == "M0 174H96V152H480V84V174"
    assert words(picture).endswith("2026-02-28 2026-03-05: 4 redeemed")


def test_one_day_is_no_development() -> None:
    assert len(list(drawn(plots.seats(4, 0, 6, DAYS[:1])).iter(f"{SVG}path"))) == 2


def test_a_label_may_hold_what_means_something_elsewhere() -> None:
    picture = drawn(plots.bars([('<b> & "c" 100% #1', 1, plots.GOOD)], "none"))
    assert words(picture) == '<b> & "c" 100% #11'
