"""`b2b alerts test`, and how alerts are written: link, signature, Slack's format."""

import hashlib
import hmac
from collections.abc import Iterator

import pytest

from b2b_pipelines.alerts import outbox
from b2b_pipelines.alerts.webhook import Style, style_of
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import read_settings
from tests.commands import Run
from tests.webhook import Webhook, listening


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with listening() as webhook:
        monkeypatch.setenv("B2B_ALERT_WEBHOOK_URL", webhook.url)
        yield webhook


def failed(what: str, *partitions: str | None, count: int | None = None) -> dict[str, object]:
    """A message about a failure of these partitions."""
    failures = [{"what": what, "partition": partition, "reason": "no"} for partition in partitions]
    return {"event": "run_failed", "text": "a & b <c>", "count": count or len(failures), "failures": failures}


def test_the_test_alert_arrives_and_changes_nothing(run: Run, webhook: Webhook) -> None:
    done = run("b2b alerts test --json")
    assert (done.status, done.json) == (0, {"sent": True, "status": 200, "format": "json", "signed": False})
    assert webhook.events() == ["test"]
    assert webhook.signatures == [None]
    assert run("b2b alerts test").out == "The webhook took the test alert (format json, not signed).\n"


def test_the_test_alert_fails_without_a_webhook_and_when_it_refuses(
    run: Run, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook.status = 403
    refused = run("b2b alerts test")
    assert (refused.status, refused.out) == (1, "")
    assert "(403): check B2B_ALERT_WEBHOOK_URL" in refused.err
    monkeypatch.delenv("B2B_ALERT_WEBHOOK_URL")
    off = run("b2b alerts test --json")
    assert (off.status, off.json["error"]["code"]) == (1, "not_configured")


def test_an_alert_is_signed_with_the_secret(run: Run, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2B_ALERT_WEBHOOK_SECRET", "shared")
    assert run("b2b alerts test").status == 0
    [body], [signature] = webhook.bodies, webhook.signatures
    assert signature == hmac.new(b"shared", body, hashlib.sha256).hexdigest()


def test_slack_gets_its_format_with_markup_escaped(
    database: Database, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_ALERT_FORMAT", "slack")
    monkeypatch.setenv("B2B_PUBLIC_URL", "https://b2b.example.com")
    with database.session() as session:
        outbox.keep(session, [failed("expired_licenses", "some-uuid")])
    assert outbox.send(database, webhook.url, style_of(read_settings())) == 1
    assert webhook.posted == [{"text": "a &amp; b &lt;c&gt; <https://b2b.example.com/status/|Open>"}]


@pytest.mark.parametrize(
    ("message", "page"),
    [
        pytest.param(failed("sheet_snapshots", "acme"), "/contracts/acme", id="one-contract"),
        pytest.param(failed("sheet_is_synced (sheet_snapshots)", "acme"), "/contracts/acme", id="a-check-of-one"),
        pytest.param(failed("sheet_snapshots", "acme", "other"), "/status/", id="two-contracts"),
        pytest.param(failed("sheet_snapshots", "acme", count=25), "/status/", id="more-than-the-message-names"),
        pytest.param(failed("expired_licenses", "a-customer"), "/status/", id="a-customer-has-no-page"),
        pytest.param(failed("academy_catalogs", None), "/status/", id="no-partition"),
        pytest.param({"event": "payment_differs", "text": "…"}, "/status/", id="no-run"),
    ],
)
def test_an_alert_links_to_the_page_that_shows_more(
    database: Database, webhook: Webhook, message: dict[str, object], page: str
) -> None:
    with database.session() as session:
        outbox.keep(session, [message])
    outbox.send(database, webhook.url, Style(public_url="https://b2b.example.com"))
    assert webhook.posted == [message | {"link": f"https://b2b.example.com{page}"}]


def test_an_alert_has_no_link_without_a_public_url(database: Database, webhook: Webhook) -> None:
    with database.session() as session:
        outbox.keep(session, [failed("sheet_snapshots", "acme")])
    outbox.send(database, webhook.url)
    assert "link" not in webhook.posted[0]
