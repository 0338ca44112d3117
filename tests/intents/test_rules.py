"""Which state follows which and why, what an event tells, and what a session's events add up to."""

from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.errors import Conflict, InvalidInput
from b2b_pipelines.intents.facts import (
    MoneyBack,
    SessionFact,
    SessionMalformed,
    SessionStatus,
    Unusable,
    as_links,
    as_texts,
    later,
    leads_to,
    read_event,
)
from b2b_pipelines.intents.rules import (
    ACTIVE,
    ERRORED,
    TRANSITIONS,
    IntentState,
    Trigger,
    differences,
    errored_state,
    require_step,
    step,
)
from sandbox.stripe import checkout_event, money_back_event, thin_event
from tests.intents.diagram import state_diagram

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ONE, TWO = str(UUID(int=1)), str(UUID(int=2))
GUIDE = Path(__file__).parents[2] / "docs" / "checkout-intents.md"
states = st.sampled_from(IntentState)
statuses = st.sampled_from(SessionStatus)
OF_SESSION = ("completed", "async_payment_succeeded", "async_payment_failed", "expired")


def fact(**session):
    found = read_event(checkout_event("evt_1", **session), NOW)
    assert isinstance(found, SessionFact)
    return found


class TestStates:
    def test_the_states_and_what_may_follow_them(self):
        created, paid, expired, fulfilled = (IntentState(name) for name in ("created", "paid", "expired", "fulfilled"))
        failed = IntentState.ERRORED_STRIPE_CHECKOUT
        follows = {state: {each.after for each in TRANSITIONS if each.before is state} for state in IntentState}
        assert follows == {
            created: {created, paid, expired, failed},
            paid: {fulfilled, *ERRORED},
            expired: {created, paid, failed, IntentState.ERRORED_PROVISIONING},
            fulfilled: set(),
            **{state: {fulfilled, paid} for state in ERRORED},
        }
        assert {created, paid, *ERRORED} == ACTIVE

    def test_the_diagram_in_the_guide_is_that_of_the_table(self):
        """Changed the table? Put the new diagram into the guide: `python -m tests.intents.diagram`."""
        guide = GUIDE.read_text(encoding="utf-8")
        assert guide.count("```mermaid") == 1
        assert f"```mermaid\n{state_diagram()}\n```" in guide
        for each in TRANSITIONS:
            assert str(each.trigger) in guide

    @given(states, states, st.sampled_from(Trigger))
    def test_a_report_makes_a_step_of_the_table_is_refused_or_was_made(self, now, then, trigger):
        if now == then:
            assert require_step(now, then, trigger) is False
        elif any((each.before, each.trigger, each.after) == (now, trigger, then) for each in TRANSITIONS):
            assert require_step(now, then, trigger) is True
        else:
            with pytest.raises(Conflict):
                require_step(now, then, trigger)

    @given(states)
    def test_money_is_refused_only_where_it_came_already(self, state):
        assert (step(state, Trigger.PAYMENT) is None) is (state in (IntentState.PAID, IntentState.FULFILLED))

    def test_errored_states_by_name(self):
        assert {errored_state(str(state)) for state in ERRORED} == ERRORED
        for other in ("paid", "created", "errored", ""):
            with pytest.raises(InvalidInput, match="errored_provisioning"):
                errored_state(other)


