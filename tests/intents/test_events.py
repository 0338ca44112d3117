"""Each type of event over HTTP, signed by Stripe's own package: twice, out of order, in the future, and thin."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import text

from sandbox.stripe import checkout_event, money_back_event, thin_event
from tests.intents.conftest import PATH
from tests.intents.test_intents import ACME, clean_up, end_reservation, told
from tests.waiting import wait_until

UNPAID = {"payment_status": "unpaid", "mode": "payment"}
SUCCEEDED = "checkout.session.async_payment_succeeded"
FAILED = "checkout.session.async_payment_failed"
COMPLETED = "checkout.session.completed"
EXPIRED = "checkout.session.expired"
SETUP = {"mode": "setup", "payment_status": "no_payment_required"}
LINKS = {"payment_intent": "pi_1", "customer": "cus_1"}

# name: (type, what the object says, the state it leads to, the alert it gives rise to)
TYPES = {
    "completed": (COMPLETED, {"mode": "payment"}, "paid", None),
    "completed-free": (COMPLETED, {"payment_status": "no_payment_required"}, "paid", None),
    "completed-unpaid": (COMPLETED, UNPAID, "created", None),
    "completed-setup": (COMPLETED, SETUP, "created", None),
    "succeeded": (SUCCEEDED, {"mode": "payment"}, "paid", None),
    "failed": (FAILED, UNPAID, "errored_stripe_checkout", "payment_payment_failed"),
    "expired": (EXPIRED, {**UNPAID, "status": "expired"}, "expired", None),
    "refunded": ("charge.refunded", {"amount": 9900, "amount_refunded": 9900}, "paid", "payment_money_back"),
    "disputed": ("charge.dispute.created", {"amount": 9900}, "paid", "payment_money_back"),
    "invoice": ("invoice.payment_failed", {"amount_due": 9900, "attempt_count": 1}, "paid", "payment_money_back"),
    "other": ("checkout.session.renamed", {}, "created", "payment_unusable"),
}
OF_SESSION = [name for name, (kind, *_) in TYPES.items() if kind.startswith("checkout.session.")]
MONEY_BACK = ["refunded", "disputed", "invoice"]


def event_of(name, intent, event_id="evt_a"):
    kind, fields, *_ = TYPES[name]
    if name in MONEY_BACK:
        return money_back_event(event_id, kind, **{"id": "obj_1", "payment_intent": "pi_1", **fields})
    return checkout_event(event_id, kind=kind, client_reference_id=intent["uuid"], **{"id": "cs_1", **fields})


@pytest.fixture
def seen(database, webhook):
    """The events of every alert there was: sent, or still waiting after a second.

    For a moment an alert is both, when it was received and its row is not deleted yet.
    """

    def waiting():
        with database.session() as session:
            return session.scalars(text("SELECT message ->> 'event' FROM unsent_alert")).all()

    def seen():
        with suppress(AssertionError):
            wait_until(lambda: not waiting(), seconds=1.0)
        return sorted([*webhook.events(), *waiting()])

    return seen


@pytest.mark.parametrize("name", TYPES)
def test_each_type_has_its_effect_once(intents, stripe, seen, name):
    made = intents.make()
    *_, state, alert = TYPES[name]
    if name in MONEY_BACK:
        stripe.session("completed", made, **LINKS)
    event = event_of(name, made)
    assert stripe.tell(event) != "replayed"
    first = intents.get(made)
    assert first["state"] == state
    assert [stripe.tell(event) for _ in range(2)] == ["replayed"] * 2
    again = stripe.tell(event_of(name, made, "evt_b"))  # the same fact, as another event
    assert again == (
        "unusable" if name == "other" else "already_paid" if state == "paid" and name in OF_SESSION else "already_known"
    )
    assert intents.get(made) == first
    wait_until(lambda: len(seen()) == (0 if alert is None else 2 if name == "other" else 1))
    assert set(seen()) == ({alert} if alert else set())


@pytest.mark.parametrize("name", TYPES)
def test_a_signature_from_the_future_is_refused_and_an_event_from_there_is_not(intents, stripe, name):
    made = intents.make()
    event = event_of(name, made)
    for at in (time.time() + 360, time.time() - 360, 4_000_000_000):
        refused = stripe.deliver(event, at=at)
        assert (refused.status_code, refused.json()["error_code"]) == (400, "invalid_signature")
    assert intents.get(made)["state"] == "created"
    assert stripe.tell(event | {"created": 4_000_000_000}, at=time.time() + 240) != "replayed"
    if name in OF_SESSION:
        assert intents.get(made)["state"] == TYPES[name][2]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("known", [True, False], ids=["of-a-known-session", "of-an-unknown-session"])
def test_a_thin_event_about_a_session_is_told_and_changes_nothing(intents, stripe, webhook, name, known):
    made = intents.make()
    if known:
        stripe.session("completed", made, **UNPAID)
    before = intents.get(made)
    about_sessions = name in OF_SESSION
    event = thin_event("evt_thin", f"v2.{TYPES[name][0]}", "cs_1")
    if not about_sessions:
        event["related_object"] = {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"}
    assert stripe.tell(event) == ("unusable" if about_sessions else "other_type")
    assert intents.get(made) == before
    if about_sessions:
        (alert,) = told(webhook)
        assert (alert["event"], alert["session"]) == ("payment_unusable", "cs_1")
        assert alert["intent"] == (made["uuid"] if known else None)


@pytest.mark.parametrize("last", ["succeeded", "failed"])
def test_what_comes_before_completed_leads_to_the_same(intents, stripe, last):
    """The last word of a slow payment, delivered before and after the session's completion."""
    shown = []
    for number, order in enumerate(permutations(["completed-unpaid", last])):
        made = intents.make(f"l{number}@example.com")
        for name in order:
            kind, fields, *_ = TYPES[name]
            stripe.session(kind.removeprefix("checkout.session."), made, f"cs_{number}", **fields)
        got = intents.get(made)
        shown.append((got["state"], got["pending_since"], got["stripe_checkout_session_id"] == f"cs_{number}"))
    assert shown == [(TYPES[last][2], None, True)] * 2


