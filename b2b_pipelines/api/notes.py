"""Results that outlive a redirect: sentences in a cookie that the next page shows once, and that only this browser sees."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from b2b_pipelines.api.hardening import came_over_tls

COOKIE = "b2b_note"
LONGEST = 2500
SECONDS = 120


@dataclass(frozen=True, slots=True)
class Note:
    """The result of an action. `good`: it was done."""

    sentences: Sequence[str]
    good: bool = True


def answered(request: Request, path: str, *sentences: str, good: bool = True) -> Response:
    """Return a redirect to a path of this site, whose page shows the sentences."""
    response = RedirectResponse(path, 303)
    kept, length = [], 0
    for sentence in sentences:
        length += len(sentence.encode())
        if sentence and length < LONGEST:
            kept.append(sentence)
    value = urlsafe_b64encode(json.dumps(asdict(Note(kept, good))).encode()).decode()
    response.set_cookie(COOKIE, value, max_age=SECONDS, httponly=True, samesite="strict", secure=came_over_tls(request))
    return response


def take(request: Request) -> Note | None:
    """Return the note of the last action; None without one, or for what is not a note."""
    try:
        found = json.loads(urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        return Note([str(sentence) for sentence in found["sentences"]], found["good"] is True)
    except (ValueError, TypeError, KeyError):
        return None


def forget(request: Request, response: Response) -> None:
    """Have the browser drop the note that a page has shown."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=came_over_tls(request))
