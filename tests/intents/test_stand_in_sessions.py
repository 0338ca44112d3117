"""Checkout sessions of Stripe's stand-in, opened and paid over its admin API and its page; the API takes their events."""

import httpx
import pytest

from sandbox.server import Sandbox
from tests.intents.conftest import EVENTS, SECRET

UNUSED = "http://127.0.0.1:9/api/v1/stripe/events/"


@pytest.fixture
def admin(sandbox: Sandbox, url: str):
    with httpx.Client(base_url=f"{sandbox.url}/sandbox/api/stripe", timeout=30) as client:
        set_to = client.put("/webhook", json={"url": f"{url}{EVENTS}", "secret": SECRET})
        assert set_to.json() == {"url": f"{url}{EVENTS}", "secret": SECRET}
        yield client


@pytest.fixture
def session_of(admin):
    def opened(intent, **fields):
        made = admin.post("/sessions", json={"client_reference_id": intent["uuid"], **fields})
        assert made.status_code == 201, made.text
        return made.json()["id"]

    return opened


def act(admin, session, name):
    answer = admin.post(f"/sessions/{session}/{name}", json={})
    assert answer.status_code == 200, answer.text
    return answer.json()["answer"]["effect"]


def test_paying_a_session_pays_its_intent_once(admin, intents, session_of):
    intent = intents.make()
    session = session_of(intent)
    assert [act(admin, session, each) for each in ("pay", "send-again")] == ["paid", "replayed"]
    assert intents.get(intent)["state"] == "paid"
    [shown] = admin.get("/sessions").json()["sessions"]
    assert (shown["status"], shown["payment_status"]) == ("complete", "paid")
    assert [event["effect"] for event in shown["events"]] == ["paid", "replayed"]


@pytest.mark.parametrize(
    ("acts", "state"),
    [
        (["pay-by-bank"], "created"),
        (["pay-by-bank", "bank-pays"], "paid"),
        (["pay-by-bank", "bank-fails"], "errored_stripe_checkout"),
        (["expire"], "expired"),
    ],
)
def test_acts_on_a_session_lead_to_the_state_of_its_intent(admin, intents, session_of, acts, state):
    intent = intents.make()
    session = session_of(intent)
    for each in acts:
        act(admin, session, each)
    assert intents.get(intent)["state"] == state


@pytest.mark.parametrize("back", ["refund", "dispute"])
def test_money_that_goes_back_is_noted_on_the_intent(admin, intents, session_of, back):
    intent = intents.make()
    session = session_of(intent, amount_total=1234)
    act(admin, session, "pay")
    act(admin, session, back)
    [noted] = intents.get(intent)["money_back"]
    assert noted["amount"] == 1234


def test_the_page_opens_a_session_and_pays_it(admin, sandbox, intents):
    intent = intents.make()
    with httpx.Client(base_url=f"{sandbox.url}/sandbox/vendors/stripe", follow_redirects=True) as browser:
        page = browser.post("/open", data={"intent": intent["uuid"], "amount": "9900", "currency": "usd"})
        assert intent["uuid"] in page.text
        [session] = sandbox.stripe.till.sessions
        assert "checkout.session.completed: paid" in browser.post("/act", data={"session": session, "act": "pay"}).text
    assert intents.get(intent)["state"] == "paid"


def test_an_event_that_no_product_takes_is_sent_again_later(admin, url, intents, session_of):
    intent = intents.make()
    session = session_of(intent)
    admin.put("/webhook", json={"url": UNUSED})
    refused = admin.post(f"/sessions/{session}/pay", json={})
    assert refused.status_code == 502
    assert "b2b api" in refused.json()["error"]["message"]
    admin.put("/webhook", json={"url": f"{url}{EVENTS}", "secret": "whsec_wrong"})
    assert "answered 400" in admin.post(f"/sessions/{session}/send-again", json={}).json()["error"]["message"]
    admin.put("/webhook", json={"secret": SECRET})
    assert act(admin, session, "send-again") == "paid"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/sessions/cs_unknown/pay", {}, 404, "GET /sessions"),
        ("POST", "/sessions", {"amount": 1}, 400, "amount"),
        ("PUT", "/webhook", {"url": "ftp://example.com"}, 400, "url"),
        ("PUT", "/prices/price_unknown", {"active": False}, 404, "GET /prices"),
        ("POST", "/prices", {"lookup_key": "x", "unit_amount": -1}, 400, "unit_amount"),
    ],
)
def test_a_door_that_cannot_do_it_names_the_reason(admin, method, path, body, status, words):
    answer = admin.request(method, path, json=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


def test_an_unknown_act_names_those_there_are(admin, intents, session_of):
    answer = admin.post(f"/sessions/{session_of(intents.make())}/steal", json={})
    assert answer.status_code == 404
    assert "pay-by-bank" in answer.json()["error"]["message"]


def test_prices_are_made_changed_and_archived_over_http(admin, sandbox):
    made = admin.post("/prices", json={"lookup_key": "data", "unit_amount": 9900}).json()
    changed = admin.put(f"/prices/{made['id']}", json={"unit_amount": 12000, "active": False}).json()
    assert (changed["unit_amount"], changed["unit_amount_decimal"], changed["active"]) == (12000, "12000", False)
    asked = httpx.get(f"{sandbox.stripe.url}/v1/prices", headers={"Authorization": "Bearer sk_test_sandbox"})
    assert [row["lookup_key"] for row in asked.json()["data"]] == ["data"]
    assert [row["id"] for row in admin.get("/prices").json()["prices"]] == [made["id"]]


def test_sessions_outlive_the_process(tmp_path):
    state = tmp_path / "state.json"
    with Sandbox(state_file=state) as sandbox:
        opened = sandbox.stripe.till.open("an intent", amount_total=1)
        sandbox.stripe.till.url = UNUSED
    with Sandbox(state_file=state) as sandbox:
        assert sandbox.stripe.till.sessions == {opened.id: opened}
        assert sandbox.stripe.till.url == UNUSED
