"""A contract as a document, and back."""

import json
from datetime import date
from decimal import Decimal

import pytest

from b2b_pipelines.contracts import catalog, courseware_registry, exchange
from b2b_pipelines.delivery import changes
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.errors import Conflict, InvalidInput, NotFound
from tests.shop import NOW, SHOP, Shop

TERMS = {
    "cap": 3,
    "price": "99.90",
    "start": date(2026, 1, 1),
    "end": date(2026, 12, 31),
    "description": "Für alle",
    "sheet_url": "https://docs.google.com/spreadsheets/d/1AbCdEfGhIjKl/edit",
}


def exported(shop: Shop, slug: str) -> str:
    with shop.database.session() as session:
        return exchange.export(session, slug).model_dump_json()


def imported(shop: Shop, content: str) -> list[str]:
    with shop.database.session() as session:
        contract, change = exchange.make(session, exchange.read(content), NOW)
        codes.ensure_codes(session, contract.slug)
        return change.created


def forget_contracts(shop: Shop) -> None:
    shop.run("TRUNCATE contract, organization, course_run, product, enrollment_code, contract_courseware CASCADE")


def test_a_contract_comes_back_as_it_was_with_runs_and_codes_of_its_own(shop: Shop):
    shop.sell("Other")
    sold = shop.sell(courses=2, **TERMS)
    content = exported(shop, sold.slug)
    forget_contracts(shop)
    with shop.database.session() as session:
        for number in (1, 2):
            course = catalog.course(f"course-v1:MITx+{number}.00", "C", source_run="SOURCE")
            courseware_registry.register(session, course)
    assert len(imported(shop, content)) == 2
    assert exported(shop, sold.slug) == content
    again = shop.sold(sold.slug)
    assert len(again.every_code) == 6
    assert not set(again.every_code) & set(sold.every_code)


def test_the_slug_is_kept_though_the_name_would_give_another(shop: Shop):
    shop.sell("Acme")
    second = shop.sell("Acme", courses=0)
    assert second.slug == "acme-2"
    content = exported(shop, second.slug)
    forget_contracts(shop)
    imported(shop, content)
    assert shop.run("SELECT slug FROM contract") == ["acme-2"]


def test_an_existing_slug_is_refused_and_nothing_changes(shop: Shop):
    sold = shop.sell()
    content = exported(shop, sold.slug)
    with pytest.raises(Conflict, match="acme-2026"):
        imported(shop, content)
    assert shop.run("SELECT count(*) FROM contract") == [1]


def test_another_organization_of_that_key_is_refused(shop: Shop):
    document = json.loads(exported(shop, shop.sell(courses=0).slug))
    document["contract"]["slug"] = "new"
    document["organization"]["name"] = "Somebody"
    with pytest.raises(Conflict, match="correct the file"):
        imported(shop, json.dumps(document))


def test_blanks_around_an_organizations_name_make_no_other_organization(shop: Shop):
    document = json.loads(exported(shop, shop.sell(courses=0, organization="École").slug))
    document["contract"]["slug"] = "new"
    document["organization"]["name"] = " École "
    imported(shop, json.dumps(document))
    assert shop.run("SELECT name FROM organization") == ["École"]


def test_unknown_courseware_refuses_the_whole_import(shop: Shop):
    document = json.loads(exported(shop, shop.sell().slug))
    document["contract"]["slug"] = "new"
    document["courseware"].append({"readable_id": "course-v1:MITx+99"})
    with pytest.raises(NotFound, match=r"course-v1:MITx\+99"):
        imported(shop, json.dumps(document))
    assert shop.run("SELECT count(*) FROM contract") == [1]


def test_what_was_linked_without_runs_is_linked_without_runs_again(shop: Shop):
    sold = shop.sell()
    with shop.database.session() as session:
        courseware_registry.register(session, catalog.course("course-v1:MITx+7", "Seven"))
        changes.give_courseware(session, sold.slug, "course-v1:MITx+7", by=SHOP, create_runs=False)
    parts = json.loads(exported(shop, sold.slug))["courseware"]
    assert parts == [
        {"readable_id": "course-v1:MITx+1.00", "create_runs": True},
        {"readable_id": "course-v1:MITx+7", "create_runs": False},
    ]


def test_a_course_that_was_taken_from_a_program_does_not_come_back(shop: Shop):
    sold = shop.sell(courses=2)
    names = [f"course-v1:MITx+{number}.00" for number in (1, 2)]
    with shop.database.session() as session:
        courseware_registry.register(session, catalog.program("program-v1:MITx+P", "P", {"all_of": names}))
        changes.take_courseware(session, sold.slug, "program-v1:MITx+P", by=SHOP)
        changes.give_courseware(session, sold.slug, "program-v1:MITx+P", by=SHOP)
    document = json.loads(exported(shop, sold.slug))
    assert document["courseware"] == [{"readable_id": "program-v1:MITx+P", "create_runs": True}]
    with shop.database.session() as session:
        changes.take_courseware(session, sold.slug, names[0], by=SHOP)
    document = json.loads(exported(shop, sold.slug))
    assert document["courseware"] == [{"readable_id": names[1], "create_runs": True}]
    document["contract"]["slug"] = "new"
    assert len(imported(shop, json.dumps(document))) == 1


def test_an_inactive_contract_comes_back_inactive_and_without_codes(shop: Shop):
    sold = shop.sell(cap=2)
    shop.change(sold.slug, active=False)
    document = json.loads(exported(shop, sold.slug))
    document["contract"]["slug"] = "new"
    imported(shop, json.dumps(document))
    assert shop.run("SELECT active FROM contract WHERE slug = 'new'") == [False]
    assert shop.sold("new").every_code == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price": "9.999"}, "two decimals"),
        ({"start": "soon"}, "contract.start"),
        ({"slug": "Not A Slug"}, "contract.slug"),
        ({"seats": 3}, "contract.seats"),
        ({"slug": "1"}, "is a number"),
        ({"end": "2000-01-01", "start": "2001-01-01"}, "end"),
        ({"sheet_url": "nowhere"}, "sheet"),
        ({"name": "a\x00b"}, "contract.name: contains"),
        ({"description": "\ud800"}, "contract.description: contains"),
    ],
)
def test_what_no_contract_can_have_is_refused_in_words(shop: Shop, change: dict[str, object], words: str):
    document = json.loads(exported(shop, shop.sell(courses=0).slug))
    document["contract"] |= {"slug": "new"} | change
    with pytest.raises(InvalidInput, match=words):
        imported(shop, json.dumps(document))


def test_prices_are_text_with_two_decimals(shop: Shop):
    document = json.loads(exported(shop, shop.sell(courses=0, price="5").slug))
    assert document["contract"]["price"] == "5.00"
    assert exchange.read(json.dumps(document)).contract.price == Decimal(5)
