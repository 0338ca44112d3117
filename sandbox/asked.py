"""Reading what is asked of the admin API, and refusing it in JSON."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Endpoint = Callable[[Request], Awaitable[Response]]


class Body(BaseModel):
    """A JSON body of the admin API; names it does not know are refused."""

    model_config = ConfigDict(extra="forbid")


B = TypeVar("B", bound=Body)


class AdminRefused(Exception):
    """The admin API cannot do what was asked."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def body_of(request: Request, model: type[B]) -> B:
    """The request's JSON as a model. Raises `AdminRefused`.

    Only JSON is read, so that no other site's page can make a browser send it.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise AdminRefused("the body must be JSON, with Content-Type: application/json", 415)
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise AdminRefused(complaints(error)) from None


def complaints(error: ValidationError) -> str:
    """Return the validation errors in one line."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg']}" if item["loc"] else item["msg"] for item in error.errors()
    )


def refusing(endpoint: Endpoint) -> Endpoint:
    """The endpoint, answering refusals with JSON."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except AdminRefused as refused:
            return JSONResponse({"error": {"message": str(refused)}}, refused.status)

    return guarded
