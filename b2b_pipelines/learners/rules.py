"""Decide who may join a contract. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from email_validator import EmailNotValidError, validate_email

from b2b_pipelines.errors import InvalidInput

LEARNER_CONFLICT = "learner_conflict"


class Outcome(StrEnum):
    """The outcome of a request to join. The first two mean that the learner is attached."""

    ATTACHED = "attached"
    ALREADY_ATTACHED = "already_attached"
    INVALID_CODE = "invalid_code"
    CONTRACT_NOT_OPEN = "contract_not_open"
    CONTRACT_FULL = "contract_full"


@dataclass(frozen=True, slots=True)
class OfferedCode:
    """The facts about a code that a learner presents in order to join."""

    active: bool
    one_time: bool
    attached_by_another: bool
    """Another learner joined with it, whether still attached or removed since."""


@dataclass(frozen=True, slots=True)
class Place:
    """A learner's relation to a contract.

    A `cap` of None means no cap, `taken` counts attached learners.
    """

    attached: bool
    open: bool
    cap: int | None
    taken: int

    @property
    def full(self) -> bool:
        return self.cap is not None and self.taken >= self.cap


def admits(code: OfferedCode) -> bool:
    """Return whether a code still lets that learner join.

    A spent one-time code never admits another learner.
    """
    return code.active and not (code.one_time and code.attached_by_another)


def join_with_code(code: OfferedCode | None, place: Place) -> Outcome:
    """Return the outcome of joining with a code (None: the code does not exist).

    The code is checked before anything else, so that an invalid code reveals nothing about its contract.
    """
    if code is None or not admits(code):
        return Outcome.INVALID_CODE
    return join(place)


def join(place: Place, *, forced: bool = False) -> Outcome:
    """Return the outcome of joining without a code, by sign-on or by hand.

    `forced` ignores the contract's dates and its cap.
    """
    if place.attached:
        return Outcome.ALREADY_ATTACHED
    if not place.open and not forced:
        return Outcome.CONTRACT_NOT_OPEN
    if place.full and not forced:
        return Outcome.CONTRACT_FULL
    return Outcome.ATTACHED


def email_address(value: str) -> str:
    """Return an e-mail address without surrounding blanks. DNS is not queried.

    Raises `InvalidInput`, which does not quote the address.
    """
    address = value.strip()
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidInput(f"this is not an e-mail address: {error}") from None
    if len(address) > 320:
        raise InvalidInput("this is not an e-mail address: it is longer than 320 characters")
    return address
