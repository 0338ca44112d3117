"""Who may join a contract. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from email_validator import EmailNotValidError, validate_email

from b2b_pipelines.errors import InvalidInput

LEARNER_CONFLICT = "learner_conflict"


class Outcome(StrEnum):
    """What comes of wanting to join. The first two are yes."""

    ATTACHED = "attached"
    ALREADY_ATTACHED = "already_attached"
    INVALID_CODE = "invalid_code"
    CONTRACT_NOT_OPEN = "contract_not_open"
    CONTRACT_FULL = "contract_full"


@dataclass(frozen=True, slots=True)
class OfferedCode:
    """What matters of a code that a learner offers in order to join."""

    active: bool
    one_time: bool
    attached_by_another: bool
    """somebody else joined with it, attached still or removed since"""


@dataclass(frozen=True, slots=True)
class Place:
    """How a learner and a contract stand to each other. `cap` None is no cap, `taken` counts attached learners."""

    attached: bool
    open: bool
    cap: int | None
    taken: int

    @property
    def full(self) -> bool:
        return self.cap is not None and self.taken >= self.cap


def admits(code: OfferedCode) -> bool:
    """Whether a code still lets that learner join: a one-time code stays spent for others for good."""
    return code.active and not (code.one_time and code.attached_by_another)


def join_with_code(code: OfferedCode | None, place: Place) -> Outcome:
    """What comes of joining with a code (None: there is none such). The code is judged before anything else, so that
    a worthless one learns nothing about its contract."""
    if code is None or not admits(code):
        return Outcome.INVALID_CODE
    return join(place)


def join(place: Place, *, forced: bool = False) -> Outcome:
    """What comes of joining without a code, by sign-on or by hand; `forced` overlooks the days and the cap."""
    if place.attached:
        return Outcome.ALREADY_ATTACHED
    if not place.open and not forced:
        return Outcome.CONTRACT_NOT_OPEN
    if place.full and not forced:
        return Outcome.CONTRACT_FULL
    return Outcome.ATTACHED


def email_address(said: str) -> str:
    """An e-mail address as given, without blanks around it. DNS is not asked. Raises `InvalidInput`, not quoting it."""
    address = said.strip()
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidInput(f"this is not an e-mail address: {error}") from None
    if len(address) > 320:
        raise InvalidInput("this is not an e-mail address: it is longer than 320 characters")
    return address
