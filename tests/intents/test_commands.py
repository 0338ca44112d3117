"""`b2b intents`: the provisioning side's commands."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from b2b_pipelines.intents import payments, service
from b2b_pipelines.intents.service import Wish
from b2b_pipelines.learners.service import Person
from sandbox.stripe import checkout_event


@pytest.fixture
def b2b(run):
    def b2b(*arguments, status=0):
        ran = run("b2b intents", *arguments, "--json")
        assert ran.status == status, ran
        return ran.json

    return b2b


@pytest.fixture
def paid(database):
    """The uuid of an intent that was paid."""
    now = datetime.now(UTC)
    with database.session() as session:
        intent, _ = service.reserve(session, Wish(Person("jane@example.com")), now, timedelta(hours=24))
        event = checkout_event("evt_1", client_reference_id=str(intent.uuid))
        payments.receive_event(session, event, now)
        return str(intent.uuid)


def test_an_intent_is_listed_errored_and_fulfilled(b2b, paid):
    (listed,) = b2b("list")
    assert (listed["uuid"], listed["state"]) == (paid, "paid")
    assert "learner" not in listed
    assert b2b("list", "--show-emails", "--learner", "JANE@example.com")[0]["learner"] == "jane@example.com"
    assert b2b("list", "--state", "created") == []
    errored = b2b("error", paid, "--state", "errored_provisioning", "--reason", "no seats")
    assert (errored["state"], errored["last_error"]) == ("errored_provisioning", "no seats")
    for _ in range(2):
        assert b2b("fulfill", paid)["state"] == "fulfilled"


def test_refusals_say_why(b2b, paid):
    b2b("fulfill", paid)
    assert (
        b2b("error", paid, "--state", "errored_provisioning", "--reason", "x", status=1)["error"]["code"] == "conflict"
    )
    assert b2b("error", paid, "--state", "paid", "--reason", "x", status=1)["error"]["code"] == "invalid_input"
    assert b2b("fulfill", str(uuid4()), status=1)["error"]["code"] == "not_found"
    assert b2b("error", paid, "--state", "errored_provisioning", "--reason", " ", status=2)["error"]["code"] == "usage"
    assert b2b("fulfill", "nonsense", status=2)["error"]["code"] == "usage"
