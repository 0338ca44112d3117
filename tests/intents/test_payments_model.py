"""Stripe's events in any order and number, the upkeep, clients and provisioning: money never goes unseen.

Beside the service stands a Stripe that knows what really happened to each session. After every step: no intent is paid
without money, and money that an event reported has led to a paid or errored intent, or to an alert.
"""

from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import Refused
from b2b_pipelines.intents import payments, service
from b2b_pipelines.intents.rules import ERRORED, IntentState
from b2b_pipelines.intents.service import Wish
from b2b_pipelines.learners.service import Person
from sandbox.stripe import checkout_event, money_back_event, thin_event

RESERVATION, STALLED_AFTER = timedelta(hours=24), timedelta(seconds=180)
PEOPLE = ("jane@example.com", "john@example.com")
WISHES: tuple[dict[str, str], ...] = (
    {},
    {"stripe_product_id": "prod_1"},
    {"enterprise_name": "Acme", "enterprise_slug": "acme"},
)
FEW = st.integers(0, 3)
NAMING = st.sampled_from(["reference", "metadata", "at first"])
LETTERS = st.tuples(FEW, st.sampled_from(["once", "once", "twice", "as another event"]))
STEPS = st.lists(
    st.tuples(FEW, st.sampled_from(["debit", "card", "debit", "expired"]), st.booleans()), min_size=1, max_size=3
)
DELIVERED: Counter[str] = Counter()
SETTLED = (IntentState.PAID, IntentState.FULFILLED, *ERRORED)
INTENTS = text("SELECT uuid, state, pending_since, lost_place, money_back FROM checkout_intent")
ALERTS = text("SELECT message ->> 'event' AS event, message ->> 'session' AS session FROM unsent_alert")


@dataclass
class CheckoutAtStripe:
    """A session as it really is, and what its events reported. `names_intent`: how its events name the intent."""

    number: int
    intent: UUID
    names_intent: str
    opened: datetime
    status: str = "open"
    told: set[str] = field(default_factory=set)
    refunded: int = 0
    bound: bool = False

    @property
    def id(self) -> str:
        return f"cs_{self.number}"

    @property
    def money_was_told(self) -> bool:
        return self.bound and "paid" in self.told

    def event(self, event_id: str, kind: str, payment_status: str) -> dict[str, Any]:
        named: dict[str, Any] = {}
        if self.names_intent == "reference" or (self.names_intent == "at first" and kind == "completed"):
            named["client_reference_id"] = str(self.intent)
        elif self.names_intent == "metadata":
            named["metadata"] = {"checkout_intent_uuid": str(self.intent)}
        return checkout_event(
            event_id,
            kind=f"checkout.session.{kind}",
            **{"id": self.id, "mode": "payment", "payment_intent": f"pi_{self.number}", "customer": "cus_1"},
            created=int(self.opened.timestamp()),
            payment_status=payment_status,
            **named,
        )


@dataclass
class Letter:
    """An event that Stripe has to deliver: at least once, at some time."""

    event: dict[str, Any]
    of: CheckoutAtStripe
    tells: str


