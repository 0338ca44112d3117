"""Attaching over HTTP: every row of its table, and fifty who want the last seat."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import httpx
import pytest

from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person
from tests.shop import LONG_AGO, Shop

JANE = {"email": "Jane@example.com", "name": "Jane", "lms_user_id": 42}
JOHN = {"email": "john@example.com"}


@pytest.fixture
def api(connect) -> httpx.Client:
    return connect("attach")


def test_a_learner_is_attached_and_the_redemption_recorded(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    answer = api.post(f"/attach/{sold.every_code[0]}/", json=JANE)
    assert (answer.status_code, answer.json()) == (201, {"result": "attached", "contract": "acme-2026"})
    assert shop.attached(sold.slug) == [("Jane@example.com", "code")]
    assert shop.redemptions(sold.slug) == [(sold.every_code[0], "attach", "Jane@example.com")]
    assert shop.run("SELECT name || lms_user_id FROM learner") == ["Jane42"]


@pytest.mark.parametrize("second", [0, 1], ids=["with-the-same-code", "with-another-code-of-it"])
def test_attaching_again_changes_nothing_and_spends_no_code(api: httpx.Client, shop: Shop, second: int):
    sold = shop.sell(cap=2)
    api.post(f"/attach/{sold.every_code[0]}/", json=JANE)
    answer = api.post(f"/attach/{sold.every_code[second]}/", json={"email": "JANE@EXAMPLE.COM", "name": "Another"})
    assert (answer.status_code, answer.json()) == (200, {"result": "already_attached", "contract": "acme-2026"})
    assert len(shop.redemptions(sold.slug)) == len(shop.attached(sold.slug)) == 1
    assert shop.run("SELECT name FROM learner") == ["Jane"]


def test_an_attached_learner_is_told_so_after_the_contract_closed(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=1)
    api.post(f"/attach/{sold.every_code[0]}/", json=JANE)
    shop.change(sold.slug, ends_on=LONG_AGO)
    assert api.post(f"/attach/{sold.every_code[0]}/", json=JANE).status_code == 200


def test_there_is_no_such_code(api: httpx.Client, shop: Shop):
    shop.sell(cap=1)
    answer = api.post("/attach/00000000-0000-4000-8000-000000000000/", json=JANE)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "invalid_code")
    assert "detail" in answer.json()


def test_an_inactive_code_is_invalid(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=3)
    shop.change(sold.slug, max_learners=2)
    answer = api.post(f"/attach/{sold.every_code[2]}/", json=JANE)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "invalid_code")


def test_a_code_attached_by_another_learner_is_invalid(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=3)
    api.post(f"/attach/{sold.every_code[0]}/", json=JANE)
    answer = api.post(f"/attach/{sold.every_code[0]}/", json=JOHN)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "invalid_code")
    assert shop.run("SELECT email FROM learner") == ["Jane@example.com"]


def test_a_code_of_a_removed_learner_stays_spent_for_others_and_admits_them_again(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=1)
    code = sold.every_code[0]
    api.post(f"/attach/{code}/", json=JANE)
    with shop.database.session() as session:
        learners.remove(session, sold.slug, JANE["email"])
    assert len(shop.sold(sold.slug).every_code) == 2
    assert api.post(f"/attach/{code}/", json=JOHN).json()["error_code"] == "invalid_code"
    assert api.post(f"/attach/{code}/", json=JANE).status_code == 201
    assert shop.run(
        "SELECT count(*) FROM enrollment_code WHERE active AND NOT EXISTS"
        " (SELECT FROM code_redemption WHERE code_id = enrollment_code.id)"
    ) == [0]


def test_an_unlimited_code_attaches_many(api: httpx.Client, shop: Shop):
    sold = shop.sell()
    for person in (JANE, JOHN):
        assert api.post(f"/attach/{sold.every_code[0]}/", json=person).status_code == 201
    assert len(shop.attached(sold.slug)) == 2


@pytest.mark.parametrize(
    "terms",
    [{"ends_on": LONG_AGO}, {"starts_on": LONG_AGO.replace(year=2999)}, {"active": False}],
    ids=["over", "not-begun", "inactive"],
)
def test_a_contract_that_is_not_open_attaches_nobody(api: httpx.Client, shop: Shop, terms):
    sold = shop.sell(cap=1)
    shop.change(sold.slug, **terms)
    answer = api.post(f"/attach/{sold.every_code[0]}/", json=JANE)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "contract_not_open")
    assert shop.attached(sold.slug) == []


def test_a_full_contract_attaches_nobody_more(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=1, courses=2)
    api.post(f"/attach/{sold.every_code[0]}/", json=JANE)
    answer = api.post(f"/attach/{sold.every_code[1]}/", json=JOHN)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "contract_full")
    assert len(shop.attached(sold.slug)) == 1


def test_the_code_is_judged_before_the_contract(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=2)
    api.post(f"/attach/{sold.every_code[0]}/", json=JANE)
    shop.change(sold.slug, active=False)
    assert api.post(f"/attach/{sold.every_code[0]}/", json=JOHN).json()["error_code"] == "invalid_code"
    assert api.post(f"/attach/{sold.every_code[1]}/", json=JOHN).json()["error_code"] == "contract_not_open"


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "nobody"}, {"email": "a@example.com", "lms_user_id": 0}, {"email": "a@example.com", "state": "x"}],
)
def test_what_is_no_learner_is_refused_in_words(api: httpx.Client, shop: Shop, body):
    code = shop.sell(cap=1).every_code[0]
    answer = api.post(f"/attach/{code}/", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("body.")
    assert "nobody" not in answer.text


@pytest.mark.long
def test_fifty_at_once_want_the_last_seat_and_one_gets_it(api: httpx.Client, shop: Shop):
    """Each with an unspent code of their own, twenty times over."""
    sold = shop.sell(cap=50)
    with shop.database.session() as session:
        for number in range(49):
            learners.add(session, sold.slug, Person(f"seated-{number}@example.com"), datetime.now(UTC))
    together = Barrier(50)

    def attach(place: int) -> tuple[int, str | None]:
        together.wait(60)
        answer = api.post(f"/attach/{sold.every_code[place]}/", json={"email": f"learner-{place}@example.com"})
        return answer.status_code, answer.json().get("error_code")

    with ThreadPoolExecutor(50) as crowd:
        for _ in range(20):
            assert Counter(crowd.map(attach, range(50))) == {(201, None): 1, (409, "contract_full"): 49}
            assert len(shop.attached(sold.slug)) == 50
            assert len(shop.redemptions(sold.slug)) == 1
            shop.run("DELETE FROM code_redemption")
            shop.run("DELETE FROM contract_learner WHERE how = 'code'")


def test_signing_on_attaches_to_the_open_sso_contracts_with_room(api: httpx.Client, shop: Shop):
    open_one = shop.sell("Open", integration="sso")
    full = shop.sell("Full", integration="sso", price="10", cap=1)
    over = shop.sell("Over", integration="sso", end=LONG_AGO)
    with_codes = shop.sell("With codes")
    shop.sell("Of another", organization="Globex", integration="sso")
    shop.attach(full.every_code[0], "john@example.com")
    answer = api.post("/organizations/ACME/logins/", json=JANE)
    assert answer.status_code == 200
    assert answer.json() == {
        "attached": [open_one.slug],
        "already_attached": [],
        "refused": [{"contract": full.slug, "error_code": "contract_full"}],
    }
    again = api.post("/organizations/ACME/logins/", json=JANE).json()
    assert (again["attached"], again["already_attached"]) == ([], [open_one.slug])
    assert shop.attached(open_one.slug) == [("Jane@example.com", "sso")]
    assert shop.attached(over.slug) == shop.attached(with_codes.slug) == []


def test_signing_on_to_an_unknown_organization_is_404(api: httpx.Client, shop: Shop):
    assert api.post("/organizations/NOBODY/logins/", json=JANE).status_code == 404


def test_fifty_sign_on_at_once_and_the_cap_holds(api: httpx.Client, shop: Shop):
    sold = shop.sell(integration="sso", cap=3)

    def sign_on(place: int) -> int:
        answer = api.post("/organizations/ACME/logins/", json={"email": f"learner-{place}@example.com"})
        return len(answer.json()["attached"])

    with ThreadPoolExecutor(50) as crowd:
        assert sum(crowd.map(sign_on, range(50))) == 3
    assert len(shop.attached(sold.slug)) == 3
