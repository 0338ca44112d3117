"""Queries on learners and their seats. Every change requires the contract's lock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg2.errors import UniqueViolation
from sqlalchemy import and_, delete, exists, false, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract, ContractLearner, Learner, LearnerConflict, Organization
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.enrollment_codes.models import CodeRedemption, EnrollmentCode
from b2b_pipelines.enrollment_codes.rules import RedemptionKind, RedemptionType
from b2b_pipelines.learners.rules import OfferedCode


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """A code from one learner's point of view. `amount` is in major units.

    `active` is False outside the code's days.
    """

    id: int
    code: str
    contract_id: int
    product_id: int
    amount: Decimal
    active: bool
    redemption_type: RedemptionType
    attached_by_another: bool
    enrolled: bool

    @property
    def as_offered(self) -> OfferedCode:
        """Return the facts that decide whether the learner may join."""
        return OfferedCode(self.active, self.redemption_type == RedemptionType.ONE_TIME, self.attached_by_another)


def learner(session: Session, email: str) -> Learner | None:
    return session.scalars(select(Learner).where(func.lower(Learner.email) == func.lower(email))).first()


def attached_email(session: Session, contract_id: int, learner_id: int) -> str | None:
    """Return the address of the learner with that id; None for one who is not attached to the contract."""
    attached = select(ContractLearner.learner_id).where(ContractLearner.contract_id == contract_id)
    return session.scalar(select(Learner.email).where(Learner.id == learner_id, Learner.id.in_(attached)))


def learners(session: Session, email: str, lms_user_id: int | None) -> tuple[Learner | None, Learner | None]:
    """Return the learner with that LMS user id and the learner with that address. One query.

    They may be the same.
    """
    same_address = func.lower(Learner.email) == func.lower(email)
    same_user = Learner.lms_user_id == lms_user_id if lms_user_id is not None else false()
    found = session.execute(
        select(Learner, same_user.label("same_user"), same_address.label("same_address"))
        .where(or_(same_user, same_address))
        .execution_options(populate_existing=True)
    ).all()
    by_user = next((row.Learner for row in found if row.same_user), None)
    return by_user, next((row.Learner for row in found if row.same_address), None)


def lock_lms_user(session: Session, lms_user_id: int) -> None:
    """Lock an LMS user id until the transaction ends, so that others with it wait."""
    transaction_lock(session, "LMS user", lms_user_id)


def follow(session: Session, known: Learner, email: str, name: str) -> bool:
    """Give a learner a new address, and a name if none is known.

    Return False when another learner has the address.
    """
    try:
        with session.begin_nested():
            known.email, known.name = email, known.name or name
            session.flush()
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation) and error.orig.diag.constraint_name == "uq_learner_lower_email":
            return False
        raise
    return True


def note_conflict(session: Session, learner_id: int, other_id: int, lms_user_id: int, now: datetime) -> bool:
    """Record that two learners may be one person. Return whether the pair is new."""
    noted = insert(LearnerConflict).values(
        learner_id=learner_id, other_learner_id=other_id, lms_user_id=lms_user_id, first_seen_at=now, last_seen_at=now
    )
    again = noted.on_conflict_do_update(
        index_elements=["learner_id", "other_learner_id"],
        set_={"times": LearnerConflict.times + 1, "last_seen_at": now},
    )
    return session.scalar(again.returning(LearnerConflict.times)) == 1


def ensure_by_address(session: Session, email: str, name: str = "", lms_user_id: int | None = None) -> Learner:
    """Return the learner with that address, created if unknown.

    Known values stay; missing ones are filled in.
    """
    insertion = insert(Learner).values(email=email, name=name, lms_user_id=lms_user_id)
    known, offered = Learner.__table__.c, insertion.excluded
    adds = or_(
        and_(known.name == "", offered.name != ""),
        and_(known.lms_user_id.is_(None), offered.lms_user_id.is_not(None)),
    )
    written = insertion.on_conflict_do_update(
        index_elements=[func.lower(known.email)],
        set_={
            "name": func.coalesce(func.nullif(known.name, ""), offered.name),
            "lms_user_id": func.coalesce(known.lms_user_id, offered.lms_user_id),
        },
        where=adds,
    ).returning(Learner)
    made = session.scalars(written, execution_options={"populate_existing": True}).first()
    if made is not None:
        return made
    return session.scalars(select(Learner).where(func.lower(Learner.email) == func.lower(email))).one()


def contract_ids_of_codes(session: Session, texts: Iterable[str]) -> Mapping[str, int]:
    """Return the contract ids of these codes, by code, without a lock. Unknown codes are absent."""
    rows = session.execute(
        select(EnrollmentCode.code, EnrollmentCode.contract_id).where(EnrollmentCode.code.in_(list(texts)))
    )
    return {row.code: row.contract_id for row in rows}


def lock_contract_of_code(session: Session, code: str, organization_id: int | None) -> Contract | None:
    """Lock and return the contract of a code.

    None if unknown or of another organization than the caller's.
    """
    query = select(Contract).join(EnrollmentCode, EnrollmentCode.contract_id == Contract.id)
    query = query.where(EnrollmentCode.code == code)
    if organization_id is not None:
        query = query.where(Contract.organization_id == organization_id)
    locked = query.with_for_update(of=Contract, key_share=True).execution_options(populate_existing=True)
    return session.scalars(locked).first()


def codes(session: Session, texts: Iterable[str], learner_id: int | None) -> dict[str, CodeFacts]:
    """Return those of the codes that exist, by text, from that learner's point of view.

    A `learner_id` of None means a learner who is not stored yet.
    """
    redeemed = CodeRedemption.code_id == EnrollmentCode.id
    attached_by_another = exists().where(
        redeemed,
        CodeRedemption.kind == RedemptionKind.ATTACH,
        CodeRedemption.learner_id.is_distinct_from(literal(learner_id)),
    )
    within_its_days = and_(
        func.coalesce(EnrollmentCode.activates_at <= func.now(), True),
        func.coalesce(EnrollmentCode.expires_at > func.now(), True),
    )
    rows = session.execute(
        select(
            EnrollmentCode.id,
            EnrollmentCode.code,
            EnrollmentCode.contract_id,
            EnrollmentCode.product_id,
            EnrollmentCode.amount,
            and_(EnrollmentCode.active, within_its_days).label("active"),
            EnrollmentCode.redemption_type,
            attached_by_another.label("attached_by_another"),
            exists().where(redeemed, CodeRedemption.kind == RedemptionKind.ENROLL).label("enrolled"),
        ).where(EnrollmentCode.code.in_(list(texts)))
    )
    return {row.code: CodeFacts(**row._mapping) for row in rows}


def lock_contracts(session: Session, contract_ids: Iterable[int]) -> Sequence[Contract]:
    """Lock and return those contracts, always in id order."""
    return session.scalars(
        select(Contract)
        .where(Contract.id.in_(list(contract_ids)))
        .order_by(Contract.id)
        .with_for_update(of=Contract, key_share=True)
        .execution_options(populate_existing=True)
    ).all()


def lock_sign_on_contracts(session: Session, org_key: str, organization_id: int | None) -> Sequence[Contract] | None:
    """Lock and return the `sso` contracts of an organization.

    None if the caller has no such organization.
    """
    query = select(Organization.id).where(Organization.org_key == org_key)
    if organization_id is not None:
        query = query.where(Organization.id == organization_id)
    found = session.scalars(query).first()
    if found is None:
        return None
    ids = session.scalars(
        select(Contract.id).where(Contract.organization_id == found, Contract.integration_type == IntegrationType.SSO)
    )
    return lock_contracts(session, ids)


def seats(session: Session, learner_id: int | None, contract_ids: Iterable[int]) -> Mapping[int, tuple[int, bool]]:
    """Return each contract's number of attached learners, and whether that learner is one.

    A `learner_id` of None means a learner who is not stored yet. A contract without learners is absent.
    """
    rows = session.execute(
        select(
            ContractLearner.contract_id,
            func.count().label("taken"),
            func.coalesce(func.bool_or(ContractLearner.learner_id == literal(learner_id)), False).label("attached"),
        )
        .where(ContractLearner.contract_id.in_(list(contract_ids)))
        .group_by(ContractLearner.contract_id)
    )
    return {row.contract_id: (row.taken, row.attached) for row in rows}


def attach(session: Session, contract_ids: Iterable[int], learner_id: int, how: str) -> None:
    """Give the learner a seat in each of the contracts."""
    rows = [{"contract_id": contract_id, "learner_id": learner_id, "how": how} for contract_id in contract_ids]
    if rows:
        session.execute(insert(ContractLearner).values(rows))


def detach(session: Session, contract_id: int, learner_id: int) -> bool:
    """Remove the learner's seat. Return whether there was one."""
    statement = delete(ContractLearner).where(
        ContractLearner.contract_id == contract_id, ContractLearner.learner_id == learner_id
    )
    return session.scalars(statement.returning(ContractLearner.id)).first() is not None