class Payments(RuleBasedStateMachine):
    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.session: Session = self.stack.enter_context(self.database.rehearsal())
        self.now = datetime.now(UTC)
        self.intents: list[UUID] = []
        self.renewed: dict[UUID, datetime] = {}
        self.wishes: dict[UUID, tuple[str, dict[str, str]]] = {}
        self.sessions: list[CheckoutAtStripe] = []
        self.letters: list[Letter] = []
        self.numbers = 0
        self.changed = True

    def teardown(self) -> None:
        self.stack.close()

    @initialize(what=st.sampled_from(WISHES), names_intent=NAMING)
    def somebody_reserves(self, what: dict[str, str], names_intent: str) -> None:
        self._reserve(PEOPLE[0], what, names_intent)

    @rule(steps=STEPS, posted=st.lists(LETTERS, min_size=1, max_size=5))
    def stripe_works(self, steps: list[tuple[int, str, bool]], posted: list[tuple[int, str]]) -> None:
        """Sessions go on; then anything is delivered, in any order, as often as Stripe likes."""
        for which, what, well in steps:
            self._advance(self.sessions[-1 - which % len(self.sessions)], what, well=well)
        self._deliver(posted)

    @rule(
        what=st.one_of(
            st.tuples(st.just("reserve"), st.sampled_from(PEOPLE), st.sampled_from(WISHES), NAMING),
            st.tuples(st.just("come back"), FEW, NAMING),
            st.tuples(st.just("wait"), st.sampled_from([0, 25, 24 * 15])),
            st.tuples(st.just("report"), FEW, st.sampled_from(["fulfilled", *sorted(ERRORED)])),
            st.tuples(st.just("thin"), FEW),
        ),
        steps=STEPS,
        posted=st.lists(LETTERS, max_size=2),
    )
    def others_act(
        self, what: tuple[Any, ...], steps: list[tuple[int, str, bool]], posted: list[tuple[int, str]]
    ) -> None:
        """Clients, the upkeep, provisioning, thin events; and Stripe goes on."""
        self.changed = True
        match what:
            case ("reserve", who, wish, names_intent):
                self._reserve(who, wish, names_intent)
            case ("come back", which, names_intent):
                uuid = self.intents[which % len(self.intents)]
                before = [each for each in self.sessions if each.intent == uuid and each.status == "open"]
                self.now += timedelta(minutes=6)
                self._reserve(*self.wishes[uuid], names_intent)
                for old in before[-1:]:
                    self._advance(old, "expired", well=True)
                    self._deliver([(0, "once")])
            case ("wait", hours):
                self.now += timedelta(hours=hours, minutes=5)
                service.clean_up(self.session, self.now, STALLED_AFTER)
            case ("report", which, report):
                self._report(self.intents[which % len(self.intents)], report)
            case ("thin", which):
                of, before = self.sessions[which % len(self.sessions)], self._alerts()
                self._receive(thin_event(self._event_id(), "v2.checkout.session.updated", of.id))
                assert self._alerts() - before == Counter([("payment_unusable", of.id)])
        for which, does, well in steps:
            self._advance(self.sessions[-1 - which % len(self.sessions)], does, well=well)
        self._deliver(posted)

    def _reserve(self, who: str, what: dict[str, str], names_intent: str) -> None:
        """A learner reserves, or comes back; the shop opens a session."""
        uuid = self.intents[-1] if self.intents else None
        with suppress(Refused), self.session.begin_nested():
            intent, made = service.reserve(self.session, Wish(Person(who), **what), self.now, RESERVATION)
            uuid = intent.uuid
            if made:
                self.intents.append(uuid)
                self.wishes[uuid] = who, what
            elif intent.state == IntentState.CREATED:
                self.renewed[uuid] = self.now
        assert uuid is not None
        self.numbers += 1
        self.sessions.append(CheckoutAtStripe(self.numbers, uuid, names_intent, self.now))

    def _report(self, uuid: UUID, report: str) -> None:
        with suppress(Refused), self.session.begin_nested():
            if report == "fulfilled":
                service.fulfill(self.session, uuid, self.now)
            else:
                service.fail(self.session, uuid, report, "a reason", self.now)

    def _advance(self, of: CheckoutAtStripe, what: str, *, well: bool) -> None:
        """Let the next thing happen to a session, and Stripe write the event that tells it."""
        if of.status == "open":
            of.status = {"card": "paid", "debit": "pending", "expired": "expired"}[what]
            kind = "expired" if what == "expired" else "completed"
            self._write(of, kind, "paid" if what == "card" else "unpaid", of.status)
        elif of.status == "pending":
            of.status = "paid" if well else "failed"
            kind = "async_payment_succeeded" if well else "async_payment_failed"
            self._write(of, kind, "paid" if well else "unpaid", of.status)
        elif of.status == "paid":
            of.refunded += 1
            event = money_back_event(
                self._event_id(),
                "charge.refunded",
                id=f"ch_{of.number}",
                payment_intent=f"pi_{of.number}",
                amount_refunded=of.refunded * 100,
            )
            self.letters.append(Letter(event, of, f"refund {of.refunded}"))

    def _deliver(self, posted: list[tuple[int, str]]) -> None:
        for which, how in posted if self.letters else ():
            letter = self.letters[-1 - which % len(self.letters)]
            self._receive_expiry(letter) if letter.tells == "expired" else self._receive(letter.event)
            if how == "twice":
                assert payments.receive_event(self.session, letter.event, self.now).effect is None
            elif how == "as another event":
                self._receive(letter.event | {"id": self._event_id()})
            of, subject = letter.of, letter.event["data"]["object"]
            of.told.add(letter.tells)
            if not letter.tells.startswith("refund"):
                named = subject["client_reference_id"] or subject["metadata"].get("checkout_intent_uuid")
                of.bound = of.bound or bool(named)
            DELIVERED[letter.tells.partition(" ")[0]] += 1

    def _receive_expiry(self, letter: Letter) -> None:
        """The end of a session from before the learner came back ends nothing."""
        uuid, is_old = letter.of.intent, letter.of.opened < self.renewed.get(letter.of.intent, letter.of.opened)
        before = self._state(uuid)
        self._receive(letter.event)
        if is_old and before == IntentState.CREATED:
            DELIVERED["old"] += 1
            assert self._state(uuid) == IntentState.CREATED, "an old session ended a new reservation"

    def _state(self, uuid: UUID) -> str:
        self.session.flush()
        found = self.session.scalar(text("SELECT state FROM checkout_intent WHERE uuid = :uuid"), {"uuid": uuid})
        return str(found)

    # What must hold

    @invariant()
    def money_is_never_without_a_trace(self) -> None:
        if not self.changed:
            return
        self.changed = False
        rows = {row.uuid: row for row in self.session.execute(INTENTS)}
        alerts = self._alerts()
        for uuid, row in rows.items():
            ours = [each for each in self.sessions if each.intent == uuid and each.bound]
            paying = [each for each in ours if each.money_was_told]
            if row.state == IntentState.PAID:
                assert paying, "paid without money"
            assert not paying or row.state in SETTLED or any(alerts[_paid(each)] for each in paying), "money unseen"
            if len(paying) > 1:
                told = [
                    alerts["payment_paid_again", each.id] + alerts["payment_place_taken", each.id] for each in paying
                ]
                assert sum(map(bool, told)) >= len(paying) - 1, "a second payment unseen"
            waiting = [each for each in ours if "pending" in each.told and not each.told & {"paid", "failed"}]
            if waiting and row.state == IntentState.EXPIRED:
                assert any(alerts["payment_pending_place_taken", each.id] for each in waiting), "a debit lost its place"
            for each in ours:
                if "failed" in each.told:
                    assert alerts["payment_payment_failed", each.id] == 1, "a failed debit is reported once"
            refunds = sum(word.startswith("refund") for each in ours for word in each.told)
            assert len(row.money_back) == refunds, "each refund once"
            assert (row.pending_since is None) or row.state == IntentState.CREATED

    def _receive(self, event: dict[str, Any]) -> None:
        self.changed = True
        payments.receive_event(self.session, event, self.now)

    def _alerts(self) -> Counter[tuple[str, str]]:
        self.session.flush()
        return Counter((row.event, row.session) for row in self.session.execute(ALERTS))

    def _write(self, of: CheckoutAtStripe, kind: str, payment_status: str, tells: str) -> None:
        self.letters.append(Letter(of.event(self._event_id(), kind, payment_status), of, tells))

    def _event_id(self) -> str:
        self.numbers += 1
        return f"evt_{self.numbers}"


def _paid(each: CheckoutAtStripe) -> tuple[str, str]:
    return "payment_paid_again", each.id


def explore(database: Database, sequences: int, number: int) -> None:
    class Explored(Payments):
        pass

    Explored.database = database
    DELIVERED.clear()
    chosen = settings(max_examples=sequences, stateful_step_count=4, derandomize=False)
    run_state_machine_as_test(seed(number)(Explored), settings=chosen)
    assert sequences < 1000 or DELIVERED["old"], "no learner came back before an old session ended"
    assert min(DELIVERED[tells] for tells in ("paid", "pending", "failed", "expired", "refund")) > sequences / 20, (
        DELIVERED
    )


def test_money_is_never_without_a_trace_in_20_sequences(database):
    explore(database, 20, 1)


@pytest.mark.long
@pytest.mark.parametrize("number", range(1, 6))
def test_money_is_never_without_a_trace_in_5000_sequences(database, number):
    """1,000 each, so that processes share them."""
    explore(database, 1000, number)
