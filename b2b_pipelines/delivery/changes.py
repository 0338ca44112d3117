"""Changes that a contract manager makes.

Each change takes the contract's lock, recomputes its codes and adds to its history.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import exchange, service, store
from b2b_pipelines.contracts.models import Contract, Organization
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.contracts.service import NO_CHANGE, Changed, CoursewareChange
from b2b_pipelines.delivery import history, losses
from b2b_pipelines.delivery.history import Action, Actor
from b2b_pipelines.delivery.losses import Losses
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.enrollment_codes import store as code_store
from b2b_pipelines.enrollment_codes.service import CodeChange
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners import store as learner_store
from b2b_pipelines.learners.rules import Outcome
from b2b_pipelines.learners.service import Attachment, Person
from b2b_pipelines.sheets import service as sheets


@dataclass(frozen=True, slots=True)
class ContractChanged:
    """The result of a change: the contract, its changed fields, its codes, and the losses.

    `same_named` are the slugs of older contracts of the organization with the name of a new one.
    """

    contract: Contract
    fields: Changed
    codes: CodeChange
    losses: Losses
    same_named: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CoursewareChanged:
    """The result of a change of courseware: the contract, its runs, its codes, and the losses."""

    contract: Contract
    courseware: CoursewareChange
    codes: CodeChange
    losses: Losses


def create_organization(session: Session, name: str, *, org_key: str | None = None) -> Organization:
    """Create an organization.

    Raises `Conflict` for a name or org key that is taken, `InvalidInput` for a bad one.
    """
    return service.create_organization(session, name, org_key)


def create_contract(
    session: Session,
    organization: str,
    name: str,
    integration: IntegrationType,
    terms: ContractPatch = NO_CHANGE,
    *,
    by: Actor,
    create_organization: bool = False,
    org_key: str | None = None,
) -> ContractChanged:
    """Create a contract of the organization with that name or org key.

    With `create_organization` an unknown organization is created too. Raises `NotFound` for an unknown organization,
    `Conflict` for a taken org key or tab, `InvalidInput` for bad values.
    """
    contract = service.create_contract(
        session,
        organization,
        name,
        integration,
        terms,
        create_organization=create_organization,
        org_key=org_key,
    )
    return _created(session, contract, by)


def change_contract(
    session: Session,
    contract_id: str | int,
    patch: ContractPatch,
    *,
    by: Actor,
    expected_revision: int | None = None,
    today: datetime | None = None,
) -> ContractChanged:
    """Change the terms of the contract with that id or slug.

    A patch without a difference changes nothing.

    Raises `NotFound`, `InvalidInput`, `Conflict` for a tab of another contract, and `ContractWasChanged` when the terms
    were changed after `expected_revision`.
    """
    if patch.names_a_sheet:
        service.lock_names(session)
    contract = store.contract(session, contract_id, lock=True)
    history.refuse_if_changed(session, contract, expected_revision)
    day = (today or datetime.now(UTC)).date()
    was_open = losses.was_open(contract, day)
    changed = service.change_terms(session, contract, patch)
    if patch.names_a_sheet and contract.sheet_url is not None:
        sheets.resume(session, contract.slug)
    lost = losses.about_to_delete(session, contract)
    followed = codes.ensure_codes(session, contract)
    closes = was_open and not losses.was_open(contract, day)
    taken = losses.count(session, contract, deleted=lost, closes=closes, cap_changed="max_learners" in changed)
    if changed:
        _record(session, contract, Action.CHANGED, by, followed=followed, taken=taken, fields=history.as_json(changed))
    return ContractChanged(contract, changed, followed, taken)


def give_courseware(
    session: Session,
    contract_id: str | int,
    readable_id: str,
    *,
    by: Actor,
    create_runs: bool = True,
    rerun: bool = False,
    now: datetime | None = None,
) -> CoursewareChanged:
    """Give the contract with that id or slug a course, a program or a run.

    A course that was taken from it gets its earlier run and codes back. Raises `NotFound` for unknown courseware,
    `Conflict` for a run of another contract, `Refused` for a course without a source run.
    """
    contract = store.contract(session, contract_id, lock=True)
    moment = now or store.transaction_time(session)
    change = service.give_courseware(session, contract, readable_id, moment, create_runs=create_runs, rerun=rerun)
    code_store.reactivate_released(session, change.reinstated)
    followed = codes.ensure_codes(session, contract)
    given: dict[str, Any] = {"courseware": readable_id, "runs": change.created}
    _record(session, contract, Action.COURSEWARE_GIVEN, by, followed=followed, **given)
    return CoursewareChanged(contract, change, followed, Losses())


def take_courseware(session: Session, contract_id: str | int, readable_id: str, *, by: Actor) -> CoursewareChanged:
    """Take a course, program or run from the contract with that id or slug.

    Its unredeemed codes are deactivated; nothing is deleted. Raises `NotFound` when the contract has nothing of the
    courseware.
    """
    contract = store.contract(session, contract_id, lock=True)
    change = service.take_courseware(session, contract, readable_id)
    code_store.deactivate_unredeemed(session, change.withdrawn)
    followed = codes.ensure_codes(session, contract)
    taken = losses.count(session, contract, runs=change.removed)
    gone: dict[str, Any] = {"courseware": readable_id, "runs": change.removed}
    _record(session, contract, Action.COURSEWARE_TAKEN, by, followed=followed, taken=taken, **gone)
    return CoursewareChanged(contract, change, followed, taken)


def import_contract(
    session: Session, document: exchange.Document, *, by: Actor
) -> tuple[ContractChanged, CoursewareChange]:
    """Create the contract of a document with its courseware.

    Raises the errors of creating a contract and giving it courseware.
    """
    contract, courseware = exchange.make(session, document, store.transaction_time(session))
    return _created(session, contract, by), courseware


def add_learner(
    session: Session, contract_id: str | int, person: Person, *, by: Actor, forced: bool = False
) -> Attachment:
    """Attach a learner without a code. `forced` ignores the contract's dates and its cap.

    Raises `NotFound`, `LearnerConflict`, `ContractNotOpen`, `ContractFull`.
    """
    done = learners.add(session, str(contract_id), person, datetime.now(UTC), forced=forced)
    if done.result == Outcome.ATTACHED:
        contract = store.contract(session, done.contract)
        known = learner_store.learner(session, person.email)
        details = {"learner": known.id if known else None, "forced": forced}
        history.record(session, contract, Action.LEARNER_ADDED, by, details)
    return done


def remove_learner(session: Session, contract_id: str | int, email: str, *, by: Actor) -> str:
    """Remove a learner from a contract and return the contract's slug. Raises `NotFound`.

    Their seat gets a new code.
    """
    known = learner_store.learner(session, email)
    slug = learners.remove(session, str(contract_id), email)
    contract = store.contract(session, slug)
    history.record(session, contract, Action.LEARNER_REMOVED, by, {"learner": known.id if known else None})
    return slug


def _created(session: Session, contract: Contract, by: Actor) -> ContractChanged:
    followed = codes.ensure_codes(session, contract)
    same = service.same_named(session, contract)
    terms = {
        name: (None, getattr(contract, name))
        for name in ContractPatch.__dataclass_fields__
        if getattr(contract, name) not in (None, "")
    }
    _record(session, contract, Action.CREATED, by, followed=followed, fields=history.as_json(terms))
    return ContractChanged(contract, terms, followed, Losses(), same)


def _record(
    session: Session,
    contract: Contract,
    action: Action,
    by: Actor,
    *,
    followed: CodeChange,
    taken: Losses | None = None,
    **details: Any,
) -> None:
    counts = {name: number for name, number in asdict(followed).items() if name != "contract" and number}
    history.record(
        session, contract, action, by, details | {"codes": counts, "losses": losses.as_json(taken or Losses())}
    )
