"""Numbers with their nouns."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 row`, `2 rows`. `many` is the plural of a noun that takes more than an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
