"""Telling a person: one JSON POST to `B2B_ALERT_WEBHOOK_URL`."""

import logging
from typing import Any

import httpx

TIMEOUT = 5.0

log = logging.getLogger(__name__)


def post_alert(url: str | None, message: dict[str, Any]) -> bool:
    """Post the message; whether it was taken. Without a URL nothing is sent.

    A message holds no e-mail address, no code and no secret. What goes wrong is logged and not raised: an alert never
    undoes what it tells of.
    """
    if url is None:
        return False
    try:
        answer = httpx.post(url, json=message, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        log.warning("the alert webhook could not be reached: %s", type(error).__name__)
        return False
    if answer.is_success:
        return True
    log.warning("the alert webhook answered %s", answer.status_code)
    return False
