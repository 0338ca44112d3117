"""Complaints of pydantic and typer, which read settings, arguments and files, in the words of this product."""

import re

TERMS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Value error, ", ""),
        (r"Input should be a valid boolean\b.*", "must be true or false"),
        (r"Input should be a valid integer\b.*", "must be a whole number"),
        (r"Input should be a valid number\b.*", "must be a number"),
        (r"Input should be a valid UUID\b.*", "must be a UUID"),
        (r"Input should be greater than or equal to (\S+)", r"must be at least \1"),
        (r"Input should be less than or equal to (\S+)", r"must be at most \1"),
        (r"(No such option: --seats)\b.*", r"\1 (--max-learners limits the seats of a contract)"),
    )
)


def plain_terms(message: str) -> str:
    """Return a complaint in one line without a full stop, and without the terms of the library."""
    line = " ".join(message.split()).removesuffix(".")
    for pattern, words in TERMS:
        line = pattern.sub(words, line)
    return line
