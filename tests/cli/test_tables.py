"""How listings look on terminals of any width, in a pipe, and without Unicode."""

import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from b2b_pipelines.cli.tables import lay_out, print_table

CODE = "0b0c7f5e-0d0a-4a4c-9d5e-1f2e3d4c5b6a"
ROWS = [
    {"code": CODE, "name": "Leading Teams for People Who Lead Teams of Teams", "amount": Decimal("0"), "who": "a@b.cd"},
    {"code": CODE.upper(), "name": "Kurz", "amount": Decimal("199.00"), "who": None},
]
COLUMNS = {"code": "Code", "name": "Name", "amount": "Amount", "who": "Redeemed by"}


class Ascii(io.StringIO):
    """A stream that can hold ASCII only."""

    @property
    def encoding(self) -> str:
        return "ascii"


def printed(
    monkeypatch: pytest.MonkeyPatch, *, width: int | None = 80, terminal: bool = True, file: io.StringIO | None = None
) -> tuple[list[str], tuple[str, ...]]:
    monkeypatch.delenv("COLUMNS", raising=False)
    file = file or io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, highlight=False, markup=False, color_system=None)
    hidden = print_table(console, ROWS, COLUMNS)
    return file.getvalue().splitlines(), hidden


def test_a_table_fits_the_terminal_and_keeps_every_code_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    lines, hidden = printed(monkeypatch, width=80)
    assert max(map(len, lines)) <= 80
    assert any(CODE in line for line in lines)
    assert any("199.00" in line for line in lines)
    assert hidden == ()
    assert "\x1b" not in "".join(lines)


def test_columns_that_do_not_fit_are_named_and_the_first_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, hidden = printed(monkeypatch, width=50)
    assert any(line.startswith(CODE) for line in lines)
    assert hidden == ("Amount", "Redeemed by")
    assert printed(monkeypatch, width=10)[1] == ("Name", "Amount", "Redeemed by")


def test_in_a_pipe_each_row_is_one_line_without_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, hidden = printed(monkeypatch, width=None, terminal=False)
    assert len(lines) == 3
    assert hidden == ()
    assert "\x1b" not in "".join(lines)


def test_a_missing_value_can_be_shown_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, _ = printed(monkeypatch, width=120, file=Ascii())
    assert all(line.isascii() for line in lines)
    assert lines[-1].endswith(" -")


@given(
    widths=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    prose=st.lists(st.booleans(), min_size=8, max_size=8),
    width=st.integers(1, 200),
)
def test_no_layout_is_wider_than_the_terminal_unless_one_identifier_is(
    widths: list[int], prose: list[bool], width: int
) -> None:
    keys = [("name" if is_prose else "id") + str(at) for at, is_prose in zip(range(len(widths)), prose, strict=False)]
    columns = {key: key[:2] for key in keys}
    row = {key: "x" * long for key, long in zip(keys, widths, strict=True)}
    layout = lay_out([row], columns, set(), width)
    needed = sum(column.width + 2 for column in layout.shown) - 2
    assert needed <= width or len(layout.shown) == 1
    assert len(layout.shown) + len(layout.hidden) == len(columns)


ADDRESS = "b2b-pipelines@a-project-with-a-long-name.iam.gserviceaccount.com"
NOTED = [
    {
        "capability": "google_sheets",
        "state": "on",
        "says": f"share every customer's sheet, as an editor, with {ADDRESS}",
    },
    {"capability": "alerts", "state": "off", "says": "set B2B_ALERT_WEBHOOK_URL"},
]
NOTE = {"capability": "Capability", "state": "State", "says": "Note"}


@pytest.mark.parametrize("width", [70, 80, 100, 200])
def test_what_to_do_is_shown_at_any_width_and_an_address_stays_whole(width: int) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, highlight=False, markup=False, color_system=None)
    hidden = print_table(console, NOTED, NOTE)
    lines = file.getvalue().splitlines()
    assert hidden == ()
    assert max(map(len, lines)) <= width
    assert any(ADDRESS in line for line in lines)
    assert any("set B2B_ALERT_WEBHOOK_URL" in line for line in lines)
    assert (len(lines) == 3) is (width == 200), "beside its row where it fits, below it elsewhere"


@given(
    names=st.lists(st.lists(st.text("ab-", min_size=1, max_size=30), min_size=1, max_size=4), min_size=1, max_size=4),
    width=st.integers(10, 100),
)
def test_prose_wraps_at_spaces_only(names: list[list[str]], width: int) -> None:
    rows = [{"id": str(at), "name": " ".join(words), "slug": "-".join(words)} for at, words in enumerate(names)]
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, highlight=False, markup=False, color_system=None)
    hidden = print_table(console, rows, {"id": "ID", "name": "Name", "slug": "Slug"})
    printed_words = set(file.getvalue().split())
    if "Name" not in hidden:
        assert {word for words in names for word in words} <= printed_words
