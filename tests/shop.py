"""Contracts with courses, products and codes, for tests of learners, checkout and the API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text

from b2b_pipelines.contracts import catalog, courseware_registry
from b2b_pipelines.contracts.models import Contract, ContractLearner, CourseRun, Learner, Product
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery import Actor, changes
from b2b_pipelines.enrollment_codes.models import CodeRedemption, EnrollmentCode
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AGO = date(2020, 1, 1)
SHOP = Actor.system("the shop")


@dataclass(frozen=True)
class Sold:
    """A contract as it was sold: its id and slug, and the codes of each of its products, oldest first."""

    id: int
    slug: str
    codes: Mapping[int, list[str]] = field(default_factory=dict)

    @property
    def products(self) -> list[int]:
        return list(self.codes)

    @property
    def product(self) -> int:
        return self.products[0]

    @property
    def every_code(self) -> list[str]:
        return [code for of_product in self.codes.values() for code in of_product]


class Shop:
    """Sells contracts, through the same services as the commands."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def sell(
        self,
        name: str = "Acme 2026",
        *,
        organization: str = "Acme",
        integration: str = "non-sso",
        courses: int = 1,
        **values: Any,
    ) -> Sold:
        """A contract with so many courses, and its codes. `cap` and `price` are short for their fields."""
        for short, long in (("cap", "max_learners"), ("start", "starts_on"), ("end", "ends_on")):
            if short in values:
                values[long] = values.pop(short)
        if values.get("price") is not None:
            values["price"] = Decimal(values["price"])
        with self.database.session() as session:
            contract = changes.create_contract(
                session,
                organization,
                name,
                IntegrationType(integration),
                ContractPatch(**values),
                by=SHOP,
                create_organization=True,
            ).contract
            for number in range(1, courses + 1):
                course = f"course-v1:MITx+{number}.00"
                courseware_registry.register(session, catalog.course(course, f"Course {number}", source_run="SOURCE"))
                changes.give_courseware(session, contract.slug, course, by=SHOP, now=NOW)
        return self.sold(contract.slug)

    def sold(self, slug: str) -> Sold:
        """The contract as it is now."""
        with self.database.session() as session:
            number = session.scalars(select(Contract.id).where(Contract.slug == slug)).one()
            products = session.scalars(
                select(Product.id)
                .join(CourseRun, CourseRun.id == Product.course_run_id)
                .join(Contract, Contract.id == CourseRun.contract_id)
                .where(Contract.slug == slug)
                .order_by(Product.id)
            ).all()
            found = session.execute(
                select(EnrollmentCode.product_id, EnrollmentCode.code)
                .join(Contract, Contract.id == EnrollmentCode.contract_id)
                .where(Contract.slug == slug)
                .order_by(EnrollmentCode.id)
            ).all()
        return Sold(number, slug, {product: [code for of, code in found if of == product] for product in products})

    def change(self, slug: str, **values: Any) -> None:
        with self.database.session() as session:
            changes.change_contract(session, slug, ContractPatch(**values), by=SHOP)

    def attach(self, code: str, email: str) -> None:
        with self.database.session() as session:
            learners.attach(session, code, Person(email), datetime.now(UTC))

    def run(self, statement: str, **given: Any) -> Any:
        with self.database.session() as session:
            result = session.execute(text(statement), given)
            return result.scalars().all() if result.returns_rows else None

    def redemptions(self, slug: str) -> list[tuple[str, str, str]]:
        """`(code, kind, e-mail)` of every redemption of the contract's codes."""
        with self.database.session() as session:
            rows = session.execute(
                select(EnrollmentCode.code, CodeRedemption.kind, Learner.email)
                .join(CodeRedemption, CodeRedemption.code_id == EnrollmentCode.id)
                .join(Learner, Learner.id == CodeRedemption.learner_id)
                .join(Contract, Contract.id == EnrollmentCode.contract_id)
                .where(Contract.slug == slug)
                .order_by(CodeRedemption.id)
            )
            return [(code, str(kind), email) for code, kind, email in rows]

    def attached(self, slug: str) -> list[tuple[str, str]]:
        """`(e-mail, how)` of every attached learner."""
        with self.database.session() as session:
            rows = session.execute(
                select(Learner.email, ContractLearner.how)
                .join(ContractLearner, ContractLearner.learner_id == Learner.id)
                .join(Contract, Contract.id == ContractLearner.contract_id)
                .where(Contract.slug == slug)
                .order_by(ContractLearner.id)
            )
            return [(email, how) for email, how in rows]