@pytest.mark.parametrize("name", [name for name in TYPES if name not in ("completed-unpaid", "other")])
def test_each_type_before_and_after_the_completion_of_its_session_adds_up_to_the_same(intents, stripe, seen, name):
    """A session, and what follows it, in both orders: the same state, money and alerts."""
    shown, alerted = [], []
    for number, order in enumerate(permutations(["completed-unpaid", name])):
        made = intents.make(f"l{number}@example.com")
        links = {"payment_intent": f"pi_{number}"}
        before = len(seen())
        for each in order:
            event = event_of(each, made, f"evt_{number}_{each}")
            event["data"]["object"] |= links | ({"id": f"cs_{number}"} if each in OF_SESSION else {})
            assert stripe.tell(event) not in ("replayed", "other_type")
        got = intents.get(made)
        amounts = [entry["amount"] for entry in got["money_back"]]
        shown.append((got["state"], got["pending_since"] is None, amounts))
        expected = before + (TYPES[name][3] is not None)
        wait_until(lambda expected=expected: len(seen()) == expected)
        alerted.append(len(seen()) - before)
    assert shown[0] == shown[1]
    assert alerted[0] == alerted[1]
    assert amounts == ([9900] if name in MONEY_BACK else [])


@pytest.mark.parametrize("order", list(permutations(["completed-unpaid", "succeeded", "refunded"])), ids="-".join)
def test_facts_in_any_order_add_up_to_the_same(intents, stripe, seen, order):
    made = intents.make()
    for number, name in enumerate(order):
        event = event_of(name, made, f"evt_{name}")
        if name in OF_SESSION:
            event["data"]["object"] |= LINKS
        stripe.tell(event)
        assert stripe.tell(event) == "replayed", number
    got = intents.get(made)
    assert (got["state"], got["pending_since"]) == ("paid", None)
    assert [entry["amount"] for entry in got["money_back"]] == [9900]
    wait_until(lambda: seen() == ["payment_money_back"])


@pytest.mark.parametrize("first", ["succeeded", "failed"])
def test_the_session_id_alone_names_the_intent_even_when_it_is_stored_later(intents, stripe, first):
    """An event without a name is kept with its session, and counts as soon as another event names the intent."""
    made = intents.make()
    kind, fields, state, _ = TYPES[first]
    assert stripe.session(kind.removeprefix("checkout.session."), None, **fields) == "unknown_intent"
    assert intents.get(made)["state"] == "created"
    stripe.session("completed", made, **UNPAID)
    assert intents.get(made)["state"] == state
    other = intents.make("other@example.com")
    stripe.session("completed", other, "cs_2", **UNPAID)
    stripe.session(kind.removeprefix("checkout.session."), None, "cs_2", **fields)
    assert intents.get(other)["state"] == state