def left_before(session: Session, learner_id: int, contract_ids: Iterable[int]) -> set[int]:
    """Return those contracts of which the learner redeemed a code during a stay that has ended."""
    stay = and_(
        ContractLearner.contract_id == EnrollmentCode.contract_id,
        ContractLearner.learner_id == CodeRedemption.learner_id,
    )
    return set(
        session.scalars(
            select(EnrollmentCode.contract_id)
            .distinct()
            .join(CodeRedemption, CodeRedemption.code_id == EnrollmentCode.id)
            .outerjoin(ContractLearner, stay)
            .where(
                CodeRedemption.learner_id == learner_id,
                EnrollmentCode.contract_id.in_(list(contract_ids)),
                or_(ContractLearner.id.is_(None), CodeRedemption.redeemed_at < ContractLearner.attached_at),
            )
        )
    )


def redeem(
    session: Session,
    codes_used: Sequence[CodeFacts],
    learner_id: int,
    kind: RedemptionKind,
    order_reference: str | None = None,
) -> None:
    """Record that the learner redeemed the codes, once for each kind."""
    if not codes_used:
        return
    statement = insert(CodeRedemption).values(
        [
            {
                "code_id": code.id,
                "redemption_type": code.redemption_type,
                "learner_id": learner_id,
                "kind": kind,
                "order_reference": order_reference,
            }
            for code in codes_used
        ]
    )
    session.execute(statement.on_conflict_do_nothing(index_elements=["code_id", "learner_id", "kind"]))
