"""Contracts as a contract manager makes, changes and furnishes them."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import service, store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.errors import Conflict, InvalidInput, NotFound
from tests.shop import NOW, Shop
from tests.statements import statements

SHEET = "https://docs.google.com/spreadsheets/d/1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789/edit"


def make(session: Session, name: str = "Acme 2026", organization: str = "Acme", **terms: Any) -> Contract:
    return service.create_contract(
        session,
        organization,
        name,
        IntegrationType.NON_SSO,
        ContractPatch(**terms),
        create_organization=True,
    )


def test_a_contract_and_its_organization_are_made_together(shop: Shop):
    with shop.database.session() as session:
        made = make(session, "  Acme 2026 ", max_learners=5, price=Decimal("199.00"))
        assert (made.name, made.slug, made.active, made.max_learners) == ("Acme 2026", "acme-2026", True, 5)
        assert (made.organization.name, made.organization.slug, made.organization.org_key) == ("Acme", "acme", "ACME")
        assert {store.organization(session, reference) for reference in ("ACME", "Acme")} == {made.organization}


def test_a_second_contract_of_the_name_has_a_number_and_names_the_first(shop: Shop):
    with shop.database.session() as session:
        first, second = make(session), make(session)
        assert second.slug == "acme-2026-2"
        assert service.same_named(session, second) == [first.slug]


def test_an_unknown_organization_is_made_only_when_asked_for(shop: Shop):
    with shop.database.session() as session, pytest.raises(NotFound, match="use --create"):
        service.create_contract(session, "Acme", "Acme 2026", IntegrationType.SSO)
    assert shop.run("SELECT count(*) FROM organization") == [0]


@pytest.mark.parametrize(
    ("terms", "error", "says"),
    [
        pytest.param({"name": " "}, InvalidInput, "name", id="a-blank-name"),
        pytest.param({"max_learners": -1}, InvalidInput, "learner cap", id="fewer-than-no-seat"),
        pytest.param({"price": Decimal("1.234")}, InvalidInput, "two decimals", id="parts-of-a-cent"),
        pytest.param({"price": Decimal("NaN")}, InvalidInput, "between 0", id="not-a-number"),
        pytest.param({"sheet_url": "https://example.com/x"}, InvalidInput, "not a Google Sheet", id="another-site"),
        pytest.param(
            {"starts_on": date(2026, 2, 2), "ends_on": date(2026, 2, 1)}, InvalidInput, "before it starts", id="days"
        ),
    ],
)
def test_terms_that_no_contract_can_have_change_nothing(
    shop: Shop, terms: dict[str, Any], error: type[Exception], says: str
):
    sold = shop.sell(cap=2)
    before = shop.run("SELECT contract::text FROM contract")
    with pytest.raises(error, match=says), shop.database.session() as session:
        service.change_terms(session, store.contract(session, sold.slug, lock=True), ContractPatch(**terms))
    assert shop.run("SELECT contract::text FROM contract") == before


def test_a_change_says_what_differs_and_counts_as_one_revision(shop: Shop):
    sold = shop.sell(cap=2)
    with shop.database.session() as session:
        contract = store.contract(session, sold.slug, lock=True)
        revision = contract.revision
        patch = ContractPatch(max_learners=3, description="", ends_on=None)
        assert service.change_terms(session, contract, patch) == {"max_learners": (2, 3)}
        session.flush()
        session.refresh(contract)
        assert contract.revision == revision + 1
        assert service.change_terms(session, contract, patch) == {}


def test_a_field_that_is_not_in_the_patch_stays_and_null_empties_it(shop: Shop):
    sold = shop.sell(cap=2, end=date(2999, 1, 1))
    with shop.database.session() as session:
        contract = store.contract(session, sold.slug, lock=True)
        service.change_terms(session, contract, ContractPatch(ends_on=None))
        assert (contract.ends_on, contract.max_learners) == (None, 2)


def test_a_tab_belongs_to_one_contract(shop: Shop):
    with shop.database.session() as session:
        make(session, "One", sheet_url=SHEET, sheet_tab="Codes")
        make(session, "Two", sheet_url=SHEET, sheet_tab="Other")
        with pytest.raises(Conflict, match="belongs to the contract one"):
            make(session, "Three", sheet_url=SHEET.removesuffix("/edit"), sheet_tab="codes")


def test_an_org_key_belongs_to_one_organization(shop: Shop):
    with shop.database.session() as session:
        service.create_organization(session, "Acme", "ACME")
        with pytest.raises(Conflict, match="exists already, with the org key ACME"):
            service.create_organization(session, "Acme")
        with pytest.raises(Conflict, match="belongs to 'Acme'"):
            service.create_organization(session, "Another", "ACME")
        with pytest.raises(InvalidInput, match="1 to 30 letters"):
            service.create_organization(session, "Third", "A+B")


@pytest.mark.parametrize(
    ("courseware", "error"),
    [
        ("course-v1:UAI+NONE", NotFound),
        ("program-v1:UAI+NONE", NotFound),
        ("course-v1:UAI+NONE+R", NotFound),
        ("nonsense", InvalidInput),
    ],
)
def test_courseware_that_is_not_registered_is_neither_given_nor_taken(
    shop: Shop, courseware: str, error: type[Exception]
):
    sold = shop.sell()
    with pytest.raises(error), shop.database.session() as session:
        service.give_courseware(session, store.contract(session, sold.slug, lock=True), courseware, NOW)
    with pytest.raises((error, NotFound)), shop.database.session() as session:
        service.take_courseware(session, store.contract(session, sold.slug, lock=True), courseware)
    assert len(shop.run("SELECT id FROM course_run WHERE contract_id IS NOT NULL")) == 1


def test_what_is_taken_comes_back_with_its_run(shop: Shop):
    sold = shop.sell()
    with shop.database.session() as session:
        contract = store.contract(session, sold.slug, lock=True)
        [run] = service.take_courseware(session, contract, "course-v1:MITx+1.00").removed
        back = service.give_courseware(session, contract, "course-v1:MITx+1.00", NOW)
        assert (back.created, back.restored) == ([run], [run])
        assert service.give_courseware(session, contract, "course-v1:MITx+1.00", NOW).skipped == ["course-v1:MITx+1.00"]


def test_the_products_of_many_runs_are_made_in_one_statement(shop: Shop):
    sold = shop.sell(courses=4)
    shop.run("DELETE FROM enrollment_code")
    shop.run("DELETE FROM product")
    with shop.database.session() as session:
        contract = store.contract(session, sold.slug, lock=True)
        with statements(shop.database) as sent:
            assert store.add_products(session, contract) == 4
        assert len(sent) <= 2
        assert store.add_products(session, contract) == 0
