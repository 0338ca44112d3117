"""`b2b intents`: the provisioning side's commands."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from b2b_pipelines.cli import console, intents
from b2b_pipelines.intents import service
from b2b_pipelines.intents.service import Wish
from b2b_pipelines.learners.service import Person
from b2b_pipelines.sandbox.stripe import checkout_event


@pytest.fixture
def run(monkeypatch, database_url, capsys):
    monkeypatch.setenv("B2B_DATABASE_URL", database_url)

    def run(*arguments, status=0):
        with pytest.raises(SystemExit) as exit_:
            console.run(intents.commands, "b2b intents", [*arguments, "--json"])
        printed = capsys.readouterr().out
        assert exit_.value.code == status, printed
        return json.loads(printed)

    return run


@pytest.fixture
def paid(database):
    """The uuid of an intent that was paid."""
    now = datetime.now(UTC)
    with database.session() as session:
        intent, _ = service.reserve(session, Wish(Person("jane@example.com")), now, timedelta(hours=24))
        event = checkout_event("evt_1", client_reference_id=str(intent.uuid))
        service.receive_event(session, event, now)
        return str(intent.uuid)


def test_an_intent_is_listed_errored_and_fulfilled(run, paid):
    (listed,) = run("list")
    assert (listed["uuid"], listed["state"]) == (paid, "paid")
    assert "learner" not in listed
    assert run("list", "--show-emails", "--learner", "JANE@example.com")[0]["learner"] == "jane@example.com"
    assert run("list", "--state", "created") == []
    errored = run("error", paid, "--state", "errored_provisioning", "--reason", "no seats")
    assert (errored["state"], errored["last_error"]) == ("errored_provisioning", "no seats")
    for _ in range(2):
        assert run("fulfill", paid)["state"] == "fulfilled"


def test_refusals_say_why(run, paid):
    run("fulfill", paid)
    assert (
        run("error", paid, "--state", "errored_provisioning", "--reason", "x", status=1)["error"]["code"] == "conflict"
    )
    assert run("error", paid, "--state", "paid", "--reason", "x", status=1)["error"]["code"] == "invalid_input"
    assert run("fulfill", str(uuid4()), status=1)["error"]["code"] == "not_found"
    assert run("error", paid, "--state", "errored_provisioning", "--reason", " ", status=2)["error"]["code"] == "usage"
    assert run("fulfill", "nonsense", status=2)["error"]["code"] == "usage"
