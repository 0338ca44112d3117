"""The history of a contract: every change with its actor, time and values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.service import Changed
from b2b_pipelines.delivery.models import ContractChange
from b2b_pipelines.errors import Conflict


class ActorKind(StrEnum):
    """Kinds of actors: a token, a person who signed in, a command, or the product itself."""

    TOKEN = "token"  # noqa: S105
    PERSON = "person"
    COMMAND = "command"
    SYSTEM = "system"


class Action(StrEnum):
    """Kinds of changes to a contract."""

    CREATED = "created"
    CHANGED = "changed"
    COURSEWARE_GIVEN = "courseware_given"
    COURSEWARE_TAKEN = "courseware_taken"
    LEARNER_ADDED = "learner_added"
    LEARNER_REMOVED = "learner_removed"
    SHEET_REBUILT = "sheet_rebuilt"
    SHEET_RESTORED = "sheet_restored"


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of a change.

    `name` is a token's name, a person's address, or the machine's user.
    """

    kind: ActorKind
    name: str
    id: int | None = None

    @classmethod
    def system(cls, name: str) -> "Actor":
        """Return the actor for a part of the product or an integration, such as a CRM source."""
        return cls(ActorKind.SYSTEM, name)


@dataclass(frozen=True, slots=True)
class Between:
    """A change of terms that a caller did not see. `fields` are `[before, after]` by name."""

    revision: int
    at: datetime
    kind: str
    who: str
    fields: Mapping[str, list[Any]]


class ContractWasChanged(Conflict):
    """The contract's terms changed after the revision that the caller saw.

    `changes` holds those changes.
    """

    code: ClassVar[str] = "contract_changed"

    def __init__(self, contract: Contract, changes: Sequence[Between]) -> None:
        fields = sorted({name for change in changes for name in change.fields})
        super().__init__(
            f"the contract {contract.slug} was changed meanwhile ({', '.join(fields)}): "
            f"look at revision {contract.revision} and try again"
        )
        self.revision = contract.revision
        self.changes = changes


def record(session: Session, contract: Contract, action: Action, by: Actor, details: Mapping[str, Any]) -> None:
    """Add a change to the contract's history, with the contract's present revision."""
    session.add(
        ContractChange(
            contract_id=contract.id,
            revision=contract.revision,
            action=action,
            actor_kind=by.kind,
            actor_id=by.id,
            actor_name=by.name[:320],
            details={key: value for key, value in details.items() if value},
        )
    )
    session.flush()


def refuse_if_changed(session: Session, contract: Contract, expected_revision: int | None) -> None:
    """Raise `ContractWasChanged` if a locked contract's terms changed after that revision.

    A revision also grows when codes are recomputed; that does not conflict with an edit.
    """
    if expected_revision is None or contract.revision <= expected_revision:
        return
    changes = session.scalars(
        select(ContractChange)
        .where(ContractChange.contract_id == contract.id, ContractChange.revision > expected_revision)
        .where(ContractChange.action == Action.CHANGED)
        .order_by(ContractChange.id)
    ).all()
    if changes:
        raise ContractWasChanged(contract, [_between(change) for change in changes])


def _between(change: ContractChange) -> Between:
    fields = change.details.get("fields", {})
    return Between(change.revision, change.made_at, change.actor_kind, change.actor_name, fields)


def as_json(changed: Changed) -> dict[str, list[Any]]:
    """Return changed fields as JSON: dates as ISO 8601, money as text with two decimals."""
    return {SHOWN_AS.get(name, name): [_plain(before), _plain(after)] for name, (before, after) in changed.items()}


SHOWN_AS = {"starts_on": "start", "ends_on": "end"}
"""Columns whose name differs from the field name that users know."""
COLUMN_OF = {shown: column for column, shown in SHOWN_AS.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, StrEnum) else value