class TestFacts:
    @pytest.mark.parametrize(
        ("kind", "mode", "payment", "status"),
        [
            ("completed", "payment", "paid", "paid"),
            ("completed", "subscription", "no_payment_required", "paid"),
            ("completed", "payment", "unpaid", "pending"),
            ("completed", "setup", "no_payment_required", "setup"),
            ("completed", None, "paid", "paid"),
            ("completed", "layaway", "paid", None),
            ("completed", None, "no_payment_required", None),
            ("completed", "payment", "Paid", None),
            ("completed", "payment", None, None),
            ("completed", "setup", "paid", None),
            ("async_payment_succeeded", "payment", "paid", "paid"),
            ("async_payment_failed", "payment", "unpaid", "failed"),
            ("async_payment_failed", "setup", "unpaid", "setup"),
            ("expired", "subscription", "unpaid", "expired"),
        ],
    )
    def test_what_a_session_event_says(self, kind, mode, payment, status):
        event = checkout_event("evt_1", kind=f"checkout.session.{kind}", mode=mode, payment_status=payment)
        found = read_event(event, NOW)
        if status is None:
            assert isinstance(found, Unusable)
        else:
            assert isinstance(found, SessionFact)
            assert found.status == status

    @pytest.mark.parametrize(
        ("reference", "metadata", "names"),
        [
            pytest.param(ONE, {"checkout_intent_uuid": TWO}, [ONE, TWO], id="the-reference-before-the-metadata"),
            pytest.param(None, {"checkout_intent_uuid": TWO}, [TWO], id="metadata-alone"),
            pytest.param("cart-7", {"checkout_intent_uuid": TWO}, [TWO], id="a-reference-that-is-not-a-uuid"),
            pytest.param(7, [], [], id="nonsense"),
            pytest.param(None, None, [], id="nothing"),
        ],
    )
    def test_which_intent_a_session_names(self, reference, metadata, names):
        assert [str(name) for name in fact(client_reference_id=reference, metadata=metadata).names] == names

    @given(st.lists(statuses, min_size=1, max_size=4))
    def test_what_facts_add_up_to_does_not_depend_on_their_order_or_number(self, told):
        results = set()
        for order in permutations(told):
            known = order[0]
            for status in (*order, *order):
                known = later(known, status)
            results.add(known)
        assert len(results) == 1
        assert (SessionStatus.PAID in results) is (SessionStatus.PAID in told)

    def test_ids_may_be_the_objects_that_they_name(self):
        found = fact(payment_intent={"id": "pi_1", "object": "payment_intent"}, customer="cus_1", subscription=None)
        assert found.links == {"payment_intent": "pi_1", "customer": "cus_1"}
        assert as_links(as_texts(found.links)) == found.links

    def test_the_terms_are_what_was_agreed_before_discounts_in_the_currency_of_the_price(self):
        items = {"data": [{"price": {"product": "prod_2"}}, {"price": {"product": {"id": "prod_1"}}}, {}, 7]}
        found = fact(amount_total=8000, amount_subtotal=9900, currency="USD", line_items=items)
        assert found.terms == {
            "amount_total": 8000, "amount": 9900, "currency": "usd", "products": ["prod_1", "prod_2"],
        }  # fmt: skip
        conversion = {"amount_total": 9900, "amount_subtotal": 9900, "source_currency": "usd", "fx_rate": "0.9"}
        converted = fact(amount_total=8910, currency="eur", currency_conversion=conversion)
        assert (converted.terms["amount"], converted.terms["currency"]) == (9900, "usd")

    @pytest.mark.parametrize("session", [{"id": "cs_\x00"}, {"id": "x" * 256}, {"currency": "\ud800"}])
    def test_what_cannot_be_kept_is_refused(self, session):
        with pytest.raises(SessionMalformed):
            read_event(checkout_event("evt_1", **session), NOW)

    @pytest.mark.parametrize(
        "event",
        [
            {"type": "checkout.session.completed"},
            {"type": "checkout.session.completed", "data": 7},
            {"type": "checkout.session.completed", "data": {"object": []}},
            checkout_event("evt_1", id=None),
            checkout_event("evt_1", kind="checkout.session.renamed"),
            checkout_event("evt_1", kind="v2.checkout.something"),
            thin_event("evt_1", "v1.checkout.session.completed", "cs_1"),
        ],
    )
    def test_what_concerns_a_session_and_cannot_be_used_is_noticed(self, event):
        assert isinstance(read_event(event, NOW), Unusable)

    @pytest.mark.parametrize(
        "event",
        [
            checkout_event("evt_1", kind="invoice.paid", object="invoice"),
            {"type": "customer.created", "data": {"object": {"object": "customer", "id": "cus_1"}}},
            {"type": "charge.refunded", "data": {}},
            {"type": "v2.core.account.updated", "object": "v2.core.event", "related_object": {"type": "account"}},
            {"type": "ping"},
        ],
    )
    def test_other_events_tell_nothing(self, event):
        assert read_event(event, NOW) is None

    @given(
        st.sampled_from(["charge.refunded", "charge.dispute.created", "invoice.payment_failed", "checkout.session.expired"])
        | st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "object", "amount", "parent", "charge", "customer", "data", "price", "line_items", "mode",
                     "metadata", "subscription_details", "currency_conversion", "payment_status", "related_object"]
                ),
                inner,
                max_size=4,
            ),
            max_leaves=12,
        ),
    )  # fmt: skip
    def test_whatever_stripe_may_sign_is_read_or_refused_and_never_fails(self, kind, subject):
        for event in ({"type": kind, "data": {"object": subject}}, {"type": kind, "related_object": subject}):
            try:
                read_event(event, NOW)
            except SessionMalformed:
                continue


