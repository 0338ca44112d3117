"""Templates and forms of the sandbox's pages. No script; a form is taken from the sandbox's own pages only."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

PROPOSED_CUSTOMER = "378d5bf0-f67d-4bf7-8b2a-cbbc53d0f772"
"""The enterprise customer that forms propose, and that the sandbox's settings name."""

Change = Callable[[dict[str, str]], object]

_templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
_templates.globals["proposed"] = PROPOSED_CUSTOMER
_templates.filters["clock"] = lambda seconds: datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def render(template: str, status: int = 200, **values: Any) -> Response:
    """Return a page."""
    return HTMLResponse(_templates.get_template(template).render(**values), status)


def is_ours(request: Request) -> bool:
    """Return whether a form was sent by a page of this server, as far as the browser says where it comes from."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return False
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def form(change: Change, back: str) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that changes something by the fields of a form, and goes back to a page."""

    async def endpoint(request: Request) -> Response:
        if not is_ours(request):
            return PlainTextResponse("This form was not sent by a page of the sandbox.", 403)
        async with request.form() as fields:
            given = {name: str(value) for name, value in fields.items()}
        try:
            await run_in_threadpool(change, given)
        except (KeyError, ValueError) as error:
            return PlainTextResponse(f"This cannot be done: {error}", 400)
        return RedirectResponse(back, 303)

    return endpoint
