"""One JSON POST to a webhook, and what it made of it."""

from enum import StrEnum
from typing import Any

import httpx

TIMEOUT = 5.0
REFUSED_FOR_ITSELF = {400, 413, 415, 422}
"""Answers that are about the message. Others are about the webhook, or pass: a wrong URL takes every message once it is right."""


class Outcome(StrEnum):
    TAKEN = "taken"
    NOT_NOW = "not_now"
    REFUSED = "refused"


def post(url: str, message: dict[str, Any]) -> tuple[Outcome, str]:
    """Post the message: what became of it, and in which words the webhook said so. Never raises.

    A message holds no e-mail address, no code and no secret.
    """
    try:
        answer = httpx.post(url, json=message, timeout=TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Outcome.NOT_NOW, type(error).__name__
    if answer.is_success:
        return Outcome.TAKEN, str(answer.status_code)
    refused = answer.status_code in REFUSED_FOR_ITSELF
    return Outcome.REFUSED if refused else Outcome.NOT_NOW, str(answer.status_code)
