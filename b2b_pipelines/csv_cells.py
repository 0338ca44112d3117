"""Cells of CSV files that people open in a spreadsheet."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters with which a spreadsheet reads a CSV text as a formula."""


def csv_cell(value: object) -> object:
    """Return a value for a cell of a CSV file.

    An apostrophe precedes text that a spreadsheet would execute.

    See https://owasp.org/www-community/attacks/CSV_Injection. Numbers stay unchanged.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
