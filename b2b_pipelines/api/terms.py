"""A contract's terms as texts of a form: read, shown again, and compared with what the form was loaded with. Pure."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import integration_type
from b2b_pipelines.delivery.history import COLUMN_OF
from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.inputs.times import day

EDITED = (
    "name",
    "description",
    "integration_type",
    "active",
    "start",
    "end",
    "max_learners",
    "price",
    "sheet_url",
    "sheet_tab",
)
"""Fields of the form, by the names that users know."""
BLANK = dict.fromkeys(EDITED, "") | {"integration_type": "non-sso", "active": "yes"}


def shown(contract: Contract) -> dict[str, str]:
    """Return the terms of a contract as a form holds them."""
    return {name: _text(getattr(contract, COLUMN_OF.get(name, name))) for name in EDITED}


def touched(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that differ from the values that the form was loaded with (`was_…`)."""
    return {
        name: fields[name]
        for name in EDITED
        if name in fields and fields[name].strip() != fields.get(f"was_{name}", "").strip()
    }


def patch(fields: Mapping[str, str]) -> ContractPatch:
    """Return the change that the texts mean; an empty text empties a field. Raises `InvalidInput`."""
    return ContractPatch(**{COLUMN_OF.get(name, name): _value(name, text.strip()) for name, text in fields.items()})


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)


def _value(name: str, text: str) -> Any:
    if name in ("name", "description"):
        return text
    if name == "active":
        return text == "yes"
    if name == "integration_type":
        return integration_type(text)
    return _READERS.get(name, str)(text) if text else None


def _seats(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise InvalidInput(f"{text!r} is not a number of seats: use a whole number, or leave it empty for no limit")
    return int(text)


def _price(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidInput(
            f"{text!r} is not a price: use a number such as 199.00, or leave it empty for free"
        ) from None


_READERS: Mapping[str, Any] = {"start": day, "end": day, "max_learners": _seats, "price": _price}