def test_facts_told_at_the_same_moment_add_up_too(intents, stripe, seen):
    for number in range(5):
        made = intents.make(f"l{number}@example.com")
        events = [
            event_of(name, made, f"evt_{name}_{number}") for name in ("completed-unpaid", "succeeded", "refunded")
        ]
        for event in events:
            subject = event["data"]["object"]
            subject |= {"payment_intent": f"pi_{number}"} | ({"id": f"cs_{number}"} if "mode" in subject else {})
        with ThreadPoolExecutor(9) as pool:
            list(pool.map(stripe.tell, events * 3))
        got = intents.get(made)
        assert (got["state"], got["pending_since"], len(got["money_back"])) == ("paid", None, 1)
    wait_until(lambda: seen() == ["payment_money_back"] * 5)


class TestExpiry:
    def test_an_expired_session_ends_the_reservation_at_once_and_frees_the_place(self, intents, stripe):
        made = intents.make(**ACME)
        assert intents.post("rival@example.com", **ACME).status_code == 422
        assert stripe.session("expired", made, **UNPAID) == "session_expired"
        assert intents.get(made)["state"] == "expired"
        assert intents.post("rival@example.com", **ACME).status_code == 201

    def test_the_end_of_a_session_from_before_the_learner_came_back_ends_nothing(self, intents, stripe, database):
        made = intents.make(**ACME)
        opened = int(time.time())
        with database.session() as session:
            session.execute(text("UPDATE checkout_intent SET created_at = created_at - interval '23 hours'"))
        assert intents.post(**ACME).status_code == 200
        before = intents.get(made)
        old = {**UNPAID, "created": opened - 23 * 3600}
        assert stripe.session("expired", made, "cs_old", **old) == "old_session_expired"
        assert stripe.session("expired", made, "cs_old", **old) == "already_known"
        assert intents.get(made) == before
        assert intents.post("rival@example.com", **ACME).status_code == 422
        assert stripe.session("expired", made, "cs_new", **UNPAID, created=opened) == "session_expired"
        assert intents.get(made)["state"] == "expired"

    @pytest.mark.parametrize("created", [1_700_000_000, None, "yesterday", 0, 10**40, True])
    def test_the_end_of_the_only_session_ends_the_reservation_whenever_it_says_it_was_opened(
        self, intents, stripe, created
    ):
        made = intents.make(**ACME)
        assert stripe.session("expired", made, **UNPAID, created=created) == "session_expired"
        assert intents.get(made)["state"] == "expired"

    def test_a_pending_payment_of_another_session_holds_the_place(self, intents, stripe):
        made = intents.make(**ACME)
        stripe.session("completed", made, "cs_1", **UNPAID)
        stripe.session("expired", made, "cs_2", **UNPAID)
        assert intents.get(made)["state"] == "created"
        assert intents.get(made)["pending_since"]

    def test_a_slow_payment_that_begins_after_the_reservation_ended_takes_its_place_again(
        self, intents, stripe, database
    ):
        made = intents.make(**ACME)
        end_reservation(database, made)
        assert clean_up(database).expired == 1
        assert stripe.session("completed", made, **UNPAID) == "pending"
        assert (intents.get(made)["state"], intents.post("rival@example.com", **ACME).status_code) == ("created", 422)
        assert clean_up(database).expired == 0

    def test_or_is_told_when_the_place_is_taken_and_again_when_the_money_comes(
        self, intents, stripe, database, webhook
    ):
        made = intents.make(**ACME)
        end_reservation(database, made)
        clean_up(database)
        rival = intents.make("rival@example.com", **ACME)
        assert stripe.session("completed", made, **UNPAID) == "pending_place_taken"
        lost = intents.get(made)
        assert lost["state"] == "expired"
        assert lost["last_error"].startswith("session cs_1 is being paid when its place is taken: the enterprise ")
        assert stripe.session("async_payment_succeeded", made) == "place_taken"
        assert intents.get(made)["state"] == "errored_provisioning"
        assert intents.get(rival)["state"] == "created"
        wait_until(lambda: webhook.events() == ["payment_pending_place_taken", "payment_place_taken"])


