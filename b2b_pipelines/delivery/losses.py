"""Count what people lose by a change: shown before the change, and stored with it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.plural import counted

DEACTIVATED_NOW = text("""
SELECT count(*) AS codes, count(*) FILTER (WHERE sheet_row IS NOT NULL) AS handed_out
FROM enrollment_code WHERE contract_id = :contract AND NOT active AND deactivated_at = now()
""")
STILL_WORKING = text("""
SELECT count(*) AS codes, count(*) FILTER (WHERE sheet_row IS NOT NULL) AS handed_out
FROM enrollment_code code
WHERE contract_id = :contract AND active
  AND NOT EXISTS (SELECT FROM code_redemption WHERE code_redemption.code_id = code.id)
""")
ATTACHED = text("SELECT count(*) FROM contract_learner WHERE contract_id = :contract")


@dataclass(frozen=True, slots=True)
class Losses:
    """Codes and runs that stop working.

    `handed_out` counts those of `codes` in the customer's sheet.

    `runs` are courseware ids that no longer belong to the contract; `beyond_cap` counts attached learners above the new
    cap, who keep their seats. With `closes` the codes work again once the contract is open again.
    """

    codes: int = 0
    handed_out: int = 0
    runs: tuple[str, ...] = ()
    closes: bool = False
    beyond_cap: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.codes or self.runs or self.closes)

    def sentences(self) -> list[str]:
        """Return a sentence for each loss, to read before agreeing."""
        sentences = []
        if self.closes:
            sentences.append("No learner can join the contract while it is closed.")
        if self.handed_out:
            sentences.append(
                f"{counted(self.handed_out, 'code that was', 'codes that were')} handed out {_stop(self.handed_out)}."
            )
        if unseen := self.codes - self.handed_out:
            sentences.append(f"{counted(unseen, 'code', 'codes')} that no sheet shows {_stop(unseen)}.")
        if self.runs:
            runs = counted(len(self.runs), "course run is", "course runs are")
            sentences.append(f"{runs} no longer part of the contract: {', '.join(self.runs[:5])}{_more(self.runs)}.")
        if self.beyond_cap:
            learners = counted(self.beyond_cap, "attached learner is", "attached learners are")
            sentences.append(f"{learners} above the new cap and keep their seats.")
        return sentences


def count(
    session: Session,
    contract: Contract,
    *,
    deleted: Losses = Losses(),
    closes: bool = False,
    runs: Sequence[str] = (),
    cap_changed: bool = False,
) -> Losses:
    """Count the losses of a contract in the current transaction.

    `deleted` are codes that no longer exist.
    """
    given = {"contract": contract.id}
    row = session.execute(STILL_WORKING if closes else DEACTIVATED_NOW, given).one()
    return Losses(
        codes=row.codes + deleted.codes,
        handed_out=row.handed_out + deleted.handed_out,
        runs=tuple(runs),
        closes=closes,
        beyond_cap=_beyond_cap(session, contract) if cap_changed else 0,
    )


def about_to_delete(session: Session, contract: Contract) -> Losses:
    """Return the unredeemed codes of a contract that no longer needs codes.

    They are deleted next.
    """
    if not contract.active or contract.requires_codes or contract.cap is not None:
        return Losses()
    row = session.execute(STILL_WORKING, {"contract": contract.id}).one()
    return Losses(codes=row.codes, handed_out=row.handed_out)


def was_open(contract: Contract, today: date) -> bool:
    """Return whether learners can join now or later: the contract is active and has not ended."""
    return contract.active and (contract.ends_on is None or contract.ends_on >= today)


def as_json(losses: Losses) -> dict[str, object]:
    """Return the numbers that are not zero."""
    values = {field.name: getattr(losses, field.name) for field in fields(losses)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value}


def _beyond_cap(session: Session, contract: Contract) -> int:
    if contract.cap is None:
        return 0
    attached = session.scalar(ATTACHED, {"contract": contract.id}) or 0
    return max(attached - contract.cap, 0)


def _stop(number: int) -> str:
    return "stops working" if number == 1 else "stop working"


def _more(runs: Sequence[str]) -> str:
    return f" and {len(runs) - 5} more" if len(runs) > 5 else ""
