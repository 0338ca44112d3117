"""Checkout intents through the API, Stripe's events and the upkeep, on a real database."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import dagster as dg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from assets.checkout import checkout_intents
from b2b_pipelines.intents import payments, service, store
from b2b_pipelines.intents.rules import ERRORED, IntentState
from b2b_pipelines.intents.service import Upkeep
from resources.database import DatabaseResource
from sandbox.stripe import checkout_event, signed
from tests.intents.conftest import EVENTS, PATH
from tests.waiting import wait_until

JSON = {"Content-Type": "application/json"}
ACME = {"enterprise_name": "Acme", "enterprise_slug": "acme"}


def nested(levels):
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def end_reservation(database, intent):
    with database.session() as session:
        session.execute(
            text("UPDATE checkout_intent SET expires_at = now() - interval '1 minute' WHERE uuid = :uuid"), intent
        )


def clean_up(database, stalled_after=timedelta(seconds=180), now=None):
    with database.session() as session:
        return service.clean_up(session, now or datetime.now(UTC), stalled_after)


def expired(database, intents, *args, **wish):
    made = intents.make(*args, **wish)
    end_reservation(database, made)
    assert clean_up(database).expired == 1
    return made


def told(webhook):
    """Wait for the message, because people are notified only after Stripe was answered."""
    wait_until(lambda: webhook.posted)
    return webhook.posted


class TestReserving:
    def test_a_new_intent_has_the_fields_that_were_promised(self, intents):
        wish = {**ACME, "stripe_product_id": "prod_1", "quantity": 5, "country": "DE", "terms_metadata": {"v": 1}}
        made = intents.make(**wish)
        assert made | wish == made
        assert made["learner"] == {"email": "jane@example.com", "name": "", "lms_user_id": None}
        assert (made["state"], made["stripe_checkout_session_id"], made["last_error"]) == ("created", "", "")
        left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
        assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
        assert intents.get(made) == made

    def test_null_says_nothing(self, intents):
        nothing = dict.fromkeys(
            ("stripe_product_id", "enterprise_name", "enterprise_slug", "quantity", "country", "terms_metadata")
        )
        made = intents.make(**nothing)
        assert (made["stripe_product_id"], made["quantity"], made["terms_metadata"]) == ("", 1, {})

    def test_again_updates_the_open_one_merges_terms_and_renews(self, intents, database):
        made = intents.make(quantity=2, country="DE", terms_metadata={"a": 1, "b": 1})
        answer = intents.post("JANE@example.com", terms_metadata={"b": 2}, **ACME)
        assert answer.status_code == 200
        again = answer.json()
        assert again["uuid"] == made["uuid"]
        assert (again["quantity"], again["country"], again["enterprise_slug"]) == (2, "DE", "acme")
        assert again["terms_metadata"] == {"a": 1, "b": 2}
        assert again["expires_at"] > made["expires_at"]

    def test_several_may_be_open_for_different_products(self, intents):
        made = [intents.make(stripe_product_id=product) for product in ("", "prod_1", "prod_2")]
        assert len({intent["uuid"] for intent in made}) == 3

    def test_a_paid_one_comes_back_unchanged(self, intents, stripe):
        made = intents.make(quantity=1)
        assert stripe.pays(made) == "paid"
        answer = intents.post(quantity=9, terms_metadata={"x": 1})
        assert answer.status_code == 200
        assert (answer.json()["state"], answer.json()["quantity"], answer.json()["terms_metadata"]) == ("paid", 1, {})

    def test_an_errored_one_is_refused_until_it_is_settled(self, intents, stripe, provisioning):
        made = intents.make()
        stripe.pays(made)
        report = {"state": "errored_provisioning", "reason": "no seats"}
        assert provisioning.post(f"{PATH}{made['uuid']}/errored/", json=report).status_code == 200
        assert intents.post().status_code == 422
        assert provisioning.post(f"{PATH}{made['uuid']}/fulfilled/").status_code == 200
        assert intents.post().status_code == 201

    @pytest.mark.parametrize(
        "wish", [{"enterprise_name": "Acme"}, {"enterprise_slug": "acme"}, {**ACME, "enterprise_slug": " "}]
    )
    def test_a_name_comes_with_a_slug(self, intents, wish):
        assert intents.post(**wish).status_code == 400

    @pytest.mark.parametrize(
        "wish",
        [
            {"enterprise_name": "Other", "enterprise_slug": "ACME"},
            {"enterprise_name": "aCMe", "enterprise_slug": "other"},
        ],
        ids=["slug", "name"],
    )
    def test_what_another_reserved_is_refused_without_saying_by_whom(self, intents, wish):
        intents.make("first@example.com", **ACME)
        answer = intents.post("second@example.com", **wish)
        assert answer.status_code == 422
        assert "first" not in answer.text
        mine = intents.make("second@example.com")
        assert intents.post("second@example.com", **wish).status_code == 422
        assert intents.get(mine)["enterprise_slug"] == ""

    def test_a_reservation_that_has_ended_is_free_before_the_upkeep_comes(self, intents, database):
        first = intents.make("first@example.com", **ACME)
        end_reservation(database, first)
        intents.make("second@example.com", **ACME)
        assert intents.get(first)["state"] == "expired"

    @pytest.mark.parametrize(
        "wish",
        [
            {"quantity": 0},
            {"quantity": True},
            {"quantity": "5"},
            {"quantity": 2**63},
            {"terms_metadata": []},
            {"terms_metadata": {"a": ["\x00"]}},
            {"terms_metadata": {"a": [{"\ud800": 1}]}},
            {"country": "\ud800"},
            {"learner": {}},
            {"learner": {"email": "nobody"}},
            {"country": 7},
            {"stripe_product_id": "x" * 256},
            {"nonsense": 1},
        ],
    )
    def test_what_cannot_be_understood_is_refused(self, intents, wish):
        body = {"learner": {"email": "jane@example.com"}, **wish}
        answer = intents.client.post(PATH, content=json.dumps(body), headers=JSON)
        assert answer.status_code == 400
        assert answer.json()["detail"]

    @pytest.mark.parametrize(
        ("body", "field", "message"),
        [
            ('{"country": "%s"}' % ("x" * 256), "body.country", "must be at most 255 characters long"),
            ("{", "body", "is not valid JSON"),
        ],
    )
    def test_a_refusal_says_in_plain_words_what_is_wrong(self, intents, body, field, message):
        made = intents.make()
        answer = intents.client.patch(f"{PATH}{made['uuid']}/", content=body, headers=JSON)
        assert answer.status_code == 400
        assert answer.json()["fields"] == {field: [message]}

    @pytest.mark.parametrize("levels", [21, 260, 500, 900, 100_000])
    def test_terms_that_are_nested_too_deep_are_refused_before_anything_is_kept(self, intents, levels):
        made = intents.make(terms_metadata=json.loads(nested(20)))
        deep = nested(levels)
        reserved = f'{{"learner": {{"email": "deep@example.com"}}, "terms_metadata": {deep}}}'
        for method, path, body in (
            ("POST", PATH, reserved),
            ("PATCH", f"{PATH}{made['uuid']}/", f'{{"terms_metadata": {deep}}}'),
            ("POST", PATH, "[" * levels + "]" * levels),
        ):
            answer = intents.client.request(method, path, content=body, headers=JSON)
            assert answer.status_code == 400
        assert intents.client.get(PATH).json()["results"] == [made]

    def test_20_creations_at_once_make_one_row(self, intents, database):
        start = threading.Barrier(20)

        def create(_):
            start.wait()
            return intents.post(stripe_product_id="prod_1", **ACME)

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(create, range(20)))
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
        assert len({answer.json()["uuid"] for answer in answers}) == 1
        with database.session() as session:
            assert session.scalar(text("SELECT count(*) FROM checkout_intent")) == 1

    def test_20_learners_at_once_for_one_slug_get_one_reservation(self, intents):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda number: intents.post(f"l{number}@example.com", **ACME), range(20)))
        assert sorted(answer.status_code for answer in answers) == [201] + [422] * 19

    @pytest.mark.parametrize(
        "columns",
        ["learner_id, stripe_product_id", "enterprise_slug, enterprise_name", "enterprise_name, enterprise_slug"],
    )
    def test_the_database_itself_keeps_places_apart(self, intents, database, columns):
        made = intents.make(**ACME)
        copied = {
            "learner_id": "learner_id",
            "stripe_product_id": "'other'",
            "enterprise_slug": "'other'",
            "enterprise_name": "'other'",
        }
        copied |= {
            column: f"upper({column})" if "enterprise" in column else column for column in columns.split(", ")[:2]
        }
        copy = text(
            "INSERT INTO checkout_intent (uuid, state, expires_at, state_changed_at, " + ", ".join(copied) + ")"
            " SELECT :new, state, expires_at, state_changed_at, "
            + ", ".join(copied.values())
            + " FROM checkout_intent WHERE uuid = :uuid"
        )
        with pytest.raises(IntegrityError, match="uq_checkout_intent_place"), database.session() as session:
            session.execute(copy, {"new": uuid4(), "uuid": made["uuid"]})


class TestReading:
    def test_current_is_the_newest_that_is_open_or_paid(self, intents, stripe, database):
        def current(**asked):
            answer = intents.client.get(f"{PATH}current/", params={"learner": "Jane@Example.com", **asked})
            return answer.json()["uuid"] if answer.status_code == 200 else answer.status_code

        assert current() == 404
        teams = intents.make(**ACME)
        academy = intents.make(stripe_product_id="prod_1")
        assert current() == academy["uuid"]
        assert current(stripe_product_id="") == teams["uuid"]
        assert current(stripe_product_id="prod_1") == academy["uuid"]
        assert current(enterprise_slug="ACME") == teams["uuid"]
        assert current(stripe_product_id="prod_1", enterprise_slug="acme") == 404
        end_reservation(database, academy)
        assert current() == teams["uuid"]
        stripe.pays(academy)
        assert current() == academy["uuid"]
        assert intents.client.get(f"{PATH}current/").status_code == 400

    def test_lists_are_filtered_and_paged(self, intents, stripe):
        made = [intents.make(f"l{number}@example.com", stripe_product_id=f"p{number % 2}") for number in range(5)]
        stripe.pays(made[0])

        def listed(**asked):
            body = intents.client.get(PATH, params=asked).json()
            return body["count"], [item["uuid"] for item in body["results"]]

        newest_first = [intent["uuid"] for intent in made[::-1]]
        assert listed() == (5, newest_first)
        assert listed(page_size=2, page=2) == (5, newest_first[2:4])
        assert listed(learner="L3@example.com") == (1, [made[3]["uuid"]])
        assert listed(stripe_product_id="p1") == (2, [made[3]["uuid"], made[1]["uuid"]])
        assert listed(state="paid") == (1, [made[0]["uuid"]])
        assert intents.client.get(PATH, params={"state": "nonsense"}).status_code == 400

    def test_addresses_are_masked_without_the_scope_for_them(self, intents, connect):
        made = intents.make()
        shown = connect("checkout").get(f"{PATH}{made['uuid']}/").json()
        assert shown["learner"]["email"] == "j•••@example.com"

    def test_addresses_that_were_typed_into_its_texts_are_masked_too(self, intents, stripe, connect, provisioning):
        typed = {"by": "kim@example.com", "kim@example.com": [{"deep": "write to kim%40example.com"}]}
        made = intents.make(terms_metadata=typed, enterprise_name="kim@example.com", enterprise_slug="kim")
        stripe.pays(made)
        report = {"state": "errored_provisioning", "reason": "kim@example.com is not known"}
        path = f"{PATH}{made['uuid']}/"
        assert "kim@" not in provisioning.post(f"{path}errored/", json=report).text
        for asked in (path, PATH):
            text = connect("checkout").get(asked).text
            assert "k•••@example.com is not known" in text
            assert not [word for word in ("kim@", "kim%40", "Kim@") if word in text]
        shown = intents.client.get(path).json()
        assert (shown["terms_metadata"], shown["last_error"]) == (typed, report["reason"])

    def test_who_may_do_what(self, intents, connect, url, provisioning):
        made = intents.make()
        import httpx

        assert httpx.get(url + PATH).status_code == 401
        assert connect("read").get(PATH).status_code == 403
        assert provisioning.get(PATH).status_code == 403
        assert intents.client.post(f"{PATH}{made['uuid']}/fulfilled/").status_code == 403
        assert intents.client.get(f"{PATH}{uuid4()}/").status_code == 404

    def test_the_openapi_document_says_the_same(self, intents, url):
        document = intents.client.get("/openapi.json").json()
        shown = document["components"]["schemas"]["IntentOut"]
        assert set(shown["properties"]) == set(shown["required"]) == set(intents.make())
        assert set(document["components"]["schemas"]["IntentPatch"]["properties"]) == {"country", "terms_metadata"}
        assert "security" not in document["paths"][EVENTS]["post"]


class TestStatesAreNotTheClientsToSet:
    def test_a_client_that_sets_a_state_is_refused_whatever_it_sends(self, intents):
        made = intents.make()
        path = f"{PATH}{made['uuid']}/"
        for state in (*IntentState, "nonsense", None, 7):
            assert intents.post(state=state).status_code == 400
            assert intents.post("other@example.com", state=state).status_code == 400
            assert intents.client.patch(path, json={"state": state}).status_code == 400
            assert intents.client.patch(path, json={"state": state, "country": "DE"}).status_code == 400
        for field in ("expires_at", "quantity", "stripe_checkout_session_id", "last_error", "uuid"):
            assert intents.client.patch(path, json={field: made[field]}).status_code == 400
        assert intents.client.put(path, json={"state": "paid"}).status_code == 405
        assert intents.get(made) == made

    def test_country_and_terms_may_be_changed(self, intents):
        made = intents.make(terms_metadata={"a": 1})
        answer = intents.client.patch(f"{PATH}{made['uuid']}/", json={"country": "FR", "terms_metadata": {"b": 2}})
        assert answer.status_code == 200
        assert intents.get(made) == made | {"country": "FR", "terms_metadata": {"a": 1, "b": 2}}


class TestEvents:
    def test_a_payment_makes_the_intent_paid_once_however_often_it_is_delivered(self, intents, stripe):
        made = intents.make()
        event = checkout_event("evt_once", client_reference_id=made["uuid"])
        assert stripe.deliver(event).json() == {"effect": "paid"}
        paid = intents.get(made)
        assert (paid["state"], paid["stripe_checkout_session_id"]) == ("paid", "cs_test_evt_once")
        for _ in range(3):
            answer = stripe.deliver(event)
            assert (answer.status_code, answer.json()) == (200, {"effect": "replayed"})
        assert intents.get(made) == paid

    def test_one_event_delivered_many_times_at_once_has_one_effect(self, intents, stripe):
        made = intents.make()
        event = checkout_event("evt_once", client_reference_id=made["uuid"])
        with ThreadPoolExecutor(10) as pool:
            effects = sorted(answer.json()["effect"] for answer in pool.map(lambda _: stripe.deliver(event), range(10)))
        assert effects == ["paid"] + ["replayed"] * 9

    def test_a_free_session_pays_and_the_metadata_may_name_the_intent(self, intents, stripe):
        made = intents.make()
        effect = stripe.pays(
            "cart-7", payment_status="no_payment_required", metadata={"checkout_intent_uuid": made["uuid"]}
        )
        assert (effect, intents.get(made)["state"]) == ("paid", "paid")

    def test_forged_and_old_signatures_are_refused_and_old_events_are_not(self, intents, stripe, url):
        import httpx

        made = intents.make()
        event = checkout_event("evt_1", client_reference_id=made["uuid"])
        body, headers = signed(event, "whsec_other")
        refusals = [
            httpx.post(url + EVENTS, content=body, headers=headers),
            httpx.post(url + EVENTS, json=event),
            stripe.deliver(event, at=time.time() - 360),
        ]
        body, headers = signed(event, "whsec_test")
        refusals.append(httpx.post(url + EVENTS, content=body.replace(b"paid", b"Paid"), headers=headers))
        assert [answer.status_code for answer in refusals] == [400] * 4
        assert intents.get(made)["state"] == "created"
        assert stripe.deliver(event | {"created": 1}).json() == {"effect": "paid"}

    @pytest.mark.parametrize(
        ("event", "effect"),
        [
            ({"mode": "setup", "payment_status": "no_payment_required"}, "not_paid"),
            ({"client_reference_id": str(uuid4())}, "unknown_intent"),
            ({"client_reference_id": None}, "unknown_intent"),
            ({"kind": "invoice.paid", "object": "invoice"}, "other_type"),
        ],
    )
    def test_what_pays_nothing_is_recorded_and_has_no_effect(self, intents, stripe, database, event, effect):
        made = intents.make()
        told = checkout_event("evt_1", **{"client_reference_id": made["uuid"], **event})
        answer = stripe.deliver(told)
        assert (answer.status_code, answer.json()) == (200, {"effect": effect})
        assert intents.get(made) == made
        with database.session() as session:
            assert session.execute(text("SELECT id, effect FROM stripe_event")).all() == [("evt_1", effect)]

    @pytest.mark.parametrize(
        "session", [{"id": "cs_\x00"}, {"id": "\ud800"}, {"currency": "\x00"}, {"currency": "\ud800"}]
    )
    def test_a_signed_event_that_cannot_be_kept_is_refused_and_is_no_wrong_signature(self, intents, stripe, session):
        made = intents.make()
        answer = stripe.deliver(checkout_event("evt_1", client_reference_id=made["uuid"], **session))
        assert (answer.status_code, answer.json()["error_code"]) == (400, "invalid_event")
        assert intents.get(made) == made
        assert stripe.pays(made) == "paid"

    def test_without_the_secret_events_are_off_and_say_so(self, database, monkeypatch):
        import httpx

        from b2b_pipelines.api.app import create_app
        from b2b_pipelines.settings import read_settings
        from tests.api.conftest import serving

        with serving(create_app(read_settings(), database)) as url:
            body, headers = signed(checkout_event("evt_1"), "whsec_test")
            answer = httpx.post(url + EVENTS, content=body, headers=headers)
        assert answer.status_code == 404
        assert "B2B_STRIPE_WEBHOOK_SECRET" in answer.text

    def test_a_payment_after_the_reservation_ended_still_pays(self, intents, stripe, database, webhook):
        made = expired(database, intents, **ACME)
        assert intents.get(made)["state"] == "expired"
        assert stripe.pays(made) == "paid"
        assert intents.get(made)["state"] == "paid"
        assert webhook.posted == []

    @pytest.mark.parametrize(
        ("email", "wish"),
        [
            pytest.param("jane@example.com", {}, id="product"),
            pytest.param("other@example.com", {"enterprise_name": "New", "enterprise_slug": "ACME"}, id="slug"),
            pytest.param("other@example.com", {"enterprise_name": "ACME", "enterprise_slug": "new"}, id="name"),
        ],
    )
    def test_a_late_payment_whose_place_is_taken_is_kept_and_told(
        self, intents, stripe, database, webhook, email, wish
    ):
        late = expired(database, intents, **ACME)
        taker = intents.make(email, **wish)
        assert stripe.pays(late, amount_total=12300) == "place_taken"
        kept = intents.get(late)
        assert kept["state"] == "errored_provisioning"
        assert "place was taken" in kept["last_error"]
        assert kept["stripe_checkout_session_id"].startswith("cs_test_")
        with database.session() as session:
            payment = service.find(session, late["uuid"]).payment
        assert (payment["amount_total"], payment["currency"]) == (12300, "usd")
        (alert,) = told(webhook)
        assert (alert["event"], alert["intent"], alert["amount_total"]) == ("payment_place_taken", late["uuid"], 12300)
        assert "example.com" not in str(alert)
        # It refuses nothing: the taker goes on, and the learner may try again elsewhere.
        assert intents.post(email, **wish).status_code == 200
        assert stripe.pays(taker) == "paid"
        assert intents.post(stripe_product_id="prod_9").status_code == 201

    def test_a_lost_intent_is_settled_by_the_provisioning_side(self, intents, stripe, database, provisioning):
        late = expired(database, intents)
        intents.make()
        stripe.pays(late)
        assert provisioning.post(f"{PATH}{late['uuid']}/fulfilled/").json()["state"] == "fulfilled"

    def test_a_payment_against_a_reservation_that_ended_but_was_not_cleaned_up_takes_the_place(
        self, intents, stripe, database
    ):
        late = expired(database, intents, **ACME)
        other = intents.make("other@example.com", **ACME)
        end_reservation(database, other)
        assert stripe.pays(late) == "paid"
        assert intents.get(other)["state"] == "expired"

    def test_a_second_payment_by_another_session_is_told(self, intents, stripe, webhook):
        made = intents.make()
        stripe.pays(made, id="cs_1")
        assert stripe.pays(made, id="cs_1") == "already_paid"
        assert stripe.pays(made, id="cs_2") == "paid_again"
        paid = intents.get(made)
        assert (paid["stripe_checkout_session_id"], paid["last_error"]) == ("cs_1", "paid again by session cs_2")
        (alert,) = told(webhook)
        assert (alert["event"], alert["session"]) == ("payment_paid_again", "cs_2")

    def test_what_the_webhook_does_not_take_is_told_later(self, intents, stripe, webhook):
        """The payment was received once and for all: Stripe does not tell of it again."""
        made = intents.make()
        webhook.status = 500
        stripe.pays(made, id="cs_1")
        assert stripe.pays(made, id="cs_2") == "paid_again"
        wait_until(lambda: webhook.refused)
        webhook.status = 200
        stripe.pays(intents.make("other@example.com"))
        assert told(webhook)[0]["session"] == "cs_2"

    def test_an_errored_intent_that_is_paid_anew_is_paid(self, intents, stripe, provisioning):
        made = intents.make()
        stripe.pays(made)
        report = {"state": "errored_stripe_checkout", "reason": "charge back"}
        provisioning.post(f"{PATH}{made['uuid']}/errored/", json=report)
        assert stripe.pays(made) == "paid"
        assert intents.get(made)["state"] == "paid"


class TestReports:
    def test_reports_follow_the_states_and_again_is_no_change(self, intents, stripe, provisioning):
        made = intents.make()
        path = f"{PATH}{made['uuid']}/"
        assert provisioning.post(f"{path}fulfilled/").status_code == 409
        assert (
            provisioning.post(f"{path}errored/", json={"state": "errored_provisioning", "reason": "x"}).status_code
            == 409
        )
        stripe.pays(made)
        for _ in range(2):
            answer = provisioning.post(f"{path}errored/", json={"state": "errored_provisioning", "reason": "no seats"})
            assert (answer.status_code, answer.json()["last_error"]) == (200, "no seats")
        for _ in range(2):
            assert provisioning.post(f"{path}fulfilled/").json()["state"] == "fulfilled"
        assert (
            provisioning.post(f"{path}errored/", json={"state": "errored_provisioning", "reason": "x"}).status_code
            == 409
        )
        assert provisioning.post(f"{PATH}{uuid4()}/fulfilled/").status_code == 404

    @pytest.mark.parametrize(
        "body",
        [
            {"state": "paid", "reason": "x"},
            {"state": "errored_provisioning"},
            {"state": "errored_provisioning", "reason": " "},
            {"reason": "x"},
        ],
    )
    def test_a_report_needs_an_errored_state_and_a_reason(self, intents, stripe, provisioning, body):
        made = intents.make()
        stripe.pays(made)
        assert provisioning.post(f"{PATH}{made['uuid']}/errored/", json=body).status_code == 400


class TestUpkeep:
    def test_reservations_expire_and_payments_that_nothing_followed_stall(
        self, intents, stripe, database, instance, monkeypatch, database_url
    ):
        open_one = intents.make("a@example.com")
        ended = intents.make("b@example.com")
        fresh = intents.make("c@example.com")
        stale = intents.make("d@example.com")
        end_reservation(database, ended)
        stripe.pays(fresh)
        stripe.pays(stale)
        with database.session() as session:
            session.execute(
                text("UPDATE checkout_intent SET state_changed_at = now() - interval '181 s' WHERE uuid = :uuid"), stale
            )
        monkeypatch.setenv("B2B_DATABASE_URL", database_url)
        result = dg.materialize([checkout_intents], instance=instance, resources={"database": DatabaseResource()})
        (materialization,) = result.asset_materializations_for_node("checkout_intents")
        assert (materialization.metadata["expired"].value, materialization.metadata["stalled"].value) == (1, 1)
        states = [intents.get(intent)["state"] for intent in (open_one, ended, fresh, stale)]
        assert states == ["created", "expired", "paid", "errored_fulfillment_stalled"]
        assert clean_up(database) == Upkeep(0, [], 0)
        assert intents.get(stale)["last_error"]

    def test_a_payment_during_the_upkeep_wins(self, intents, stripe, database):
        """The upkeep's UPDATE waits for the payment's row and then finds it paid; the other way round it is a late payment."""
        made = intents.make()
        end_reservation(database, made)
        event = checkout_event("evt_1", client_reference_id=made["uuid"])
        with ThreadPoolExecutor(1) as pool:
            with database.session() as payment:
                payments.receive_event(payment, event, datetime.now(UTC))
                upkeep = pool.submit(clean_up, database)
                wait_for_a_lock(database)
            assert upkeep.result(10) == Upkeep(0, [], 0)
        assert intents.get(made)["state"] == "paid"

    def test_a_payment_that_comes_while_the_upkeep_has_not_committed_is_paid_too(self, intents, stripe, database):
        made = intents.make()
        end_reservation(database, made)
        with ThreadPoolExecutor(1) as pool:
            with database.session() as session:
                assert store.expire(session, datetime.now(UTC)) == 1
                payment = pool.submit(stripe.pays, made)
                wait_for_a_lock(database)
            assert payment.result(10) == "paid"
        assert intents.get(made)["state"] == "paid"


def wait_for_a_lock(database):
    """Until somebody waits for somebody."""

    def waits():
        with database.session() as session:
            return session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    wait_until(waits)


def test_every_errored_state_is_reached_from_paid_alone(intents, stripe, provisioning):
    for number, state in enumerate(sorted(ERRORED)):
        made = intents.make(f"l{number}@example.com")
        stripe.pays(made)
        answer = provisioning.post(f"{PATH}{made['uuid']}/errored/", json={"state": state, "reason": "x"})
        assert answer.json()["state"] == state