class TestAttacks:
    """Two sessions, two intents and events at the same moment."""

    def test_an_event_of_a_session_that_belongs_to_another_intent_moves_neither_and_alerts(
        self, intents, stripe, webhook
    ):
        mine, other = intents.make(), intents.make("other@example.com")
        stripe.session("completed", mine, **UNPAID)
        assert stripe.session("async_payment_succeeded", other) == "paid"
        assert (intents.get(mine)["state"], intents.get(other)["state"]) == ("paid", "created")
        (alert,) = told(webhook)
        assert (alert["event"], alert["intent"]) == ("payment_unusable", mine["uuid"])
        assert other["uuid"] in alert["reason"]

    @pytest.mark.parametrize(("session", "status"), [({}, "paid"), (UNPAID, "pending")], ids=["paid", "unpaid"])
    def test_money_for_an_intent_that_does_not_exist_is_alerted(self, stripe, webhook, session, status):
        unknown = "00000000-0000-4000-8000-000000000001"
        named = {"metadata": {"checkout_intent_uuid": unknown}}
        assert stripe.session("expired", None, "cs_0", **UNPAID, **named) == "unknown_intent"
        assert stripe.session("completed", None, **session, **named) == "unknown_intent"
        (alert,) = told(webhook)
        assert (alert["event"], alert["session"], alert["intent"]) == ("payment_unusable", "cs_1", None)
        assert unknown in alert["reason"]

    def test_two_sessions_that_pay_at_the_same_moment_are_one_payment_and_one_alert(self, intents, stripe, seen):
        for number in range(5):
            made = intents.make(f"l{number}@example.com")
            with ThreadPoolExecutor(2) as pool:
                paid = [
                    pool.submit(stripe.session, "completed", made, f"cs_{number}_{each}", customer="cus_1")
                    for each in "ab"
                ]
            assert sorted(each.result() for each in paid) == ["paid", "paid_again"]
            assert intents.get(made)["state"] == "paid"
        wait_until(lambda: seen() == ["payment_paid_again"] * 5)

    def test_a_payment_that_fails_and_succeeds_at_the_same_moment_is_paid_and_alerted(self, intents, stripe, seen):
        for number in range(5):
            made = intents.make(f"l{number}@example.com")
            stripe.session("completed", made, f"cs_{number}", **UNPAID)
            with ThreadPoolExecutor(2) as pool:
                last = [
                    pool.submit(stripe.session, f"async_payment_{word}", made, f"cs_{number}", **UNPAID)
                    for word in ("failed", "succeeded")
                ]
            assert {each.result() for each in last} <= {"payment_failed", "paid", "already_paid"}
            assert intents.get(made)["state"] == "paid"
        wait_until(lambda: len(seen()) == 5)
        assert set(seen()) <= {"payment_payment_failed", "payment_unusable"}

    def test_a_client_and_the_upkeep_cannot_end_a_debit_that_is_on_its_way(self, intents, stripe, database):
        made = intents.make(**ACME)
        stripe.session("completed", made, **UNPAID)
        end_reservation(database, made)
        path = f"{PATH}{made['uuid']}/"
        assert intents.client.delete(path).status_code == 405
        for body in ({"state": "expired"}, {"expires_at": "2020-01-01T00:00:00Z"}, {"pending_since": None}):
            assert intents.client.patch(path, json=body).status_code == 400
        assert intents.post(enterprise_name="Other", enterprise_slug="other").status_code == 200
        assert clean_up(database).expired == 0
        held = intents.get(made)
        assert (held["state"], held["enterprise_slug"]) == ("created", "acme")
        assert stripe.session("async_payment_succeeded", made) == "paid"

    def test_a_failed_debit_holds_its_place_until_the_intent_is_paid_by_another_session(self, intents, stripe):
        made = intents.make(**ACME)
        stripe.session("completed", made, **UNPAID)
        stripe.session("async_payment_failed", made, **UNPAID)
        refused = intents.post(**ACME)
        assert (refused.status_code, refused.json()["error_code"]) == (422, "intent_errored")
        assert intents.post("rival@example.com", **ACME).status_code == 422
        assert stripe.session("completed", made, "cs_2") == "paid"
        assert intents.get(made)["payment"]["session"] == "cs_2"


