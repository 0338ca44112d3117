"""A known LMS user id decides who a learner is, whatever the address: at attach, login, checkout and intent, and by command."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import httpx
import pytest

from b2b_pipelines.errors import Conflict
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person
from tests.api.conftest import Connect, Current, api_url, connect, served
from tests.commands import Run
from tests.shop import LONG_AGO, Sold

__all__ = ["Connect", "Current", "api_url", "connect", "served"]

OLD, NEW, OTHER = "jane@old.example.com", "jane@new.example.com", "john@example.com"
USER = 42


@pytest.fixture
def api(connect) -> httpx.Client:
    return connect("attach", "checkout", "emails", "read")


def jane(email=NEW, **more):
    return {"email": email, "lms_user_id": USER, **more}


def everyone(shop):
    return list(shop.run("SELECT email || coalesce(' ' || lms_user_id, '') FROM learner ORDER BY id"))


def at_attach(api, sold: Sold, person):
    return api.post(f"/attach/{sold.every_code[1]}/", json=person)


def at_login(api, sold: Sold, person):
    return api.post("/organizations/ACME/logins/", json=person)


def at_checkout(api, sold: Sold, person):
    return api.post("/checkout/", json={"learner": person, "products": [sold.product], "codes": [sold.every_code[1]]})


def at_intent(api, sold: Sold, person):
    return api.post("/checkout-intents/", json={"learner": person})


def sell_for(shop, at) -> Sold:
    """A contract with room for five; one that is signed on to has codes because it costs something."""
    return shop.sell(cap=5, integration="sso", price="9") if at is at_login else shop.sell(cap=5)


EVERYWHERE = pytest.mark.parametrize("at", [at_attach, at_login, at_checkout, at_intent])


@EVERYWHERE
def test_a_new_address_of_a_known_user_is_one_learner_with_one_seat(api, shop, at):
    sold = sell_for(shop, at)
    assert api.post(f"/attach/{sold.every_code[0]}/", json=jane(OLD)).status_code == 201
    assert at(api, sold, jane()).status_code in (200, 201)
    assert everyone(shop) == [f"{NEW} {USER}"]
    assert [email for email, _ in shop.attached(sold.slug)] == [NEW]
    assert {email for _, _, email in shop.redemptions(sold.slug)} == {NEW}


@EVERYWHERE
def test_an_address_that_another_learner_has_is_a_conflict_and_both_stay(
    api, shop, at, run: Run, monkeypatch, database_url
):
    sold = sell_for(shop, at)
    with shop.database.session() as session:
        learners.add(session, sold.slug, Person(OLD, "", USER), datetime.now(UTC))
        learners.add(session, sold.slug, Person(OTHER), datetime.now(UTC))
    before = (everyone(shop), shop.redemptions(sold.slug), shop.attached(sold.slug))
    for _ in range(2):
        refused = at(api, sold, jane(OTHER))
        assert (refused.status_code, refused.json()["error_code"]) == (409, "learner_conflict")
        assert OTHER not in refused.text
    assert (everyone(shop), shop.redemptions(sold.slug), shop.attached(sold.slug)) == before
    assert shop.run("SELECT message ->> 'event' FROM unsent_alert") == ["learner_conflict"]
    assert OTHER not in str(shop.run("SELECT message FROM unsent_alert"))
    monkeypatch.setenv("B2B_DATABASE_URL", database_url)
    known, other = shop.run("SELECT id FROM learner ORDER BY lms_user_id NULLS LAST")
    (pair,) = run("b2b learner conflicts --json").json
    assert {name: pair[name] for name in ("lms_user_id", "learner", "other_learner", "times")} == {
        "lms_user_id": USER, "learner": known, "other_learner": other, "times": 2,
    }  # fmt: skip
    assert OTHER in run("b2b learner conflicts --show-emails --json").out


def test_the_code_is_judged_before_the_conflict_and_the_conflict_before_the_contract(api, shop):
    sold = shop.sell(cap=2)
    with shop.database.session() as session:
        learners.add(session, sold.slug, Person(OLD, "", USER), datetime.now(UTC))
        learners.add(session, sold.slug, Person(OTHER), datetime.now(UTC))
    shop.change(sold.slug, ends_on=LONG_AGO)
    unknown = api.post("/attach/00000000-0000-4000-8000-000000000000/", json=jane(OTHER))
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "invalid_code")
    attached = api.post(f"/attach/{sold.every_code[0]}/", json=jane(OTHER))
    assert attached.json()["error_code"] == "learner_conflict"
    assert api.post(f"/attach/{sold.every_code[0]}/", json={"email": "new@example.com"}).json()["error_code"] == (
        "contract_not_open"
    )


def test_a_quote_tells_the_conflict_and_writes_nothing(api, shop):
    sold = shop.sell(cap=2)
    with shop.database.session() as session:
        learners.add(session, sold.slug, Person(OLD, "", USER), datetime.now(UTC))
        learners.add(session, sold.slug, Person(OTHER), datetime.now(UTC))
    basket = {"learner": jane(OTHER), "products": [sold.product], "codes": [sold.every_code[0]]}
    quoted = api.post("/checkout/quote/", json=basket)
    assert (quoted.status_code, quoted.json()["refusals"]) == (200, [{"error_code": "learner_conflict"}])
    moved = api.post("/checkout/quote/", json={**basket, "learner": jane()})
    assert moved.json()["allowed"]
    assert everyone(shop) == [f"{OLD} {USER}", OTHER]
    assert shop.run("SELECT count(*) FROM learner_conflict") == [0]


def test_an_unknown_user_id_is_learned_and_an_unknown_address_alone_is_another_person(api, shop):
    sold = shop.sell(cap=3)
    api.post(f"/attach/{sold.every_code[0]}/", json={"email": OLD})
    assert api.post(f"/attach/{sold.every_code[0]}/", json=jane(OLD.upper())).status_code == 200
    assert everyone(shop) == [f"{OLD} {USER}"]
    assert api.post(f"/attach/{sold.every_code[1]}/", json={"email": NEW}).status_code == 201
    assert len(shop.attached(sold.slug)) == 2


def test_an_address_that_was_given_up_is_free_for_another(api, shop):
    sold = shop.sell(cap=3)
    api.post(f"/attach/{sold.every_code[0]}/", json=jane(OLD))
    api.post(f"/attach/{sold.every_code[0]}/", json=jane(NEW))
    assert api.post(f"/attach/{sold.every_code[1]}/", json={"email": OLD, "lms_user_id": 7}).status_code == 201
    assert everyone(shop) == [f"{NEW} {USER}", f"{OLD} 7"]


def test_a_refused_attach_leaves_the_address(api, shop):
    sold, full = shop.sell(cap=2), shop.sell("Full", cap=1)
    api.post(f"/attach/{sold.every_code[0]}/", json=jane(OLD))
    shop.change(full.slug, ends_on=LONG_AGO)
    assert api.post(f"/attach/{full.every_code[0]}/", json=jane()).json()["error_code"] == "contract_not_open"
    assert everyone(shop) == [f"{OLD} {USER}"]


def test_exports_and_listings_show_the_new_address(api, shop, run: Run, monkeypatch, database_url, tmp_path):
    sold = shop.sell(cap=2)
    for email in (OLD, NEW):
        api.post(f"/attach/{sold.every_code[0]}/", json=jane(email))
    monkeypatch.setenv("B2B_DATABASE_URL", database_url)
    assert [row["email"] for row in run("b2b_list learners --json").json] == [NEW]
    codes = run(f"b2b_codes output --contract {sold.slug} --all --json").json
    assert [row["attached_by"] for row in codes] == [NEW, None]
    file = tmp_path / "codes.csv"
    run("b2b_list", "contracts", "--codes", sold.slug, "--codes-out", str(file))
    assert NEW in file.read_text()
    assert OLD not in file.read_text()


def test_commands_take_the_user_id(shop, run: Run, monkeypatch, database_url):
    sold = shop.sell(cap=3)
    monkeypatch.setenv("B2B_DATABASE_URL", database_url)
    assert run("b2b", "learner", "attach", sold.every_code[0], OLD, "--lms-user-id", str(USER)).status == 0
    again = run("b2b", "learner", "add", sold.slug, NEW, "--lms-user-id", str(USER), "--json")
    assert again.json["result"] == "already_attached"
    assert everyone(shop) == [f"{NEW} {USER}"]
    run("b2b", "learner", "add", sold.slug, OTHER)
    refused = run("b2b", "learner", "add", sold.slug, OTHER, "--lms-user-id", str(USER), "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "learner_conflict")
    assert len(run("b2b learner conflicts --json").json) == 1


def test_twenty_addresses_of_one_user_at_once_are_one_learner_with_one_seat(api, shop):
    sold = shop.sell(cap=20)
    together = Barrier(20)

    def attach(number: int) -> int:
        together.wait(60)
        return api.post(f"/attach/{sold.every_code[number]}/", json=jane(f"jane-{number}@example.com")).status_code

    with ThreadPoolExecutor(20) as crowd:
        statuses = sorted(crowd.map(attach, range(20)))
    assert statuses == [200] * 19 + [201]
    assert len(everyone(shop)) == len(shop.attached(sold.slug)) == len(shop.redemptions(sold.slug)) == 1


def test_an_address_taken_at_the_same_moment_is_a_conflict_and_never_a_failure(shop):
    """The other learner's row is not committed yet when the address is looked for."""
    sold = shop.sell(cap=3)
    with shop.database.session() as session:
        learners.add(session, sold.slug, Person(OLD, "", USER), datetime.now(UTC))

    def follow() -> object:
        with shop.database.session() as session:
            return learners.ensure(session, Person(OTHER, "", USER))

    with ThreadPoolExecutor(1) as pool:
        with shop.database.session() as session:
            learners.ensure(session, Person(OTHER))
            waiting = pool.submit(follow)
            while not shop.run("SELECT count(*) FROM pg_locks WHERE NOT granted")[0]:
                pass
        with pytest.raises(Conflict):
            waiting.result(10)
    assert everyone(shop) == [f"{OLD} {USER}", OTHER]
