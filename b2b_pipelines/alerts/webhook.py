"""One POST to the alert webhook, in its format and signed."""

import hashlib
import hmac
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx

from b2b_pipelines.settings import Settings

TIMEOUT = 5.0
REFUSED_FOR_ITSELF = {400, 413, 415, 422}
"""Answers that concern the message itself.

Others concern the webhook, or are transient: once a wrong URL is corrected, it takes every message.
"""
SIGNATURE = "X-B2B-Signature"
CONTRACT_ASSETS = ("contract_runs", "enrollment_codes", "sheet_snapshots")
"""Assets, also as `check (asset)`, whose partition is a contract, which has a page."""


class Outcome(StrEnum):
    """The result of one POST."""

    TAKEN = "taken"
    NOT_NOW = "not_now"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Style:
    """How messages are written: `format` is `json` or `slack`.

    Without a `secret` they are not signed. `public_url` is where the pages are; without it messages carry no link.
    """

    format: str = "json"
    secret: str | None = None
    public_url: str | None = None


PLAIN = Style()


def style_of(settings: Settings) -> Style:
    """Return the style that the settings ask for."""
    secret = settings.alert_webhook_secret
    return Style(settings.alert_format, secret.get_secret_value() if secret else None, settings.public_url)


def post(url: str, message: Mapping[str, Any], style: Style = PLAIN) -> tuple[Outcome, str]:
    """Post the message. Return the outcome with the webhook's status or the error's class.

    Never raises. A message holds no e-mail address, no code and no secret.
    """
    content = body(message, style)
    headers = {"Content-Type": "application/json"}
    if style.secret is not None:
        headers[SIGNATURE] = signature(content, style.secret)
    try:
        answer = httpx.post(url, content=content, headers=headers, timeout=TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Outcome.NOT_NOW, type(error).__name__
    if answer.is_success:
        return Outcome.TAKEN, str(answer.status_code)
    refused = answer.status_code in REFUSED_FOR_ITSELF
    return Outcome.REFUSED if refused else Outcome.NOT_NOW, str(answer.status_code)


def body(message: Mapping[str, Any], style: Style) -> bytes:
    """Return the body of the POST: the message as JSON with its `link`, or in Slack's form.

    See https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
    """
    link = link_of(message, style.public_url)
    if style.format == "slack":
        text = html.escape(str(message["text"]), quote=False)
        document: dict[str, Any] = {"text": f"{text} <{link}|Open>" if link else text}
    else:
        document = {**message, **({"link": link} if link else {})}
    return json.dumps(document, ensure_ascii=False).encode()


def signature(content: bytes, secret: str) -> str:
    """Return the HMAC-SHA256 of a body under the secret, in hexadecimal digits."""
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def link_of(message: Mapping[str, Any], public_url: str | None) -> str | None:
    """Return the page with details.

    It is the contract's for a message about one, else the status page.
    """
    if public_url is None:
        return None
    about = [*message.get("failures", ()), *message.get("recovered", ())]
    partitions = {each.get("partition") for each in about if _is_of_contract(str(each.get("what", "")))}
    slug = partitions.pop() if len(partitions) == 1 and message.get("count") == len(about) else None
    return f"{public_url}/contracts/{slug}" if slug else f"{public_url}/status/"


def _is_of_contract(what: str) -> bool:
    return what in CONTRACT_ASSETS or what.endswith(tuple(f"({asset})" for asset in CONTRACT_ASSETS))