class TestMoneyBack:
    def entry(self, kind, **fields):
        found = read_event(money_back_event("evt_1", kind, created=1_790_000_000, **fields), NOW)
        assert isinstance(found, MoneyBack)
        return found

    def test_a_refund_of_a_part_is_the_part(self):
        event = money_back_event("evt_1", "charge.refunded", amount=9900, amount_refunded=3000)
        event["data"]["previous_attributes"] = {"amount_refunded": 1000}
        found = read_event(event, NOW)
        assert isinstance(found, MoneyBack)
        assert found.entry["amount"] == 2000

    def test_amounts_currencies_and_times(self):
        refund = self.entry("charge.refunded", amount=9900, amount_refunded=9900, currency="USD", payment_intent="pi_1")
        assert {name: refund.entry[name] for name in ("type", "amount", "currency", "time")} == {
            "type": "charge.refunded",
            "amount": 9900,
            "currency": "usd",
            "time": "2026-09-21T14:13:20+00:00",
        }
        dispute = self.entry("charge.dispute.created", amount=9900, charge={"id": "ch_1", "payment_intent": "pi_1"})
        assert (dispute.entry["amount"], dispute.links) == (9900, {"payment_intent": "pi_1"})
        parent = {"subscription_details": {"subscription": "sub_1"}}
        invoice = self.entry("invoice.payment_failed", amount_due=9900, amount_remaining=5000, parent=parent)
        assert (invoice.entry["amount"], invoice.links) == (5000, {"subscription": "sub_1"})

    @pytest.mark.parametrize("created", ["2026-01-01T00:00:00Z", -1, 10**30, 4_000_000_000])
    def test_a_time_that_is_not_one_of_the_past_is_now(self, created):
        found = read_event(money_back_event("evt_1", "charge.refunded", created=created), NOW)
        assert isinstance(found, MoneyBack)
        assert found.entry["time"] == NOW.isoformat()

    @pytest.mark.parametrize(
        ("event", "session", "strength"),
        [
            ({"payment_intent": "pi_1"}, {"payment_intent": "pi_1"}, 3),
            ({"subscription": "sub_1", "customer": "cus_2"}, {"subscription": "sub_1", "customer": "cus_1"}, 2),
            ({"customer": "cus_1"}, {"customer": "cus_1", "subscription": "sub_1"}, 1),
            pytest.param(
                {"customer": "cus_1", "payment_intent": "pi_9"}, {"customer": "cus_1", "subscription": "sub_1"}, 1,
                id="the-payment-of-an-invoice-of-the-subscription",
            ),
            pytest.param(
                {"customer": "cus_1", "payment_intent": "pi_9"}, {"customer": "cus_1", "payment_intent": "pi_1"}, 0,
                id="another-purchase-of-the-customer",
            ),
            pytest.param(
                {"customer": "cus_1", "subscription": "sub_9"}, {"customer": "cus_1", "subscription": "sub_1"}, 0,
                id="another-subscription-of-the-customer",
            ),
            pytest.param(
                {"customer": "cus_1", "subscription": "sub_9"}, {"customer": "cus_1", "payment_intent": "pi_1"}, 0,
                id="a-subscription-of-one-who-bought-once",
            ),
            ({}, {}, 0),
        ],
    )  # fmt: skip
    def test_which_session_money_back_leads_to(self, event, session, strength):
        assert leads_to(event, session) == strength


class TestDifferences:
    OFFERED = ({"product": "prod_1", "unit_amount": 9900, "currency": "usd"},)

    @pytest.mark.parametrize(
        ("terms", "quantity", "found"),
        [
            ({"amount": 9900, "currency": "usd", "products": ["prod_1"]}, 1, []),
            ({"amount": 29700, "currency": "usd"}, 3, []),
            ({"amount": 9900, "currency": "usd"}, 3, ["amount 9900, expected 29700 (minor units)"]),
            ({"amount": 9900, "currency": "eur"}, 1, ["currency eur, expected usd"]),
            ({"products": ["prod_9"]}, 1, ["product prod_9, expected prod_1"]),
            ({}, 1, []),
        ],
    )
    def test_a_session_is_compared_with_what_was_offered(self, terms, quantity, found):
        assert differences(terms, self.OFFERED, "prod_1", quantity) == found

    def test_without_a_known_price_only_the_product_is_compared(self):
        assert differences({"amount": 1, "currency": "usd"}, [], "prod_1", 1) == []
        assert differences({"products": ["prod_9"]}, [], "prod_1", 1) == ["product prod_9, expected prod_1"]
        assert differences({"amount": 1, "products": ["prod_9"]}, [], "", 1) == []

    def test_a_price_finer_than_a_cent_is_not_compared(self):
        offered = [{"product": "prod_1", "unit_amount": None, "currency": "usd"}]
        assert differences({"amount": 1, "currency": "usd"}, offered, "prod_1", 1) == []
