"""Shared parts of the pages: routes whose refusals are pages, permissions, forms, paging."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from b2b_pipelines.api.errors import Problem
from b2b_pipelines.api.fields import LARGEST_ID
from b2b_pipelines.api.rendering import render
from b2b_pipelines.api.sign_in import SignedIn, SignInNeeded
from b2b_pipelines.api.wording import with_buttons
from b2b_pipelines.db.engine import DatabaseUnavailable
from b2b_pipelines.db.schema import SchemaOutdated
from b2b_pipelines.errors import B2BError, InvalidInput, NotFound, TransientError
from b2b_pipelines.inputs.text import is_storable
from b2b_pipelines.reports.pages import Slice
from b2b_pipelines.tokens.service import Caller

MISSING = "Page not found. It does not exist, or you may not open it."
AWAY = "The database does not answer. Please try again in a moment."
LONGEST_FIELD = 10_000


class PageRoute(APIRoute):
    """A route whose refusals are pages too, and which sends a stranger to sign in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        serve = super().get_route_handler()

        async def served(request: Request) -> Response:
            try:
                return await serve(request)
            except SignInNeeded as needed:
                return RedirectResponse(
                    f"{request.url_for('sign_in_page').path}?{urlencode({'next': needed.wanted})}", 303
                )
            except Problem as problem:
                return refusal(request, problem.status, problem.detail)
            except (NotFound, RequestValidationError):
                return refusal(request, 404, MISSING)
            except (DatabaseUnavailable, SchemaOutdated, OperationalError, PoolTimeout):
                return refusal(request, 503, AWAY)
            except B2BError as error:
                return refusal(request, 503 if isinstance(error, TransientError) else 409, sentence(error))

        return served


def refusal(request: Request, status: int, message: str) -> Response:
    """Return a page that says why something was not done."""
    caller = getattr(request.state, "caller", None)
    return render(request, "refusal.html", caller, status=status, message=message)


def sentence(error: B2BError) -> str:
    """Return the message of an error as a sentence, which names buttons in place of commands."""
    message = with_buttons(error.message)
    return f"{message[:1].upper()}{message[1:]}{'' if message.endswith(('.', '?', '!')) else '.'}"


async def managing(caller: SignedIn) -> Caller:
    """Return the caller, who may change contracts. Raises 403."""
    if not caller.manages:
        raise Problem(403, "You may look, and not change anything. Ask for the role manager.", "missing_scope")
    return caller


async def whole_installation(caller: SignedIn) -> Caller:
    """Return the caller, who is not bound to an organization. Raises `NotFound`."""
    if caller.organization_id is not None:
        raise NotFound("there is no such page")
    return caller


async def form_fields(request: Request) -> Mapping[str, str]:
    """Return the texts of a form. Raises `InvalidInput` for one that cannot be stored."""
    form = await request.form()
    fields = {name: str(text) for name, text in form.multi_items() if isinstance(text, str)}
    if any(len(text) > LONGEST_FIELD or not is_storable(text) for text in fields.values()):
        raise InvalidInput("a field is too long or holds characters that cannot be stored")
    return fields


async def chosen(request: Request) -> list[str]:
    """Return the values of the checkboxes named `courseware`."""
    form = await request.form()
    return [str(text) for text in form.getlist("courseware") if isinstance(text, str) and is_storable(text)]


Managing = Annotated[Caller, Depends(managing)]
Everywhere = Annotated[Caller, Depends(whole_installation)]
Fields = Annotated[Mapping[str, str], Depends(form_fields)]
Chosen = Annotated[list[str], Depends(chosen)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
Number = Annotated[int, Query(ge=1, le=LARGEST_ID)]


@dataclass(frozen=True, slots=True)
class Turning:
    """Links to the page before this one and the page after it, with the filters that hold."""

    previous: str | None
    next: str | None


def slice_of(page: int, size: int) -> Slice:
    """Return the rows of a page that is counted from 1."""
    return Slice(size, (page - 1) * size)


def turning(request: Request, page: int, count: int, size: int) -> Turning:
    """Return the links. Raises `NotFound` for a page after the last one."""
    last = max(-(-count // size), 1)
    if page > last:
        raise NotFound(f"there is no page {page}")

    def url(number: int) -> str:
        query = {name: text for name, text in request.query_params.items() if name != "page" and text}
        return f"{request.url.path}?{urlencode(query | {'page': str(number)})}"

    return Turning(url(page - 1) if page > 1 else None, url(page + 1) if page < last else None)
