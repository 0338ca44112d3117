"""`b2b alerts`: messages to the webhook of this installation."""

from __future__ import annotations

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.errors import NotConfigured, Refused

commands = console.app("Alerts that B2B_ALERT_WEBHOOK_URL receives.")


class AlertNotSent(Refused):
    """The webhook did not take the test message."""

    code = "alert_not_sent"


@commands.command("test", epilog="Example: b2b alerts test")
def test(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Send a test alert to B2B_ALERT_WEBHOOK_URL now, in its format and with its signature."""
    from b2b_pipelines.alerts import webhook
    from b2b_pipelines.alerts.webhook import Outcome
    from b2b_pipelines.settings import read_settings

    settings = read_settings()
    if settings.alert_webhook_url is None:
        raise NotConfigured("Alerts are off: set B2B_ALERT_WEBHOOK_URL.")
    style = webhook.style_of(settings)
    message = {"event": "test", "text": "Test alert of b2b_pipelines. Nothing is wrong."}
    outcome, reason = webhook.post(settings.alert_webhook_url, message, style)
    if outcome is not Outcome.TAKEN:
        raise AlertNotSent(f"The alert webhook did not take the test alert ({reason}): check B2B_ALERT_WEBHOOK_URL.")
    if as_json:
        console.print_json({"sent": True, "status": int(reason), "format": style.format, "signed": bool(style.secret)})
    else:
        signed = "signed" if style.secret else "not signed"
        console.say(f"The webhook took the test alert (format {style.format}, {signed}).")