class TestMoneyBack:
    def test_it_is_recorded_with_type_amount_currency_and_time_and_shown_by_the_command(
        self, intents, stripe, webhook, run, monkeypatch, database_url
    ):
        made = intents.make()
        stripe.session("completed", made, subscription="sub_1", customer="cus_1")
        stripe.tell(
            money_back_event("evt_r", "charge.refunded", amount_refunded=5000, customer="cus_1", created=1_790_000_000)
        )
        stripe.tell(money_back_event("evt_i", "invoice.payment_failed", amount_due=9900, subscription="sub_1"))
        got = intents.get(made)
        assert got["state"] == "paid"
        refund, invoice = got["money_back"]
        assert refund == {
            "type": "charge.refunded", "amount": 5000, "currency": "usd", "time": "2026-09-21T14:13:20Z",
        }  # fmt: skip
        assert (invoice["type"], invoice["amount"]) == ("invoice.payment_failed", 9900)
        wait_until(lambda: len(webhook.posted) == 2)
        assert [alert["amount_total"] for alert in webhook.posted] == [5000, 9900]
        monkeypatch.setenv("B2B_DATABASE_URL", database_url)
        (listed,) = run("b2b intents list --json").json
        assert [entry["type"] for entry in listed["money_back"]] == ["charge.refunded", "invoice.payment_failed"]
        assert (listed["payment"]["amount_total"], listed["pending_since"]) == (9900, None)
        assert "charge.refunded" in run("b2b intents list").out.replace("\n", "")

    def test_refunds_of_parts_are_each_recorded(self, intents, stripe):
        made = intents.make()
        stripe.session("completed", made, **LINKS)
        for number, (refunded, before) in enumerate([(1000, 0), (3000, 1000)]):
            event = money_back_event(
                f"evt_{number}", "charge.refunded", id="ch_1", payment_intent="pi_1", amount_refunded=refunded
            )
            event["data"]["previous_attributes"] = {"amount_refunded": before}
            assert stripe.tell(event) == "money_back"
        assert [entry["amount"] for entry in intents.get(made)["money_back"]] == [1000, 2000]

    def test_what_concerns_another_purchase_is_recorded_and_told_nobody(self, intents, stripe, webhook):
        made = intents.make()
        stripe.session("completed", made, **LINKS)
        event = money_back_event("evt_1", "charge.refunded", payment_intent="pi_9", customer="cus_1", amount_refunded=1)
        assert stripe.tell(event) == "unknown_intent"
        assert intents.get(made)["money_back"] == []
        assert webhook.posted == []

    def test_what_a_customer_got_back_before_the_intent_was_made_is_not_its(self, intents, stripe, database):
        stripe.tell(money_back_event("evt_1", "invoice.payment_failed", customer="cus_1", amount_due=1))
        made = intents.make()
        stripe.session("completed", made, customer="cus_1", mode="subscription", subscription="sub_1")
        assert intents.get(made)["money_back"] == []


class TestDifferences:
    @pytest.fixture(autouse=True)
    def published(self, database):
        with database.session() as session:
            session.execute(
                text("""
                    INSERT INTO academy_product (uuid, slug, product_key, name, long_name, description, marketing_url,
                        thumbnail_url, tags, stripe_product_id, lookup_key, display_order, active, price, price_state, stale)
                    VALUES (gen_random_uuid(), 'data', '', 'Data', '', '', '', '', '[]', 'prod_1', 'data', 0, true,
                        '{"id": "price_1", "product": "prod_1", "currency": "usd", "unit_amount": 9900}', 'priced', false)
                """)
            )

    @pytest.mark.parametrize(
        ("session", "difference"),
        [
            ({"amount_total": 100}, "amount 100, expected 19800 (minor units)"),
            ({"amount_total": 19800, "currency": "eur"}, "currency eur, expected usd"),
            ({"amount_total": 19800, "metadata": {"stripe_product_id": "prod_9"}}, "product prod_9, expected prod_1"),
        ],
        ids=["amount", "currency", "product"],
    )
    def test_a_session_that_differs_is_stored_and_told_once(self, intents, stripe, webhook, session, difference):
        made = intents.make(stripe_product_id="prod_1", quantity=2)
        assert stripe.session("completed", made, **UNPAID, **session) == "pending"
        assert stripe.session("async_payment_succeeded", made, **session) == "paid"
        payment = intents.get(made)["payment"]
        assert payment["differences"] == [difference]
        assert payment["amount_total"] == session["amount_total"]
        (alert,) = told(webhook)
        assert (alert["event"], alert["reason"]) == ("payment_differs", difference)

    def test_a_session_as_agreed_is_not_told_whatever_discount_it_had(self, intents, stripe, webhook):
        made = intents.make(stripe_product_id="prod_1", quantity=2)
        items = {"object": "list", "data": [{"price": {"id": "price_1", "product": "prod_1"}, "quantity": 2}]}
        stripe.session("completed", made, amount_subtotal=19800, amount_total=15000, line_items=items)
        assert intents.get(made)["payment"] == {
            "session": "cs_1", "amount_total": 15000, "currency": "usd", "products": ["prod_1"], "differences": [],
            "at": intents.get(made)["payment"]["at"],
        }  # fmt: skip
        assert webhook.posted == []

    def test_the_price_that_counts_is_the_one_of_the_reservation(self, intents, stripe, database, webhook):
        made = intents.make(stripe_product_id="prod_1")
        with database.session() as session:
            session.execute(text("UPDATE academy_product SET price = price || '{\"unit_amount\": 12900}'"))
        stripe.session("completed", made, amount_total=9900)
        assert intents.get(made)["payment"]["differences"] == []

    def test_an_academy_bought_as_the_teams_plan_is_told(self, intents, stripe, webhook):
        made = intents.make()
        stripe.session("completed", made, metadata={"stripe_product_id": "prod_1"})
        assert told(webhook)[0]["reason"] == "product prod_1, expected the Teams plan"


