"""Checkout over HTTP: every row of its table, for the quote and for the checkout, and idempotency keys."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.commands import Run
from tests.shop import LONG_AGO, Shop

JANE = {"email": "jane@example.com", "name": "Jane", "lms_user_id": 42}
JOHN = {"email": "john@example.com"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def api(connect) -> httpx.Client:
    return connect("checkout", "attach")


def basket(
    *products: int, codes: list[str] | None = None, learner: dict[str, Any] = JANE, **more: Any
) -> dict[str, Any]:
    return {"learner": learner, "products": list(products), "codes": codes or [], **more}


def refusals(api: httpx.Client, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Why quote and checkout alike refuse a basket; nothing may have been written by either."""
    quoted = api.post("/checkout/quote/", json=wanted)
    assert quoted.status_code == 200
    body = quoted.json()
    assert (body["allowed"], body["lines"], body["total"], body["completed"]) == (False, [], "0.00", False)
    answer = api.post("/checkout/", json=wanted)
    assert answer.status_code == 409
    refused = answer.json()
    assert refused["refusals"] == body["refusals"]
    assert refused["error_code"] == body["refusals"][0]["error_code"] in refused["detail"]
    return body["refusals"]


def nothing_recorded(shop: Shop) -> bool:
    return shop.run("SELECT (SELECT count(*) FROM checkout_order) + (SELECT count(*) FROM enrollment)") == [0]


