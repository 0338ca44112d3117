"""Changes to a contract's terms.

Each field is a new value, None to empty it, or `UNSET` to keep it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from b2b_pipelines.contracts import rules
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.errors import InvalidInput

MOST_MONEY = Decimal("99999999.99")
MOST_LEARNERS = 1_000_000


class Unset(Enum):
    """The type of `UNSET`, which is not null: a field that a patch does not mention."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractPatch:
    """New terms of a contract.

    `price` is in major units; a cap of 0 means no cap and becomes None.

    Raises `InvalidInput` for a value that a contract cannot have.
    """

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    integration_type: IntegrationType | Unset = UNSET
    starts_on: date | Unset | None = UNSET
    ends_on: date | Unset | None = UNSET
    active: bool | Unset = UNSET
    max_learners: int | Unset | None = UNSET
    price: Decimal | Unset | None = UNSET
    sheet_url: str | Unset | None = UNSET
    sheet_tab: str | Unset | None = UNSET

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_price(self.price)
        _check_cap(self.max_learners)
        _check_sheet(self.sheet_url, self.sheet_tab)
        if self.max_learners == 0:
            object.__setattr__(self, "max_learners", None)

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the fields that the patch sets, with their values."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not UNSET}

    @property
    def names_a_sheet(self) -> bool:
        return self.sheet_url is not UNSET or self.sheet_tab is not UNSET


def _check_name(name: str | Unset) -> None:
    if isinstance(name, str) and (len(name) > 255 or not name.strip()):
        raise InvalidInput("a contract's name has 1 to 255 characters")


def _check_price(price: Decimal | Unset | None) -> None:
    if isinstance(price, Decimal) and not (price.is_finite() and 0 <= price <= MOST_MONEY and price == round(price, 2)):
        raise InvalidInput(f"the price must be between 0 and {MOST_MONEY}, with at most two decimals")


def _check_cap(cap: int | Unset | None) -> None:
    if isinstance(cap, int) and not 0 <= cap <= MOST_LEARNERS:
        raise InvalidInput(f"the learner cap must be between 0 (no cap) and {MOST_LEARNERS}")


def _check_sheet(url: str | Unset | None, tab: str | Unset | None) -> None:
    if isinstance(url, str):
        rules.spreadsheet_id(url)
        rules.refuse_office_file(url)
        if len(url) > 1024:
            raise InvalidInput("the sheet's address is longer than 1024 characters")
    if isinstance(tab, str) and not 0 < len(tab.strip()) <= 100:
        raise InvalidInput("a tab's title has 1 to 100 characters")
