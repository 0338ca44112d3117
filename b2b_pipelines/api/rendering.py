"""Rendering of the pages: no build step, nothing from elsewhere, and everything works without a script."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from b2b_pipelines.api import notes, wording
from b2b_pipelines.api.sign_in import form_secret, keep_form_secret
from b2b_pipelines.plural import counted
from b2b_pipelines.tokens.service import Caller

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.globals["words"] = wording
templates.filters["masked"] = lambda text, caller: caller.seen(text)
templates.filters["term"] = lambda card: card.term(datetime.now(UTC).date())
templates.filters["buttons"] = wording.with_buttons
templates.filters["moment"] = lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
templates.filters["ago"] = lambda moment: ago(moment, datetime.now(UTC))
templates.filters["day"] = lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d}"
templates.filters["clock"] = lambda moment: f"{moment.astimezone(UTC):%H:%M} UTC"
templates.filters["number"] = lambda number: f"{number:,}"


def path_of(request: Request, route: str, **values: Any) -> str:
    """Return the path of a route. Each is looked up once, because a list has hundreds of links."""
    known: dict[Any, str] = request.app.state.paths
    key = (request.scope.get("root_path", ""), route, *values)
    if key not in known:
        known[key] = request.url_for(route, **{name: f"~{name}~" for name in values}).path
    path = known[key]
    for name, value in values.items():
        path = path.replace(f"~{name}~", quote(str(value), safe=""))
    return path


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, such as `3 hours ago`."""
    seconds = max((now - moment).total_seconds(), 0)
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            number = int(seconds // length)
            return f"{counted(number, name)} ago"
    return "just now"


def render(
    request: Request, template: str, caller: Caller | None, *, status: int = 200, policy: str = POLICY, **values: Any
) -> Response:
    """Return a page. Its forms hold this browser's secret."""
    secret = form_secret(request)
    note = notes.take(request)
    page = templates.get_template(template).render(
        caller=caller,
        url_for=lambda route, **path: path_of(request, route, **path),
        form_secret=secret,
        note=note,
        here=request.url.path,
        oidc=request.app.state.oidc is not None,
        **values,
    )
    response = HTMLResponse(page, status, {"Content-Security-Policy": policy})
    keep_form_secret(request, response, secret)
    if note is not None:
        notes.forget(request, response)
    return response