def test_without_a_code_it_is_refused_even_at_zero_price(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    assert refusals(api, basket(sold.product)) == [{"error_code": "missing_enrollment_code", "product": sold.product}]
    assert nothing_recorded(shop)
    assert shop.run("SELECT count(*) FROM learner") == [0]


def test_an_attached_learner_of_free_contracts_needs_no_code(api: httpx.Client, shop: Shop):
    one, two = shop.sell("One", cap=2), shop.sell("Two", cap=2)
    shop.attach(one.every_code[0], JANE["email"])
    both = basket(one.product, two.product)
    assert {refusal["product"] for refusal in refusals(api, both)} == {one.product, two.product}
    shop.attach(two.every_code[0], JANE["email"])
    answer = api.post("/checkout/", json=both)
    assert answer.status_code == 201
    assert answer.json()["lines"] == [
        {"product": product, "code": None, "amount": "0.00"} for product in (one.product, two.product)
    ]
    assert shop.run("SELECT count(*) FROM enrollment") == [2]


def test_an_attached_learner_of_a_priced_contract_needs_a_code(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2, price="99")
    shop.attach(sold.every_code[0], JANE["email"])
    assert refusals(api, basket(sold.product))[0]["error_code"] == "missing_enrollment_code"


def test_an_unknown_code_is_named(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    found = refusals(api, basket(sold.product, codes=[UNKNOWN]))
    assert found[0] == {"error_code": "invalid_code", "code": UNKNOWN}


def test_an_inactive_code_is_invalid(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    shop.change(sold.slug, max_learners=1)
    code = sold.every_code[1]
    assert refusals(api, basket(sold.product, codes=[code])) == [{"error_code": "invalid_code", "code": code}]


def test_a_code_of_another_product_is_invalid(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2, courses=2)
    first, second = sold.products
    code = sold.codes[second][0]
    found = refusals(api, basket(first, codes=[code]))
    assert found[0] == {"error_code": "invalid_code", "code": code}


def test_a_one_time_code_enrolled_with_before_is_spent(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    code = sold.every_code[0]
    assert api.post("/checkout/", json=basket(sold.product, codes=[code])).status_code == 201
    found = refusals(api, basket(sold.product, codes=[code], learner=JOHN))
    assert found == [{"error_code": "invalid_code", "code": code}]


def test_a_one_time_code_attached_by_another_learner_is_spent(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    code = sold.every_code[0]
    shop.attach(code, JOHN["email"])
    assert refusals(api, basket(sold.product, codes=[code])) == [{"error_code": "invalid_code", "code": code}]
    assert api.post("/checkout/", json=basket(sold.product, codes=[code], learner=JOHN)).status_code == 201


def test_an_unlimited_code_enrolls_many(api: httpx.Client, shop: Shop):
    sold = shop.sell()
    for learner in (JANE, JOHN):
        wanted = basket(sold.product, codes=sold.every_code, learner=learner)
        assert api.post("/checkout/", json=wanted).status_code == 201
    assert len(shop.attached(sold.slug)) == 2


@pytest.mark.parametrize("terms", [{"ends_on": LONG_AGO}, {"active": False}], ids=["over", "inactive"])
def test_a_contract_that_is_not_open(api: httpx.Client, shop: Shop, terms: dict[str, Any]):
    sold = shop.sell(cap=2)
    shop.change(sold.slug, **terms)
    found = refusals(api, basket(sold.product, codes=sold.every_code[:1]))
    assert found == [{"error_code": "contract_not_open", "product": sold.product}]


def test_a_full_contract_refuses_those_who_are_not_in_it(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=1, courses=2)
    first, second = sold.products
    shop.attach(sold.codes[first][0], JOHN["email"])
    wanted = basket(second, codes=sold.codes[second])
    assert refusals(api, wanted) == [{"error_code": "contract_full", "product": second}]
    assert api.post("/checkout/", json={**wanted, "learner": JOHN}).status_code == 201


@pytest.mark.parametrize(
    "when",
    [
        "enrollment_end = now() - interval '1 second'",
        "enrollment_start = now() + interval '1 hour'",
        "\"end\" = now() - interval '1 day', enrollment_end = now() - interval '1 day'",
    ],
    ids=["over", "not-begun", "run-over"],
)
@pytest.mark.parametrize("attached", [True, False])
def test_nothing_is_spent_on_a_run_that_nobody_can_enter(api: httpx.Client, shop: Shop, when: str, attached: bool):
    sold = shop.sell(cap=2)
    if attached:
        shop.attach(sold.every_code[0], JANE["email"])
    before = (shop.redemptions(sold.slug), shop.attached(sold.slug))
    shop.run(f"UPDATE course_run SET {when} WHERE contract_id IS NOT NULL")
    for codes in ([sold.every_code[0]], []) if attached else ([sold.every_code[0]],):
        found = refusals(api, basket(sold.product, codes=codes))
        assert found == [{"error_code": "run_not_open", "product": sold.product}]
    assert nothing_recorded(shop)
    assert (shop.redemptions(sold.slug), shop.attached(sold.slug)) == before


def test_one_who_is_enrolled_in_a_run_that_closed_is_told_that_they_are(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    assert api.post("/checkout/", json=basket(sold.product, codes=sold.every_code[:1])).status_code == 201
    shop.run("UPDATE course_run SET enrollment_end = now() - interval '1 second'")
    assert refusals(api, basket(sold.product, codes=sold.every_code[:1]))[0]["error_code"] == "already_enrolled"


def test_a_contract_extended_beyond_its_runs_sells_nothing_until_it_has_new_ones(
    api: httpx.Client, shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, database_url: str
):
    sold = shop.sell(cap=2, end=LONG_AGO)
    shop.change(sold.slug, ends_on=None)
    wanted = basket(sold.product, codes=sold.every_code[:1])
    assert refusals(api, wanted) == [{"error_code": "run_not_open", "product": sold.product}]
    assert nothing_recorded(shop)
    assert shop.redemptions(sold.slug) == shop.attached(sold.slug) == []
    monkeypatch.setenv("B2B_DATABASE_URL", database_url)
    assert run("b2b_contract", "courseware", sold.slug, "course-v1:MITx+1.00", "--rerun").status == 0
    again = shop.sold(sold.slug)
    product = again.products[-1]
    assert api.post("/checkout/", json=basket(product, codes=again.codes[product][:1])).status_code == 201


def test_a_product_without_a_contract_may_be_bought_whenever(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    shop.run("UPDATE course_run SET contract_id = NULL, enrollment_end = now() - interval '1 day'")
    assert api.post("/checkout/", json=basket(sold.product)).status_code == 201


def test_at_zero_total_it_completes_at_once_and_attaches(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    code = sold.every_code[0]
    wanted = basket(sold.product, codes=[code.upper()])
    quoted = api.post("/checkout/quote/", json=wanted).json()
    line = {"product": sold.product, "code": code, "amount": "0.00"}
    assert quoted == {
        "allowed": True,
        "refusals": [],
        "lines": [line],
        "total": "0.00",
        "currency": "usd",
        "payment_required": False,
        "completed": False,
        "order": None,
    }
    assert nothing_recorded(shop)
    assert shop.run("SELECT count(*) FROM learner") == [0]
    answer = api.post("/checkout/", json=wanted)
    assert answer.status_code == 201
    body = answer.json()
    assert body == {**quoted, "completed": True, "order": body["order"]}
    assert shop.redemptions(sold.slug) == [(code, "enroll", JANE["email"]), (code, "attach", JANE["email"])]
    assert shop.attached(sold.slug) == [(JANE["email"], "code")]
    assert set(shop.run("SELECT order_reference FROM code_redemption")) == {body["order"]}
    assert shop.run("SELECT count(*) FROM enrollment") == [1]


def test_two_courses_of_a_contract_take_one_seat(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=1, courses=2)
    assert api.post("/checkout/", json=basket(*sold.products, codes=sold.every_code)).status_code == 201
    assert len(shop.attached(sold.slug)) == 1
    assert [kind for _, kind, _ in shop.redemptions(sold.slug)] == ["enroll", "enroll", "attach"]


def test_a_learner_attached_before_is_not_attached_again(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    shop.attach(sold.every_code[0], JANE["email"])
    assert api.post("/checkout/", json=basket(sold.product, codes=sold.every_code[1:])).status_code == 201
    assert [kind for _, kind, _ in shop.redemptions(sold.slug)] == ["attach", "enroll"]


def test_above_zero_it_asks_for_payment_and_completes_when_paid(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2, price="99.90", courses=2)
    wanted = basket(*sold.products, codes=[codes[0] for codes in sold.codes.values()])
    quoted = api.post("/checkout/quote/", json=wanted).json()
    assert (quoted["allowed"], quoted["payment_required"], quoted["total"]) == (True, True, "199.80")
    unpaid = api.post("/checkout/", json=wanted)
    assert unpaid.status_code == 402
    body = unpaid.json()
    assert (body["payment_required"], body["total"], body["currency"]) == (True, "199.80", "usd")
    assert (body["completed"], body["order"], body["error_code"]) == (False, None, "payment_required")
    assert nothing_recorded(shop)
    assert shop.attached(sold.slug) == []
    paid = api.post("/checkout/", json={**wanted, "payment_reference": "pay_1"})
    assert paid.status_code == 201
    assert (paid.json()["completed"], paid.json()["payment_required"]) == (True, False)
    assert shop.run("SELECT total || currency || payment_reference FROM checkout_order") == ["199.80usdpay_1"]


@pytest.mark.parametrize("blank", ["", " ", "\t\u00a0"])
def test_a_blank_payment_reference_pays_nothing(api: httpx.Client, shop: Shop, blank: str):
    sold = shop.sell(cap=2, price="99.90")
    wanted = basket(sold.product, codes=sold.every_code[:1], payment_reference=blank)
    for path in ("/checkout/quote/", "/checkout/"):
        assert api.post(path, json=wanted).status_code == 400
    assert nothing_recorded(shop)


def test_the_price_is_that_of_the_code(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2, price="99.90")
    shop.run("UPDATE enrollment_code SET amount = 12.5")
    quoted = api.post("/checkout/quote/", json=basket(sold.product, codes=sold.every_code[:1])).json()
    assert (quoted["lines"][0]["amount"], quoted["total"]) == ("12.50", "12.50")


def test_a_product_without_a_contract_knows_none_of_these_rules(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    shop.run("UPDATE course_run SET contract_id = NULL")
    shop.run("UPDATE product SET price = 7")
    wanted = basket(sold.product)
    assert api.post("/checkout/", json=wanted).status_code == 402
    paid = api.post("/checkout/", json={**wanted, "payment_reference": "p"})
    assert paid.status_code == 201
    assert paid.json()["lines"] == [{"product": sold.product, "code": None, "amount": "7.00"}]


def test_an_empty_basket(api: httpx.Client, shop: Shop):
    assert refusals(api, basket()) == [{"error_code": "empty_basket"}]


def test_an_unknown_product(api: httpx.Client, shop: Shop):
    assert refusals(api, basket(4711)) == [{"error_code": "unknown_product", "product": 4711}]


def test_an_inactive_product(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    shop.run("UPDATE product SET active = false")
    assert refusals(api, basket(sold.product)) == [{"error_code": "inactive_product", "product": sold.product}]


def test_a_learner_enrolled_already(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    api.post("/checkout/", json=basket(sold.product, codes=sold.every_code[:1]))
    found = refusals(api, basket(sold.product, codes=sold.every_code[1:]))
    assert found == [{"error_code": "already_enrolled", "product": sold.product}]


def test_every_reason_is_told_at_once(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    shop.change(sold.slug, ends_on=LONG_AGO)
    found = refusals(api, basket(sold.product, 4711, codes=[UNKNOWN]))
    assert [refusal["error_code"] for refusal in found] == [
        "unknown_product",
        "invalid_code",
        "missing_enrollment_code",
        "contract_not_open",
    ]


def test_a_completed_checkout_comes_again_with_its_key(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    wanted = basket(sold.product, codes=sold.every_code[:1])
    first = api.post("/checkout/", json=wanted, headers={"Idempotency-Key": "k-1"})
    again = api.post("/checkout/", json=wanted, headers={"Idempotency-Key": "k-1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert shop.run("SELECT count(*) FROM checkout_order") == [1]
    other = api.post("/checkout/", json=basket(), headers={"Idempotency-Key": "k-1"})
    assert (other.status_code, other.json()["error_code"]) == (422, "idempotency_key_reused")


def test_a_key_is_free_until_its_checkout_completes(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2, price="5")
    wanted = basket(sold.product, codes=sold.every_code[:1])
    key = {"Idempotency-Key": "k-2"}
    assert api.post("/checkout/", json=wanted, headers=key).status_code == 402
    paid = {**wanted, "payment_reference": "p"}
    assert [api.post("/checkout/", json=paid, headers=key).status_code for _ in range(2)] == [201, 200]


def test_a_key_belongs_to_its_token(api: httpx.Client, connect, shop: Shop):
    sold = shop.sell(cap=2)
    key = {"Idempotency-Key": "k-3"}
    for client, learner, code in ((api, JANE, 0), (connect("checkout"), JOHN, 1)):
        wanted = basket(sold.product, codes=[sold.every_code[code]], learner=learner)
        assert client.post("/checkout/", json=wanted, headers=key).status_code == 201


def test_one_key_at_once_from_all_sides_completes_one_checkout(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    wanted = basket(sold.product, codes=sold.every_code[:1])
    with ThreadPoolExecutor(16) as crowd:
        answers = list(
            crowd.map(lambda _: api.post("/checkout/", json=wanted, headers={"Idempotency-Key": "k"}), range(16))
        )
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.text for answer in answers}) == 1


def test_the_last_seat_is_checked_out_once(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=1, courses=4)

    def buy(place: int) -> int:
        product = sold.products[place % 4]
        wanted = basket(product, codes=sold.codes[product], learner={"email": f"learner-{place}@example.com"})
        return api.post("/checkout/", json=wanted).status_code

    with ThreadPoolExecutor(20) as crowd:
        assert sorted(crowd.map(buy, range(20))) == [201] + [409] * 19
    assert len(shop.attached(sold.slug)) == 1