class TestContradictions:
    def test_a_session_keeps_its_first_intent_and_the_second_is_told(self, intents, stripe, webhook):
        one, two = intents.make("a@example.com"), intents.make("b@example.com")
        stripe.session("completed", one)
        assert stripe.session("completed", two) == "already_paid"
        assert [intents.get(each)["state"] for each in (one, two)] == ["paid", "created"]
        assert two["uuid"] in told(webhook)[0]["reason"]

    def test_a_failure_after_the_money_came_is_told_and_changes_nothing(self, intents, stripe, webhook):
        made = intents.make()
        stripe.session("async_payment_succeeded", made)
        stripe.session("async_payment_failed", made, **UNPAID)
        assert intents.get(made)["state"] == "paid"
        assert told(webhook)[0]["event"] == "payment_unusable"

    def test_a_session_of_an_unknown_kind_that_is_paid_is_told(self, intents, stripe, webhook):
        made = intents.make()
        assert stripe.session("completed", made, mode="layaway") == "unusable"
        assert intents.get(made)["state"] == "created"
        assert told(webhook)[0]["intent"] == made["uuid"]
        assert stripe.session("completed", None, "cs_foreign", mode="layaway") == "other_type"

    def test_a_second_payment_for_an_errored_intent_pays_it_and_is_told(self, intents, stripe, webhook, provisioning):
        made = intents.make()
        stripe.session("completed", made, "cs_1")
        report = {"state": "errored_provisioning", "reason": "no seats"}
        provisioning.post(f"{PATH}{made['uuid']}/errored/", json=report)
        assert stripe.session("async_payment_succeeded", made, "cs_1") == "already_paid"
        assert intents.get(made)["state"] == "errored_provisioning"
        assert stripe.session("completed", made, "cs_2") == "paid"
        assert intents.get(made)["state"] == "paid"
        assert told(webhook)[0]["event"] == "payment_paid_again"


class TestTerms:
    SIZE = 64 * 1024

    def test_terms_are_at_most_64_kib_in_all_merged_or_not(self, intents):
        fits = {"a": "x" * (self.SIZE - len('{"a": ""}'))}
        made = intents.make(terms_metadata=fits)
        for answer in (
            intents.post("other@example.com", terms_metadata=fits | {"b": 1}),
            intents.post(terms_metadata={"b": 1}),
            intents.client.patch(f"{PATH}{made['uuid']}/", json={"terms_metadata": {"b": 1}}),
        ):
            assert answer.status_code == 400
            assert str(self.SIZE) in answer.json()["detail"]
        assert intents.get(made)["terms_metadata"] == fits
        smaller = {"a": "é" * (self.SIZE // 2 - 10)}
        assert intents.client.patch(f"{PATH}{made['uuid']}/", json={"terms_metadata": smaller}).status_code == 200


def test_a_payment_pending_for_more_than_14_days_is_told_once(intents, stripe, database, webhook):
    made = intents.make()
    stripe.session("completed", made, **UNPAID)
    since = datetime.fromisoformat(intents.get(made)["pending_since"])
    assert clean_up(database, now=since + timedelta(days=14)).overdue == 0
    assert clean_up(database, now=since + timedelta(days=14, seconds=1)).overdue == 1
    assert clean_up(database, now=since + timedelta(days=15)).overdue == 0
    assert intents.get(made)["state"] == "created"
    stripe.session("completed", intents.make("other@example.com"), "cs_2")  # what waits is sent with the next event
    (alert,) = told(webhook)
    assert (alert["event"], alert["intent"]) == ("payment_overdue", made["uuid"])
